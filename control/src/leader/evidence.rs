//! Which runs of a draft are kept as evidence. What is decided by follows from what was kept before, in this draft or in
//! the database; `core` decides.

use farwatch_core::detect::Detector;
use farwatch_core::evidence::{Day, Memory, Occasion, Offered, Ruling, brought_by, rule};
use farwatch_proto::id::{CheckId, HostId, OrderId, TenantId};
use farwatch_proto::outcome::Shown;
use farwatch_proto::run::{Purpose, RunResult};
use tracing::debug;

use super::draft::{Draft, Now};
use super::state::State;
use crate::store::EvidencePiece;

impl Draft {
    /// Keeps what this run brought, if it is worth it.
    pub(super) fn consider(&mut self, state: &State, host: HostId, result: &RunResult, occasion: Occasion, now: Now) {
        let Some(brought) = brought_by(&result.outcome) else { return };
        let check = result.stream.check;
        let Some(page) = state.book.page(check) else { return };
        let tenant = page.latest().definition.tenant;
        let bytes = brought.bytes();
        let offered = Offered { occasion, code: &brought.code, bytes, slot: result.slot };
        let day = (tenant, Day::of(result.slot));
        let before = [&self.remembered, &state.evidence];
        let codes = before.iter().find_map(|memory| memory.codes.get(&check));
        let used = before.iter().find_map(|memory| memory.used.get(&day)).copied().unwrap_or_default();
        let ruling = rule(&offered, codes, used, now.wall);
        if ruling != Ruling::Kept {
            debug!(%check, %host, slot = %result.slot, ?ruling, "what a run brought is not kept");
            return;
        }
        let mut codes = codes.cloned().unwrap_or_default();
        let kept = codes.entry(brought.code.clone()).or_insert(now.wall);
        *kept = now.wall.max(*kept);
        self.remembered.take_over(Memory { codes: [(check, codes)].into(), used: [(day, used.with(bytes))].into() });
        self.evidence.push(piece_of(tenant, host, result, occasion, brought, now));
    }

    /// What came from the target of a check, by the newest of its runs in this draft that shows anything.
    pub(super) fn shown_of(&self, check: CheckId) -> Vec<Shown> {
        let of_check = self.evidence.iter().rev().filter(|piece| piece.stream.check == check);
        of_check.map(|piece| &piece.brought.shown).find(|shown| !shown.is_empty()).cloned().unwrap_or_default()
    }
}

fn piece_of(
    tenant: TenantId,
    host: HostId,
    result: &RunResult,
    occasion: Occasion,
    brought: farwatch_core::evidence::Brought,
    now: Now,
) -> EvidencePiece {
    EvidencePiece {
        tenant,
        stream: result.stream,
        slot: result.slot,
        host,
        order: match result.purpose {
            Purpose::Vote(order) => Some(order),
            Purpose::Slot => None,
        },
        received: now.wall,
        occasion,
        revision: result.terms.revision,
        started: result.started,
        duration_us: result.duration_us,
        latency_us: result.outcome.latency_us,
        status: result.outcome.status,
        brought,
    }
}

/// What a run is that answers this order, before its detector is told: a vote, if the order is open; one that is
/// answered again is nothing new. A run that was ordered because the interval is too long to wait for is as good as a
/// slot.
pub(super) fn occasion_of_answer(detector: Option<&Detector>, order: OrderId) -> Option<Occasion> {
    let detector = detector?;
    if detector.recheck == Some(order) {
        return Some(Occasion::Slot);
    }
    let mut open = detector.round.iter().flat_map(|round| round.open_orders());
    open.any(|vote| vote.order == Some(order)).then_some(Occasion::Vote)
}
