//! Takes the values of secrets out of what is kept, in the forms in which protocols carry them.
//!
//! A value is looked for as it is, as JSON and URLs spell it, in hexadecimal, and in base64 wherever in a longer text it
//! stands. What a module computes of a value in another way, such as a digest, cannot be found.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use memchr::memmem;

use crate::secrets::{Secrets, stand_in};

/// The values of the secrets of one run, in all their forms.
#[derive(Default)]
pub(super) struct Hidden(Vec<Form>);

/// One form of one value.
struct Form {
    text: Vec<u8>,
    /// Whether it is a part of an encoded text, of which all says something of the value.
    is_part: bool,
    stand_in: String,
}

impl Hidden {
    pub(super) fn of(secrets: &Secrets) -> Self {
        let mut forms: Vec<Form> = secrets.iter().flat_map(|(name, value)| forms_of(name, value)).collect();
        // A value that holds another one is taken out whole.
        forms.sort_by_key(|form| std::cmp::Reverse(form.text.len()));
        Self(forms)
    }

    /// Bytes without any of the values.
    pub(super) fn taken_out_of(&self, bytes: &[u8]) -> Vec<u8> {
        self.0.iter().fold(bytes.to_vec(), |bytes, form| form.taken_out_of(bytes))
    }

    /// A text without any of them.
    pub(super) fn taken_out_of_text(&self, text: &str) -> String {
        String::from_utf8_lossy(&self.taken_out_of(text.as_bytes())).into_owned()
    }
}

impl Form {
    fn taken_out_of(&self, bytes: Vec<u8>) -> Vec<u8> {
        let mut kept = Vec::new();
        let mut rest = &bytes[..];
        while let Some(at) = memmem::find(rest, &self.text) {
            let (begin, end) = self.around(rest, at);
            kept.extend_from_slice(&rest[..begin]);
            kept.extend_from_slice(self.stand_in.as_bytes());
            rest = &rest[end..];
        }
        if kept.is_empty() && rest.len() == bytes.len() {
            return bytes;
        }
        kept.extend_from_slice(rest);
        kept
    }

    /// From where until where something is to go, for a form that was found here.
    fn around(&self, text: &[u8], at: usize) -> (usize, usize) {
        let end = at + self.text.len();
        if !self.is_part {
            return (at, end);
        }
        let is_base64 = |byte: &&u8| byte.is_ascii_alphanumeric() || b"+/-_=".contains(byte);
        let before = text[..at].iter().rev().take_while(is_base64).count();
        let after = text[end..].iter().take_while(is_base64).count();
        (at - before, end + after)
    }
}

fn forms_of(name: &str, value: &str) -> Vec<Form> {
    let hex = |digit: fn(&u8) -> String| value.as_bytes().iter().map(digit).collect::<String>();
    let mut whole = vec![
        value.to_owned(),
        serde_json::to_string(value).map_or_else(|_| value.to_owned(), |json| json[1..json.len() - 1].to_owned()),
        in_url(value, "%20", |byte| format!("%{byte:02X}")),
        in_url(value, "%20", |byte| format!("%{byte:02x}")),
        in_url(value, "+", |byte| format!("%{byte:02X}")),
        hex(|byte| format!("{byte:02x}")),
        hex(|byte| format!("{byte:02X}")),
    ];
    whole.sort();
    whole.dedup();
    let form = |text: String, is_part| Form { text: text.into_bytes(), is_part, stand_in: stand_in(name) };
    let whole = whole.into_iter().filter(|text| !text.is_empty()).map(|text| form(text, false));
    whole.chain(in_base64(value.as_bytes()).into_iter().map(|text| form(text, true))).collect()
}

/// As a query or a form spells it.
fn in_url(value: &str, blank: &str, spelled: impl Fn(u8) -> String) -> String {
    let sign = |byte: u8| match byte {
        b' ' => blank.to_owned(),
        byte if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => char::from(byte).to_string(),
        byte => spelled(byte),
    };
    value.bytes().map(sign).collect()
}

/// The signs of base64 that follow from the value alone, for each of the three places that it can have in a group. With
/// fewer than four of them every other text would hold the value.
fn in_base64(value: &[u8]) -> Vec<String> {
    let mut forms = Vec::new();
    for before in 0..3 {
        let padded = [&vec![0; before][..], value].concat();
        let (begin, end) = ((before * 8).div_ceil(6), padded.len() * 8 / 6);
        for alphabet in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
            let encoded = alphabet.encode(&padded);
            forms.extend(encoded.get(begin..end).filter(|signs| signs.len() >= 4).map(str::to_owned));
        }
    }
    forms.sort();
    forms.dedup();
    forms
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    fn hidden(secrets: &[(&str, &str)]) -> Hidden {
        Hidden::of(&secrets.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn a_value_is_found_in_every_form_and_nothing_else_goes() {
        let value = "tr\u{fc}b & \"7%\"";
        let hidden = hidden(&[("mail", value)]);
        let json = serde_json::to_string(value).unwrap();
        for (text, left) in [
            (format!("PASS {value}\r\n"), "PASS [secret mail]\r\n"),
            (format!("{{\"a\":{json}}}"), "{\"a\":\"[secret mail]\"}"),
            ("p=tr%C3%BCb%20%26%20%227%25%22&q=1".to_owned(), "p=[secret mail]&q=1"),
            ("p=tr%C3%BCb+%26+%227%25%22".to_owned(), "p=[secret mail]"),
            (format!("Basic {}", STANDARD.encode(format!("anna:{value}"))), "Basic [secret mail]"),
            (format!("AUTH PLAIN {}\r\n", STANDARD.encode(format!("\0a\0{value}"))), "AUTH PLAIN [secret mail]\r\n"),
            (STANDARD.encode(format!("ab{value}")), "[secret mail]"),
            ("nothing of it: tr\u{fc}b".to_owned(), "nothing of it: tr\u{fc}b"),
        ] {
            assert_eq!(hidden.taken_out_of_text(&text), left, "{text}");
        }
        let hex: String = value.bytes().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hidden.taken_out_of_text(&hex), "[secret mail]");
    }

    #[test]
    fn what_stands_for_a_value_is_hidden_alike() {
        // A module that is given the stand-in makes the very requests that were kept.
        let real = hidden(&[("mail", "hunter22")]);
        let stood_in = hidden(&[("mail", "[secret mail]")]);
        let requests = |value: &str| [format!("u:{value}"), STANDARD.encode(format!("u:{value}"))];
        for (kept, again) in requests("hunter22").iter().zip(requests("[secret mail]")) {
            assert_eq!(real.taken_out_of_text(kept), stood_in.taken_out_of_text(&again));
        }
    }

    #[test]
    fn the_longer_of_two_values_is_taken_out_whole() {
        let hidden = hidden(&[("a", "word"), ("b", "password")]);
        assert_eq!(hidden.taken_out_of(b"\xffpassword word"), b"\xff[secret b] [secret a]");
    }
}
