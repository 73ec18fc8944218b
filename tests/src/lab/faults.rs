//! Which hosts could not run a check, and when: what the lab did to them itself.
//!
//! A slot that was missed is excused only where none of its owners was able for long enough within its window. Whoever
//! could not speak to others was able all the same.

use farwatch_core::slot::window_end;
use farwatch_proto::interval::Interval;
use farwatch_proto::time::UnixMs;

/// Beyond its timeout a run needs this long, by the promise.
const RUN_EXTRA_MS: i64 = 1_000;

/// One host that was dead, stopped, or cut off from the sites.
#[derive(Clone, Copy, Debug)]
struct Span {
    host: usize,
    from: UnixMs,
    to: UnixMs,
}

/// All of them so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Faults {
    spans: Vec<Span>,
}

/// What is for ever, until it ends.
const OPEN: UnixMs = UnixMs(i64::MAX);

impl Faults {
    pub(super) fn begin(&mut self, host: usize, at: UnixMs) {
        self.spans.push(Span { host, from: at, to: OPEN });
    }

    pub(super) fn end(&mut self, host: usize, at: UnixMs) {
        for span in self.spans.iter_mut().filter(|span| span.host == host && span.to == OPEN) {
            span.to = at;
        }
    }

    /// Whether the host could have run this slot at some time within its window.
    pub(super) fn could_run(&self, host: usize, slot: UnixMs, interval: Interval, timeout_ms: i64) -> bool {
        let needed = timeout_ms + RUN_EXTRA_MS;
        let ends = self.spans.iter().filter(|span| span.host == host && span.to != OPEN).map(|span| span.to);
        let mut starts = ends.filter(|end| *end > slot).chain([slot]);
        starts.any(|start| start + needed <= window_end(slot, interval) && self.is_able(host, start, start + needed))
    }

    fn is_able(&self, host: usize, from: UnixMs, to: UnixMs) -> bool {
        !self.spans.iter().any(|span| span.host == host && span.from < to && from < span.to)
    }

    /// Whether the host was unable at some time between these moments.
    pub(super) fn was_struck(&self, host: usize, from: UnixMs, to: UnixMs) -> bool {
        !self.is_able(host, from, to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_excused_only_where_no_part_of_its_window_is_long_enough() {
        let interval = Interval::from_seconds(10).unwrap();
        let able = |from: i64, to: i64| {
            let mut faults = Faults::default();
            faults.begin(1, UnixMs(from));
            faults.end(1, UnixMs(to));
            faults.could_run(1, UnixMs(100_000), interval, 3_000)
        };
        assert!(able(0, 100_000) && able(104_000, 200_000), "it was able before or afterwards");
        assert!(able(99_000, 105_950) && !able(99_000, 105_951), "the rest of the window is just long enough, or not");
        assert!(!able(103_999, 106_000), "neither part is long enough");
        let mut faults = Faults::default();
        faults.begin(1, UnixMs(0));
        assert!(!faults.could_run(1, UnixMs(100_000), interval, 3_000), "it never came back");
        assert!(faults.could_run(2, UnixMs(100_000), interval, 3_000), "another host was well");
    }
}
