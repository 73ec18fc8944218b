//! Bodies as JSON, and the values in them that a path leads to.
//!
//! A body is the peer's: how long and how deep it may be is said before anything is read of it.

use serde_json::Value;

use super::path::Path;
use crate::fields::nesting;

/// The longest body that is read as JSON, in bytes: as values it takes some ten times as much of an instance's memory.
pub const JSON_MAX: usize = 512 << 10;
/// The parser follows every nesting with a call, and the stack of an instance is small.
const NESTING_MAX: usize = 32;
/// The longest path. Nobody reads a longer one.
pub const PATH_MAX: usize = 256;

/// Reads a body.
///
/// # Errors
/// What is wrong with it, to be read after "the body".
pub fn parse(body: &[u8]) -> Result<Value, String> {
    if body.len() > JSON_MAX {
        return Err(format!("has more than the {JSON_MAX} bytes that are read as JSON"));
    }
    if nesting(body) > NESTING_MAX {
        return Err(format!("is nested deeper than {NESTING_MAX} times, which is not read as JSON"));
    }
    serde_json::from_slice(body).map_err(|error| format!("is no JSON ({error})"))
}

/// Whether a text is a path.
///
/// # Errors
/// What is wrong with it.
pub fn is_path(text: &str) -> Result<(), String> {
    Path::read(text).map(drop)
}

/// The values that a path leads to. It was read once when the config was written, so it reads again.
pub fn find<'a>(path: &str, value: &'a Value) -> Vec<&'a Value> {
    Path::read(path).map(|path| path.find(value)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_bodies_are_refused_in_words() {
        for (body, words) in [
            (b"".to_vec(), "is no JSON"),
            (b"<html>".to_vec(), "is no JSON"),
            (b"\xff".to_vec(), "is no JSON"),
            ("[".repeat(100_000).into_bytes(), "nested deeper"),
            (vec![b' '; JSON_MAX + 1], "more than"),
        ] {
            let refused = parse(&body).unwrap_err();
            assert!(refused.contains(words), "{refused}");
        }
        assert_eq!(find("$.a", &parse(br#"{"a": 1}"#).unwrap()), [&Value::from(1)]);
    }
}
