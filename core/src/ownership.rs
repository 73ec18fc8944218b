//! Who runs a slot, and when: the rules of owners that stand by for each other.
//!
//! The guarantee stands on the slot, not on anybody's idea of who is alive. The first owner runs it at T; each other one
//! waits a little for every better one it hears, and longest for one that has begun; only a completed run cancels.
//! [`Desk`] holds what one host knows of its streams and answers with what is to be done; [`rule`] has the two rules
//! themselves. Nothing here sends, waits or asks the time.

mod desk;
mod lists;
mod peers;
mod receipts;
mod remembered;
mod rule;
mod tenure;
mod views;

use farwatch_proto::time::{BootMs, UnixMs};

pub use desk::{Act, Desk, Ended, Facilities, Lack, Readiness, Run};
pub use peers::{PEER_SILENCE_MS, Peers, SETTLE_MS};
pub use receipts::Receipt;
pub use remembered::{Ran, Remembered};
pub use tenure::{BORDER_AHEAD_MS, Tenure, border};
pub use views::{KnownView, VIEW_KEEP_MS, Views};

/// One moment by both clocks of a host: slots go by the wall, silences by CLOCK_BOOTTIME.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// The corrected wall clock.
    pub wall: UnixMs,
    /// CLOCK_BOOTTIME.
    pub boot: BootMs,
}

impl Now {
    /// What the wall clock will show when CLOCK_BOOTTIME shows this.
    pub fn wall_at(self, boot: BootMs) -> UnixMs {
        self.wall + boot.since(self.boot)
    }
}

#[cfg(test)]
mod tests {
    use farwatch_proto::fleet::{Standing, View};
    use farwatch_proto::time::Stamp;

    use super::*;
    use crate::placement::tests::{fleet, host_id};

    /// A view of five hosts, some of them away.
    pub(super) fn view(n: u64, from: i64, planned: bool, away: &[u8]) -> View {
        let mut view = fleet(5);
        view.number = Stamp { era: 1, n };
        view.in_force_from = UnixMs(from);
        view.planned = planned;
        for host in view.hosts.iter_mut().filter(|host| away.iter().any(|gone| host_id(*gone) == host.id)) {
            host.standing = Standing::Away;
        }
        view
    }
}
