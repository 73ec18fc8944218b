//! What a customer wants watched: how it is said, what makes it acceptable, and how it is stored.
//!
//! A [`Wish`] is the customer's own words, a [`Spec`] is a wish that was found acceptable together with
//! what follows from it; the spec is the JSON in a check's revision. Everything here is a plain function
//! of its arguments: no store, no clock. Whether a config is good is the module's own judgment, made
//! elsewhere.

mod field;
mod merge_patch;
mod module_name;
mod names;
mod place;
mod rules;
mod secrets;
mod trying;
mod watched;
mod wish;

use farwatch_proto::check::PlacementWish;
use serde::{Deserialize, Serialize};

pub use field::{FieldProblem, pointer_key};
pub use merge_patch::merge_patch;
pub use module_name::{BadModuleName, BadModuleWord, ModuleName, ModuleWord};
pub use names::{check_name, check_word, labels_schema, name_schema, word_schema};
pub use place::{CONTINENTS, known_places};
pub use rules::{Settled, validate};
pub use secrets::{BadSecretName, SECRETS_MAX, SecretName, secrets_of};
pub use trying::{TryWish, validate_try};
pub(crate) use watched::watched_host;
pub use wish::{Confirm, Wish};

/// What a revision stores: the customer's words and what was made of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spec {
    /// What the customer said.
    pub wish: Wish,
    /// Where that is, as placement reads it.
    pub placement: PlacementWish,
}

impl Spec {
    /// The spec in a revision.
    pub fn parse(stored: &str) -> serde_json::Result<Self> {
        serde_json::from_str(stored)
    }

    /// The JSON that a revision stores.
    pub fn stored(&self) -> String {
        serde_json::to_string(self).expect("a spec is plain data with text keys, so it always serialises")
    }
}
