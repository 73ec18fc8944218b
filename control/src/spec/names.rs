//! What may be a name, and what may be a short word such as a label or a provider.

use schemars::{Schema, SchemaGenerator, json_schema};

/// The longest name, in characters: it must fit the subject of a mail.
const NAME_MAX_CHARS: usize = 100;
/// The longest word, in bytes: as long as a DNS label.
const WORD_MAX_BYTES: usize = 63;

/// What is wrong with a name that people read, if anything is.
pub fn check_name(name: &str) -> Result<(), String> {
    let length = name.chars().count();
    if length == 0 {
        return Err("must not be empty".to_owned());
    }
    if length > NAME_MAX_CHARS {
        return Err(format!("has {length} characters; use at most {NAME_MAX_CHARS}"));
    }
    if name.trim() != name {
        return Err("must not begin or end with a space".to_owned());
    }
    if name.chars().any(char::is_control) {
        return Err("must be one line without control characters".to_owned());
    }
    Ok(())
}

/// What is wrong with a word that machines compare, if anything is.
pub fn check_word(word: &str) -> Result<(), String> {
    let sign = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:".contains(&byte);
    if word.is_empty() || word.len() > WORD_MAX_BYTES || !word.bytes().all(sign) {
        return Err(format!("must be 1 to {WORD_MAX_BYTES} letters, digits, or any of - _ . / :"));
    }
    Ok(())
}

/// What a name is, for the document of the API.
pub fn name_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string", "minLength": 1, "maxLength": NAME_MAX_CHARS,
        "pattern": r"^[^\s\x00-\x1f\x7f-\x9f]([^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f])?$",
    })
}

/// What a word is, for the document of the API.
pub fn word_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string", "minLength": 1, "maxLength": WORD_MAX_BYTES, "pattern": "^[A-Za-z0-9_./:-]+$",
    })
}

/// What labels are, for the document of the API: words by words, at most so many.
pub fn labels_schema<const MOST: usize>(generator: &mut SchemaGenerator) -> Schema {
    let word = word_schema(generator);
    json_schema!({
        "type": "object", "maxProperties": MOST, "additionalProperties": word,
        "propertyNames": word,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_line_that_fits_a_subject() {
        assert_eq!(check_name("Käse & Brot"), Ok(()));
        for bad in ["", " a", "a ", "a\nb", &"x".repeat(101)] {
            assert!(check_name(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_word_has_no_spaces() {
        assert_eq!(check_word("eu-central"), Ok(()));
        for bad in ["", "a b", "ä", &"x".repeat(64)] {
            assert!(check_word(bad).is_err(), "{bad:?}");
        }
    }
}
