//! What the leader sees of a host, as the API shows it.

use std::collections::{BTreeMap, BTreeSet};

use farwatch_proto::id::{CheckId, HostId, ReleaseHash};
use farwatch_proto::panel::PanelWord;
use schemars::JsonSchema;
use serde::Serialize;

use crate::leader::handle::HostStatus;

#[derive(Serialize, JsonSchema)]
pub(super) struct SeenView {
    connected: bool,
    silent_ms: i64,
    /// Whether its neighbours hear it though the leader does not: it runs its checks, and nothing is placed anew.
    contradicted: bool,
    version: Option<String>,
    /// The program it runs; absent where it takes no releases.
    release: Option<ReleaseHash>,
    run_places: Option<u32>,
    /// Whether its process has given up what it does not need of the kernel.
    wall: WallView,
    /// The streams it still owns; counted while it is drained.
    owns: Option<u32>,
    /// The neighbours it hears; it stands by without control for those alone.
    hears: BTreeSet<HostId>,
    running: u32,
    loop_lag_ms: u32,
    /// Whether its disk takes no results: they lie in its memory alone, and standbys run its slots as well.
    disk_full: bool,
    /// Results that it gave up for want of room, since it started.
    dropped_results: u64,
    /// Probes that it did not make since it started, because their tenant had connected as often as it may.
    rate_capped: u64,
    refused: u64,
    /// Outages that it saw first and that others confirmed, since the leader took office.
    rounds_confirmed: u64,
    /// Failures that it saw and that others refuted.
    rounds_refuted: u64,
    /// The share of these among both; absent while there are none.
    refuted_share: Option<f64>,
    /// Whether it sees the references, by which it is told from a world that is down.
    sanity: SanityView,
    /// The run places that the streams it is the first owner of may take at worst; absent until they were added up.
    load_places: Option<f64>,
    /// Whether that is more than half of its run places.
    beyond_capacity: bool,
    unable: BTreeMap<CheckId, String>,
}

/// The second wall around guests, which is the host's process itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum WallView {
    /// It can gain no privilege, and the kernel answers nothing that a host does not need.
    On,
    /// The system took no filter, or the host is of a version without one.
    Off,
}

/// Whether a host sees the panel of references.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum SanityView {
    /// No panel is configured, so nobody can tell.
    Off,
    /// It has not said yet.
    NotKnown,
    /// It sees half of the references, or more.
    Sane,
    /// It sees fewer; whether that is its own fault is not decided, or it is not.
    Doubtful,
    /// It sees fewer while most others see them: it runs no slots.
    Insane,
}

impl SanityView {
    const fn of(status: &HostStatus, references: usize) -> Self {
        match status.panel {
            _ if references == 0 => Self::Off,
            _ if status.insane => Self::Insane,
            Some(PanelWord::Passes) => Self::Sane,
            Some(PanelWord::Fails) => Self::Doubtful,
            Some(PanelWord::Unknown) | None => Self::NotKnown,
        }
    }
}

impl SeenView {
    /// What the leader, which has so many references configured, sees of a host.
    pub(super) fn of(status: HostStatus, references: usize) -> Self {
        let sanity = SanityView::of(&status, references);
        let HostStatus {
            connected,
            silent_ms,
            contradicted,
            version,
            release,
            run_places,
            owns,
            hears,
            running,
            loop_lag_ms,
            disk_full,
            dropped_results,
            rate_capped,
            refused,
            rounds,
            unable,
            can_upgrade: _,
            is_walled,
            upgrade_failure: _,
            panel: _,
            insane: _,
            load,
            beyond_capacity,
        } = status;
        Self {
            connected,
            silent_ms,
            contradicted,
            version,
            release,
            run_places,
            wall: if is_walled { WallView::On } else { WallView::Off },
            owns,
            hears,
            running,
            loop_lag_ms,
            disk_full,
            dropped_results,
            rate_capped,
            refused,
            rounds_confirmed: rounds.confirmed,
            rounds_refuted: rounds.refuted,
            refuted_share: rounds.refuted_share(),
            sanity,
            load_places: load,
            beyond_capacity,
            unable,
        }
    }
}
