//! The body of a request as a config has it: a text, JSON, or the fields of a form, with secrets in place of values.
//!
//! What it is sent as follows from which of them it is.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::wish::Filling;
use crate::fields::{Fields, escape};
use crate::secret::{Secret, Text};
use crate::wit::farwatch::check::types::Problem;
use crate::written::Written;

/// More would be copied on every run.
const BODY_MAX: usize = 65_536;
/// Enough for every form that a person fills in.
const FORM_MAX: usize = 64;

/// See the file's documentation.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// There is none.
    None,
    /// As it is.
    Text(Text),
    /// As JSON.
    Json(Value),
    /// As the fields of a form.
    Form(Vec<(String, Text)>),
}

/// What is sent, and what it is said to be.
type Sent = (String, Option<&'static str>);

impl Body {
    /// Reads the fields.
    pub fn read(fields: &mut Fields<'_>) -> Self {
        let given: Vec<_> = ["body", "json", "form"].into_iter().filter(|field| fields.get(field).is_some()).collect();
        if let [first, second, ..] = given[..] {
            fields.bad(second, format!("a request has one body; leave out `{second}`, or `{first}`"));
        }
        match given.first() {
            Some(&"body") => fields.text_or_secret("body", BODY_MAX).map_or(Body::None, Body::Text),
            Some(&"json") => fields.get("json").map_or(Body::None, |value| Body::Json(value.clone())),
            Some(_) => Body::Form(form_fields(fields)),
            None => Body::None,
        }
    }

    /// Every text that may leave something open, with the field that it stands in.
    pub fn texts(&self) -> Vec<(&'static str, &str)> {
        let mut texts = Vec::new();
        match self {
            Self::None => {}
            Self::Text(text) => texts.extend(plain(text).map(|text| ("body", text))),
            Self::Form(pairs) => texts.extend(pairs.iter().filter_map(|(_, text)| Some(("form", plain(text)?)))),
            Self::Json(value) => texts_of(value, &mut texts),
        }
        texts
    }

    /// The body with nothing left open. It is noted where it is private.
    ///
    /// # Errors
    /// When a secret has no value.
    pub fn sent(&self, filling: &impl Filling, is_private: &mut bool) -> Result<Option<Sent>, Problem> {
        Ok(Some(match self {
            Self::None => return Ok(None),
            Self::Text(text) => {
                let (text, is_open) = filled(text, filling)?;
                *is_private |= is_open;
                (text, None)
            }
            Self::Json(value) => {
                let filled = filled_json(value, filling, is_private)?;
                (Written(&filled).to_string(), Some("application/json"))
            }
            Self::Form(pairs) => {
                let mut values = Vec::with_capacity(pairs.len());
                for (name, value) in pairs {
                    let (value, is_open) = filled(value, filling)?;
                    *is_private |= is_open;
                    values.push((name.as_str(), value));
                }
                (form(&values), Some("application/x-www-form-urlencoded"))
            }
        }))
    }
}

/// A text that stands in the config.
pub fn plain(text: &Text) -> Option<&str> {
    match text {
        Text::Plain(text) => Some(text),
        Text::Secret(_) => None,
    }
}

fn texts_of<'a>(value: &'a Value, texts: &mut Vec<(&'static str, &'a str)>) {
    match value {
        Value::String(text) => texts.push(("json", text)),
        Value::Array(values) => values.iter().for_each(|value| texts_of(value, texts)),
        Value::Object(map) if Secret::of(map).is_none() => map.values().for_each(|value| texts_of(value, texts)),
        _ => {}
    }
}

/// A text with nothing left open, and whether it is private.
///
/// # Errors
/// When a secret has no value.
pub fn filled(text: &Text, filling: &impl Filling) -> Result<(String, bool), Problem> {
    match text {
        Text::Secret(secret) => Ok((filling.secret(secret)?, true)),
        Text::Plain(text) => match filling.text(text) {
            Cow::Borrowed(text) => Ok((text.to_owned(), false)),
            Cow::Owned(text) => Ok((text, true)),
        },
    }
}

/// JSON as it is sent. A config is nested so little that calls may follow it.
fn filled_json(value: &Value, filling: &impl Filling, is_private: &mut bool) -> Result<Value, Problem> {
    Ok(match value {
        Value::String(text) => {
            let (text, is_open) = filled(&Text::Plain(text.clone()), filling)?;
            *is_private |= is_open;
            Value::String(text)
        }
        Value::Array(values) => {
            let filled: Result<Vec<_>, _> =
                values.iter().map(|value| filled_json(value, filling, is_private)).collect();
            Value::Array(filled?)
        }
        Value::Object(map) => match Secret::of(map) {
            Some(secret) => {
                *is_private = true;
                Value::String(filling.secret(&secret)?)
            }
            None => {
                let mut filled = Map::new();
                for (name, value) in map {
                    filled.insert(name.clone(), filled_json(value, filling, is_private)?);
                }
                Value::Object(filled)
            }
        },
        other => other.clone(),
    })
}

/// A form as it is sent (application/x-www-form-urlencoded).
pub fn form<V: AsRef<str>>(pairs: &[(&str, V)]) -> String {
    let encoded = pairs.iter().map(|(name, value)| format!("{}={}", percent(name), percent(value.as_ref())));
    encoded.collect::<Vec<_>>().join("&")
}

/// A text with all bytes encoded that mean something in a URL or a form.
pub fn percent(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(byte.into()),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

fn form_fields(fields: &mut Fields<'_>) -> Vec<(String, Text)> {
    let Some(value) = fields.get("form") else { return Vec::new() };
    let Some(map) = value.as_object() else {
        fields.wrong_type("form", "an object of names and values", value);
        return Vec::new();
    };
    if map.len() > FORM_MAX {
        fields.bad("form", format!("`form` has {} entries; at most {FORM_MAX} are allowed", map.len()));
    }
    let mut pairs = Vec::new();
    for (name, value) in map {
        let text = match value {
            Value::String(text) => Some(Text::Plain(text.clone())),
            Value::Object(map) => Secret::of(map).map(Text::Secret),
            _ => None,
        };
        match text {
            Some(text) => pairs.push((name.clone(), text)),
            None => {
                let place = format!("form/{}", escape(name));
                fields.bad(&place, format!("`{name}` must be a text, or {{\"secret\": \"NAME\"}}"));
            }
        }
    }
    pairs
}
