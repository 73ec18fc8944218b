//! Blocks of generated runs, against the account of the same runs.

use farwatch_proto::check::{Activity, StreamId};
use farwatch_proto::id::CheckId;
use farwatch_proto::outcome::Blame;
use proptest::prelude::*;

use super::*;
use crate::ledger::{Balance, InForce, canonical, due_slots};
use crate::revision::Cadence;

const HOUR: Hour = Hour::of(UnixMs(1_700_000_000_000));
const LONG_AFTER: UnixMs = UnixMs(1_800_000_000_000);
/// The columns of a row beside its detail: an id of 16 bytes and thirteen numbers of 8.
const ROW_FIXED_BYTES: usize = 16 + 13 * 8;

const KEY: BlockKey = BlockKey { stream: StreamId { check: CheckId::from_bytes([8; 16]), number: 0 }, hour: HOUR };

fn due(seconds: u32) -> Vec<DueSlot> {
    let interval = Interval::from_seconds(seconds).unwrap();
    let cadence = Cadence { activity: Activity::Active, interval, streams: 1 };
    due_slots(KEY.stream, &[InForce { from: UnixMs(0), cadence }], HOUR.start(), HOUR.end())
}

fn host(n: u8) -> HostId {
    HostId::from_bytes([n; 16])
}

/// One run as the journal has it.
#[derive(Clone, Debug)]
struct Raw {
    slot: UnixMs,
    run: RunOnRecord,
    latency_us: u32,
    code: &'static str,
}

/// Three owners, who take turns: the view in force changes with the slot.
fn owners(slot: UnixMs) -> [HostId; 3] {
    let turn = (slot.0 / 600_000 % 3) as u8;
    [host(turn), host((turn + 1) % 3), host((turn + 2) % 3)]
}

fn enter(block: &mut Block, raw: &Raw) {
    let RunOnRecord { host, view, started, status } = raw.run;
    let runner = Runner { host, view, rank: Rank::among(&owners(raw.slot), host) };
    let latency = Latency::of_us(raw.latency_us);
    block.enter(raw.slot, SlotRun { runner, started, latency, status, code: raw.code });
}

fn block_of(seconds: u32, runs: &[Raw]) -> Block {
    let mut block = Block::open(KEY, &due(seconds)).unwrap();
    runs.iter().for_each(|raw| enter(&mut block, raw));
    block
}

fn merged(mut one: Block, other: &Block) -> Vec<u8> {
    one.merge(other).unwrap();
    one.encode()
}

/// A run of some slot of a stream at 60 s; now and then of a moment that is no slot.
fn raw() -> impl Strategy<Value = Raw> {
    let told = (0..5_u8, any::<u32>(), prop::sample::select(vec!["", "timeout", "connection-refused"]));
    let ran = (0..5_u8, 0..3_u64, prop_oneof![-100..300_i64, -100..70_000_i64]);
    (0..62_i64, ran, told).prop_map(|(index, (by, n, delay_ms), (status, latency_us, code))| {
        let first = due(60)[0].slot;
        let slot = if index < 60 { first + index * 60_000 } else { first + (index - 55) * 1_000 };
        let view = Stamp { era: 1, n };
        let status = Status::from_code(status).unwrap();
        let run = RunOnRecord { host: host(by), view, started: slot + delay_ms, status };
        Raw { slot, run, latency_us, code }
    })
}

fn raws() -> impl Strategy<Value = Vec<Raw>> {
    prop::collection::vec(raw(), 0..150)
}

proptest! {
    #[test]
    fn neither_the_order_of_results_nor_their_number_matters(
        (runs, shuffled) in raws().prop_flat_map(|runs| (Just(runs.clone()), Just(runs).prop_shuffle())),
    ) {
        let twice: Vec<Raw> = shuffled.iter().chain(&runs).cloned().collect();
        prop_assert_eq!(block_of(60, &runs).encode(), block_of(60, &twice).encode());
    }

    #[test]
    fn merging_is_commutative_associative_and_idempotent(
        one in raws(), two in raws(), three in raws(), settled in any::<bool>(),
    ) {
        let all: Vec<Raw> = one.iter().chain(&two).chain(&three).cloned().collect();
        let [mut one, two, three] = [one, two, three].map(|runs| block_of(60, &runs));
        let mut all = block_of(60, &all);
        if settled {
            one.settle(LONG_AFTER, |_| false);
            all.settle(LONG_AFTER, |_| false);
        }
        let mut first_two = one.clone();
        first_two.merge(&two).unwrap();
        let mut last_two = two.clone();
        last_two.merge(&three).unwrap();
        prop_assert_eq!(first_two.encode(), merged(two, &one));
        prop_assert_eq!(merged(first_two.clone(), &three), merged(one, &last_two));
        prop_assert_eq!(merged(first_two.clone(), &first_two), first_two.encode());
        prop_assert_eq!(merged(first_two, &three), all.encode());
    }

    #[test]
    fn blocks_that_know_of_other_slots_merge_into_what_either_knows(one in raws(), two in raws()) {
        let (one, two) = (block_of(60, &one), block_of(10, &two));
        let mut both = one.clone();
        both.merge(&two).unwrap();
        prop_assert_eq!(both.slots().count(), 360);
        prop_assert_eq!(both.encode(), merged(two.clone(), &one));
        prop_assert_eq!(both.encode(), merged(both.clone(), &two));
        let states = |block: &Block, slot| block.slots().find(|held| held.due.slot == slot).map(|held| held.state);
        for slot in one.slots() {
            prop_assert!(states(&both, slot.due.slot).is_some_and(|state| standing(state) >= standing(slot.state)));
        }
    }

    #[test]
    fn a_block_agrees_with_the_account_of_the_raw_results(
        runs in raws(), minutes in 0..90_i64, undelivered in any::<bool>(),
    ) {
        let now = HOUR.start() + minutes * 60_000;
        let mut block = block_of(60, &runs);
        block.settle(now, |_| undelivered);
        let mut balance = Balance::default();
        for (held, due) in block.slots().zip(due(60)) {
            let of_slot: Vec<RunOnRecord> =
                runs.iter().filter(|raw| raw.slot == due.slot).map(|raw| raw.run).collect();
            let state = slot_state(due, &of_slot, now, undelivered);
            balance.count(state);
            prop_assert_eq!((held.due, held.state), (due, state));
            let speaks = |host, view, status: Status| (host, view, status.covers());
            let by_account = canonical(&of_slot, &owners(due.slot)).map(|run| speaks(run.host, run.view, run.status));
            let by_block = held.run.map(|run| speaks(run.runner.host, run.runner.view, run.status));
            prop_assert_eq!(by_block, by_account);
        }
        prop_assert_eq!(block.totals().balance, balance);
        let extra = runs.iter().filter(|raw| due(60).iter().all(|due| due.slot != raw.slot));
        let extra: BTreeSet<_> = extra.map(|raw| (raw.slot, raw.run.host)).collect();
        prop_assert_eq!(block.extra(), &extra);
    }

    #[test]
    fn a_block_reads_back_and_a_shortened_one_does_not(runs in raws(), cut in any::<prop::sample::Index>()) {
        let mut block = block_of(60, &runs);
        block.settle(HOUR.end(), |_| false);
        let bytes = block.encode();
        let read = Block::decode(KEY, &bytes).unwrap();
        prop_assert!(read.slots().eq(block.slots()));
        prop_assert_eq!((read.totals(), read.extra()), (block.totals(), block.extra()));
        prop_assert_eq!(read.encode(), bytes.clone());
        prop_assert!(Block::decode(KEY, &bytes[..cut.index(bytes.len())]).is_err());
    }

    #[test]
    fn whatever_bytes_come_are_read_or_refused(
        runs in raws(), changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut bytes = block_of(60, &runs).encode();
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if let Ok(block) = Block::decode(KEY, &bytes) {
            let again = Block::decode(KEY, &block.encode()).unwrap();
            prop_assert!(again.slots().eq(block.slots()));
        }
    }
}

fn good(slot: UnixMs, delay_ms: i64, latency_us: u32) -> Raw {
    let run = RunOnRecord {
        host: owners(slot)[0],
        view: Stamp { era: 1, n: 42 },
        started: slot + delay_ms,
        status: Status::Up,
    };
    Raw { slot, run, latency_us, code: "" }
}

fn good_hour(seconds: u32) -> Block {
    let runs: Vec<Raw> = due(seconds)
        .iter()
        .zip(0..)
        .map(|(due, n)| good(due.slot, i64::from(n * 37 % 120), 20_000 + n * 7919 % 60_000))
        .collect();
    block_of(seconds, &runs)
}

#[test]
fn a_good_result_weighs_less_than_eight_bytes_with_its_share_of_the_row() {
    for (seconds, results) in [(10, 360), (60, 60)] {
        let block = good_hour(seconds);
        assert_eq!(block.totals().outcomes.up, results as u64);
        let bytes = block.encode().len() + ROW_FIXED_BYTES;
        let each = bytes as f64 / f64::from(results);
        println!("{seconds} s: {bytes} bytes an hour, {each:.2} a good result");
        assert!(each < 8.0, "{seconds} s: {each:.2} bytes a good result");
    }
}

#[test]
fn the_first_layout_is_pinned() {
    let mut block = Block::open(KEY, &due(1800)).unwrap();
    let slot = due(1800)[1].slot;
    enter(&mut block, &good(slot, 5, 1_000));
    block.settle(LONG_AFTER, |_| false);
    let hex: String = block.encode().iter().map(|byte| format!("{byte:02x}")).collect();
    let first = due(1800)[0].slot.since(HOUR.start()) as u64;
    let mut varint = Vec::new();
    farwatch_proto::pack::varint::put(&mut varint, first);
    let first: String = varint.iter().map(|byte| format!("{byte:02x}")).collect();
    let owner = format!("{:02x}", owners(slot)[0].as_bytes()[0]).repeat(16);
    assert_eq!(hex, format!("0101{first}880e0201{owner}012a00000002040afa03"));
}

#[test]
fn a_missed_slot_is_revised_by_a_late_result_and_by_nothing_else() {
    let slot = due(60)[7].slot;
    let mut block = block_of(60, &[]);
    block.settle(slot, |_| false);
    assert_eq!(block.totals().balance.missed, 6, "a window and the delivery of its result take over a minute");
    block.settle(LONG_AFTER, |_| true);
    assert_eq!(block.totals().balance.missed, 60);
    let trouble = RunOnRecord { status: Status::Unknown(Blame::Host), ..good(slot, 5, 0).run };
    enter(&mut block, &Raw { run: trouble, code: "host-paused", ..good(slot, 5, 0) });
    assert_eq!((block.totals().balance.missed, block.totals().outcomes.unknown), (60, 1));
    enter(&mut block, &good(slot, 30_000, 9_000));
    let totals = block.totals();
    assert_eq!((totals.balance.missed, totals.balance.late), (59, 1));
    assert_eq!((totals.outcomes.unknown, totals.outcomes.up), (0, 1));
    block.settle(LONG_AFTER, |_| false);
    assert_eq!(block.totals(), totals);
}

#[test]
fn a_block_names_the_next_moment_that_decides_something() {
    let first = due(1800)[0];
    let mut block = block_of(1800, &[]);
    let settled = settled_at(first);
    assert_eq!(block.settles_at(HOUR.start()), Some(settled));
    block.settle(settled - 1, |_| false);
    assert_eq!(block.totals().balance.pending, 2);
    block.settle(settled, |_| true);
    assert_eq!((block.totals().balance.pending, block.settles_at(settled)), (2, Some(settled + PENDING_MAX_MS)));
    block.settle(settled + PENDING_MAX_MS, |_| true);
    assert_eq!(block.totals().balance.missed, 1);
    block.settle(LONG_AFTER, |_| true);
    assert_eq!(block.settles_at(LONG_AFTER), None);
}

#[test]
fn latencies_count_where_the_target_answered() {
    let slots: Vec<UnixMs> = due(60).iter().map(|due| due.slot).collect();
    let mut runs: Vec<Raw> = slots[..4].iter().zip([100, 200, 50, 250]).map(|(slot, us)| good(*slot, 1, us)).collect();
    runs[1].run.status = Status::Degraded;
    runs[3].run.status = Status::Down;
    let totals = block_of(60, &runs).totals();
    assert_eq!((totals.latency_sum_us, totals.latency_max_us, totals.outcomes.answered()), (350, 200, 3));
    assert_eq!([totals, totals].into_iter().sum::<Totals>().balance.due(), 120);
}

#[test]
fn runs_that_were_not_due_are_kept_apart_and_are_few() {
    let first = due(60)[0].slot;
    let runs: Vec<Raw> = (1..200).rev().map(|ms| good(first + ms, 0, 1)).collect();
    let block = block_of(60, &runs);
    assert_eq!(block.extra().len(), EXTRA_MAX);
    assert!(block.extra().iter().all(|(slot, _)| slot.since(first) <= EXTRA_MAX as i64));
    assert_eq!(block.totals().outcomes, Outcomes::default());
}

#[test]
fn an_hour_with_nothing_due_has_no_block_and_others_do_not_mix() {
    assert!(Block::open(KEY, &[]).is_none());
    let next = BlockKey { hour: HOUR.next(), ..KEY };
    assert!(Block::open(next, &due(60)).is_none());
    let mut block = block_of(60, &[]);
    enter(&mut block, &good(HOUR.end() + 5, 0, 1));
    assert!(block.extra().is_empty());
    let shifted: Vec<DueSlot> = due(60).iter().map(|due| DueSlot { slot: due.slot + HOUR_MS, ..*due }).collect();
    assert_eq!(block.merge(&Block::open(next, &shifted).unwrap()), Err(OtherBlock));
}

#[test]
fn a_block_of_another_version_is_refused_by_name() {
    let mut bytes = good_hour(60).encode();
    bytes[0] = 9;
    assert_eq!(Block::decode(KEY, &bytes).unwrap_err(), BlockError::Version(9));
}
