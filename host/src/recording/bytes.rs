//! Bytes in JSON, so that a person can read those that are text.
//!
//! They are a text in which what is no UTF-8 stands as `\x…` and a backslash is doubled; what would be mostly escapes is
//! base64 instead. Either form reads back as the very same bytes.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// The member of an object that has bytes in base64.
const BASE64: &str = "base64";
/// A text in which more than one byte of so many has to be spelled out is no text.
const ESCAPES_MAX_SHARE: usize = 4;

/// Bytes as they are written.
pub(super) fn written(bytes: &[u8]) -> Value {
    let (mut text, mut escapes) = (String::with_capacity(bytes.len()), 0);
    for chunk in bytes.utf8_chunks() {
        text.push_str(&chunk.valid().replace('\\', "\\\\"));
        chunk.invalid().iter().for_each(|byte| text.push_str(&format!("\\x{byte:02x}")));
        let unseen = chunk.valid().bytes().filter(|byte| byte.is_ascii_control() && !byte.is_ascii_whitespace());
        escapes += chunk.invalid().len() + unseen.count();
    }
    if escapes * ESCAPES_MAX_SHARE > bytes.len() { json!({ BASE64: STANDARD.encode(bytes) }) } else { json!(text) }
}

/// The bytes that were written so; none where that is no form of theirs.
pub(super) fn read(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::String(text) => unescaped(text),
        Value::Object(fields) => STANDARD.decode(fields.get(BASE64)?.as_str()?).ok(),
        _ => None,
    }
}

fn unescaped(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        bytes.extend_from_slice(before.as_bytes());
        rest = match after.strip_prefix('x') {
            Some(hex) => {
                bytes.push(u8::from_str_radix(hex.get(..2)?, 16).ok()?);
                &hex[2..]
            }
            None => {
                bytes.push(b'\\');
                after.strip_prefix('\\')?
            }
        };
    }
    bytes.extend_from_slice(rest.as_bytes());
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_read_as_it_stands_and_all_bytes_read_back() {
        assert_eq!(written(b"220 mail\r\n"), json!("220 mail\r\n"));
        assert_eq!(written("k\u{e4}se \\ ok".as_bytes()), json!("k\u{e4}se \\\\ ok"));
        assert_eq!(written(b"0123456789 \xff"), json!("0123456789 \\xff"));
        assert_eq!(written(b"\0\x01\xfe\xff"), json!({"base64": "AAH+/w=="}));
        let all: Vec<u8> = (0..=255).collect();
        for bytes in [&b""[..], b"a", b"\\x41", b"a long line \xf0\x9f and more", &all] {
            assert_eq!(read(&written(bytes)).as_deref(), Some(bytes), "{bytes:?}");
        }
    }

    #[test]
    fn what_is_no_form_of_bytes_is_none() {
        for value in
            [json!("\\"), json!("\\x4"), json!("\\xä1"), json!("\\y"), json!({"base64": "?"}), json!({}), json!(7)]
        {
            assert_eq!(read(&value), None, "{value}");
        }
    }
}
