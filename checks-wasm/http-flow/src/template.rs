//! `{{name}}` in a text: which names it holds, and the text with values in their place.
//!
//! What has the form of no name is left as it is, for pages and scripts have braces of their own.

use std::borrow::Cow;

/// The longest name.
pub const NAME_MAX: usize = 32;

/// Whether a text can be a name.
pub fn is_name(text: &str) -> bool {
    let is_of_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    (1..=NAME_MAX).contains(&text.len()) && text.bytes().all(is_of_name)
}

/// The names that a text holds, and what looks like one and is none.
pub fn names(text: &str) -> Vec<&str> {
    let (mut found, mut rest) = (Vec::new(), text);
    while let Some((_, name, after)) = next(rest) {
        found.push(name);
        rest = after;
    }
    found
}

/// The text with the value of each name in its place; borrowed where it holds none. A value may depend on what stands before
/// it.
pub fn fill<'a>(text: &'a str, value: impl Fn(&str, &str) -> String) -> Cow<'a, str> {
    let (mut filled, mut rest) = (None, text);
    while let Some((before, name, after)) = next(rest) {
        let filled = filled.get_or_insert_with(String::new);
        filled.push_str(before);
        let value = value(name, filled);
        filled.push_str(&value);
        rest = after;
    }
    filled.map_or(Cow::Borrowed(text), |filled| Cow::Owned(filled + rest))
}

/// What stands before the next name, the name, and what follows it.
fn next(text: &str) -> Option<(&str, &str, &str)> {
    let mut from = 0;
    loop {
        let start = from + text[from..].find("{{")?;
        let inside = &text[start + 2..];
        let end = inside.find("}}")?;
        let name = inside[..end].trim();
        if !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte)) {
            return Some((&text[..start], name, &inside[end + 2..]));
        }
        from = start + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_and_filled() {
        for (text, found, filled) in [
            ("", &[][..], ""),
            ("plain {text} }} {{", &[], "plain {text} }} {{"),
            ("{{a}}", &["a"], "<a>"),
            ("x{{a}}y{{ b_1 }}z", &["a", "b_1"], "x<a>y<b_1>z"),
            ("{{{a}}}", &["a"], "{<a>}"),
            ("{{not a name}} {{a}}", &["a"], "{{not a name}} <a>"),
            ("{{Token-1}}", &["Token-1"], "<Token-1>"),
        ] {
            assert_eq!(names(text), found, "{text}");
            assert_eq!(fill(text, |name, _| format!("<{name}>")), filled, "{text}");
        }
        assert!(matches!(fill("{{ }}", |_, _| String::new()), Cow::Borrowed(_)));
        assert!(is_name("a_1") && !is_name("Token-1") && !is_name("") && !is_name(&"a".repeat(NAME_MAX + 1)));
    }
}
