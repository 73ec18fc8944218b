//! In whose name a store writes, so that no change of config is without its row in the audit log.
//!
//! The API is given a store that refuses config writes until they are signed, so that a handler cannot forget it. The
//! leader's own writes are steps that follow from a signed one, and are not signed again.

use std::sync::Arc;

use super::transaction::Tx;
use super::{AuditEntry, KeptAnswer, Store, StoreError, audit, kept_answers};

/// In whose name a store writes.
#[derive(Clone, Debug, Default)]
pub(super) enum Author {
    /// The house itself: the leader, and what happens at start.
    #[default]
    House,
    /// Nobody yet.
    Nobody,
    /// Whoever the signature names.
    Signed(Arc<Signature>),
}

/// What is written in the transaction of a change, or not at all.
#[derive(Clone, Debug)]
pub struct Signature {
    /// Who does what.
    pub entry: AuditEntry,
    /// What is answered to whoever repeats the request.
    pub answer: Option<KeptAnswer>,
}

impl From<AuditEntry> for Signature {
    fn from(entry: AuditEntry) -> Self {
        Self { entry, answer: None }
    }
}

impl Store {
    /// The same database, for somebody who must sign each config write; unsigned ones are refused.
    #[must_use]
    pub fn unsigned(&self) -> Self {
        Self { author: Author::Nobody, ..self.clone() }
    }

    /// The same database, for the one config write that this signature tells of.
    #[must_use]
    pub fn signed(&self, signature: impl Into<Signature>) -> Self {
        Self { author: Author::Signed(Arc::new(signature.into())), ..self.clone() }
    }
}

impl Tx<'_> {
    /// Notes who makes this change, and keeps what they are answered, in the transaction that makes it.
    pub(super) async fn note_author(&mut self) -> Result<(), StoreError> {
        let signature = match self.author.clone() {
            Author::House => return Ok(()),
            Author::Nobody => return Err(StoreError::Unsigned),
            Author::Signed(signature) => signature,
        };
        if let Some(answer) = &signature.answer {
            kept_answers::insert(self, answer, signature.entry.at).await?;
        }
        audit::insert(self, &signature.entry).await
    }
}
