//! From a refusal of the API to one line and an exit code.

use serde_json::Value;

use crate::exit::{FAILED, Failure, NO_PERMISSION, REFUSED, UNAVAILABLE};

/// The failure that says what the API said.
pub(super) fn refusal(status: u16, problem: &Value) -> Failure {
    Failure::new(code_of(status), line_of(status, problem))
}

const fn code_of(status: u16) -> u8 {
    match status {
        401 | 403 => NO_PERMISSION,
        429 | 502..=504 => UNAVAILABLE,
        400..=499 => REFUSED,
        _ => FAILED,
    }
}

/// Everything that is wrong, each with its field.
fn line_of(status: u16, problem: &Value) -> String {
    let several: Vec<String> = problem["errors"].as_array().into_iter().flatten().map(one_of).collect();
    if !several.is_empty() {
        return several.join("; ");
    }
    if let Some(rule) = problem["code"].as_str() {
        return format!("{rule}: {}", one_of(problem));
    }
    if problem["detail"].is_string() { one_of(problem) } else { format!("the API answered {status} without a reason") }
}

fn one_of(problem: &Value) -> String {
    let detail = problem["detail"].as_str().unwrap_or_default();
    let field = problem["pointer"].as_str().unwrap_or_default().trim_start_matches('/').replace('/', ".");
    if field.is_empty() || detail.contains(&field) { detail.to_owned() } else { format!("{field}: {detail}") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_refusal_is_one_line_with_its_field() {
        let problem = json!({"detail": "use 1 to 8", "pointer": "/streams"});
        assert_eq!(line_of(422, &problem), "streams: use 1 to 8");
        let nested = json!({"detail": "is not good", "pointer": "/config/url"});
        assert_eq!(line_of(422, &nested), "config.url: is not good");
        let of_module = json!({"detail": "the module does not export it", "code": "module-export-missing"});
        assert_eq!(line_of(422, &of_module), "module-export-missing: the module does not export it");
        assert_eq!(line_of(404, &json!({"detail": "there is no check"})), "there is no check");
        assert_eq!(line_of(502, &Value::Null), "the API answered 502 without a reason");
    }

    #[test]
    fn several_things_wrong_are_all_said() {
        let errors = json!([{"detail": "too long", "pointer": "/name"}, {"detail": "use 1", "pointer": "/streams"}]);
        assert_eq!(line_of(422, &json!({"detail": "too long", "errors": errors})), "name: too long; streams: use 1");
    }

    #[test]
    fn codes_are_those_of_sysexits() {
        let codes = [401, 403, 404, 409, 413, 422, 429, 500, 503].map(code_of);
        assert_eq!(codes, [77, 77, 65, 65, 65, 65, 69, 70, 69]);
    }
}
