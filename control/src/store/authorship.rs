//! In whose name a store writes, so that no change of config is without its row in the audit log.
//!
//! The API is given a store that refuses config writes until they are signed, so that a handler cannot forget it. The
//! leader's own writes are steps that follow from a signed one, and are not signed again.

use std::sync::Arc;

use super::transaction::Tx;
use super::{AuditEntry, Store, StoreError, audit};

/// In whose name a store writes.
#[derive(Clone, Debug, Default)]
pub(super) enum Author {
    /// The house itself: the leader, and what happens at start.
    #[default]
    House,
    /// Nobody yet.
    Nobody,
    /// Whoever the entry names. It is written in the transaction of the change, or not at all.
    Signed(Arc<AuditEntry>),
}

impl Store {
    /// The same database, for somebody who must sign each config write; unsigned ones are refused.
    #[must_use]
    pub fn unsigned(&self) -> Self {
        Self { author: Author::Nobody, ..self.clone() }
    }

    /// The same database, for the one config write that this entry tells of.
    #[must_use]
    pub fn signed(&self, entry: AuditEntry) -> Self {
        Self { author: Author::Signed(Arc::new(entry)), ..self.clone() }
    }
}

impl Tx<'_> {
    /// Notes who makes this change, in the transaction that makes it.
    pub(super) async fn note_author(&mut self) -> Result<(), StoreError> {
        match self.author.clone() {
            Author::House => Ok(()),
            Author::Nobody => Err(StoreError::Unsigned),
            Author::Signed(entry) => audit::insert(self, &entry).await,
        }
    }
}
