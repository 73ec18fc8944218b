//! Results that come by way of another host: from a host that died, or that control cannot hear.
//!
//! The neighbours of a silent host are asked for what they keep of it. What they hand over counts as if it had come from
//! the host that ran it, because that host signed it; it moves no mark, so that the host itself sends it again should it
//! return. What the database holds already, from the origin or from another neighbour, is not written once more.
//! Whoever carries it is told once it is committed.

use std::collections::{BTreeSet, VecDeque};

use farwatch_proto::id::HostId;
use farwatch_proto::link::FromControl;
use farwatch_proto::signed::{SignedBatch, SignedBatchId};
use farwatch_proto::time::BootMs;
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use tracing::debug;
use x509_parser::prelude::FromDer;
use x509_parser::x509::SubjectPublicKeyInfo;

use super::draft::{Draft, Now, unpacked};
use super::journal_body::HostResults;
use super::state::State;

/// Neighbours of silent hosts are asked this often.
pub(super) const ASK_PERIOD_MS: i64 = 1_000;
/// A host that has just linked may have lost what its neighbours keep: they are asked for so long.
const ASK_NEWCOMERS_FOR_MS: i64 = 10_000;
/// Batches remembered: four neighbours hand over what a host ran within a second or two of each other, and a host
/// makes a few batches a second.
const REMEMBERED_MAX: usize = 20_000;

/// The batches that were committed of late by way of another host.
#[derive(Debug, Default)]
pub(super) struct Carried {
    known: BTreeSet<SignedBatchId>,
    oldest_first: VecDeque<SignedBatchId>,
}

impl Carried {
    /// Notes one that is committed. What its origin did not sign must never come here, or it would keep out the true one.
    pub(super) fn note(&mut self, batch: SignedBatchId) {
        if self.known.insert(batch) {
            self.oldest_first.push_back(batch);
        }
        if self.oldest_first.len() > REMEMBERED_MAX
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            self.known.remove(&oldest);
        }
    }
}

impl Draft {
    /// Takes in what `carrier` hands over. An error is what it is told.
    pub(super) fn receive_carried(
        &mut self,
        state: &mut State,
        carrier: HostId,
        batch: &SignedBatch,
        now: Now,
    ) -> Result<(), String> {
        let origin = batch.origin;
        let Some(key) = state.keys.get(&origin) else {
            debug!(%origin, %carrier, "results of a host whose key is not known");
            return Ok(());
        };
        // What can never be taken in is not kept either.
        self.received.push((carrier, batch.id()));
        if !is_signed(batch, key) {
            return Err(format!("{origin} did not sign this"));
        }
        if self.holds(state, batch) {
            return Ok(());
        }
        self.carried.insert(batch.id());
        let results = unpacked(&batch.packed)?;
        let results = self.take_in(state, origin, results, now);
        debug!(%origin, %carrier, results = results.len(), "results came by way of another host");
        if !results.is_empty() {
            self.sections.push(HostResults { host: origin, boot: batch.before.boot, results });
        }
        Ok(())
    }

    /// Whether the database holds what is in the batch, or will once this is committed.
    fn holds(&self, state: &State, batch: &SignedBatch) -> bool {
        let id = batch.id();
        let segment = (batch.origin, batch.before.boot, batch.before.segment);
        let mark = self.marks.get(&segment).or_else(|| state.marks.get(&segment));
        mark.is_some_and(|held| batch.before.offset <= *held)
            || state.carried.known.contains(&id)
            || self.carried.contains(&id)
    }
}

/// Whether the key (SubjectPublicKeyInfo, DER) signed the batch.
fn is_signed(batch: &SignedBatch, key: &[u8]) -> bool {
    let Ok((_, info)) = SubjectPublicKeyInfo::from_der(key) else { return false };
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &info.subject_public_key.data);
    key.verify(&batch.signed(), &batch.signature).is_ok()
}

impl State {
    /// Asks the neighbours of hosts from which nothing comes for what those ran.
    pub(super) fn ask_after_silent(&mut self, now: BootMs) {
        let newcomers = self.sessions.iter().filter(|(_, session)| now.since(session.since) < ASK_NEWCOMERS_FOR_MS);
        let origins: BTreeSet<HostId> = self.fleet.to_ask_after(now).chain(newcomers.map(|(host, _)| *host)).collect();
        if origins.is_empty() {
            return;
        }
        let known: BTreeSet<HostId> =
            self.sessions.values().flat_map(|session| session.neighbours.iter().copied()).collect();
        for (host, session) in self.sessions.iter_mut().filter(|(_, session)| session.is_linked()) {
            // Of whom nobody heard since this leader leads, everybody is asked.
            let may_keep = |origin: &&HostId| session.neighbours.contains(origin) || !known.contains(origin);
            let kept: Vec<HostId> = origins.iter().filter(may_keep).filter(|origin| *origin != host).copied().collect();
            if !kept.is_empty() {
                session.send(*host, FromControl::HandOver { origins: kept });
            }
        }
    }
}
