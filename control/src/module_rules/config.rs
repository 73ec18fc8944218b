//! Whether a config keeps the schema that its module has for it, for the author of the module: where the two differ, forms and
//! manual pages promise what the module does not do.
//!
//! No check is judged by this, for a config is judged by its module alone.

use boon::{Compiler, Schemas, ValidationError};
use serde_json::Value;

use crate::spec::FieldProblem;

/// The name under which a schema is compiled. Nothing is fetched by it.
const PLACE: &str = "https://schema.invalid/config";
/// More problems than this help nobody, as with those of a module.
const PROBLEMS_MAX: usize = 64;

/// What a schema finds wrong with a config. The schema has passed [`judge`](super::judge), so it leads nowhere else.
///
/// # Errors
/// When no config can be judged by it, such as by a pattern that is none.
pub fn problems(schema: &Value, config: &Value) -> Result<Vec<FieldProblem>, String> {
    let (mut compiler, mut schemas) = (Compiler::new(), Schemas::new());
    compiler.add_resource(PLACE, schema.clone()).map_err(|error| error.to_string())?;
    let schema = compiler.compile(PLACE, &mut schemas).map_err(|error| innermost(&error))?;
    let mut problems = Vec::new();
    if let Err(error) = schemas.validate(config, schema) {
        gather(&error, &mut problems);
    }
    problems.truncate(PROBLEMS_MAX);
    Ok(problems)
}

/// The reason behind the reasons: it says what, and the others where in the library.
fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    error.source().map_or_else(|| error.to_string(), innermost)
}

/// The reasons that have no others behind them.
fn gather(error: &ValidationError<'_, '_>, problems: &mut Vec<FieldProblem>) {
    if error.causes.is_empty() {
        problems.push(FieldProblem::new(error.instance_location.to_string(), error.kind.to_string()));
    }
    error.causes.iter().for_each(|cause| gather(cause, problems));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema() -> Value {
        json!({
            "type": "object", "required": ["url"], "additionalProperties": false,
            "properties": {"url": {"type": "string", "pattern": "^https?://"}, "port": {"$ref": "#/$defs/port"}},
            "$defs": {"port": {"type": "integer", "minimum": 1}},
        })
    }

    #[test]
    fn every_problem_is_told_with_its_field() {
        let found = problems(&schema(), &json!({"url": "ftp://a", "port": 0, "colour": 1})).unwrap();
        let mut fields: Vec<&str> = found.iter().map(|problem| problem.pointer.as_str()).collect();
        fields.sort_unstable();
        assert_eq!(fields, ["", "/port", "/url"], "{found:?}");
        assert!(found.iter().any(|problem| problem.detail.contains("colour")), "{found:?}");
        assert_eq!(problems(&schema(), &json!({"url": "https://a"})), Ok(Vec::new()));
        assert!(problems(&schema(), &json!({})).unwrap()[0].detail.contains("url"));
    }

    #[test]
    fn a_schema_that_judges_nothing_is_told_of() {
        let why = problems(&json!({"properties": {"a": {"pattern": "("}}}), &json!({})).unwrap_err();
        assert!(why.contains("pattern"), "{why}");
    }
}
