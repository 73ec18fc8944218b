//! The manual page of a module, made from what the module says of itself: Markdown that reads well in a terminal.
//!
//! `docs/checks/` holds those of the built-in modules as they are printed here. It knows JSON Schema as far as configs use it.

use std::fmt::Write;

use serde_json::Value;

use super::super::fields::{text, texts};

/// Lines are at most so long.
const WIDTH: usize = 110;
/// Examples of one field that are shown.
const EXAMPLES_MAX: usize = 3;
/// Objects within objects are shown so deep; no config of ours is deeper.
const DEPTH_MAX: usize = 3;

/// Kinds of one value that are told, and kinds within kinds: a schema that somebody brought may refer to itself.
const KINDS_MAX: usize = 8;
/// Fields are told until a page has so many bytes: the longest of ours has 12 KB.
const PAGE_MAX_BYTES: usize = 256 << 10;

/// What is said of a module that nothing runs.
const CALLED: &str =
    "No host runs it: the job that it watches calls Farwatch, by the path that `farwatch heartbeat show` tells.";
/// What is said of the outcomes of all others.
const OF_PROBES: &str = "Whatever keeps a probe from an answer is down by its own code, such as `connection-refused`, \
                         `first-byte-timeout` or `tls-certificate-expired`: `wit/types.wit` lists them.";

/// The page.
pub(super) fn page(module: &Value) -> String {
    let schema = &module["config_schema"];
    let name = text(module, "name");
    let mut page = format!("# {name}\n\n");
    paragraph(&mut page, "", &text(module, "summary"));
    let is_called = module["is_called"] == true;
    let needs = texts(module, "capabilities").collect::<Vec<_>>().join(", ");
    let run_by = if is_called { CALLED.to_owned() } else { format!("It asks its host for: {needs}.") };
    paragraph(&mut page, "", &format!("Version {}. {run_by}", text(module, "version")));
    examples(&mut page, &name, schema, if is_called { "" } else { " --every 1min" });
    page.push_str("## Config\n\n");
    fields(&mut page, schema, schema, 0);
    outcomes(&mut page, schema);
    if !is_called {
        paragraph(&mut page, "", OF_PROBES);
    }
    page
}

fn examples(page: &mut String, name: &str, schema: &Value, every: &str) {
    let Some(examples) = schema["examples"].as_array().filter(|examples| !examples.is_empty()) else { return };
    page.push_str("## Examples\n\n```\n");
    for example in examples {
        let _ = writeln!(page, "farwatch check create {name} --name example{every} --config '{example}'");
    }
    page.push_str("```\n\n");
}

/// The fields of an object: those that must be there first.
fn fields(page: &mut String, root: &Value, object: &Value, depth: usize) {
    let needed = |name: &str| texts(object, "required").any(|required| required == name);
    let Some(properties) = object["properties"].as_object().filter(|_| depth < DEPTH_MAX) else { return };
    let (first, then): (Vec<_>, Vec<_>) = properties.iter().partition(|(name, _)| needed(name));
    for (name, field) in first.into_iter().chain(then) {
        if page.len() > PAGE_MAX_BYTES {
            return;
        }
        let field = resolved(root, field);
        let mut facts = vec![kind(root, field, 0)];
        facts.extend(bounds(field));
        if needed(name) {
            facts.push("needed".to_owned());
        }
        if let Some(default) = field.get("default") {
            facts.push(format!("default `{}`", plain(default)));
        }
        let mut said = format!("- **`{name}`** ({}): {}", facts.join("; "), text(field, "description"));
        let shown: Vec<_> = shown_examples(field);
        if !shown.is_empty() {
            let _ = write!(said, " For example {}.", shown.join(", "));
        }
        let indent = "  ".repeat(depth);
        paragraph_hanging(page, &indent, &said);
        let inner = inner(root, field);
        if !is_secret(inner) {
            fields(page, root, inner, depth + 1);
        }
    }
    if depth == 0 {
        page.push('\n');
    }
}

fn shown_examples(field: &Value) -> Vec<String> {
    let examples = field["examples"].as_array().into_iter().flatten();
    examples.take(EXAMPLES_MAX).map(|example| format!("`{}`", plain(example))).collect()
}

/// What a field refers to, where it refers to anything.
fn resolved<'v>(root: &'v Value, field: &'v Value) -> &'v Value {
    let pointer = field["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
    pointer.and_then(|pointer| root.pointer(pointer)).unwrap_or(field)
}

/// The object whose fields are shown below a field: itself, or what its list holds.
fn inner<'v>(root: &'v Value, field: &'v Value) -> &'v Value {
    if field["type"] == "array" { resolved(root, &field["items"]) } else { field }
}

/// The one form of object that stands for a value.
fn is_secret(field: &Value) -> bool {
    field["required"].as_array().is_some_and(|required| required.len() == 1 && required[0] == "secret")
}

/// What kind of value it is, in words.
fn kind(root: &Value, field: &Value, depth: usize) -> String {
    if depth > DEPTH_MAX {
        return "any value".to_owned();
    }
    if is_secret(field) {
        return "a secret".to_owned();
    }
    if let Some(choices) = field["enum"].as_array() {
        let mut words: Vec<String> = choices.iter().map(plain).collect();
        words.sort();
        words.dedup();
        return words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(" or ");
    }
    let either = field["anyOf"].as_array().or(field["oneOf"].as_array());
    if let Some(kinds) = either {
        let mut kinds: Vec<String> =
            kinds.iter().take(KINDS_MAX).map(|one| kind(root, resolved(root, one), depth + 1)).collect();
        kinds.dedup();
        return kinds.join(", or ");
    }
    match field["type"].as_str() {
        Some("string") => "text".to_owned(),
        Some("integer") => "whole number".to_owned(),
        Some("boolean") => "true or false".to_owned(),
        Some("array") => format!("list of: {}", kind(root, resolved(root, &field["items"]), depth + 1)),
        Some("object") => "object".to_owned(),
        Some(other) => other.to_owned(),
        None => "any value".to_owned(),
    }
}

/// How large it may be.
fn bounds(field: &Value) -> Option<String> {
    let unit = field["unit"].as_str().map_or_else(String::new, |unit| format!(" {unit}"));
    let range = |least: &str, most: &str, what: &str| match (field[least].as_i64(), field[most].as_i64()) {
        (Some(least), Some(most)) => Some(format!("{least} to {most}{what}")),
        (Some(least), None) => Some(format!("at least {least}{what}")),
        (None, Some(most)) => Some(format!("at most {most}{what}")),
        (None, None) => None,
    };
    range("minimum", "maximum", &unit)
        .or_else(|| field["maxLength"].as_i64().map(|most| format!("at most {most} characters")))
        .or_else(|| range("minItems", "maxItems", " entries"))
        .or_else(|| field["unit"].as_str().map(|unit| format!("in {unit}")))
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn outcomes(page: &mut String, schema: &Value) {
    let Some(outcomes) = schema["x-outcomes"].as_array().filter(|outcomes| !outcomes.is_empty()) else { return };
    page.push_str("## Outcomes\n\n| code | it is | when |\n|---|---|---|\n");
    for outcome in outcomes {
        let (code, status, when) = (text(outcome, "code"), text(outcome, "status"), text(outcome, "when"));
        let _ = writeln!(page, "| `{code}` | {status} | {when} |");
    }
    page.push('\n');
}

fn paragraph(page: &mut String, indent: &str, said: &str) {
    wrapped(page, indent, indent, said);
    page.push('\n');
}

/// One entry of a list, whose further lines stand under its text.
fn paragraph_hanging(page: &mut String, indent: &str, said: &str) {
    wrapped(page, indent, &format!("{indent}  "), said);
}

fn wrapped(page: &mut String, first: &str, rest: &str, said: &str) {
    let mut line = first.to_owned();
    let mut is_fresh = true;
    for word in said.split_whitespace() {
        if !is_fresh && line.chars().count() + 1 + word.chars().count() > WIDTH {
            let _ = writeln!(page, "{line}");
            line = rest.to_owned();
            is_fresh = true;
        }
        if !is_fresh {
            line.push(' ');
        }
        line.push_str(word);
        is_fresh = false;
    }
    let _ = writeln!(page, "{line}");
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_schema_that_refers_to_itself_ends() {
        let many = |of: &str| vec![json!({"$ref": of}); 1_000];
        let properties: serde_json::Map<String, Value> =
            (0..1_000).map(|n| (format!("f{n}"), json!({"$ref": "#/$defs/object"}))).collect();
        let schema = json!({
            "properties": {"any": {"$ref": "#/$defs/any"}, "object": {"$ref": "#/$defs/object"}},
            "$defs": {"any": {"anyOf": many("#/$defs/any")}, "object": {"properties": properties}},
        });
        let page = page(&json!({"name": "bomb", "capabilities": [], "config_schema": schema}));
        assert!(page.contains("**`any`** (any value)") && page.len() < 2 * PAGE_MAX_BYTES, "{}", page.len());
    }

    fn module() -> Value {
        json!({"name": "mail", "version": "0.1.0", "summary": "Looks at mail.", "capabilities": ["tcp"], "config_schema": {
            "required": ["host"],
            "examples": [{"host": "mail.example.com"}],
            "properties": {
                "port": {"type": "integer", "minimum": 1, "maximum": 65535, "default": 143, "description": "Where."},
                "host": {"type": "string", "maxLength": 255, "description": "Who.", "examples": ["a.example", "192.0.2.7"]},
                "password": {"type": "object", "required": ["secret"], "properties": {"secret": {"type": "string"}}},
                "version": {"enum": ["4", 4, "6"], "description": "Which."},
                "slow": {"type": "integer", "minimum": 1, "unit": "ms", "description": "Slow."},
                "steps": {"type": "array", "items": {"$ref": "#/$defs/step"}, "description": "What is done."},
            },
            "$defs": {"step": {"type": "object", "properties": {"url": {"type": "string", "description": "The URL."}}}},
            "x-outcomes": [{"code": "login-refused", "status": "down", "when": "the login is refused"}],
        }})
    }

    #[test]
    fn every_field_is_shown_with_what_may_stand_there() {
        let page = page(&module());
        for line in [
            "# mail",
            "farwatch check create mail --name example --every 1min --config '{\"host\":\"mail.example.com\"}'",
            "- **`host`** (text; at most 255 characters; needed): Who. For example `a.example`, `192.0.2.7`.",
            "- **`port`** (whole number; 1 to 65535; default `143`): Where.",
            "- **`password`** (a secret):",
            "- **`version`** (`4` or `6`): Which.",
            "- **`slow`** (whole number; at least 1 ms): Slow.",
            "- **`steps`** (list of: object): What is done.",
            "  - **`url`** (text): The URL.",
            "| `login-refused` | down | the login is refused |",
        ] {
            assert!(page.lines().any(|shown| shown == line), "{line}\nis not in\n{page}");
        }
        assert!(!page.contains("**`secret`**"), "{page}");
    }

    #[test]
    fn what_must_be_there_comes_first_and_lines_are_wrapped() {
        let mut module = module();
        module["summary"] = json!("word ".repeat(60));
        let page = page(&module);
        assert!(page.find("`host`") < page.find("`password`"));
        assert!(page.lines().filter(|line| !line.starts_with("farwatch")).all(|line| line.chars().count() <= WIDTH));
    }
}
