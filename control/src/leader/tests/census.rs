//! What is counted as it changes is what a walk over everything would count.

use proptest::prelude::*;

use super::*;

/// One thing that happens to one of a few checks.
#[derive(Clone, Copy, Debug)]
enum Happening {
    /// Its owner found this.
    Found(Status),
    /// All who were asked about it answer this.
    Voted(Status),
    /// It is changed, to be counted from so many milliseconds on.
    Changed(Activity, u16, i64),
    /// Time passes.
    Passed(i64),
    /// It is forgotten.
    Gone,
}

fn happening() -> impl Strategy<Value = Happening> {
    let status = prop_oneof![Just(Status::Up), Just(Status::Down), Just(Status::Degraded)];
    let activity = prop_oneof![Just(Activity::Active), Just(Activity::Paused), Just(Activity::Deleted)];
    prop_oneof![
        4 => status.clone().prop_map(Happening::Found),
        4 => status.prop_map(Happening::Voted),
        2 => (activity, 1..4_u16, 0..30_000_i64).prop_map(|(to, streams, ms)| Happening::Changed(to, streams, ms)),
        4 => (1..15_000_i64).prop_map(Happening::Passed),
        1 => Just(Happening::Gone),
    ]
}

const fn check_of(n: u8) -> CheckId {
    CheckId::from_bytes([n; 16])
}

fn entry_of(check: CheckId) -> Entry {
    let mut entry = entry();
    entry.definition.check = check;
    entry
}

impl World {
    fn happens(&mut self, check: CheckId, what: Happening) {
        match what {
            Happening::Found(status) => self.find(check, status),
            Happening::Voted(status) => self.vote(status),
            Happening::Changed(activity, streams, ms) => self.change(check, activity, streams, ms),
            Happening::Passed(ms) => {
                self.now.wall = self.now.wall + ms;
                self.state.pass_turns(self.now.wall);
                self.draft.pass_time(&self.state, &BTreeSet::new(), self.now);
                self.commit();
            }
            Happening::Gone => self.put(check, Vec::new()),
        }
    }

    fn find(&mut self, check: CheckId, status: Status) {
        let stream = StreamId { check, number: 0 };
        let Some(page) = self.state.book.page(check) else { return };
        let Some(owner) = page.owners_of(stream, &self.state.newest).first().copied() else { return };
        let revision = page.latest().definition.revision;
        let slot =
            Schedule::of(stream, ten_seconds(), page.latest().definition.placement.streams).open_slot(self.now.wall);
        let result = self.result(status);
        let terms = Terms { revision, ..result.terms };
        // Whether it is admitted is of no matter here.
        self.receive(owner, &RunResult { stream, slot, started: slot + 5, terms, ..result }).unwrap();
        self.commit();
    }

    fn vote(&mut self, status: Status) {
        for host in (1..=5).map(host_id) {
            let sent = self.sent(host).into_iter();
            let runs =
                sent.filter_map(|message| if let FromControl::Run { orders } = message { Some(orders) } else { None });
            for order in runs.flatten() {
                let (stream, purpose) = (order.stream, Purpose::Vote(order.id));
                let vote = RunResult { stream, purpose, slot: self.now.wall, ..self.result(status) };
                self.receive(host, &vote).unwrap();
            }
        }
        self.commit();
    }

    fn change(&mut self, check: CheckId, activity: Activity, streams: u16, ms: i64) {
        let mut entries =
            self.state.book.page(check).map_or_else(|| vec![entry_of(check)], |page| page.entries.clone());
        let mut changed = entries[entries.len() - 1].clone();
        changed.definition.revision += 1;
        changed.definition.activity = activity;
        changed.definition.placement.streams = streams;
        changed.definition.in_force_from = Some(self.now.wall + ms);
        entries.push(changed);
        self.put(check, entries);
    }
}

proptest! {
    #[test]
    fn counting_as_things_change_comes_to_what_counting_anew_does(
        happenings in proptest::collection::vec((1..4_u8, happening()), 1..60),
    ) {
        let mut world = World::new();
        for n in 1..4 {
            world.state.never_judged.insert(check_of(n));
            world.put(check_of(n), vec![entry_of(check_of(n))]);
        }
        for (n, what) in happenings {
            world.happens(check_of(n), what);
            world.state.pass_turns(world.now.wall);
            let counted = std::mem::take(&mut world.state.census);
            world.state.recount_all(world.now.wall);
            prop_assert_eq!(&counted, &world.state.census);
        }
    }
}

#[test]
fn a_check_is_counted_by_its_verdict_and_not_at_all_once_it_is_paused() {
    let mut world = World::new();
    let counted = |world: &World, word: &str| world.state.census.verdicts()[word];
    assert_eq!((counted(&world, "pending"), counted(&world, "up"), world.state.census.streams()), (1, 0, 1));
    world.find(CHECK, Status::Up);
    assert_eq!((counted(&world, "pending"), counted(&world, "up")), (0, 1));
    world.now.wall = world.now.wall + 10_000;
    world.find(CHECK, Status::Down);
    assert_eq!((counted(&world, "suspect"), world.state.census.votes()), (1, 4));
    world.vote(Status::Down);
    assert_eq!((counted(&world, "down"), world.state.census.votes()), (1, 0));
    world.change(CHECK, Activity::Paused, 1, 5_000);
    assert_eq!((counted(&world, "down"), world.state.census.ended().count()), (1, 0), "not yet");
    world.happens(CHECK, Happening::Passed(5_000));
    assert_eq!(world.state.census.verdicts().values().sum::<u64>(), 0);
    assert_eq!((world.state.census.ended().count(), world.state.census.streams()), (1, 0));
}
