//! The panel of references as the leader sees it: told to hosts with how it looks to the fleet, and told of when it breaks.
//!
//! Which places it has is the operator's word; what is made of it is decided in `core/sanity`, here and on every host alike.

use farwatch_core::sanity::is_broken;
use farwatch_proto::id::HostId;
use farwatch_proto::link::FromControl;
use farwatch_proto::panel::PanelWord;
use farwatch_proto::time::BootMs;
use tracing::{info, warn};

use super::state::State;

/// Hosts are told of the panel this often: what they were told counts for seven seconds.
pub(super) const TELL_PERIOD_MS: i64 = 2_000;

impl State {
    /// What a host says of its panel.
    pub(super) fn hear_of_panel(&mut self, host: HostId, word: Option<PanelWord>, is_insane: bool, now: BootMs) {
        match self.fleet.hear_of_panel(host, word, is_insane, now) {
            Some(true) => warn!(%host, "host insane"),
            Some(false) => info!(%host, "host sane"),
            None => {}
        }
    }

    /// Says to all hosts what the panel is and how it looks to them, and to operators when it breaks.
    pub(super) fn tell_references(&mut self, references: &[String], now: BootMs) {
        let fleet = self.fleet.panel_count(now);
        let is_broken = is_broken(fleet);
        match (std::mem::replace(&mut self.are_references_broken, is_broken), is_broken) {
            (false, true) => warn!(passing = fleet.passing, failing = fleet.failing, "references broken"),
            (true, false) => info!(passing = fleet.passing, failing = fleet.failing, "references seen again"),
            _ => {}
        }
        for (host, session) in self.sessions.iter_mut().filter(|(_, session)| session.is_linked()) {
            session.send_to_all(*host, FromControl::Panel { references: references.to_vec(), fleet });
        }
    }
}
