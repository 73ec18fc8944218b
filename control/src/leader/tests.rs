mod arrivals;
mod by_hand;
mod carried;
mod census;
mod evidence;
mod handover;
mod held;
mod loads;
mod lost_views;
mod marks;
mod outages;
mod references;
mod retired;
mod tries;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use farwatch_core::detect::Verdict;
use farwatch_core::evidence::Memory;
use farwatch_core::fleet::{Fleet, Proving, Registered};
use farwatch_core::slot::Schedule;
use farwatch_proto::check::{Activity, Definition, PlacementWish, Repeat, StreamId};
use farwatch_proto::fleet::{HostFacts, PLACEMENT_VERSION, Standing, View, ViewHost};
use farwatch_proto::id::{BootId, CheckId, HostId, ModuleHash, OrderId, TenantId};
use farwatch_proto::interval::Interval;
use farwatch_proto::link::{Batch, FromControl, Mark};
use farwatch_proto::outcome::{Blame, Outcome, Status};
use farwatch_proto::pack::{PACK_VERSION, Packer};
use farwatch_proto::run::{Purpose, RunCost, RunResult, Terms};
use farwatch_proto::time::{BootMs, Stamp, UnixMs};
use tokio::sync::mpsc;

use super::admission::{Orders, RecentViews};
use super::book::{Book, Entry};
use super::carried::Carried;
use super::census::Census;
use super::commit::apply;
use super::draft::{Draft, Now};
use super::outages::Outages;
use super::secret_values::SecretValues;
use super::sessions::{Arrival, Assigned, Session, Speaker};
use super::state::State;
use crate::store::{Epoch, FlushId, JournalHead};

use arrivals::arrival;

const CHECK: CheckId = CheckId::from_bytes([7; 16]);
const STREAM: StreamId = StreamId { check: CHECK, number: 0 };

fn host_id(n: u8) -> HostId {
    HostId::from_bytes([n; 16])
}

fn boot_id() -> BootId {
    BootId::from_bytes([1; 16])
}

fn ten_seconds() -> Interval {
    Interval::from_seconds(10).unwrap()
}

/// A leader over five linked hosts and one check every 10 s.
struct World {
    state: State,
    draft: Draft,
    outboxes: BTreeMap<HostId, mpsc::Receiver<FromControl>>,
    now: Now,
    /// Where the next batch of each host begins.
    offsets: HashMap<HostId, u64>,
}

impl World {
    fn new() -> Self {
        let schedule = Schedule::of(STREAM, ten_seconds(), 1);
        let slot = schedule.slot_at_or_after(UnixMs(1_000_000_000));
        let now = Now { wall: slot + 40, boot: BootMs(100_000) };
        let newest = view();
        let mut book = Book::default();
        book.put(CHECK, vec![entry()], &newest);
        let mut fleet = Fleet::new(Proving { warmup_ms: 0, ..Proving::USUAL }, BootMs(0));
        let registered = |host: &ViewHost| (host.id, Registered { facts: host.facts.clone(), drained: false });
        fleet.register(newest.hosts.iter().map(registered));
        let mut views = RecentViews::default();
        views.put_in_force(newest.clone());
        let (mut sessions, mut outboxes) = (BTreeMap::new(), BTreeMap::new());
        for host in &newest.hosts {
            let (outbox, messages) = mpsc::channel(64);
            sessions
                .insert(host.id, Session::begin(arrival(outbox, None), None, Stamp { era: 1, n: 0 }, &[], now.boot));
            outboxes.insert(host.id, messages);
            fleet.hear(host.id, now.boot);
        }
        let epoch = Epoch { n: 1, random: 1 };
        let mut state = State {
            epoch,
            head: JournalHead { seq: 0, epoch, flush: FlushId([0; 16]) },
            config: Stamp::default(),
            book,
            newest,
            views,
            fleet,
            sessions,
            keys: BTreeMap::new(),
            detectors: HashMap::new(),
            last_slots: HashMap::new(),
            never_judged: [CHECK].into(),
            evidence: Memory::default(),
            marks: BTreeMap::new(),
            carried: Carried::default(),
            orders: Orders::default(),
            results: 0,
            refused: BTreeMap::new(),
            noted: Vec::new(),
            outages: Outages::default(),
            census: Census::default(),
            are_references_broken: false,
            loads: BTreeMap::new(),
            secrets: SecretValues::default(),
        };
        state.recount_all(now.wall);
        Self { state, draft: Draft::default(), outboxes, now, offsets: HashMap::new() }
    }

    /// The check is now this.
    fn put(&mut self, check: CheckId, entries: Vec<Entry>) {
        self.state.book.put(check, entries, &self.state.newest);
        self.state.recount(check, self.now.wall);
    }

    fn slot(&self) -> UnixMs {
        Schedule::of(STREAM, ten_seconds(), 1).open_slot(self.now.wall)
    }

    /// The host that owns the check's stream at this rank.
    fn owner(&self, rank: usize) -> HostId {
        self.state.book.page(CHECK).unwrap().owners_of(STREAM, &self.state.newest)[rank]
    }

    fn result(&self, status: Status) -> RunResult {
        let slot = self.slot();
        RunResult {
            stream: STREAM,
            purpose: Purpose::Slot,
            slot,
            terms: Terms { revision: 1, module: ModuleHash([3; 32]), view: self.state.newest.number },
            started: slot + 5,
            duration_us: 30_000,
            cost: RunCost::default(),
            outcome: Outcome::told(status, 30_000, "code", "message"),
        }
    }

    fn batch(&mut self, host: HostId, result: &RunResult) -> Batch {
        let mut packer = Packer::default();
        packer.push(result);
        let packed = [&[PACK_VERSION][..], &packer.take()].concat();
        let offset = self.offsets.entry(host).or_insert(16);
        let from = Mark { boot: boot_id(), segment: 0, offset: *offset };
        *offset += packed.len() as u64;
        Batch { from, to_offset: *offset, packed }
    }

    fn receive(&mut self, host: HostId, result: &RunResult) -> Result<(), String> {
        let batch = self.batch(host, result);
        self.draft.receive(&mut self.state, host, &batch, self.now)
    }

    fn commit(&mut self) {
        let draft = std::mem::take(&mut self.draft);
        let head = JournalHead { seq: self.state.head.seq + 1, ..self.state.head };
        apply(&mut self.state, draft, head, self.now);
    }

    /// What the host was sent since it was asked last.
    fn sent(&mut self, host: HostId) -> Vec<FromControl> {
        let outbox = self.outboxes.get_mut(&host).unwrap();
        std::iter::from_fn(|| outbox.try_recv().ok()).collect()
    }

    fn ordered(&mut self, host: HostId) -> Vec<OrderId> {
        let sent = self.sent(host).into_iter();
        sent.filter_map(|message| match message {
            FromControl::Run { orders } => Some(orders.into_iter().map(|order| order.id)),
            _ => None,
        })
        .flatten()
        .collect()
    }
}

fn view() -> View {
    let hosts = (1..=5).map(|n| ViewHost {
        id: host_id(n),
        standing: Standing::Active,
        facts: HostFacts {
            name: format!("host-{n}"),
            provider: format!("provider-{n}"),
            asn: n.into(),
            country: "DE".into(),
            continent: "EU".into(),
            region: "eu".into(),
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
        placement_version: PLACEMENT_VERSION,
        hosts: hosts.collect(),
    }
}

fn entry() -> Entry {
    Entry {
        definition: Definition {
            check: CHECK,
            tenant: TenantId::from_bytes([2; 16]),
            revision: 1,
            activity: Activity::Active,
            module: ModuleHash([3; 32]),
            prepared: Vec::new(),
            interval: ten_seconds(),
            timeout_ms: 3_000,
            placement: PlacementWish { streams: 1, ..PlacementWish::default() },
            repeat: Repeat::Safe,
            secrets: Vec::new(),
            in_force_from: Some(UnixMs(0)),
        },
        name: "shop".into(),
        target: None,
        contacts: Vec::new(),
        need: None,
    }
}

#[test]
fn a_result_is_acknowledged_only_once_it_is_committed() {
    let mut world = World::new();
    let owner = world.owner(0);
    world.receive(owner, &world.result(Status::Up)).unwrap();
    assert!(world.sent(owner).is_empty());
    world.commit();
    assert!(matches!(world.sent(owner)[..], [FromControl::Committed { .. }]));
    assert_eq!(world.state.results, 1);
}

#[test]
fn a_replay_and_a_gap_are_refused_and_nothing_of_them_is_kept() {
    let mut world = World::new();
    let owner = world.owner(0);
    let result = world.result(Status::Up);
    let batch = world.batch(owner, &result);
    assert!(world.draft.receive(&mut world.state, owner, &batch, world.now).is_ok());
    let replay = world.draft.receive(&mut world.state, owner, &batch, world.now);
    assert!(replay.unwrap_err().starts_with("a replay"));
    world.commit();
    assert!(world.draft.receive(&mut world.state, owner, &batch, world.now).is_err(), "also once it is committed");
    *world.offsets.get_mut(&owner).unwrap() += 100;
    assert!(world.receive(owner, &result).unwrap_err().starts_with("a gap"));
    assert!(world.draft.is_empty());
}

#[test]
fn a_batch_that_cannot_be_read_is_refused() {
    let mut world = World::new();
    let owner = world.owner(0);
    let good = world.result(Status::Up);
    let batch = world.batch(owner, &good);
    for packed in [vec![], vec![99], vec![PACK_VERSION, 0x33], batch.packed[..batch.packed.len() - 1].to_vec()] {
        let broken = Batch { packed, ..batch.clone() };
        assert!(world.draft.receive(&mut world.state, owner, &broken, world.now).is_err());
    }
    assert!(world.draft.is_empty());
}

#[test]
fn a_host_writes_only_for_streams_it_owned_and_orders_it_was_given() {
    let mut world = World::new();
    let owners: Vec<HostId> = (0..3).map(|rank| world.owner(rank)).collect();
    let stranger = (1..=5).map(host_id).find(|host| !owners.contains(host)).unwrap();
    let down = world.result(Status::Down);
    let wrong = [
        (stranger, down.clone()),
        (owners[0], RunResult { slot: down.slot + 1, ..down.clone() }),
        (owners[0], RunResult { started: down.slot + 9_950, ..down.clone() }),
        (owners[0], RunResult { stream: StreamId { number: 1, ..STREAM }, ..down.clone() }),
        (owners[0], RunResult { terms: Terms { revision: 9, ..down.terms }, ..down.clone() }),
        (owners[0], RunResult { purpose: Purpose::Vote(OrderId::from_bytes([5; 16])), ..down.clone() }),
        (owners[0], RunResult { stream: StreamId { check: CheckId::from_bytes([9; 16]), number: 0 }, ..down.clone() }),
        (owners[0], RunResult { slot: down.slot + 10_000, started: down.slot + 10_000, ..down.clone() }),
    ];
    let refusals = wrong.len() as u64;
    for (host, result) in wrong {
        world.receive(host, &result).unwrap();
    }
    assert_eq!(world.state.refused.values().sum::<u64>(), refusals);
    assert_eq!(world.draft.results(), 0);
    assert!(world.draft.detectors.is_empty(), "nothing refused is judged");
    world.receive(owners[1], &down).unwrap();
    assert_eq!(world.draft.results(), 1, "a standby may run a slot");
}

#[test]
fn a_failure_orders_votes_and_their_answers_open_one_incident() {
    let mut world = World::new();
    let owner = world.owner(0);
    world.receive(owner, &world.result(Status::Down)).unwrap();
    assert!(world.draft.urgent);
    let others: Vec<HostId> = (1..=5).map(host_id).filter(|host| *host != owner).collect();
    assert!(
        others.iter().all(|host| world.outboxes.get_mut(host).unwrap().try_recv().is_err()),
        "not before the commit"
    );
    world.commit();
    assert_eq!(world.state.detectors[&CHECK].verdict, Verdict::Suspect);
    for host in others {
        let [order] = world.ordered(host)[..] else { panic!("every other host is asked once") };
        let vote = RunResult { purpose: Purpose::Vote(order), slot: world.now.wall, ..world.result(Status::Down) };
        world.receive(host, &vote).unwrap();
    }
    assert_eq!(world.draft.events.len(), 1);
    world.commit();
    assert_eq!(world.state.detectors[&CHECK].verdict, Verdict::Down);
}

#[test]
fn a_voter_that_falls_silent_is_noticed() {
    let mut world = World::new();
    let owner = world.owner(0);
    world.receive(owner, &world.result(Status::Down)).unwrap();
    world.commit();
    assert!(world.state.silent_voters(world.now.boot).is_empty());
    let later = Now { wall: world.now.wall + 4_000, boot: world.now.boot + 4_000 };
    let silent = world.state.silent_voters(later.boot);
    assert_eq!(silent.len(), 4);
    world.draft.pass_time(&world.state, &silent, later);
    assert_eq!(world.draft.detectors[&CHECK].verdict, Verdict::Unconfirmed, "nobody else is there to ask");
}

#[test]
fn a_check_is_judged_for_the_first_time_once_and_only_by_who_could_tell() {
    let mut world = World::new();
    let owner = world.owner(0);
    world.receive(owner, &world.result(Status::Unknown(Blame::Host))).unwrap();
    assert!(world.draft.first_judged.is_empty());
    world.now.wall = world.now.wall + 10_000;
    let first = world.result(Status::Up);
    world.receive(owner, &first).unwrap();
    assert_eq!(world.draft.first_judged, [(CHECK, first.slot)].into());
    world.commit();
    world.now.wall = world.now.wall + 10_000;
    world.receive(owner, &world.result(Status::Up)).unwrap();
    assert!(world.draft.first_judged.is_empty() && world.draft.results() == 1);
}

#[test]
fn a_late_result_is_kept_and_judged_by_nobody() {
    let mut world = World::new();
    let owner = world.owner(0);
    let old = world.result(Status::Down);
    world.now.wall = world.now.wall + 30_000;
    world.receive(owner, &old).unwrap();
    assert_eq!(world.draft.results(), 1);
    assert!(world.draft.detectors.is_empty());
}

#[test]
fn a_host_is_told_of_the_checks_it_holds_and_of_changes_only() {
    let mut world = World::new();
    let all: BTreeSet<CheckId> = [CHECK].into();
    world.state.reassign(&all);
    let owner = world.owner(0);
    let sent = world.sent(owner);
    let [FromControl::Assign { since: None, to, last: true, put, .. }] = &sent[..] else { panic!("{sent:?}") };
    assert_eq!(put.len(), 1);
    let session = world.state.sessions.get_mut(&owner).unwrap();
    assert!(!session.holds_latest(CHECK));
    session.acknowledge(Some(*to), None);
    assert!(session.holds_latest(CHECK) && session.holds_all());
    world.state.reassign(&all);
    assert!(world.sent(owner).is_empty());
    world.put(CHECK, Vec::new());
    world.state.reassign(&all);
    assert!(
        matches!(&world.sent(owner)[..], [FromControl::Assign { since: Some(_), forget, .. }] if forget == &[CHECK])
    );
}
