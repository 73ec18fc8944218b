use super::*;
use crate::placement::tests::host_id;

const OLD: ReleaseHash = ReleaseHash([1; 32]);
const NEW: ReleaseHash = ReleaseHash([2; 32]);

/// A fleet whose hosts do as they are told.
struct Fleet {
    upgrade: Upgrade,
    sight: Sight,
    now: UnixMs,
    /// Everybody that was told, in order, each once.
    told: Vec<HostId>,
}

impl Fleet {
    /// Hosts by their regions.
    fn of(regions: &[&str], at_once: u32) -> Self {
        let seen = |region: &&str| Seen {
            region: (*region).to_owned(),
            is_linked: true,
            can_upgrade: true,
            release: Some(OLD),
            refuted: 0,
            failure: None,
        };
        let hosts = (1..).map(host_id).zip(regions.iter().map(seen)).collect();
        let upgrade = Upgrade::begin(NEW, "2".to_owned(), at_once, UnixMs(0));
        Self { upgrade, sight: Sight { hosts, missed: 0 }, now: UnixMs(0), told: Vec::new() }
    }

    fn host(&mut self, n: u8) -> &mut Seen {
        self.sight.hosts.get_mut(&host_id(n)).unwrap()
    }

    fn step(&mut self) {
        for host in self.upgrade.step(&self.sight, self.now) {
            if !self.told.contains(&host) {
                self.told.push(host);
            }
        }
        self.now = self.now + 1_000;
    }

    /// So many seconds in which those that are told take the release at once.
    fn obey_for(&mut self, seconds: usize) {
        for _ in 0..seconds {
            self.step();
            let ordered: Vec<HostId> = self.ordered();
            for host in ordered {
                self.sight.hosts.get_mut(&host).unwrap().release = Some(NEW);
            }
        }
    }

    fn ordered(&self) -> Vec<HostId> {
        let ordered = self.upgrade.hosts.iter().filter(|(_, one)| matches!(one, Progress::Ordered { .. }));
        ordered.map(|(host, _)| *host).collect()
    }

    #[track_caller]
    fn stopped(&self) -> Stop {
        match &self.upgrade.state {
            State::Stopped { why, .. } => why.clone(),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_canary_goes_first_alone_and_is_watched_for_longer() {
    let mut fleet = Fleet::of(&["a", "b", "c", "d"], 3);
    fleet.obey_for(30);
    assert_eq!(fleet.told.len(), 1, "{:?}", fleet.upgrade.hosts);
    fleet.obey_for(3);
    assert_eq!(fleet.told.len(), 4);
    fleet.obey_for(15);
    assert!(matches!(fleet.upgrade.state, State::Done { .. }), "{:?}", fleet.upgrade);
}

#[test]
fn one_of_a_region_goes_at_a_time_and_no_more_than_are_allowed() {
    let mut fleet = Fleet::of(&["a", "a", "a", "b", "b", "c", "d"], 2);
    let mut most = 0;
    for _ in 0..120 {
        fleet.obey_for(1);
        let under_way: Vec<HostId> =
            fleet.upgrade.hosts.iter().filter(|(_, one)| is_under_way(**one)).map(|(host, _)| *host).collect();
        let regions: BTreeSet<&str> = under_way.iter().map(|host| fleet.sight.hosts[host].region.as_str()).collect();
        assert_eq!(regions.len(), under_way.len(), "two of one region");
        most = most.max(under_way.len());
    }
    assert_eq!(most, 2);
    assert!(matches!(fleet.upgrade.state, State::Done { .. }), "{:?}", fleet.upgrade);
}

#[test]
fn a_missed_slot_stops_it_and_whoever_resumes_it_forgives_that() {
    let mut fleet = Fleet::of(&["a", "b", "c"], 1);
    fleet.obey_for(5);
    fleet.sight.missed = 2;
    fleet.step();
    assert_eq!(fleet.stopped(), Stop::Missed { slots: 2 });
    fleet.obey_for(100);
    assert_eq!(fleet.told.len(), 1);
    let resumed = fleet.now;
    fleet.upgrade.resume(resumed);
    fleet.sight.missed = 0;
    assert_eq!(fleet.upgrade.watched_from, resumed);
    fleet.obey_for(100);
    assert!(matches!(fleet.upgrade.state, State::Done { .. }), "{:?}", fleet.upgrade);
}

#[test]
fn a_host_that_cannot_take_it_or_does_not_come_back_stops_it_at_the_canary() {
    let mut broken = Fleet::of(&["a", "b"], 2);
    broken.step();
    let canary = broken.told[0];
    broken.sight.hosts.get_mut(&canary).unwrap().failure = Some((UnixMs(-1), "of an earlier order".to_owned()));
    broken.step();
    assert!(broken.upgrade.is_running());
    broken.sight.hosts.get_mut(&canary).unwrap().failure = Some((UnixMs(0), "it ended with 1".to_owned()));
    broken.step();
    assert_eq!(broken.stopped(), Stop::Failed { host: canary, reason: "it ended with 1".to_owned() });

    let mut silent = Fleet::of(&["a", "b"], 2);
    silent.step();
    let canary = silent.told[0];
    silent.sight.hosts.get_mut(&canary).unwrap().is_linked = false;
    (0..HOST_LIMIT_MS / 1_000 + 1).for_each(|_| silent.step());
    assert_eq!((silent.stopped(), silent.told.len()), (Stop::Late { host: canary }, 1));
}

#[test]
fn a_host_that_falls_back_while_it_is_watched_stops_it() {
    let mut fleet = Fleet::of(&["a", "b"], 1);
    fleet.obey_for(3);
    let canary = fleet.told[0];
    fleet.sight.hosts.get_mut(&canary).unwrap().release = Some(OLD);
    fleet.step();
    assert_eq!(fleet.stopped(), Stop::Late { host: canary });
}

#[test]
fn hosts_of_the_release_that_are_refuted_again_and_again_stop_it() {
    let mut fleet = Fleet::of(&["a", "b", "c"], 1);
    fleet.host(1).refuted = 40;
    fleet.obey_for(3);
    let canary = fleet.told[0];
    fleet.sight.hosts.get_mut(&canary).unwrap().refuted += REFUTED_MAX - 1;
    fleet.step();
    assert!(fleet.upgrade.is_running());
    // A new leader counts from nothing.
    fleet.sight.hosts.get_mut(&canary).unwrap().refuted = 1;
    fleet.step();
    fleet.sight.hosts.get_mut(&canary).unwrap().refuted += REFUTED_MAX;
    fleet.step();
    assert_eq!(fleet.stopped(), Stop::Disagrees { host: canary, refuted: REFUTED_MAX });
}

#[test]
fn what_hosts_of_the_release_before_see_as_well_is_not_the_releases_fault() {
    let mut fleet = Fleet::of(&["a", "b", "c"], 1);
    fleet.obey_for(3);
    let canary = fleet.told[0];
    fleet.host(3).refuted = 2 * REFUTED_MAX;
    fleet.sight.hosts.get_mut(&canary).unwrap().refuted = 2 * REFUTED_MAX;
    fleet.step();
    assert!(fleet.upgrade.is_running());
    fleet.sight.hosts.get_mut(&canary).unwrap().refuted += 1;
    fleet.step();
    assert_eq!(fleet.stopped(), Stop::Disagrees { host: canary, refuted: 2 * REFUTED_MAX + 1 });
}

#[test]
fn who_is_away_or_cannot_is_waited_for_and_holds_up_nobody() {
    let mut fleet = Fleet::of(&["a", "b", "c"], 1);
    fleet.host(1).is_linked = false;
    fleet.host(2).can_upgrade = false;
    fleet.obey_for(100);
    assert_eq!(fleet.told, [host_id(3)]);
    assert!(fleet.upgrade.is_running());
    fleet.host(1).is_linked = true;
    fleet.host(2).can_upgrade = true;
    fleet.obey_for(60);
    assert!(matches!(fleet.upgrade.state, State::Done { .. }), "{:?}", fleet.upgrade);
}

#[test]
fn who_runs_it_already_is_done_and_who_retires_is_forgotten() {
    let mut fleet = Fleet::of(&["a", "b"], 1);
    fleet.host(1).release = Some(NEW);
    fleet.obey_for(1);
    assert_eq!(fleet.told, [host_id(2)]);
    fleet.sight.hosts.remove(&host_id(2));
    fleet.step();
    assert!(matches!(fleet.upgrade.state, State::Done { .. }));
    fleet.upgrade.stop(Stop::Operator, fleet.now);
    assert!(matches!(fleet.upgrade.state, State::Done { .. }), "what is over is not stopped");
}

#[test]
fn what_is_kept_of_it_reads_back() {
    let mut fleet = Fleet::of(&["a", "b", "c"], 2);
    fleet.obey_for(40);
    fleet.upgrade.stop(Stop::Late { host: host_id(1) }, fleet.now);
    let kept = serde_json::to_string(&fleet.upgrade).unwrap();
    assert_eq!(serde_json::from_str::<Upgrade>(&kept).unwrap(), fleet.upgrade);
}
