//! Reads the JSON config, strictly, and finds everything that is wrong with it at once.
//!
//! A config that needs no more than most is packed for the runs; the others read it once more. It does not decide what may
//! be reached.

use farwatch_guest::fields::{Fields, Form, FromFields, prepare as prepare_fields};
use farwatch_guest::outcome::unreadable;
use farwatch_guest::secret::Secret;
use farwatch_guest::web::expect::{self, Expect};
use farwatch_guest::web::wish::{self, Filling, Wish};

use crate::plan::Plan;
use crate::token::{self, Grant};
use crate::wit::farwatch::check::types::Problem;

/// The first byte of a config that runs read as JSON. It differs from every format of a plan.
pub const AS_JSON: u8 = 0;

/// What a run asks and expects.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The request.
    pub wish: Wish,
    /// Who gives a token for it.
    pub grant: Option<Grant>,
    /// What is expected of the answer.
    pub expect: Expect<'static>,
}

impl FromFields for Config {
    const FORM: Form =
        Form { example: "{\"url\": \"https://example.com/\"}", fields: &[wish::FIELDS, token::FIELDS, expect::FIELDS] };

    fn read(fields: &mut Fields<'_>) -> Self {
        let wish = Wish::read(fields);
        Self { grant: token::read(fields), wish, expect: expect::read(fields) }
    }
}

/// Turns a config into the bytes that runs get.
///
/// # Errors
/// Everything that is wrong with it.
pub fn prepare(config: &str) -> Result<Vec<u8>, Vec<Problem>> {
    prepare_fields(config, &Config::FORM, |fields| {
        let read = Config::read(fields);
        Some(read.packed().unwrap_or_else(|| [&[AS_JSON], config.as_bytes()].concat()))
    })
}

impl Config {
    /// The config as a plan, where it names no secret and has no rules.
    fn packed(&self) -> Option<Vec<u8>> {
        if self.grant.is_some() || self.expect.rules.is_some() {
            return None;
        }
        let ready = self.wish.ready(&NoSecrets).ok()?;
        Some(Plan { ask: ready.ask(), expect: self.expect.clone() }.encode())
    }
}

/// There is no secret while a config is judged.
struct NoSecrets;

impl Filling for NoSecrets {
    fn secret(&self, _: &Secret) -> Result<String, Problem> {
        Err(unreadable())
    }
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
