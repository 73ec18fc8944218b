//! Whether the schema of a config is one: a JSON Schema of 2020-12 of bounded size and depth, that leads nowhere else.
//!
//! It is held against the meta-schema, which comes with the program. It is never compiled, and its patterns are not either:
//! forms and pages are made from it, and configs are judged by the module itself.

use boon::{Compiler, Schemas, ValidationError};
use serde_json::Value;

use super::is_unseen;

/// The largest schema, in bytes: the largest of the built-in modules has 8 KiB. It is shown wherever its module is.
const BYTES_MAX: usize = 64 << 10;
/// Values within values. Ten are deep for a person who fills in a form, and each takes a few from the stack of whoever reads.
const DEPTH_MAX: usize = 32;
/// The dialect, by which its meta-schema is found.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";
/// What stands below these is data, in which a `$ref` is none.
const DATA: [&str; 4] = ["const", "default", "enum", "examples"];

/// The schema, or what is wrong with it and what to do.
pub(super) fn judge(text: &str) -> Result<Value, String> {
    if text.len() > BYTES_MAX {
        return Err(format!("the config schema has {} bytes; at most {BYTES_MAX} are taken", text.len()));
    }
    let schema: Value =
        serde_json::from_str(text).map_err(|error| format!("the config schema is not JSON: {error}"))?;
    if !schema.is_object() {
        return Err("the config schema must be an object, such as {\"type\": \"object\"}".to_owned());
    }
    check_texts(&schema, 1)?;
    match schema.get("$schema") {
        None => {}
        Some(dialect) if dialect == DIALECT => {}
        Some(other) => return Err(format!("the config schema is written in {other}; write it in {DIALECT:?}")),
    }
    check_references(&schema, &schema)?;
    check_form(&schema)?;
    Ok(schema)
}

/// Texts are shown on terminals and pages as they are.
fn check_texts(value: &Value, depth: usize) -> Result<(), String> {
    if depth > DEPTH_MAX {
        return Err(format!("the config schema nests deeper than {DEPTH_MAX}; make it flatter"));
    }
    let is_shown = |text: &str| !text.chars().any(|sign| is_unseen(sign) && !matches!(sign, '\n' | '\t'));
    let hidden = |text: &str| Err(format!("the config schema has control characters in {text:?}; take them out"));
    match value {
        Value::String(text) if !is_shown(text) => hidden(text),
        Value::Array(items) => items.iter().try_for_each(|item| check_texts(item, depth + 1)),
        Value::Object(fields) => fields
            .iter()
            .try_for_each(|(key, value)| if is_shown(key) { check_texts(value, depth + 1) } else { hidden(key) }),
        _ => Ok(()),
    }
}

/// What a schema refers to stands in itself: nothing is fetched for whoever reads it.
fn check_references(root: &Value, value: &Value) -> Result<(), String> {
    match value {
        Value::Array(items) => items.iter().try_for_each(|item| check_references(root, item)),
        Value::Object(fields) => {
            if let Some(reference) = fields.get("$ref").and_then(Value::as_str)
                && reference.strip_prefix('#').and_then(|pointer| root.pointer(pointer)).is_none()
            {
                return Err(format!(
                    "the config schema refers to {reference:?}, which it does not hold; refer to what stands in it, such as \
                     \"#/$defs/step\""
                ));
            }
            let parts = fields.iter().filter(|(key, _)| !DATA.contains(&key.as_str()));
            parts.map(|(_, part)| part).try_for_each(|part| check_references(root, part))
        }
        _ => Ok(()),
    }
}

fn check_form(schema: &Value) -> Result<(), String> {
    let mut schemas = Schemas::new();
    let dialect = Compiler::new().compile(DIALECT, &mut schemas);
    let dialect = dialect.expect("the meta-schema of the dialect is part of the library");
    schemas.validate(schema, dialect).map_err(|error| {
        let first = first_cause(&error);
        let place = first.instance_location.to_string();
        let place = if place.is_empty() { "its top".to_owned() } else { place };
        format!("the config schema is no JSON Schema of 2020-12: at {place}, {}", first.kind)
    })
}

/// The innermost reason, on the way that comes first.
fn first_cause<'e, 's, 'v>(error: &'e ValidationError<'s, 'v>) -> &'e ValidationError<'s, 'v> {
    let mut cause = error;
    while let Some(inner) = cause.causes.first() {
        cause = inner;
    }
    cause
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schemas_of_this_house_are_good() {
        let heartbeat = crate::heartbeat::description().config_schema.to_string();
        assert!(judge(&heartbeat).is_ok());
        let recursive = r##"{"$defs": {"a": {"anyOf": [{"type": "string"}, {"$ref": "#/$defs/a"}]}},
            "properties": {"$ref": {"$ref": "#/$defs/a"}}, "default": {"$ref": "https://a.example"}}"##;
        assert!(judge(recursive).is_ok(), "{:?}", judge(recursive));
    }

    #[test]
    fn what_is_no_schema_is_told_with_its_place() {
        for (schema, words) in [
            ("", "not JSON"),
            ("[]", "must be an object"),
            ("true", "must be an object"),
            (r#"{"type": "objekt"}"#, "at /type"),
            (r#"{"properties": {"port": {"minimum": "1"}}}"#, "at /properties/port/minimum"),
            (r#"{"required": "host"}"#, "at /required"),
            (r#"{"$schema": "http://json-schema.org/draft-07/schema#"}"#, "write it in"),
            (r#"{"$ref": "https://evil.example/schema"}"#, "refers to"),
            (r##"{"items": {"$ref": "#/$defs/none"}}"##, "refers to"),
            ("{\"description\": \"a\\u001b[2J\"}", "control characters"),
            ("{\"properties\": {\"a\\u0007\": {}}}", "control characters"),
        ] {
            let found = judge(schema).expect_err(schema);
            assert!(found.contains(words), "{schema}: {found}");
        }
    }

    #[test]
    fn a_bomb_is_refused_by_its_size_or_depth_or_read_in_no_time() {
        let deep = |levels: usize| format!("{}{{}}{}", r#"{"not":"#.repeat(levels), "}".repeat(levels));
        assert!(judge(&deep(31)).is_ok(), "{:?}", judge(&deep(31)));
        assert!(judge(&deep(32)).expect_err("too deep").contains("nests deeper"));
        assert!(judge(&deep(5_000)).expect_err("too deep").contains("recursion limit"));
        assert!(
            judge(&format!(r#"{{"title": "{}"}}"#, "x".repeat(BYTES_MAX))).expect_err("too large").contains("bytes")
        );
        let wide = format!(r#"{{"allOf": [{}{{"pattern": "(a{{1000}}){{1000}}"}}]}}"#, r#"{"not":{}},"#.repeat(5_000));
        assert!(judge(&wide).is_ok(), "patterns are not compiled");
    }
}
