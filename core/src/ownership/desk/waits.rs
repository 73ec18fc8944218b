//! How long this host waits with a slot, by what it knows of the others and hears of them.

use farwatch_proto::id::HostId;
use farwatch_proto::peer::Said;
use farwatch_proto::time::UnixMs;

use super::line::{Line, Own};
use super::orders::Orders;
use super::{DISTURBED_RETRY_MS, Desk, RETRY_MS};
use crate::ownership::Now;
use crate::ownership::peers::Peers;
use crate::ownership::rule::{Better, Moment, arrival, last_backstop, moment};

impl Desk {
    /// When this host starts the slot and when to look again before; `None` where it does not by what it knows.
    pub(super) fn start_of(
        &self,
        index: u32,
        slot: UnixMs,
        orders: &Orders,
        now: Now,
        peers: &Peers,
    ) -> Option<(UnixMs, UnixMs)> {
        let line = &self.lines[index as usize];
        let terms = line.terms(slot)?;
        let state = |host: HostId| self.state_of(host, line, slot, now, peers);
        let settled_from = now.wall_at(peers.settled_from(terms.interval.rank_delay_ms()));
        let moments =
            orders.mine.iter().filter(|better| better.is_empty() || !line.was_absent(&terms)).filter_map(|better| {
                match moment(&terms, &better.iter().copied().map(state).collect::<Vec<_>>(), settled_from) {
                    Moment::At { start, look_again } => Some((start, look_again)),
                    Moment::WaitsForView => None,
                }
            });
        let (start, look_again) = moments.min()?;
        // Whom control holds dead has nothing to tell.
        let alive = orders.everyone.iter().copied().filter(|host| !self.views.is_buried(*host));
        let arrived = line.came_after(slot).then(|| arrival(&terms, line.since, &alive.map(state).collect::<Vec<_>>()));
        let (start, look_again) =
            arrived.filter(|arrived| *arrived > start).map_or((start, look_again), |arrived| (arrived, arrived));
        let Own::Yielded { at, runs } = line.own else { return Some((start, look_again)) };
        // Whoever yielded comes last: the others were told, and one of them may be about to begin.
        let others: Vec<Better> = orders.everyone.iter().copied().map(state).collect();
        let pause_ms = if runs == 0 { RETRY_MS } else { DISTURBED_RETRY_MS << (runs - 1) };
        let after = if others.contains(&Better::Began) {
            last_backstop(&terms)
        } else if others.iter().any(|other| matches!(other, Better::Heard { .. })) {
            at + terms.interval.rank_delay_ms()
        } else {
            at + pause_ms
        };
        let start = start.max(after);
        Some((start, start.min(now.wall + RETRY_MS)))
    }

    fn state_of(&self, host: HostId, line: &Line, slot: UnixMs, now: Now, peers: &Peers) -> Better {
        if self.views.is_buried(host) {
            return Better::Silent;
        }
        match line.receipts.of(host, slot) {
            Some(Said::Yields) => Better::Yielded,
            Some(Said::Started | Said::Done) => Better::Began,
            None if !peers.is_linked(host) => Better::Unlinked,
            None => match peers.silent_from(host) {
                Some(silent) if now.boot < silent => Better::Heard { silent_from: now.wall_at(silent) },
                _ => Better::Silent,
            },
        }
    }
}
