//! Headers that a config asks to be sent, whose values are texts or secrets.
//!
//! Which headers a module sends by itself, and so refuses to be told, is the module's to say.

use serde_json::{Map, Value};

use crate::fields::{Fields, escape, kind};
use crate::secret::{Secret, Text};
use crate::wit::farwatch::check::types::Problem;

/// Servers commonly refuse more.
const HEADERS_MAX: usize = 64;
/// Servers commonly refuse more in one header.
const HEADER_MAX: usize = 8_192;

/// One header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Its name, as it was written.
    pub name: String,
    /// What stands in it.
    pub value: Text,
}

impl Header {
    /// Its value.
    ///
    /// # Errors
    /// When it is a secret that the check does not have, or one that no header can hold.
    pub fn reveal(&self) -> Result<String, Problem> {
        match &self.value {
            Text::Plain(text) => Ok(text.clone()),
            Text::Secret(secret) => self.checked(secret.reveal()?),
        }
    }

    /// The value of its secret, if a header can hold it. What a secret holds is never shown, not even when it cannot be
    /// sent.
    ///
    /// # Errors
    /// When no header can.
    pub fn checked(&self, value: String) -> Result<String, Problem> {
        check_value(&self.name, &value).map_err(|message| Problem {
            code: "secret-unusable".to_owned(),
            message,
            field: Some(format!("/headers/{}", escape(&self.name))),
        })?;
        Ok(value)
    }

    /// Whether it is a secret.
    pub fn is_secret(&self) -> bool {
        matches!(self.value, Text::Secret(_))
    }

    /// Whether it is of this name.
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}

impl Fields<'_> {
    /// The headers of the field `headers`, but for those that the module sets itself.
    pub fn headers(&mut self, reserved: &[&str]) -> Vec<Header> {
        let map = match self.get("headers") {
            None => return Vec::new(),
            Some(Value::Object(map)) => map,
            Some(other) => {
                self.wrong_type("headers", "an object of names and values", other);
                return Vec::new();
            }
        };
        if map.len() > HEADERS_MAX {
            self.bad("headers", format!("`headers` has {} entries; at most {HEADERS_MAX} are allowed", map.len()));
        }
        let mut headers = Vec::new();
        for (name, value) in map {
            match header(name, value, reserved) {
                Ok(header) => headers.push(header),
                Err(message) => self.bad(&format!("headers/{}", escape(name)), message),
            }
        }
        headers
    }
}

fn header(name: &str, value: &Value, reserved: &[&str]) -> Result<Header, String> {
    if !is_token(name) {
        return Err(format!("`{name}` is no header name"));
    }
    if reserved.iter().any(|reserved| reserved.eq_ignore_ascii_case(name)) {
        return Err(format!("the header `{name}` is set by the check; leave it out"));
    }
    let value = match value {
        Value::String(text) => Text::Plain(text.clone()),
        Value::Object(map) => Text::Secret(secret(name, map)?),
        other => return Err(format!("the header `{name}` must be a text or a secret, not {}", kind(other))),
    };
    if let Text::Plain(text) = &value {
        check_value(name, text)?;
    }
    Ok(Header { name: name.to_owned(), value })
}

fn secret(name: &str, map: &Map<String, Value>) -> Result<Secret, String> {
    Secret::of(map).ok_or_else(|| format!("the header `{name}` must be a text, or {{\"secret\": \"NAME\"}}"))
}

fn check_value(name: &str, value: &str) -> Result<(), String> {
    if value.len() > HEADER_MAX {
        return Err(format!("the header `{name}` has {} bytes; at most {HEADER_MAX} are allowed", value.len()));
    }
    if value.chars().any(|c| c.is_control() && c != '\t') {
        return Err(format!("the header `{name}` holds a line break or another control character; remove it"));
    }
    Ok(())
}

/// Whether the text is a token of RFC 9110, as names of headers and of subprotocols are.
pub fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::{Form, prepare};

    const FORM: Form = Form { example: "{\"headers\": {}}", fields: &[&["headers"]] };

    fn read(headers: &str) -> Result<Vec<Header>, Vec<Problem>> {
        let mut read = Vec::new();
        prepare(&format!(r#"{{"headers": {headers}}}"#), &FORM, |fields| {
            read = fields.headers(&["host"]);
            Some(Vec::new())
        })?;
        Ok(read)
    }

    #[test]
    fn values_are_texts_or_secrets() {
        let headers = read(r#"{"X-A": "b", "authorization": {"secret": "token"}}"#).unwrap();
        assert_eq!(headers.iter().map(Header::is_secret).collect::<Vec<_>>(), [false, true]);
        assert!(headers[0].is("x-a"));
        assert_eq!(headers[0].reveal().unwrap(), "b");
    }

    #[test]
    fn every_mistake_is_named_with_its_place() {
        for (headers, field) in [
            ("[]", "/headers"),
            (r#"{"a b": "c"}"#, "/headers/a b"),
            (r#"{"Host": "c"}"#, "/headers/Host"),
            (r#"{"a": "b\r\nc: d"}"#, "/headers/a"),
            (r#"{"a": 1}"#, "/headers/a"),
            (r#"{"a": {"secrets": "b"}}"#, "/headers/a"),
            (r#"{"a": {"secret": ""}}"#, "/headers/a"),
        ] {
            let problems = read(headers).unwrap_err();
            assert_eq!((problems.len(), problems[0].field.as_deref()), (1, Some(field)), "{headers}");
        }
    }
}
