//! How long a host's certificate is good, when it is renewed, and at which moment one that has run out is judged.
//!
//! Certificates live for a day, so that a stolen key is of little use. What must never follow from that is a fleet that
//! falls apart because control was away: for three days after its end a certificate is judged as it was at its end.

use farwatch_proto::time::UnixMs;

/// How long a certificate is good.
pub const LIFE_MS: i64 = 86_400_000;
/// How long one that has run out is still taken.
pub const GRACE_MS: i64 = 3 * 86_400_000;
/// A certificate is good from a little before it was made, for clocks differ: this part of its life.
const BACKDATED_ONE_IN: i64 = 24;

/// From when until when a certificate is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// From then on.
    pub from: UnixMs,
    /// Until then.
    pub until: UnixMs,
}

impl Validity {
    /// Of a certificate that is made now.
    pub fn beginning(now: UnixMs, life_ms: i64) -> Self {
        Self { from: now - life_ms / BACKDATED_ONE_IN, until: now + life_ms }
    }

    /// From when on a new one is asked for: half of its life is over.
    pub fn renewed_from(self) -> UnixMs {
        self.from + self.until.since(self.from) / 2
    }
}

/// The moment at which a certificate that is good until then is judged.
pub fn judged_at(now: UnixMs, until: UnixMs) -> UnixMs {
    let is_in_grace = now > until && now.since(until) <= GRACE_MS;
    if is_in_grace { until } else { now }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNTIL: UnixMs = UnixMs(1_000_000_000_000);

    #[test]
    fn a_certificate_that_has_run_out_is_judged_at_its_end_for_three_days() {
        for (late_ms, judged_ms) in [(-5, -5), (0, 0), (1, 0), (GRACE_MS, 0), (GRACE_MS + 1, GRACE_MS + 1)] {
            assert_eq!(judged_at(UNTIL + late_ms, UNTIL), UNTIL + judged_ms, "{late_ms}");
        }
    }

    #[test]
    fn it_is_renewed_when_half_of_its_life_is_over_and_long_before_its_end() {
        let validity = Validity::beginning(UNTIL, LIFE_MS);
        assert!(validity.from < UNTIL && UNTIL < validity.renewed_from());
        assert!(validity.until.since(validity.renewed_from()) > LIFE_MS / 2);
    }
}
