//! Reads the JSON config of a module, strictly, and finds everything that is wrong with it at once.
//!
//! It runs only when a config is written, never in a run. Which fields there are is the module's to say.

use serde_json::{Map, Value};

use crate::outcome::unreadable;
use crate::wit::farwatch::check::types::{IpVersion, Problem};
use crate::written::Written;

/// No valid config is nested deeper, unless it sends JSON that is. The parser follows every nesting with a call, and the stack of an
/// instance is small.
const NESTING_MAX: usize = 16;

/// The longest name that the DNS can hold, and brackets around an address.
pub const HOST_MAX: usize = 255;
/// The largest timeout that any check can have.
const LIMIT_MAX_MS: u64 = 3_600_000;

/// A config that runs read once more, for modules whose runs have the time.
pub trait FromFields: Sized {
    /// What it looks like.
    const FORM: Form;

    /// Reads it, and adds what is wrong with it to the fields.
    fn read(fields: &mut Fields<'_>) -> Self;
}

/// Judges a config. Runs get it as it is.
///
/// # Errors
/// Everything that is wrong with it.
pub fn judge<C: FromFields>(config: &str) -> Result<Vec<u8>, Vec<Problem>> {
    prepare(config, &C::FORM, |fields| {
        C::read(fields);
        Some(config.as_bytes().to_vec())
    })
}

/// Reads a config that [`judge`] has let pass.
///
/// # Errors
/// When the bytes are damaged or of another version.
pub fn reread<C: FromFields>(config: &[u8]) -> Result<C, Problem> {
    let mut found = None;
    let judged = prepare(str::from_utf8(config).map_err(|_| unreadable())?, &C::FORM, |fields| {
        found = Some(C::read(fields));
        Some(Vec::new())
    });
    judged.ok().and(found).ok_or_else(unreadable)
}

/// Turns a config into the bytes that runs get.
///
/// # Errors
/// Everything that is wrong with it.
pub fn prepare(
    config: &str,
    form: &Form,
    encode: impl FnOnce(&mut Fields<'_>) -> Option<Vec<u8>>,
) -> Result<Vec<u8>, Vec<Problem>> {
    if nesting(config.as_bytes()) > NESTING_MAX {
        let message = format!("the config is nested deeper than {NESTING_MAX} times, which is not read");
        return Err(vec![problem("config-too-deep", message, None)]);
    }
    let value: Value = serde_json::from_str(config)
        .map_err(|error| vec![problem("config-not-json", format!("the config is not valid JSON: {error}"), None)])?;
    let Value::Object(map) = &value else {
        let message = format!("the config must be a JSON object such as {}", form.example);
        return Err(vec![problem("config-wrong-type", message, Some(String::new()))]);
    };
    let mut fields = Fields { map, place: String::new(), problems: Vec::new() };
    fields.refuse_unknown(form.fields);
    match encode(&mut fields) {
        Some(plan) if fields.problems.is_empty() => Ok(plan),
        _ => Err(fields.problems),
    }
}

/// What the configs of a module look like.
pub struct Form {
    /// The smallest one.
    pub example: &'static str,
    /// The fields, in the order of the schema: those that several modules have, and its own.
    pub fields: &'static [&'static [&'static str]],
}

/// How deep brackets and braces are nested, outside of texts. Of what is no JSON it may say anything.
pub fn nesting(json: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let mut in_text = false;
    let mut bytes = json.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => in_text = !in_text,
            // What follows a backslash never ends a text.
            b'\\' if in_text => drop(bytes.next()),
            b'[' | b'{' if !in_text => depth += 1,
            b']' | b'}' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

fn problem(code: &str, message: String, field: Option<String>) -> Problem {
    Problem { code: code.to_owned(), message, field }
}

/// The fields of the config, and what was found wrong with them so far.
pub struct Fields<'a> {
    map: &'a Map<String, Value>,
    /// Where the fields stand in the config, as a JSON pointer.
    place: String,
    problems: Vec<Problem>,
}

impl<'a> Fields<'a> {
    /// Keeps something that is wrong.
    pub fn add(&mut self, code: &str, mut pointer: String, message: String) {
        pointer.insert_str(0, &self.place);
        self.problems.push(problem(code, message, Some(pointer)));
    }

    /// A list of so many objects at most, each of which is read as fields of its own.
    pub fn objects<T>(
        &mut self,
        field: &str,
        max: usize,
        known: &[&[&str]],
        mut read: impl FnMut(&mut Fields<'a>) -> T,
    ) -> Vec<T> {
        let Some(value) = self.get(field) else { return Vec::new() };
        let Some(list) = value.as_array() else {
            self.wrong_type(field, "a list of objects", value);
            return Vec::new();
        };
        if list.len() > max {
            self.bad(field, format!("`{field}` has {} entries; at most {max} are allowed", list.len()));
        }
        let mut found = Vec::new();
        for (index, entry) in list.iter().enumerate() {
            let Some(map) = entry.as_object() else {
                self.wrong_type(&format!("{field}/{index}"), "an object", entry);
                continue;
            };
            let mut inner = Fields { map, place: format!("{}/{field}/{index}", self.place), problems: Vec::new() };
            inner.refuse_unknown(known);
            found.push(read(&mut inner));
            self.problems.append(&mut inner.problems);
        }
        found
    }

    /// A value that cannot be meant.
    pub fn bad(&mut self, field: &str, message: String) {
        self.add("config-bad-value", format!("/{field}"), message);
    }

    /// A value of another type.
    pub fn wrong_type(&mut self, field: &str, wanted: &str, found: &Value) {
        let message = format!("`{field}` must be {wanted}, not {}", kind(found));
        self.add("config-wrong-type", format!("/{field}"), message);
    }

    /// The value of a field. `null` is the same as nothing.
    pub fn get(&self, field: &str) -> Option<&'a Value> {
        self.map.get(field).filter(|value| !value.is_null())
    }

    fn refuse_unknown(&mut self, known: &[&[&str]]) {
        let known = known.concat();
        for name in self.map.keys().filter(|name| !known.contains(&name.as_str())) {
            let message = format!("`{name}` is no field of this module; the fields are {}", known.join(", "));
            self.add("config-unknown-field", format!("/{}", escape(name)), message);
        }
    }

    /// A text of so many bytes at most.
    pub fn text(&mut self, field: &str, max: usize) -> Option<&'a str> {
        let value = self.get(field)?;
        match value.as_str() {
            None => self.wrong_type(field, "a text", value),
            Some(text) if text.len() > max => {
                self.bad(field, format!("`{field}` has {} bytes; at most {max} are allowed", text.len()));
            }
            text => return text,
        }
        None
    }

    /// True or false.
    pub fn boolean(&mut self, field: &str) -> Option<bool> {
        let value = self.get(field)?;
        if !value.is_boolean() {
            self.wrong_type(field, "true or false", value);
        }
        value.as_bool()
    }

    /// A whole number within these bounds.
    pub fn number(&mut self, field: &str, min: u64, max: u64) -> Option<u64> {
        let value = self.get(field)?;
        if !value.is_number() {
            self.wrong_type(field, "a number", value);
            return None;
        }
        let number = value.as_u64().filter(|number| (min..=max).contains(number));
        if number.is_none() {
            self.bad(field, format!("`{field}` is {}; it must be a whole number from {min} to {max}", Written(value)));
        }
        number
    }

    /// A number, with a fraction or without.
    pub fn decimal(&mut self, field: &str) -> Option<f64> {
        let value = self.get(field)?;
        let number = value.as_f64().filter(|number| number.is_finite());
        if number.is_none() {
            self.wrong_type(field, "a number", value);
        }
        number
    }

    /// A text that must be there. `what` says what it is for.
    pub fn needed(&mut self, field: &str, what: &str, max: usize) -> Option<&'a str> {
        if self.get(field).is_none() {
            self.add("config-missing-field", format!("/{field}"), format!("`{field}` is missing; say {what}"));
        }
        self.text(field, max)
    }

    /// A regular expression, which must be one.
    pub fn regex(&mut self, field: &str, max: usize, read: impl FnOnce(&str) -> Result<(), String>) -> Option<&'a str> {
        let pattern = self.text(field, max)?;
        if let Err(error) = read(pattern) {
            self.bad(field, format!("`{field}` is no regular expression: {error}"));
        }
        Some(pattern)
    }

    /// What to connect to: a name or an address. The host reads it strictly; here only what can never be meant is refused.
    pub fn host(&mut self, field: &str) -> Option<&'a str> {
        let host = self.needed(field, "what to connect to", HOST_MAX)?;
        let looks_good =
            !host.is_empty() && !host.contains(|c: char| c.is_whitespace() || c.is_control() || "/@".contains(c));
        if !looks_good || host.matches(':').count() == 1 {
            let message = format!("`{host}` is no host; write a name or an address, and a port in `port`");
            self.bad(field, message);
        }
        Some(host)
    }

    /// Where the target listens.
    pub fn port(&mut self) -> Option<u16> {
        self.number("port", 1, u16::MAX.into()).map(|port| port as u16)
    }

    /// A time beyond which something is degraded, in milliseconds.
    pub fn limit_ms(&mut self, field: &str) -> Option<u32> {
        self.number(field, 1, LIMIT_MAX_MS).map(|ms| ms as u32)
    }

    /// A list of so many texts at most, each of so many bytes at most.
    pub fn texts(&mut self, field: &str, count_max: usize, bytes_max: usize) -> Vec<&'a str> {
        let Some(value) = self.get(field) else { return Vec::new() };
        let Some(list) = value.as_array() else {
            self.wrong_type(field, "a list of texts", value);
            return Vec::new();
        };
        if list.len() > count_max {
            self.bad(field, format!("`{field}` has {} entries; at most {count_max} are allowed", list.len()));
        }
        for (index, entry) in list
            .iter()
            .enumerate()
            .filter(|(_, entry)| entry.as_str().is_none_or(|text| text.is_empty() || text.len() > bytes_max))
        {
            let message = format!("`{}` must be a text of 1 to {bytes_max} bytes", Written(entry));
            self.add("config-bad-value", format!("/{field}/{index}"), message);
        }
        list.iter().filter_map(Value::as_str).collect()
    }

    /// Which addresses may be used.
    pub fn ip_version(&mut self) -> Option<IpVersion> {
        self.choice("ip_version", &[("4", IpVersion::Ipv4), ("6", IpVersion::Ipv6)])
    }

    /// One of a few texts. A number stands for the text that looks like it.
    pub fn choice<T: Copy>(&mut self, field: &str, choices: &[(&str, T)]) -> Option<T> {
        let value = self.get(field)?;
        let text = match value {
            Value::String(text) => text.clone(),
            other => Written(other).to_string(),
        };
        let found = choices.iter().find(|(name, _)| *name == text).map(|(_, choice)| *choice);
        if found.is_none() {
            let names: Vec<_> = choices.iter().map(|(name, _)| format!("\"{name}\"")).collect();
            self.bad(field, format!("`{field}` is {}; it must be {}", Written(value), names.join(" or ")));
        }
        found
    }
}

/// A name as a part of a JSON pointer.
pub fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// What a value is, in words.
pub fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: Form = Form { example: "{\"name\": \"x\"}", fields: &[&["name"]] };

    fn code(config: &str) -> String {
        let read = |fields: &mut Fields<'_>| fields.needed("name", "a name", 9).map(|name| name.as_bytes().to_vec());
        prepare(config, &FORM, read).map_or_else(|problems| problems[0].code.clone(), |_| "ok".to_owned())
    }

    #[test]
    fn nesting_is_limited_and_texts_do_not_nest() {
        let nested = |depth: usize| format!(r#"{{"name": {}1{}}}"#, "[".repeat(depth), "]".repeat(depth));
        assert_eq!(code(&nested(NESTING_MAX - 1)), "config-wrong-type");
        assert_eq!(code(&nested(NESTING_MAX)), "config-too-deep");
        assert_eq!(code(r#"{"name": "\"[[[\\"}"#), "ok");
        assert_eq!(code(&format!(r#"{{"name": "{}"}}"#, "[".repeat(100))), "config-bad-value");
    }

    #[test]
    fn what_is_missing_or_unknown_is_told() {
        assert_eq!(code("{}"), "config-missing-field");
        assert_eq!(code(r#"{"nam": 1}"#), "config-unknown-field");
        assert_eq!(code("[]"), "config-wrong-type");
        assert_eq!(code("nonsense"), "config-not-json");
    }
}
