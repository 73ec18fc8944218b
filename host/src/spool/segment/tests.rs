use farwatch_proto::check::StreamId;
use farwatch_proto::id::{CheckId, ModuleHash};
use farwatch_proto::outcome::{Outcome, Status};
use farwatch_proto::run::{Purpose, RunCost, Terms};
use farwatch_proto::time::{Stamp, UnixMs};
use proptest::prelude::*;

use super::*;

const KEY: SegmentKey = SegmentKey { boot: BootId::from_bytes([7; 16]), number: 3 };

/// What the `n`-th run of a host with this many streams finds; every 97th is down.
pub(in crate::spool) fn result(n: u64, streams: u64) -> RunResult {
    let mut check = [0; 16];
    check[..8].copy_from_slice(&(n % streams).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    let slot = UnixMs(1_790_000_000_000 + (n / streams * 10_000 + n % streams * 10_000 / streams) as i64);
    let latency_us = 20_000 + (n * 7919 % 60_000) as u32;
    RunResult {
        stream: StreamId { check: CheckId::from_bytes(check), number: 0 },
        purpose: Purpose::Slot,
        slot,
        terms: Terms { revision: 1, module: ModuleHash([9; 32]), view: Stamp { era: 1, n: 1 + n / 50_000 } },
        started: slot + (n % 23) as i64,
        duration_us: latency_us + 400 + (n % 300) as u32,
        cost: RunCost::default(),
        outcome: match n % 97 {
            0 => Outcome::told(Status::Down, latency_us, "status-unexpected", "expected 200, got 503"),
            _ => Outcome::up(latency_us),
        },
    }
}

fn read_all(bytes: &[u8]) -> Vec<RunResult> {
    let mut reader = FrameReader::default();
    let mut results = Vec::new();
    while let Some(frame) = reader.next(bytes, 0) {
        results.extend(frame.unwrap().results);
    }
    results
}

#[test]
fn a_good_result_costs_at_most_24_bytes_on_disk() {
    // A small host: 40 streams at 10 s, frames closed every 200 ms, so most hold one result, for an hour.
    let mut growing = Growing::new(KEY, BootMs(0));
    let count = 40 * 360;
    let good = (0..count).filter(|n| n % 97 != 0);
    let goods = good.clone().count();
    for n in good {
        growing.append(&result(n, 40));
        growing.close_frame();
    }
    let per_result = growing.bytes().len() as f64 / goods as f64;
    assert!(per_result <= 24.0, "{per_result} bytes");
    // A large host: 10,000 streams, 200 results a frame, one segment of four megabytes.
    let mut growing = Growing::new(KEY, BootMs(0));
    let goods: Vec<u64> = (0..200_000).filter(|n| n % 97 != 0).collect();
    for n in &goods {
        growing.append(&result(*n, 10_000));
        if n % 200 == 0 {
            growing.close_frame();
        }
    }
    let per_result = growing.into_bytes().len() as f64 / goods.len() as f64;
    assert!(per_result <= 18.0, "{per_result} bytes");
}

#[test]
fn a_segment_of_another_key_or_version_is_not_read() {
    let growing = Growing::new(KEY, BootMs(0));
    assert!(has_header(growing.bytes(), KEY));
    assert!(!has_header(growing.bytes(), SegmentKey { number: 4, ..KEY }));
    let mut newer = growing.bytes().to_vec();
    newer[4] += 1;
    assert!(!has_header(&newer, KEY) && !has_header(&newer[..9], KEY));
}

proptest! {
    #[test]
    fn what_is_cut_anywhere_reads_back_as_a_prefix(
        groups in prop::collection::vec(1..40_u64, 1..12),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut growing = Growing::new(KEY, BootMs(0));
        let (mut written, mut ends) = (Vec::new(), vec![(HEADER_BYTES, 0)]);
        for group in groups {
            for _ in 0..group {
                let next = result(written.len() as u64, 5);
                growing.append(&next);
                written.push(next);
            }
            growing.close_frame();
            ends.push((growing.bytes().len(), written.len()));
        }
        let bytes = growing.into_bytes();
        let cut = cut.index(bytes.len() + 1);
        let expected = ends.iter().rfind(|(end, _)| *end <= cut).map_or(0, |(_, count)| *count);
        prop_assert_eq!(read_all(&bytes[..cut]), &written[..expected]);
        prop_assert!(whole_end(&bytes[..cut]) <= cut);
    }

    #[test]
    fn a_damaged_byte_cuts_and_never_lies(
        count in 1..200_u64, at in any::<prop::sample::Index>(), damage in 1..=255_u8,
    ) {
        let mut growing = Growing::new(KEY, BootMs(0));
        let written: Vec<RunResult> = (0..count).map(|n| result(n, 5)).collect();
        for (n, result) in written.iter().enumerate() {
            growing.append(result);
            if n % 7 == 0 {
                growing.close_frame();
            }
        }
        let mut bytes = growing.into_bytes();
        let at = HEADER_BYTES + at.index(bytes.len() - HEADER_BYTES);
        bytes[at] ^= damage;
        let read = read_all(&bytes);
        prop_assert!(read.len() < written.len() && read == written[..read.len()]);
    }

    #[test]
    fn hostile_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = (read_all(&bytes), whole_end(&bytes));
    }
}
