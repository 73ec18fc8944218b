//! Results that come by way of another host: from a host that died, or that control cannot hear.
//!
//! The neighbours of a silent host are asked for what they keep of it. What they hand over counts as if it had come from
//! the host that ran it, because that host signed it; it moves no mark, so that the host itself sends it again should it
//! return. What the database holds already, from the origin or from another neighbour, is not written once more.
//! Whoever carries it is told once it is committed.

use std::collections::{BTreeSet, HashSet, VecDeque};

use farwatch_proto::check::StreamId;
use farwatch_proto::id::HostId;
use farwatch_proto::link::FromControl;
use farwatch_proto::run::{Purpose, RunResult};
use farwatch_proto::signed::SignedBatch;
use farwatch_proto::time::{BootMs, UnixMs};
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
/// Runs remembered that came by way of others: what a large host does in two minutes, and its neighbours hand over within
/// seconds of each other.
const REMEMBERED_MAX: usize = 100_000;

/// One run of a host, whoever tells of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Run {
    host: HostId,
    stream: StreamId,
    purpose: Purpose,
    slot: UnixMs,
    started: UnixMs,
}

impl Run {
    pub(super) const fn of(host: HostId, result: &RunResult) -> Self {
        Self { host, stream: result.stream, purpose: result.purpose, slot: result.slot, started: result.started }
    }
}

/// The runs that came by way of another host of late, so that none is written again.
#[derive(Debug, Default)]
pub(super) struct Carried {
    known: HashSet<Run>,
    oldest_first: VecDeque<Run>,
}

impl Carried {
    /// Notes one that is committed.
    pub(super) fn note(&mut self, run: Run) {
        if self.known.insert(run) {
            self.oldest_first.push_back(run);
        }
        if self.oldest_first.len() > REMEMBERED_MAX
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            self.known.remove(&oldest);
        }
    }

    pub(super) fn knows(&self, run: &Run) -> bool {
        self.known.contains(run)
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
        let results = unpacked(&batch.packed)?;
        let results = self.take_in(state, origin, results, now);
        debug!(%origin, %carrier, results = results.len(), "results came by way of another host");
        self.carried.extend(results.iter().map(|result| Run::of(origin, result)));
        if !results.is_empty() {
            self.sections.push(HostResults { host: origin, boot: batch.before.boot, results });
        }
        Ok(())
    }

    /// Whether the origin has sent all that is in the batch itself.
    fn holds(&self, state: &State, batch: &SignedBatch) -> bool {
        let segment = (batch.origin, batch.before.boot, batch.before.segment);
        let mark = self.marks.get(&segment).or_else(|| state.marks.get(&segment));
        mark.is_some_and(|held| batch.before.offset <= *held)
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
