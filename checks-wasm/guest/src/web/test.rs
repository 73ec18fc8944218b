//! What a value may be: one of a header, or one that a path leads to.
//!
//! It compares; where values come from is not known here.

use serde_json::{Number, Value};

use super::expect::{NEEDLE_MAX, is_regex};
use crate::escapes::show;
use crate::fields::Fields;
use crate::written::{Written, WrittenNumber};

/// The fields of a test.
pub const FIELDS: &[&str] = &["exists", "equals", "contains", "regex", "minimum", "maximum"];
/// How much of a value a message shows, in characters.
const SHOWN_MAX: usize = 120;

/// See the file's documentation. What is none is not tested; where all are, the value must be there.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Test {
    exists: Option<bool>,
    equals: Option<Value>,
    contains: Option<String>,
    regex: Option<String>,
    minimum: Option<Number>,
    maximum: Option<Number>,
}

/// Reads the fields.
pub fn read(fields: &mut Fields<'_>) -> Test {
    let test = Test {
        exists: fields.boolean("exists"),
        equals: fields.get("equals").cloned(),
        contains: fields.text("contains", NEEDLE_MAX).map(str::to_owned),
        regex: fields.regex("regex", NEEDLE_MAX, is_regex).map(str::to_owned),
        minimum: number(fields, "minimum"),
        maximum: number(fields, "maximum"),
    };
    if test.exists == Some(false) && test != (Test { exists: Some(false), ..Test::default() }) {
        fields.bad("exists", "what must not be there can have no value; leave out `exists`, or all else".to_owned());
    }
    test
}

fn number(fields: &mut Fields<'_>, field: &str) -> Option<Number> {
    let value = fields.get(field)?;
    if !value.is_number() {
        fields.wrong_type(field, "a number", value);
    }
    value.as_number().cloned()
}

/// What a value is to be, and whether it is.
type Wish<'a> = (String, Box<dyn Fn(&Value) -> bool + 'a>);

impl Test {
    /// What is wrong with what was found: what it should be, and what it is.
    pub fn wrong(&self, found: &[&Value]) -> Option<(String, String)> {
        let shown = |value: &Value| show(Written(value).to_string().as_bytes(), SHOWN_MAX);
        match (self.exists, found) {
            (Some(false), [first, ..]) => Some(("not to be there".to_owned(), shown(first))),
            (Some(false), []) => None,
            (_, []) => Some((self.first_wish(), "nothing".to_owned())),
            _ => found.iter().find_map(|value| Some((self.unfulfilled(value)?, shown(value)))),
        }
    }

    fn wishes<'a>(&'a self) -> impl Iterator<Item = Wish<'a>> {
        let equals: Option<Wish<'a>> = self.equals.as_ref().map(|wanted| {
            (format!("to be {}", Written(wanted)), Box::new(|value: &Value| is_equal(value, wanted)) as _)
        });
        let contains: Option<Wish<'a>> = self
            .contains
            .as_ref()
            .map(|wanted| (format!("to contain `{wanted}`"), Box::new(|value: &Value| contains(value, wanted)) as _));
        let regex: Option<Wish<'a>> = self
            .regex
            .as_ref()
            .map(|pattern| (format!("to match `{pattern}`"), Box::new(|value: &Value| matches(value, pattern)) as _));
        let bound = |wish: &str, bound: &'a Option<Number>, fits: fn(f64, f64) -> bool| -> Option<Wish<'a>> {
            let bound = bound.as_ref()?;
            let is_fulfilled = move |value: &Value| {
                amount(value).zip(bound.as_f64()).is_some_and(|(amount, bound)| fits(amount, bound))
            };
            Some((format!("{wish} {}", WrittenNumber(bound)), Box::new(is_fulfilled) as _))
        };
        let minimum = bound("to be at least", &self.minimum, |amount, least| amount >= least);
        let maximum = bound("to be at most", &self.maximum, |amount, most| amount <= most);
        [equals, contains, regex, minimum, maximum].into_iter().flatten()
    }

    fn first_wish(&self) -> String {
        self.wishes().next().map_or_else(|| "to be there".to_owned(), |(wish, _)| wish)
    }

    fn unfulfilled(&self, value: &Value) -> Option<String> {
        self.wishes().find(|(_, is_fulfilled)| !is_fulfilled(value)).map(|(wish, _)| wish)
    }
}

/// Numbers are equal when they are as large, however they are written.
fn is_equal(value: &Value, wanted: &Value) -> bool {
    value == wanted || value.as_f64().is_some_and(|number| Some(number) == wanted.as_f64())
}

/// A text contains its parts, and a list its values.
fn contains(value: &Value, wanted: &str) -> bool {
    match value {
        Value::Array(values) => values.iter().any(|value| value.as_str() == Some(wanted)),
        other => text(other).contains(wanted),
    }
}

fn matches(value: &Value, pattern: &str) -> bool {
    crate::pattern::compile(pattern).is_ok_and(|regex| regex.is_match(&text(value)))
}

/// The number that a value is, also where it stands in a text, as those of headers do. It is read as JSON has numbers, and as
/// any value that might be one: what else reads them would fill an instance's memory with tables.
fn amount(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| {
        let text = value.as_str()?.trim();
        let begins_as_number = text.starts_with(|c: char| c == '-' || c.is_ascii_digit());
        // Anything else could be nested too deep for the parser.
        if begins_as_number { serde_json::from_str::<Value>(text).ok()?.as_f64() } else { None }
    })
}

/// A value as a text: that of a text is the text itself.
pub fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| Written(value).to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fields::{Form, prepare};

    const FORM: Form = Form { example: "{}", fields: &[FIELDS] };

    fn test(config: &str) -> Result<Test, String> {
        let mut found = None;
        let read = |fields: &mut Fields<'_>| {
            found = Some(read(fields));
            Some(Vec::new())
        };
        prepare(config, &FORM, read).map_err(|problems| problems[0].message.clone())?;
        Ok(found.unwrap())
    }

    #[test]
    fn values_are_compared() {
        for (config, value, wish) in [
            ("{}", json!(null), None),
            (r#"{"exists": true}"#, json!(false), None),
            (r#"{"exists": false}"#, json!(1), Some("not to be there")),
            (r#"{"equals": "ok"}"#, json!("ok"), None),
            (r#"{"equals": "ok"}"#, json!("bad"), Some("to be \"ok\"")),
            (r#"{"equals": 1}"#, json!(1.0), None),
            (r#"{"equals": 1}"#, json!("1"), Some("to be 1")),
            (r#"{"equals": [1, {"a": null}]}"#, json!([1, {"a": null}]), None),
            (r#"{"contains": "b"}"#, json!("abc"), None),
            (r#"{"contains": "b"}"#, json!(["a", "b"]), None),
            (r#"{"contains": "b"}"#, json!(["abc"]), Some("to contain `b`")),
            (r#"{"regex": "^v\\d+$"}"#, json!("v12"), None),
            (r#"{"regex": "^v\\d+$"}"#, json!(12), Some("to match `^v\\d+$`")),
            (r#"{"minimum": 2, "maximum": 3}"#, json!(2), None),
            (r#"{"minimum": 2, "maximum": 3}"#, json!(1.5), Some("to be at least 2")),
            (r#"{"minimum": 2, "maximum": 3}"#, json!("4"), Some("to be at most 3")),
            (r#"{"maximum": 3}"#, json!("x"), Some("to be at most 3")),
            (r#"{"minimum": 3}"#, json!(null), Some("to be at least 3")),
        ] {
            let wrong = test(config).unwrap().wrong(&[&value]);
            assert_eq!(wrong.map(|(wish, _)| wish).as_deref(), wish, "{config}: {value}");
        }
    }

    #[test]
    fn what_is_not_there_has_no_value() {
        let wrong = |config: &str| test(config).unwrap().wrong(&[]).map(|(wish, got)| format!("{wish}, {got}"));
        assert_eq!(wrong("{}").as_deref(), Some("to be there, nothing"));
        assert_eq!(wrong(r#"{"minimum": 1}"#).as_deref(), Some("to be at least 1, nothing"));
        assert_eq!(wrong(r#"{"exists": false}"#), None);
        assert!(test(r#"{"exists": false, "minimum": 1}"#).unwrap_err().contains("can have no value"));
        assert!(test(r#"{"minimum": "1"}"#).unwrap_err().contains("must be a number"));
    }
}
