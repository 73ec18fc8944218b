//! The JSON config: the steps, what they may use, and what is judged of all of them together.

use farwatch_guest::fields::{Fields, Form, FromFields, escape};
use farwatch_guest::secret::{Secret, Text};
use farwatch_guest::web::expect::{self, Expect};
use farwatch_guest::web::wish::{self, Wish};
use serde_json::Value;

use crate::capture::{self, Capture};
use crate::template;

/// As many as the requests of one run leave room for redirects.
const STEPS_MAX: usize = 10;
/// A name is read in one line.
const NAME_MAX: usize = 64;
/// More are read by nobody.
const CAPTURES_MAX: usize = 16;
/// More are read by nobody.
const VARIABLES_MAX: usize = 32;
/// The longest text of a variable: no server takes longer headers.
const VARIABLE_MAX: usize = 8_192;

const STEP_FIELDS: &[&[&str]] = &[&["name"], wish::FIELDS, expect::FIELDS, &["captures"]];

/// What a run asks and expects.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// What every step can use.
    pub variables: Vec<(String, Text)>,
    /// The steps.
    pub steps: Vec<Step>,
    /// Together they are degraded when they take longer.
    pub degraded_above_ms: Option<u32>,
}

/// One request.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// What it does.
    pub name: String,
    /// The request.
    pub wish: Wish,
    /// What is expected of the answer.
    pub expect: Expect<'static>,
    /// What later steps use of it.
    pub captures: Vec<Capture>,
}

impl FromFields for Config {
    const FORM: Form = Form {
        example: "{\"steps\": [{\"name\": \"home\", \"url\": \"https://example.com/\"}]}",
        fields: &[&["variables", "degraded_above_ms", "steps"]],
    };

    fn read(fields: &mut Fields<'_>) -> Self {
        let variables = variables(fields);
        let mut known: Vec<_> = variables.iter().map(|(name, _)| name.clone()).collect();
        let steps = fields.objects("steps", STEPS_MAX, STEP_FIELDS, |fields| {
            let step = step(fields, &known);
            known.extend(step.captures.iter().map(|capture| capture.name.clone()));
            step
        });
        if fields.get("steps").is_none_or(|value| value.as_array().is_some_and(Vec::is_empty)) {
            let message = "`steps` is missing; say what to ask for, one request after the other".to_owned();
            fields.add("config-missing-field", "/steps".to_owned(), message);
        }
        Self { variables, steps, degraded_above_ms: fields.limit_ms("degraded_above_ms") }
    }
}

fn step(fields: &mut Fields<'_>, known: &[String]) -> Step {
    let name = fields.needed("name", "what the step does", NAME_MAX).unwrap_or_default().to_owned();
    if name.contains(char::is_control) {
        fields.bad("name", "`name` must be one line".to_owned());
    }
    let wish = Wish::read(fields);
    for (field, text) in wish.texts() {
        for unknown in template::names(text).into_iter().filter(|name| !known.iter().any(|it| it == name)) {
            let message = format!("`{{{{{unknown}}}}}` is no variable and nothing that an earlier step captures");
            fields.bad(field, message);
        }
    }
    let captures = fields.objects("captures", CAPTURES_MAX, &[capture::FIELDS], capture::read);
    Step { name, wish, expect: expect::read(fields), captures }
}

fn variables(fields: &mut Fields<'_>) -> Vec<(String, Text)> {
    let Some(value) = fields.get("variables") else { return Vec::new() };
    let Some(map) = value.as_object() else {
        fields.wrong_type("variables", "an object of names and values", value);
        return Vec::new();
    };
    if map.len() > VARIABLES_MAX {
        fields.bad("variables", format!("`variables` has {} entries; at most {VARIABLES_MAX} are allowed", map.len()));
    }
    let mut variables = Vec::new();
    for (name, value) in map {
        let text = match value {
            Value::String(text) if text.len() <= VARIABLE_MAX => Some(Text::Plain(text.clone())),
            Value::Object(map) => Secret::of(map).map(Text::Secret),
            _ => None,
        };
        match text.filter(|_| template::is_name(name)) {
            Some(text) => variables.push((name.clone(), text)),
            None => {
                let message = format!(
                    "`{name}` must be a name of lower case letters, digits and underscores, and its value a text of at \
                     most {VARIABLE_MAX} bytes, or {{\"secret\": \"NAME\"}}"
                );
                fields.bad(&format!("variables/{}", escape(name)), message);
            }
        }
    }
    variables
}

#[cfg(test)]
mod tests {
    use farwatch_guest::fields::{judge, reread};

    use super::*;

    #[test]
    fn every_field_is_read() {
        let said = r#"{"variables": {"user": "anna", "pw": {"secret": "pw"}}, "degraded_above_ms": 900, "steps": [
            {"name": "login", "url": "https://a.example/login?u={{user}}", "json": {"p": "{{pw}}"}, "expected_status": 201,
             "captures": [{"name": "t", "json_path": "$.t"}, {"name": "l", "header": "Location", "regex": "id=(.*)"}]},
            {"name": "use", "url": "https://a.example/{{l}}", "headers": {"authorization": "Bearer {{ t }}"}}
        ]}"#;
        let config = reread::<Config>(&judge::<Config>(said).unwrap()).unwrap();
        assert_eq!((config.variables.len(), config.steps.len(), config.degraded_above_ms), (2, 2, Some(900)));
        let [login, usage] = config.steps.as_slice() else { panic!("two steps") };
        assert_eq!((login.name.as_str(), login.captures.len(), login.expect.statuses[0].first), ("login", 2, 201));
        assert_eq!(usage.wish.texts()[1], ("headers", "Bearer {{ t }}"));
    }

    #[test]
    fn every_mistake_is_named_with_its_place() {
        let step = |fields: &str| format!(r#"{{"steps": [{{"name": "a", "url": "http://a/", {fields}}}]}}"#);
        for (config, field) in [
            ("{}".to_owned(), "/steps"),
            (r#"{"steps": []}"#.to_owned(), "/steps"),
            (r#"{"steps": [1]}"#.to_owned(), "/steps/0"),
            (r#"{"steps": [{"url": "http://a/"}]}"#.to_owned(), "/steps/0/name"),
            (r#"{"steps": [{"name": "a"}]}"#.to_owned(), "/steps/0/url"),
            (step(r#""form": {"a": "{{b}}"}"#), "/steps/0/form"),
            (step(r#""captures": [{"name": "b", "header": "x"}], "body": "{{b}}""#), "/steps/0/body"),
            (step(r#""json": {"a": ["{{b}}"]}"#), "/steps/0/json"),
            (step(r#""captures": [{"name": "B", "header": "x"}]"#), "/steps/0/captures/0/name"),
            (step(r#""captures": [{"name": "b"}]"#), "/steps/0/captures/0/regex"),
            (step(r#""captures": [{"name": "b", "regex": "("}]"#), "/steps/0/captures/0/regex"),
            (step(r#""captures": [{"name": "b", "json_path": "x"}]"#), "/steps/0/captures/0/json_path"),
            (step(r#""captures": [{"name": "b", "json_path": "$", "header": "x"}]"#), "/steps/0/captures/0/header"),
            (step(r#""captures": [{"name": "b", "header": "x y"}]"#), "/steps/0/captures/0/header"),
            (step(r#""oauth2_scope": "x""#), "/steps/0/oauth2_scope"),
            (r#"{"steps": [{"name": "a", "url": "http://{{host}}/"}]}"#.to_owned(), "/steps/0/url"),
            (r#"{"variables": {"A": "b"}, "steps": [{"name": "a", "url": "http://a/"}]}"#.to_owned(), "/variables/A"),
            (r#"{"variables": {"a": 1}, "steps": [{"name": "a", "url": "http://a/"}]}"#.to_owned(), "/variables/a"),
            (format!(r#"{{"steps": [{}]}}"#, [r#"{"name": "a", "url": "http://a/"}"#; 11].join(",")), "/steps"),
        ] {
            let problems = judge::<Config>(&config).unwrap_err();
            let found: Vec<_> = problems.iter().filter_map(|problem| problem.field.as_deref()).collect();
            assert_eq!(found, [field], "{config}: {problems:?}");
        }
    }
}
