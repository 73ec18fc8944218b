//! Filters as people write them (RFC 4515), `(&(objectClass=person)(uid=anna))`, turned into what servers read.
//!
//! They are judged when a config is written; what attributes mean is for the server to know.

use crate::ber::{OCTETS, SEQUENCE, element};

/// Each nesting is a call, and the stack of a guest is small.
const NESTING_MAX: usize = 8;
/// The tags of the kinds of filters.
const AND: u8 = 0xa0;
const OR: u8 = 0xa1;
const NOT: u8 = 0xa2;
const EQUAL: u8 = 0xa3;
const PARTS: u8 = 0xa4;
const AT_LEAST: u8 = 0xa5;
const AT_MOST: u8 = 0xa6;
const PRESENT: u8 = 0x87;
const ALIKE: u8 = 0xa8;
const BY_RULE: u8 = 0xa9;

/// Reads a filter.
///
/// # Errors
/// A sentence that says what is wrong with it.
pub fn read(text: &str) -> Result<Vec<u8>, String> {
    let mut rest = Rest(text);
    let filter = rest.filter(0)?;
    if rest.0.is_empty() { Ok(filter) } else { Err(format!("`{}` is too much behind its end", rest.0)) }
}

struct Rest<'a>(&'a str);

impl Rest<'_> {
    fn takes(&mut self, sign: char) -> bool {
        let rest = self.0.strip_prefix(sign);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    fn needs(&mut self, sign: char) -> Result<(), String> {
        if self.takes(sign) { Ok(()) } else { Err(format!("`{sign}` is missing before `{}`", self.0)) }
    }

    fn filter(&mut self, depth: usize) -> Result<Vec<u8>, String> {
        if depth == NESTING_MAX {
            return Err(format!("it is nested deeper than {NESTING_MAX} times"));
        }
        self.needs('(')?;
        let filter = if self.takes('&') {
            self.list(AND, depth)?
        } else if self.takes('|') {
            self.list(OR, depth)?
        } else if self.takes('!') {
            element(NOT, &self.filter(depth + 1)?)
        } else {
            let end = self.0.find([')', '(']).unwrap_or(self.0.len());
            let (text, rest) = self.0.split_at(end);
            self.0 = rest;
            item(text)?
        };
        self.needs(')')?;
        Ok(filter)
    }

    fn list(&mut self, tag: u8, depth: usize) -> Result<Vec<u8>, String> {
        let mut content = self.filter(depth + 1)?;
        while self.0.starts_with('(') {
            content.extend(self.filter(depth + 1)?);
        }
        Ok(element(tag, &content))
    }
}

/// One comparison.
fn item(text: &str) -> Result<Vec<u8>, String> {
    let (left, value) = text.split_once('=').ok_or_else(|| format!("`{text}` has no `=`"))?;
    if let Some(left) = left.strip_suffix(':') {
        return by_rule(left, value);
    }
    for (sign, tag) in [('>', AT_LEAST), ('<', AT_MOST), ('~', ALIKE)] {
        if let Some(attribute) = left.strip_suffix(sign) {
            return compared(tag, attribute, value);
        }
    }
    if value == "*" {
        return Ok(element(PRESENT, name(left)?.as_bytes()));
    }
    if value.contains('*') { parts(left, value) } else { compared(EQUAL, left, value) }
}

fn compared(tag: u8, attribute: &str, value: &str) -> Result<Vec<u8>, String> {
    Ok(element(tag, &[octets(name(attribute)?.as_bytes()), octets(&bytes(value)?)].concat()))
}

/// A value of which parts are known: its beginning, what is in it, its end.
fn parts(attribute: &str, value: &str) -> Result<Vec<u8>, String> {
    let pieces: Vec<_> = value.split('*').collect();
    let mut content = Vec::new();
    for (index, piece) in pieces.iter().enumerate().filter(|(_, piece)| !piece.is_empty()) {
        let tag = if index == 0 {
            0x80
        } else if index + 1 == pieces.len() {
            0x82
        } else {
            0x81
        };
        content.extend(element(tag, &bytes(piece)?));
    }
    if content.is_empty() {
        return Err(format!("`{value}` has no part that could be compared"));
    }
    Ok(element(PARTS, &[octets(name(attribute)?.as_bytes()), element(SEQUENCE, &content)].concat()))
}

/// `attribute:dn:rule:=value`, of which either the attribute or the rule may be missing.
fn by_rule(left: &str, value: &str) -> Result<Vec<u8>, String> {
    let mut words = left.split(':');
    let attribute = words.next().unwrap_or_default();
    let mut words = words.peekable();
    let with_names = words.next_if(|word| word.eq_ignore_ascii_case("dn")).is_some();
    let rule = words.next();
    if words.next().is_some() || (attribute.is_empty() && rule.is_none()) {
        return Err(format!("`{left}:=` is no rule; write `attribute:rule:=value`"));
    }
    let mut content = Vec::new();
    if let Some(rule) = rule {
        content.extend(element(0x81, name(rule)?.as_bytes()));
    }
    if !attribute.is_empty() {
        content.extend(element(0x82, name(attribute)?.as_bytes()));
    }
    content.extend(element(0x83, &bytes(value)?));
    if with_names {
        content.extend(element(0x84, &[0xff]));
    }
    Ok(element(BY_RULE, &content))
}

fn octets(bytes: &[u8]) -> Vec<u8> {
    element(OCTETS, bytes)
}

/// The name of an attribute or of a rule, or its number with dots.
fn name(text: &str) -> Result<&str, String> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-.;".contains(&byte);
    if text.is_empty() || !text.bytes().all(is_name) {
        return Err(format!("`{text}` is no name of an attribute"));
    }
    Ok(text)
}

/// A value, in which a backslash and two hex digits stand for a byte.
fn bytes(value: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((plain, escaped)) = rest.split_once('\\') {
        bytes.extend_from_slice(plain.as_bytes());
        let digits = escaped.get(..2).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(byte.ok_or_else(|| format!(r"`\` in `{value}` must be followed by two hex digits, as in \2a"))?);
        rest = &escaped[2..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_as_servers_read_them() {
        for (text, expected) in [
            ("(objectClass=*)", b"\x87\x0bobjectClass".as_slice()),
            ("(uid=anna)", b"\xa3\x0b\x04\x03uid\x04\x04anna"),
            (r"(cn=\2a\5cx)", b"\xa3\x09\x04\x02cn\x04\x03*\\x"),
            ("(n>=5)", b"\xa5\x06\x04\x01n\x04\x015"),
            ("(n<=5)", b"\xa6\x06\x04\x01n\x04\x015"),
            ("(n~=5)", b"\xa8\x06\x04\x01n\x04\x015"),
            ("(n=a=b)", b"\xa3\x08\x04\x01n\x04\x03a=b"),
            ("(n=)", b"\xa3\x05\x04\x01n\x04\0"),
            ("(n=a*b*c)", b"\xa4\x0e\x04\x01n\x30\x09\x80\x01a\x81\x01b\x82\x01c"),
            ("(n=*b*)", b"\xa4\x08\x04\x01n\x30\x03\x81\x01b"),
            ("(!(n=5))", b"\xa2\x08\xa3\x06\x04\x01n\x04\x015"),
            ("(&(a=*)(|(b=*)(c=*)))", b"\xa0\x0b\x87\x01a\xa1\x06\x87\x01b\x87\x01c"),
            ("(n:1.2:=5)", b"\xa9\x0b\x81\x031.2\x82\x01n\x83\x015"),
            ("(n:dn:=5)", b"\xa9\x09\x82\x01n\x83\x015\x84\x01\xff"),
            ("(:1.2:=5)", b"\xa9\x08\x81\x031.2\x83\x015"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_filter_is_refused_in_words() {
        let nested = |depth: usize| format!("{}(a=*){}", "(!".repeat(depth), ")".repeat(depth));
        assert!(read(&nested(7)).is_ok());
        for (text, part) in [
            ("", "`(` is missing"),
            ("uid=anna", "`(` is missing"),
            ("(uid=anna", "`)` is missing"),
            ("(uid=anna))", "too much"),
            ("(uid)", "no `=`"),
            ("(=anna)", "no name"),
            ("(u id=anna)", "no name"),
            (r"(uid=\2)", "two hex digits"),
            (r"(uid=\ä)", "two hex digits"),
            ("(uid=**)", "no part"),
            ("(&)", "`(` is missing"),
            ("(:=5)", "no rule"),
            ("(a:b:c:=5)", "no rule"),
            (&nested(8), "nested deeper"),
        ] {
            let refused = read(text).expect_err(text);
            assert!(refused.contains(part), "{text}: {refused}");
        }
    }
}
