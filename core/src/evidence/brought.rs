//! What a failed run has to say, cut to what is kept of it.

use farwatch_proto::outcome::{
    ATTRIBUTE_MAX_BYTES, ATTRIBUTES_MAX, Attribute, Blame, CODE_MAX_BYTES, MESSAGE_MAX_BYTES, Outcome, SHOWN_MAX,
    SHOWN_MAX_BYTES, Shown, Status, Value,
};
use serde::{Deserialize, Serialize};

/// What one piece may weigh: ten times what the built-in modules bring, and a third of what a host may send, so that no
/// module fills the room of its tenant with a few runs.
const PIECE_MAX_BYTES: usize = 16 * 1024;
/// A number or a truth value.
const SCALAR_BYTES: usize = 8;

/// What a run said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Brought {
    /// Its code, in signs that any database takes.
    #[serde(skip)]
    pub code: String,
    /// Its sentence.
    pub message: String,
    /// Its attributes, in order.
    pub attributes: Vec<Attribute>,
    /// What came from the target.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shown: Vec<Shown>,
    /// Whether some of it was left out for its size.
    pub is_cut: bool,
}

impl Brought {
    /// How much it weighs.
    pub fn bytes(&self) -> u64 {
        let attributes: usize = self.attributes.iter().map(weight).sum();
        let shown: usize = self.shown.iter().map(|shown| shown.what.len() + shown.text.len()).sum();
        (self.code.len() + self.message.len() + attributes + shown) as u64
    }
}

/// What this run brought, if it failed and anybody but its host is to blame.
pub fn brought_by(outcome: &Outcome) -> Option<Brought> {
    if matches!(outcome.status, Status::Up | Status::Unknown(Blame::Host)) {
        return None;
    }
    let detail = outcome.detail.as_ref()?;
    let code: String = detail.code.chars().filter(|sign| !sign.is_control()).collect();
    let code = start_of(&code, CODE_MAX_BYTES).to_owned();
    let message = start_of(&detail.message, MESSAGE_MAX_BYTES).to_owned();
    let mut room = PIECE_MAX_BYTES - code.len() - message.len();
    let mut attributes = Vec::new();
    for attribute in detail.attributes.iter().take(ATTRIBUTES_MAX) {
        let bytes = weight(attribute);
        if bytes <= room.min(ATTRIBUTE_MAX_BYTES) {
            room -= bytes;
            attributes.push(attribute.clone());
        }
    }
    let shown: Vec<Shown> = detail.shown.iter().take(SHOWN_MAX).filter_map(|shown| fitting(shown, &mut room)).collect();
    let is_cut = message.len() < detail.message.len()
        || attributes.len() < detail.attributes.len()
        || shown.len() < detail.shown.len();
    Some(Brought { code, message, attributes, shown, is_cut })
}

/// As much of it as there is room for, if its name fits.
fn fitting(shown: &Shown, room: &mut usize) -> Option<Shown> {
    let left = room.checked_sub(shown.what.len()).filter(|_| shown.what.len() <= CODE_MAX_BYTES)?;
    let text = start_of(&shown.text, left.min(SHOWN_MAX_BYTES)).to_owned();
    *room = left - text.len();
    Some(Shown { what: shown.what.clone(), text })
}

fn weight(attribute: &Attribute) -> usize {
    let value = match &attribute.value {
        Value::Text(text) => text.len(),
        Value::Boolean(_) | Value::Integer(_) | Value::Float(_) => SCALAR_BYTES,
    };
    attribute.key.len() + value
}

/// At most so many bytes of it, whole signs only.
fn start_of(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}
