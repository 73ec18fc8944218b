//! When a revision of a check comes into force.
//!
//! Due is what was committed: a revision stays pending until the hosts that must run it hold it, and
//! then counts from a slot border that everybody hears of in time. Nothing here asks hosts.

use farwatch_proto::check::Activity;
use farwatch_proto::id::HostId;
use farwatch_proto::interval::Interval;
use farwatch_proto::time::UnixMs;

use crate::slot::Schedule;

/// The least notice of a border, so that every holder has heard of it.
pub const NOTICE_MS: i64 = 2_000;
/// The least notice of a border at which the schedule itself changes.
pub const INTERVAL_NOTICE_MS: i64 = 15_000;

/// What of a revision makes slots due: how often, in how many streams, and whether at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cadence {
    /// Whether it makes any.
    pub activity: Activity,
    /// How often.
    pub interval: Interval,
    /// In how many streams.
    pub streams: u16,
}

/// Whether the first owner and one standby of every stream hold the revision.
///
/// A stream with a single owner has no standby to ask; one without any owner holds everything up. A check without streams,
/// which nobody runs, waits for nobody.
pub fn is_held(owners_by_stream: &[Vec<HostId>], holds: impl Fn(HostId) -> bool) -> bool {
    owners_by_stream.iter().all(|owners| match owners.split_first() {
        None => false,
        Some((first, standbys)) => {
            holds(*first) && (standbys.is_empty() || standbys.iter().any(|standby| holds(*standby)))
        }
    })
}

/// The slot border from which the revision counts when it is held at `now`.
///
/// `first_stream` is the schedule of the check's stream 0 under the new revision; `before` the cadence
/// in force until then, if there is one.
pub fn border(first_stream: &Schedule, new: Cadence, before: Option<Cadence>, now: UnixMs) -> UnixMs {
    let reschedules = before.is_some_and(|old| (old.interval, old.streams) != (new.interval, new.streams));
    let notice = if reschedules { INTERVAL_NOTICE_MS } else { NOTICE_MS };
    first_stream.slot_at_or_after(now + notice)
}

#[cfg(test)]
mod tests {
    use farwatch_proto::check::StreamId;
    use farwatch_proto::id::CheckId;

    use super::*;

    fn every(seconds: u32) -> Cadence {
        Cadence { activity: Activity::Active, interval: Interval::from_seconds(seconds).unwrap(), streams: 1 }
    }

    #[test]
    fn the_first_owner_and_one_standby_must_hold_every_stream() {
        let host = |n: u8| HostId::from_bytes([n; 16]);
        let streams = vec![vec![host(1), host(2), host(3)], vec![host(4)]];
        let held_by = |hosts: &[u8]| is_held(&streams, |id| hosts.iter().any(|n| host(*n) == id));
        assert!(held_by(&[1, 3, 4]));
        assert!(!held_by(&[1, 4]));
        assert!(!held_by(&[2, 3, 4]));
        assert!(!held_by(&[1, 2]));
        assert!(is_held(&[], |_| false) && !is_held(&[vec![]], |_| true));
    }

    #[test]
    fn a_border_is_a_slot_with_the_notice_it_needs() {
        let stream = StreamId { check: CheckId::from_bytes([5; 16]), number: 0 };
        let schedule = Schedule::of(stream, every(10).interval, 1);
        let now = UnixMs(1_000_000);
        for (before, notice) in [(None, 2_000), (Some(every(10)), 2_000), (Some(every(30)), 15_000)] {
            let border = border(&schedule, every(10), before, now);
            assert!(schedule.is_slot(border));
            assert!((notice..notice + 10_000).contains(&border.since(now)));
        }
    }
}
