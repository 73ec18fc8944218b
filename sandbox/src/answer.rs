//! The rules for what a guest answers: how much of it is kept, and what makes it no answer at all.
//!
//! Text that is too long is cut, since its beginning is still of use. A malformed code is refused, since rules match it.

use farwatch_proto::check::PREPARED_MAX_BYTES;

use crate::bindings::exports::farwatch::check::check::{Description, Prepared};
use crate::bindings::farwatch::check::types::{Outcome, Problem, Value};
use crate::stop::{Stop, StopCode};

/// These stand in `wit/types.wit`, where the authors of modules read them.
const CODE_MAX: usize = 48;
const MESSAGE_MAX: usize = 1_024;
const ATTRIBUTES_MAX: usize = 32;
const KEY_MAX: usize = 64;
const TEXT_MAX: usize = 256;
/// More problems than this help nobody.
const PROBLEMS_MAX: usize = 64;
/// A JSON pointer into a config.
const FIELD_MAX: usize = 256;
/// A schema of this size describes hundreds of fields.
const SCHEMA_MAX: usize = 64 << 10;
/// There are fewer interfaces than that.
const CAPABILITIES_MAX: usize = 32;

/// What ends a text that was cut.
const CUT: &str = "…";

/// Brings an outcome within its limits.
pub(crate) fn outcome(mut outcome: Outcome) -> Result<Outcome, Stop> {
    check_code(&outcome.code)?;
    cut(&mut outcome.message, MESSAGE_MAX);
    outcome.attributes.truncate(ATTRIBUTES_MAX);
    for attribute in &mut outcome.attributes {
        if attribute.key.is_empty() || attribute.key.len() > KEY_MAX {
            let message = format!("an attribute's key must have 1 to {KEY_MAX} bytes");
            return Err(Stop::new(StopCode::AnswerInvalid, message));
        }
        if let Value::Text(text) = &mut attribute.value {
            cut(text, TEXT_MAX);
        }
    }
    Ok(outcome)
}

/// Brings a problem within its limits.
pub(crate) fn problem(mut problem: Problem) -> Result<Problem, Stop> {
    check_code(&problem.code)?;
    cut(&mut problem.message, MESSAGE_MAX);
    if let Some(field) = &mut problem.field {
        cut(field, FIELD_MAX);
    }
    Ok(problem)
}

/// Brings a list of problems within its limits.
pub(crate) fn problems(mut problems: Vec<Problem>) -> Result<Vec<Problem>, Stop> {
    problems.truncate(PROBLEMS_MAX);
    problems.into_iter().map(problem).collect()
}

/// Refuses a prepared config that is too large. It cannot be cut, and it is its config that made it so.
pub(crate) fn prepared(prepared: Prepared) -> Result<Prepared, Vec<Problem>> {
    match prepared.config.len() {
        0..=PREPARED_MAX_BYTES => Ok(prepared),
        len => Err(vec![Problem {
            code: "config-too-large".to_owned(),
            message: format!(
                "the config is too large: prepared, it may have {PREPARED_MAX_BYTES} bytes, and has {len}"
            ),
            field: None,
        }]),
    }
}

/// Refuses a description that does not keep its limits, or keeps silent about a probe that the module imports. A module
/// is described once, so its author sees it. Whether what it says is good is judged by whoever takes it in.
pub(crate) fn description(
    description: Description,
    mut imports: impl Iterator<Item = &'static str>,
) -> Result<Description, Stop> {
    let Description { name, version, summary, config_schema, capabilities } = &description;
    let longest_capability = capabilities.iter().map(String::len).max().unwrap_or_default();
    let limits = [
        ("name", name.len(), KEY_MAX),
        ("version", version.len(), KEY_MAX),
        ("summary", summary.len(), MESSAGE_MAX),
        ("config schema", config_schema.len(), SCHEMA_MAX),
        ("longest capability", longest_capability, KEY_MAX),
    ];
    if let Some((what, length, most)) = limits.into_iter().find(|(_, length, most)| length > most) {
        let message =
            format!("the {what} that the module tells of itself has {length} bytes; at most {most} are taken");
        return Err(Stop::new(StopCode::AnswerInvalid, message));
    }
    if capabilities.len() > CAPABILITIES_MAX {
        let message = format!("the module names {} capabilities; there are fewer", capabilities.len());
        return Err(Stop::new(StopCode::AnswerInvalid, message));
    }
    match imports.find(|import| !description.capabilities.iter().any(|named| named == import)) {
        Some(unnamed) => {
            let message = format!("the module imports `{unnamed}` without naming it among its capabilities; name it");
            Err(Stop::new(StopCode::AnswerInvalid, message))
        }
        None => Ok(description),
    }
}

fn check_code(code: &str) -> Result<(), Stop> {
    if is_code(code) {
        return Ok(());
    }
    let message = format!("a code must have 1 to {CODE_MAX} bytes of a-z, 0-9 and hyphens");
    Err(Stop::new(StopCode::AnswerInvalid, message))
}

fn is_code(text: &str) -> bool {
    let is_valid = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=CODE_MAX).contains(&text.len()) && text.bytes().all(is_valid)
}

fn cut(text: &mut String, max: usize) {
    if text.len() > max {
        text.truncate(text.floor_char_boundary(max - CUT.len()));
        text.push_str(CUT);
        text.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bindings::farwatch::check::types::{Attribute, Status};

    fn plain(code: &str) -> Outcome {
        Outcome {
            status: Status::Up,
            code: code.to_owned(),
            message: String::new(),
            latency_us: 0,
            attributes: Vec::new(),
        }
    }

    #[test]
    fn codes_are_words() {
        for (code, good) in [("ok", true), ("http2-x", true), ("", false), ("Ok", false), ("a b", false), ("ä", false)]
        {
            assert_eq!(outcome(plain(code)).is_ok(), good, "{code}");
        }
        assert!(outcome(plain(&"x".repeat(CODE_MAX))).is_ok());
        assert!(outcome(plain(&"x".repeat(CODE_MAX + 1))).is_err());
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let message = "ä".repeat(MESSAGE_MAX);
        let kept = outcome(Outcome { message, ..plain("ok") }).expect("it is only cut").message;
        assert!(kept.len() <= MESSAGE_MAX && kept.ends_with("ä…"), "{}", kept.len());
        let message = "x".repeat(MESSAGE_MAX);
        assert_eq!(outcome(Outcome { message: message.clone(), ..plain("ok") }).expect("it fits").message, message);
    }

    #[test]
    fn attributes_are_limited() {
        let attribute = |key: &str| Attribute { key: key.to_owned(), value: Value::Text("x".repeat(TEXT_MAX + 1)) };
        let attributes = vec![attribute("a"); ATTRIBUTES_MAX + 1];
        let kept = outcome(Outcome { attributes, ..plain("ok") }).expect("they are only cut").attributes;
        assert_eq!(kept.len(), ATTRIBUTES_MAX);
        assert!(matches!(&kept[0].value, Value::Text(text) if text.len() == TEXT_MAX));
        for key in ["", "x".repeat(KEY_MAX + 1).as_str()] {
            assert!(outcome(Outcome { attributes: vec![attribute(key)], ..plain("ok") }).is_err());
        }
    }

    #[test]
    fn a_prepared_config_has_a_limit() {
        assert!(prepared(Prepared { config: vec![0; PREPARED_MAX_BYTES] }).is_ok());
        assert!(prepared(Prepared { config: vec![0; PREPARED_MAX_BYTES + 1] }).is_err());
    }
}
