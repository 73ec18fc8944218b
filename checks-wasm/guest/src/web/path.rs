//! Paths into JSON (RFC 9535): names, indexes, wildcards, one descent, and filters that compare one value with one literal.
//!
//! Small on purpose: functions, slices, unions and filters joined by `&&` are not known, and are refused when a config is
//! written.

use core::cmp::Ordering;

use serde_json::Value;

/// See the file's documentation.
#[derive(Debug, Clone, PartialEq)]
pub struct Path(Vec<Segment>);

#[derive(Debug, Clone, PartialEq)]
struct Segment {
    /// Whether it looks at a value and at all that is in it.
    is_deep: bool,
    selector: Selector,
}

#[derive(Debug, Clone, PartialEq)]
enum Selector {
    Name(String),
    Index(i64),
    All,
    Filter(Vec<Selector>, Option<(Comparison, Value)>),
}

/// How two values are compared: by these orders, or by not being equal.
type Comparison = (&'static str, &'static [Ordering]);

/// The longer ones first, for some begin like others. What is not equal need not be comparable.
const COMPARISONS: [Comparison; 6] = [
    ("==", &[Ordering::Equal]),
    ("!=", &[]),
    ("<=", &[Ordering::Less, Ordering::Equal]),
    (">=", &[Ordering::Greater, Ordering::Equal]),
    ("<", &[Ordering::Less]),
    (">", &[Ordering::Greater]),
];

impl Path {
    /// Reads a path.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(text: &str) -> Result<Self, String> {
        let mut rest = text.strip_prefix('$').ok_or("it must begin with `$`")?;
        let mut segments = Vec::new();
        while !rest.is_empty() {
            let (is_deep, after) = rest.strip_prefix("..").map_or((false, rest), |after| (true, after));
            let selector;
            (selector, rest) = if is_deep && !after.starts_with('[') { dotted(after)? } else { child(after)? };
            segments.push(Segment { is_deep, selector });
        }
        if segments.iter().filter(|segment| segment.is_deep).count() > 1 {
            return Err("it may hold `..` once".to_owned());
        }
        Ok(Self(segments))
    }

    /// The values that it leads to, in their order.
    pub fn find<'a>(&self, value: &'a Value) -> Vec<&'a Value> {
        let mut nodes = vec![value];
        for Segment { is_deep, selector } in &self.0 {
            let from = if *is_deep { nodes.into_iter().flat_map(within).collect() } else { nodes };
            nodes = from.into_iter().flat_map(|node| selector.select(node)).collect();
        }
        nodes
    }
}

/// A value and all that is in it, without a call for each nesting.
fn within(value: &Value) -> Vec<&Value> {
    let (mut found, mut open) = (Vec::new(), vec![value]);
    while let Some(value) = open.pop() {
        found.push(value);
        open.extend(children(value).into_iter().rev());
    }
    found
}

fn children(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(values) => values.iter().collect(),
        Value::Object(map) => map.values().collect(),
        _ => Vec::new(),
    }
}

impl Selector {
    fn select<'a>(&self, value: &'a Value) -> Vec<&'a Value> {
        match self {
            Self::Name(name) => value.as_object().and_then(|map| map.get(name)).into_iter().collect(),
            Self::Index(index) => value.as_array().and_then(|list| at(list, *index)).into_iter().collect(),
            Self::All => children(value),
            Self::Filter(path, test) => {
                let passes = |value: &&Value| {
                    let start = vec![*value];
                    let found = path
                        .iter()
                        .fold(start, |nodes, part| nodes.into_iter().flat_map(|it| part.select(it)).collect());
                    match (test, found.as_slice()) {
                        (None, found) => !found.is_empty(),
                        (Some(((_, []), literal)), found) => {
                            !found.iter().any(|value| order(value, literal) == Some(Ordering::Equal))
                        }
                        (Some(((_, orders), literal)), found) => {
                            found.iter().filter_map(|value| order(value, literal)).any(|it| orders.contains(&it))
                        }
                    }
                };
                children(value).into_iter().filter(passes).collect()
            }
        }
    }
}

fn at(list: &[Value], index: i64) -> Option<&Value> {
    let from_end = i64::try_from(list.len()).ok()?.checked_add(index)?;
    list.get(usize::try_from(if index < 0 { from_end } else { index }).ok()?)
}

/// Numbers and texts have an order; all else is equal or not.
fn order(value: &Value, literal: &Value) -> Option<Ordering> {
    match (value, literal) {
        (Value::Number(value), Value::Number(literal)) => value.as_f64()?.partial_cmp(&literal.as_f64()?),
        (Value::String(value), Value::String(literal)) => Some(value.cmp(literal)),
        _ => (value == literal).then_some(Ordering::Equal),
    }
}

/// A selector after a dot, or in brackets, and what follows it.
fn child(text: &str) -> Result<(Selector, &str), String> {
    if let Some(after) = text.strip_prefix('.') {
        return dotted(after);
    }
    let inside = text.strip_prefix('[').ok_or_else(|| format!("`.` or `[` is missing before `{text}`"))?.trim_start();
    let (selector, rest) = match inside.as_bytes().first() {
        Some(b'*') => (Selector::All, &inside[1..]),
        Some(b'\'' | b'"') => quoted(inside).map(|(name, rest)| (Selector::Name(name), rest))?,
        Some(b'?') => filter(&inside[1..])?,
        _ => {
            let end = inside.find(|c: char| !c.is_ascii_digit() && c != '-').unwrap_or(inside.len());
            let index =
                inside[..end].parse().map_err(|_| format!("`[{inside}` is no name in quotes, index, * or filter"))?;
            (Selector::Index(index), &inside[end..])
        }
    };
    let rest = rest.trim_start().strip_prefix(']').ok_or_else(|| format!("a `]` is missing after `{text}`"))?;
    Ok((selector, rest))
}

fn dotted(text: &str) -> Result<(Selector, &str), String> {
    if let Some(rest) = text.strip_prefix('*') {
        return Ok((Selector::All, rest));
    }
    let is_of_name = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    let end = text.find(|c| !is_of_name(c)).unwrap_or(text.len());
    if end == 0 {
        return Err(format!("a name is missing before `{text}`; one of other letters stands in brackets and quotes"));
    }
    Ok((Selector::Name(text[..end].to_owned()), &text[end..]))
}

/// A text in quotes of either kind, in which a backslash stands before what would end it.
fn quoted(text: &str) -> Result<(String, &str), String> {
    let mut chars = text.char_indices();
    let quote = chars.next().map(|(_, quote)| quote);
    let mut found = String::new();
    while let Some((at, char)) = chars.next() {
        match char {
            _ if Some(char) == quote => return Ok((found, &text[at + 1..])),
            '\\' => found.extend(chars.next().map(|(_, char)| char)),
            char => found.push(char),
        }
    }
    Err(format!("the quote of `{text}` has no end"))
}

/// `@.name == literal`, also in parentheses.
fn filter(text: &str) -> Result<(Selector, &str), String> {
    let text = text.trim_start();
    let (text, is_in_parentheses) = text.strip_prefix('(').map_or((text, false), |inside| (inside.trim_start(), true));
    let mut rest = text.strip_prefix('@').ok_or("a filter must begin with `@`")?;
    let mut path = Vec::new();
    while rest.starts_with(['.', '[']) {
        let selector;
        (selector, rest) = child(rest)?;
        if matches!(selector, Selector::Filter(..)) {
            return Err("a filter may hold no other".to_owned());
        }
        path.push(selector);
    }
    rest = rest.trim_start();
    let test = match COMPARISONS.into_iter().find(|(sign, _)| rest.starts_with(sign)) {
        None => None,
        Some(comparison) => {
            let literal;
            (literal, rest) = self::literal(rest[comparison.0.len()..].trim_start())?;
            Some((comparison, literal))
        }
    };
    rest = rest.trim_start();
    if is_in_parentheses {
        rest = rest.strip_prefix(')').ok_or("a `)` is missing")?;
    }
    Ok((Selector::Filter(path, test), rest))
}

fn literal(text: &str) -> Result<(Value, &str), String> {
    if text.starts_with(['\'', '"']) {
        return quoted(text).map(|(text, rest)| (Value::String(text), rest));
    }
    let end = text.find([')', ']', ' ']).unwrap_or(text.len());
    let value = serde_json::from_str(&text[..end]).ok().filter(|value: &Value| !value.is_array() && !value.is_object());
    value
        .map(|value| (value, &text[end..]))
        .ok_or_else(|| format!("`{text}` begins with no text in quotes and no number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_to_values() {
        let body = r#"{"a": {"b": [1, {"c": "x", "d-e": null}]}, "list": [{"n": "p", "v": 1}, {"n": "q", "v": 2.5}, 3], "it's": 4}"#;
        let value = serde_json::from_str(body).unwrap();
        for (path, found) in [
            ("$.a.b[0]", "1"),
            ("$.a.b[-1].c", "\"x\""),
            ("$.a.b[2]", ""),
            ("$.a.b[-3]", ""),
            ("$['a'][\"b\"][1]['d-e']", "null"),
            ("$['it\\'s']", "4"),
            ("$.a.b[1].d-e", "null"),
            ("$.list[*].v", "1,2.5"),
            ("$.list[?@.n == 'q'].v", "2.5"),
            ("$.list[?(@.v >= 1)].n", "\"p\",\"q\""),
            ("$.list[?@.v>1].n", "\"q\""),
            ("$.list[?@.n != \"q\"].v", "1"),
            ("$.list[?@ == 3]", "3"),
            ("$.list[?@['n']].v", "1,2.5"),
            ("$..c", "\"x\""),
            ("$..v", "1,2.5"),
            ("$..[0].n", "\"p\""),
            ("$.a.*[1].c", "\"x\""),
            ("$.missing.more", ""),
        ] {
            let path_read = Path::read(path).unwrap_or_else(|error| panic!("{path}: {error}"));
            let texts: Vec<_> = path_read.find(&value).iter().map(ToString::to_string).collect();
            assert_eq!(texts.join(","), found, "{path}");
        }
        assert_eq!(Path::read("$").unwrap().find(&value), [&value]);
    }

    #[test]
    fn what_is_not_known_is_refused() {
        for path in [
            "",
            "a",
            "$a",
            "$.",
            "$..",
            "$.a b",
            "$[",
            "$[a]",
            "$[1",
            "$['a",
            "$['a'",
            "$[1:2]",
            "$['a','b']",
            "$[?a]",
            "$[?@.a ==]",
            "$[?@.a == b]",
            "$[?@.a == 1 && @.b]",
            "$[?(@.a]",
            "$[?@[?@.a]]",
            "$..a..b",
            "$.a[?length(@)]",
            "$ä",
            "$[ä]",
            "$[--1]",
            "$[99999999999999999999]",
        ] {
            assert!(Path::read(path).is_err(), "{path}");
        }
    }
}
