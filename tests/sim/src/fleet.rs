//! Who is in the simulated fleet and what it watches: twelve hosts at four providers, and checks of three intervals.

use std::collections::HashMap;
use std::sync::Arc;

use farwatch_core::held::Held;
use farwatch_core::placement::{Subject, owners};
use farwatch_core::slot::streams_of;
use farwatch_proto::check::{Activity, Definition, PlacementWish, Repeat, StreamId};
use farwatch_proto::fleet::{HostFacts, Standing, View, ViewHost};
use farwatch_proto::id::{CheckId, HostId, ModuleHash, TenantId};
use farwatch_proto::interval::Interval;
use farwatch_proto::time::{Stamp, UnixMs};

use crate::program::{FIRST_RULE, NEXT_RULE, Program};

pub(crate) const HOSTS: usize = 12;
const PROVIDERS: [&str; 4] = ["alpha", "beta", "gamma", "delta"];
/// Two in three checks run every 10 s, for those have the least room.
const INTERVALS_S: [u32; 6] = [10, 10, 10, 10, 30, 60];
pub(crate) const CHECKS: u8 = 54;
/// One check in nine has two streams: 60 streams in all.
const TWO_STREAMS_ONE_IN: u8 = 9;
/// The wall clock of the fleet when a world begins.
pub(crate) const BEGIN: i64 = 1_700_000_000_000;

pub(crate) fn host_id(index: usize) -> HostId {
    let mut bytes = [0; 16];
    bytes[15] = index as u8 + 1;
    HostId::from_bytes(bytes)
}

pub(crate) fn index_of(host: HostId) -> usize {
    usize::from(host.as_bytes()[15]) - 1
}

/// Which provider a host is at.
pub(crate) const fn provider_of(index: usize) -> usize {
    index % PROVIDERS.len()
}

pub(crate) fn first_view() -> View {
    let hosts = (0..HOSTS).map(|index| ViewHost {
        id: host_id(index),
        standing: Standing::Active,
        facts: HostFacts {
            name: format!("host-{index}"),
            provider: PROVIDERS[provider_of(index)].to_owned(),
            asn: 64_500 + provider_of(index) as u32,
            country: ["DE", "FR", "US"][index % 3].to_owned(),
            continent: ["EU", "EU", "NA"][index % 3].to_owned(),
            region: format!("region-{}", index % 6),
            labels: [].into(),
            weight: 1,
            tenant: None,
            shared_machine: None,
        },
    });
    View {
        number: Stamp { era: 1, n: 1 },
        in_force_from: UnixMs(0),
        planned: true,
        placement_version: FIRST_RULE,
        hosts: hosts.collect(),
    }
}

pub(crate) fn check_id(number: u8) -> CheckId {
    CheckId::of_key(&[b"simulated", &[number]])
}

fn definition(number: u8) -> Definition {
    let interval = Interval::from_seconds(INTERVALS_S[usize::from(number) % INTERVALS_S.len()])
        .expect("all of these are intervals");
    let streams = if number.is_multiple_of(TWO_STREAMS_ONE_IN) { 2 } else { 1 };
    Definition {
        check: check_id(number),
        tenant: TenantId::from_bytes([1; 16]),
        revision: 1,
        activity: Activity::Active,
        module: ModuleHash([2; 32]),
        prepared: Vec::new(),
        interval,
        timeout_ms: interval.default_timeout_ms(),
        placement: PlacementWish { streams, ..PlacementWish::default() },
        repeat: Repeat::Safe,
        secrets: Vec::new(),
        in_force_from: Some(UnixMs(0)),
    }
}

/// One stream and how it is run.
#[derive(Clone, Debug)]
pub(crate) struct Watched {
    pub(crate) stream: StreamId,
    pub(crate) held: Arc<Held>,
    pub(crate) interval: Interval,
    pub(crate) timeout_ms: i64,
    /// By each rule of placement, for the fleet of this world, which never changes.
    lists: [Vec<HostId>; 2],
}

impl Watched {
    pub(crate) fn owners(&self, view: &View) -> Vec<HostId> {
        owners(self.list(view), view, Repeat::Safe)
    }

    /// The preference list by the rule of this view.
    fn list(&self, view: &View) -> &[HostId] {
        &self.lists[usize::from(view.placement_version != FIRST_RULE)]
    }

    /// The place of a host in the preference list.
    pub(crate) fn place(&self, host: HostId, view: &View) -> usize {
        self.list(view).iter().position(|listed| *listed == host).unwrap_or(usize::MAX)
    }
}

/// Everything that is watched.
pub(crate) fn all_watched() -> Vec<Watched> {
    (0..CHECKS)
        .flat_map(|number| {
            let definition = definition(number);
            let subject = Subject {
                check: definition.check,
                tenant: definition.tenant,
                wish: &definition.placement,
                repeat: definition.repeat,
            };
            let by_version = |placement_version| {
                let view = View { placement_version, ..first_view() };
                Program::New.rules().preference_lists(&subject, &view)
            };
            let lists: Vec<[Vec<HostId>; 2]> =
                by_version(FIRST_RULE).into_iter().zip(by_version(NEXT_RULE)).map(Into::into).collect();
            let (interval, timeout_ms) = (definition.interval, i64::from(definition.timeout_ms));
            let (check, streams) = (definition.check, definition.placement.streams);
            let held = Arc::new(Held::new(vec![definition]));
            let watched = move |(stream, lists)| Watched { stream, held: held.clone(), interval, timeout_ms, lists };
            streams_of(check, streams).zip(lists).map(watched).collect::<Vec<_>>()
        })
        .collect()
}

/// Who runs streams under one view that it does not run under another.
pub(crate) fn gainers(watched: &[Watched], before: &View, after: &View) -> std::collections::BTreeSet<HostId> {
    let first = |watched: &Watched, view: &View| watched.owners(view).first().copied();
    let gained = watched.iter().filter(|watched| first(watched, before) != first(watched, after));
    gained.filter_map(|watched| first(watched, after)).collect()
}

/// Streams by their id.
pub(crate) fn by_stream(watched: &[Watched]) -> HashMap<StreamId, usize> {
    watched.iter().enumerate().map(|(index, watched)| (watched.stream, index)).collect()
}
