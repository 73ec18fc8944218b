use proptest::prelude::*;

use super::*;
use crate::outcome::{Attribute, Blame, Value};

fn stream(number: u16) -> StreamId {
    StreamId { check: CheckId::from_bytes([number as u8; 16]), number }
}

fn good(number: u16, slot: i64) -> RunResult {
    RunResult {
        stream: stream(number),
        purpose: Purpose::Slot,
        slot: UnixMs(slot),
        terms: Terms { revision: 1, module: ModuleHash([9; 32]), view: Stamp { era: 1, n: 4 } },
        started: UnixMs(slot + 3),
        duration_us: 41_250,
        cost: RunCost { cpu_us: 140, memory_pages: 18 },
        outcome: Outcome::up(40_900),
    }
}

fn outcome() -> impl Strategy<Value = Outcome> {
    let status = prop_oneof![
        Just(Status::Up),
        Just(Status::Degraded),
        Just(Status::Down),
        Just(Status::Unknown(Blame::Module)),
        Just(Status::Unknown(Blame::Host)),
    ];
    let attribute =
        ("[a-z_]{1,8}", any::<i64>()).prop_map(|(key, number)| Attribute { key, value: Value::Integer(number) });
    let detail = ("[a-z-]{0,12}", ".{0,40}", prop::collection::vec(attribute, 0..4))
        .prop_map(|(code, message, attributes)| Box::new(Detail { code, message, attributes, shown: Vec::new() }));
    (status, any::<u32>(), prop::option::of(detail)).prop_map(|(status, latency_us, detail)| Outcome {
        status,
        latency_us,
        detail,
    })
}

fn result() -> impl Strategy<Value = RunResult> {
    let purpose = prop_oneof![Just(None), any::<[u8; 16]>().prop_map(Some)];
    let times = (0..LATEST_MOMENT_MS / 2, 0..60_000_i64, any::<u32>());
    let cost = (any::<u32>(), any::<u16>()).prop_map(|(cpu_us, memory_pages)| RunCost { cpu_us, memory_pages });
    let cost = prop_oneof![Just(RunCost::default()), cost];
    (0..4_u16, purpose, times, 1..4_u32, (cost, outcome())).prop_map(
        |(number, order, times, revision, (cost, outcome))| {
            let (slot, delay, duration_us) = times;
            RunResult {
                stream: stream(number),
                purpose: order.map_or(Purpose::Slot, |bytes| Purpose::Vote(OrderId::from_bytes(bytes))),
                slot: UnixMs(slot),
                terms: Terms { revision, module: ModuleHash([1; 32]), view: Stamp { era: 1, n: revision.into() } },
                started: UnixMs(slot + delay),
                duration_us,
                cost,
                outcome,
            }
        },
    )
}

#[test]
fn a_good_result_costs_at_most_20_bytes_once_its_stream_is_known() {
    let mut packer = Packer::default();
    packer.push(&good(0, 1_790_000_000_000));
    packer.take();
    for tick in 1..1000 {
        packer.push(&good(0, 1_790_000_000_000 + tick * 10_000));
    }
    let per_result = packer.len() / 999;
    assert!(per_result <= 20, "{per_result} bytes a result");
}

/// Hosts that have not been upgraded say nothing of costs.
#[test]
fn a_pack_without_costs_is_read() {
    let unmeasured = RunResult { cost: RunCost::default(), ..good(0, 1_790_000_000_000) };
    let mut packer = Packer::default();
    packer.push(&unmeasured);
    assert_eq!(Unpacker::default().read(&packer.take()).unwrap(), [unmeasured]);
    assert!(is_known(1) && is_known(PACK_VERSION) && !is_known(0) && !is_known(PACK_VERSION + 1));
}

#[test]
fn a_torn_pack_is_an_error_at_every_length() {
    let mut packer = Packer::default();
    packer.push(&good(0, 1_790_000_000_000));
    let bytes = packer.take();
    let whole = Unpacker::default().read(&bytes).unwrap();
    assert_eq!(whole, [good(0, 1_790_000_000_000)]);
    let torn = (1..bytes.len()).filter(|end| Unpacker::default().read(&bytes[..*end]).is_err()).count();
    // Two prefixes end exactly behind a dictionary record, and say nothing yet.
    assert_eq!(torn, bytes.len() - 1 - 2);
}

#[test]
fn a_result_that_names_what_was_never_written_is_an_error() {
    let bytes = [TAG_RESULT, 5, 0, 0, 0, 0, 0];
    assert_eq!(Unpacker::default().read(&bytes), Err(PackError::UnknownEntry(5)));
    assert_eq!(Unpacker::default().read(&[0x33]), Err(PackError::UnknownTag(0x33)));
}

proptest! {
    #[test]
    fn what_was_packed_reads_back_however_it_was_taken(
        results in prop::collection::vec(result(), 0..20),
        cut in 0..20_usize,
    ) {
        let mut packer = Packer::default();
        let mut unpacker = Unpacker::default();
        let mut read = Vec::new();
        for (index, result) in results.iter().enumerate() {
            packer.push(result);
            if index == cut {
                read.extend(unpacker.read(&packer.take()).unwrap());
            }
        }
        read.extend(unpacker.read(&packer.take()).unwrap());
        prop_assert_eq!(read, results);
    }

    #[test]
    fn hostile_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Unpacker::default().read(&bytes);
    }
}
