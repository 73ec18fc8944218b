//! A query to a database, and what its first value should be.
//!
//! How it is asked is the module's business; here the value is judged, whatever the database.

use crate::dialogue::{SHOWN_MAX, Said, down};
use crate::escapes::show;
use crate::fields::Fields;
use crate::outcome::text;
use crate::wit::farwatch::check::types::{Attribute, Value};

/// The fields of it.
pub const FIELDS: &[&str] = &["query", "expect_value", "expect_minimum", "expect_maximum"];
/// What is asked where the config has no query: any server answers it, and needs no table for it.
const USUAL: &str = "select 1";
/// Queries of checks are short. Much longer ones belong into a view.
const QUERY_MAX: usize = 4_096;
/// A value that is compared as text.
const VALUE_MAX: usize = 1_024;

/// See the file's documentation.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// What is asked.
    pub statement: String,
    /// Whether the config has asked for it.
    is_own: bool,
    value: Option<String>,
    minimum: Option<f64>,
    maximum: Option<f64>,
}

/// Reads the fields.
pub fn read(fields: &mut Fields<'_>) -> Query {
    let statement = fields.text("query", QUERY_MAX).map(str::to_owned);
    if statement.as_deref().is_some_and(|statement| statement.trim().is_empty() || statement.contains('\0')) {
        fields.bad("query", "`query` must be one statement".to_owned());
    }
    let query = Query {
        is_own: statement.is_some(),
        statement: statement.unwrap_or_else(|| USUAL.to_owned()),
        value: fields.text("expect_value", VALUE_MAX).map(str::to_owned),
        minimum: fields.decimal("expect_minimum"),
        maximum: fields.decimal("expect_maximum"),
    };
    for field in FIELDS.iter().skip(1).filter(|field| !query.is_own && fields.get(field).is_some()).collect::<Vec<_>>()
    {
        fields.bad(field, format!("`{field}` is about the first value of `query`, which is missing"));
    }
    if query.minimum.zip(query.maximum).is_some_and(|(minimum, maximum)| minimum > maximum) {
        fields.bad("expect_minimum", "`expect_minimum` is above `expect_maximum`".to_owned());
    }
    query
}

/// The first value of the first row, if there is a row; none in it stands for NULL.
pub type First = Option<Option<String>>;

impl Query {
    /// Judges the first value, and tells it where the config asked for it.
    ///
    /// # Errors
    /// How it differs from what was expected.
    pub fn judge(&self, first: &First) -> Said<Option<Attribute>> {
        let found = match first {
            None => "no row".to_owned(),
            Some(None) => "NULL".to_owned(),
            Some(Some(value)) => format!("`{}`", show(value.as_bytes(), SHOWN_MAX)),
        };
        let value = first.as_ref().and_then(Option::as_deref);
        if let Some(expected) = self.value.as_deref().filter(|expected| value != Some(expected)) {
            let expected = show(expected.as_bytes(), SHOWN_MAX);
            return Err(down("value-unexpected", format!("expected the first value `{expected}`, got {found}")));
        }
        self.judge_number(value, &found)?;
        let number = value.and_then(number).map(Value::Float);
        let told = value.filter(|_| self.is_own);
        Ok(told.map(|value| match number {
            Some(value) => Attribute { key: "query.value".to_owned(), value },
            None => text("query.value", value.to_owned()),
        }))
    }

    fn judge_number(&self, value: Option<&str>, found: &str) -> Said<()> {
        let range = match (self.minimum, self.maximum) {
            (None, None) => return Ok(()),
            (Some(minimum), None) => format!("of at least {minimum}"),
            (None, Some(maximum)) => format!("of at most {maximum}"),
            (Some(minimum), Some(maximum)) => format!("from {minimum} to {maximum}"),
        };
        let is_within = |value: f64| {
            self.minimum.is_none_or(|minimum| value >= minimum) && self.maximum.is_none_or(|maximum| value <= maximum)
        };
        let code = match value.and_then(number) {
            Some(value) if is_within(value) => return Ok(()),
            Some(_) => "value-out-of-range",
            None => "value-not-a-number",
        };
        Err(down(code, format!("expected a first value {range}, got {found}")))
    }
}

fn number(value: &str) -> Option<f64> {
    value.trim().parse().ok().filter(|number: &f64| number.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialogue::Wrong;
    use crate::fields::{Form, prepare};

    const FORM: Form = Form { example: "{}", fields: &[FIELDS] };

    fn query(config: &str) -> Result<Query, Vec<String>> {
        let mut query = None;
        let judged = prepare(config, &FORM, |fields| {
            query = Some(read(fields));
            Some(Vec::new())
        });
        judged.map_err(|problems| problems.into_iter().filter_map(|problem| problem.field).collect::<Vec<_>>())?;
        query.ok_or_else(Vec::new)
    }

    #[test]
    fn first_values_are_judged() {
        let asked = |expected: &str| query(&format!(r#"{{"query": "select 2"{expected}}}"#)).unwrap();
        for (expected, first, code) in [
            ("", None, "ok"),
            ("", Some(None), "ok"),
            (r#", "expect_value": "2""#, Some(Some("2")), "ok"),
            (r#", "expect_value": "2""#, Some(Some("2 ")), "value-unexpected"),
            (r#", "expect_value": "2""#, Some(None), "value-unexpected"),
            (r#", "expect_value": "2""#, None, "value-unexpected"),
            (r#", "expect_minimum": 1.5"#, Some(Some("1.5")), "ok"),
            (r#", "expect_minimum": 1.5"#, Some(Some("1.4")), "value-out-of-range"),
            (r#", "expect_maximum": 3"#, Some(Some("3.01")), "value-out-of-range"),
            (r#", "expect_minimum": 1, "expect_maximum": 3"#, Some(Some("2")), "ok"),
            (r#", "expect_maximum": 3"#, Some(Some("many")), "value-not-a-number"),
            (r#", "expect_maximum": 3"#, Some(Some("NaN")), "value-not-a-number"),
            (r#", "expect_maximum": 3"#, Some(None), "value-not-a-number"),
            (r#", "expect_maximum": 3"#, None, "value-not-a-number"),
        ] {
            let judged = asked(expected).judge(&first.map(|value: Option<&str>| value.map(str::to_owned)));
            let found = match judged {
                Ok(_) => "ok",
                Err(Wrong::Found(_, code, _)) => code,
                Err(_) => "another",
            };
            assert_eq!(found, code, "{expected} {first:?}");
        }
    }

    #[test]
    fn only_what_the_config_asked_for_is_told() {
        let told = |config: &str, value: &str| query(config).unwrap().judge(&Some(Some(value.to_owned()))).unwrap();
        assert!(told("{}", "1").is_none());
        let own = r#"{"query": "select 2"}"#;
        assert!(matches!(told(own, "2").unwrap().value, Value::Float(value) if value == 2.0));
        assert!(matches!(told(own, "two").unwrap().value, Value::Text(value) if value == "two"));
    }

    #[test]
    fn every_mistake_is_named_with_its_place() {
        for (config, field) in [
            (r#"{"query": " "}"#, "/query"),
            (r#"{"expect_value": "1"}"#, "/expect_value"),
            (r#"{"query": "x", "expect_minimum": "1"}"#, "/expect_minimum"),
            (r#"{"query": "x", "expect_minimum": 2, "expect_maximum": 1}"#, "/expect_minimum"),
        ] {
            assert_eq!(query(config).unwrap_err(), [field], "{config}");
        }
        assert_eq!(query("{}").unwrap().statement, "select 1");
    }
}
