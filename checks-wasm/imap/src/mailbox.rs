//! Names as IMAP has them: between quotes, and mailboxes in a form of UTF-7 (RFC 3501, section 5.1.3).

use base64::Engine;
use base64::alphabet::IMAP_MUTF7;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};

const BASE64: GeneralPurpose = GeneralPurpose::new(&IMAP_MUTF7, NO_PAD);

/// A text between quotes.
pub fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The name of a mailbox, in ASCII.
pub fn encoded(name: &str) -> String {
    let mut ascii = String::with_capacity(name.len());
    let mut other: Vec<u8> = Vec::new();
    let flush = |ascii: &mut String, other: &mut Vec<u8>| {
        if !other.is_empty() {
            ascii.push_str(&format!("&{}-", BASE64.encode(&*other)));
            other.clear();
        }
    };
    for char in name.chars() {
        if char.is_ascii() {
            flush(&mut ascii, &mut other);
            ascii.push(char);
            if char == '&' {
                ascii.push('-');
            }
        } else {
            other.extend(char.encode_utf16(&mut [0; 2]).iter().flat_map(|unit| unit.to_be_bytes()));
        }
    }
    flush(&mut ascii, &mut other);
    ascii
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_as_servers_have_them() {
        for (name, written) in [
            ("INBOX", "INBOX"),
            ("Entwürfe", "Entw&APw-rfe"),
            ("Q&A", "Q&-A"),
            ("~peter/mail/台北/日本語", "~peter/mail/&U,BTFw-/&ZeVnLIqe-"),
            ("📬", "&2D3c7A-"),
        ] {
            assert_eq!(encoded(name), written, "{name}");
        }
        assert_eq!(quoted(r#"a\b"c"#), r#""a\\b\"c""#);
    }
}
