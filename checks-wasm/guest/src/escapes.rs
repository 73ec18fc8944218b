//! Bytes as people write them into a config: text in which `\r`, `\n`, `\t`, `\0`, `\\` and `\x1b` stand for bytes.
//!
//! So a config can say `PING\r\n` in a shell, in JSON and in a form alike. It does not know what the bytes are for.

/// Reads a text with escapes.
///
/// # Errors
/// A sentence that says what is wrong with the first bad escape.
pub fn read(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((plain, escaped)) = rest.split_once('\\') {
        bytes.extend_from_slice(plain.as_bytes());
        let (byte, len) = byte(escaped)?;
        bytes.push(byte);
        rest = &escaped[len..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    Ok(bytes)
}

/// The byte that stands behind a backslash, and how much of the text says so.
fn byte(escaped: &str) -> Result<(u8, usize), String> {
    let simple = match escaped.as_bytes().first() {
        Some(b'r') => b'\r',
        Some(b'n') => b'\n',
        Some(b't') => b'\t',
        Some(b'0') => 0,
        Some(b'\\') => b'\\',
        Some(b'x') => return hex(&escaped[1..]).map(|byte| (byte, 3)),
        _ => {
            let shown: String = escaped.chars().take(1).collect();
            return Err(format!(r"`\{shown}` is no escape; write \r, \n, \t, \0, \x1b, or \\ for a backslash"));
        }
    };
    Ok((simple, 1))
}

fn hex(rest: &str) -> Result<u8, String> {
    let digits = rest.get(..2).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
    byte.ok_or_else(|| r"`\x` must be followed by two hex digits, as in \x1b".to_owned())
}

/// Bytes for a person to read, cut to `max` characters.
pub fn show(bytes: &[u8], max: usize) -> String {
    let mut shown = String::new();
    for char in String::from_utf8_lossy(bytes).chars() {
        if shown.len() >= max {
            shown.push('…');
            break;
        }
        match char {
            '\r' => shown.push_str(r"\r"),
            '\n' => shown.push_str(r"\n"),
            '\t' => shown.push_str(r"\t"),
            '\0' => shown.push_str(r"\0"),
            other if other.is_control() => shown.push('\u{fffd}'),
            other => shown.push(other),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_stand_for_bytes_and_all_else_for_itself() {
        for (text, bytes) in [
            ("", b"".as_slice()),
            ("PING\r\n", b"PING\r\n"),
            (r"PING\r\n", b"PING\r\n"),
            (r"\t\0\\n\x00\xfFz", b"\t\0\\n\0\xffz"),
            ("ä\\n", b"\xc3\xa4\n"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn bad_escapes_are_refused_in_words() {
        for text in [r"\", r"a\q", r"\x", r"\x1", r"\xg0", r"\xä", r"\ä"] {
            let refused = read(text).expect_err(text);
            assert!(refused.contains("no escape") || refused.contains("two hex digits"), "{text}: {refused}");
        }
    }

    #[test]
    fn what_is_shown_is_one_line_and_short() {
        assert_eq!(show(b"220 ready\r\n\0\x07", 80), "220 ready\\r\\n\\0\u{fffd}");
        assert_eq!(show(&[b'x'; 100], 10), "xxxxxxxxxx…");
    }
}
