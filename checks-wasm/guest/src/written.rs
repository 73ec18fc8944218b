//! JSON values as texts.
//!
//! `serde_json` writes them, too, but what it writes fractions with are 17 KiB of tables, which every run of every module
//! would have in its memory for the rare message that shows a fraction. It reads nothing.

use core::fmt::{Display, Formatter, Result};

use serde_json::{Number, Value};

/// A value, shown as JSON without spaces.
pub struct Written<'a>(pub &'a Value);

impl Display for Written<'_> {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        match self.0 {
            Value::Null => out.write_str("null"),
            Value::Bool(value) => value.fmt(out),
            Value::Number(value) => WrittenNumber(value).fmt(out),
            Value::String(value) => text(value, out),
            Value::Array(values) => {
                let each = |value: &Value, out: &mut Formatter<'_>| Written(value).fmt(out);
                list(("[", "]"), values.iter(), each, out)
            }
            Value::Object(map) => {
                let each = |(name, value): (&String, &Value), out: &mut Formatter<'_>| {
                    text(name, out)?;
                    write!(out, ":{}", Written(value))
                };
                list(("{", "}"), map.iter(), each, out)
            }
        }
    }
}

/// The same for a number.
pub struct WrittenNumber<'a>(pub &'a Number);

impl Display for WrittenNumber<'_> {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        if let Some(value) = self.0.as_u64() {
            return value.fmt(out);
        }
        if let Some(value) = self.0.as_i64() {
            return value.fmt(out);
        }
        // The shortest one that is read as the same number, with an exponent where it would be long.
        self.0.as_f64().map_or(Ok(()), |value| write!(out, "{value:?}"))
    }
}

fn text(value: &str, out: &mut Formatter<'_>) -> Result {
    // Texts can always be written.
    out.write_str(&serde_json::to_string(value).unwrap_or_default())
}

fn list<T>(
    (begin, end): (&str, &str),
    values: impl Iterator<Item = T>,
    each: impl Fn(T, &mut Formatter<'_>) -> Result,
    out: &mut Formatter<'_>,
) -> Result {
    out.write_str(begin)?;
    for (index, value) in values.enumerate() {
        if index > 0 {
            out.write_str(",")?;
        }
        each(value, out)?;
    }
    out.write_str(end)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_written_as_serde_json_writes_them() {
        for value in [
            json!(null),
            json!([true, false]),
            json!([0, u64::MAX, i64::MIN, 1.0, -0.5, 1e-7, 1.25e300, 0.1]),
            json!("\"a\\\n\u{1}ÄÖ\u{1f600}"),
            json!([]),
            json!({}),
            json!({"b": [{"a\"": 1}, []], "a": {"": null}}),
        ] {
            let theirs = value.to_string().replace("e+", "e");
            assert_eq!(Written(&value).to_string(), theirs);
        }
    }
}
