use farwatch_proto::id::{CheckId, TenantId};
use farwatch_proto::outcome::{Attribute, Blame, Detail, Outcome, Status, Value};
use farwatch_proto::time::UnixMs;

use super::*;

const NOW: UnixMs = UnixMs(1_700_000_000_000);
const DAY_MS: i64 = 86_400_000;
const NOTHING: Used = Used { pieces: 0, bytes: 0 };

fn codes(kept: &[(&str, i64)]) -> Codes {
    kept.iter().map(|(code, ago_ms)| ((*code).to_owned(), NOW - *ago_ms)).collect()
}

fn ruled(occasion: Occasion, code: &str, kept: &Codes, used: Used) -> Ruling {
    rule(&Offered { occasion, code, bytes: 500, slot: NOW - 5_000 }, Some(kept), used, NOW)
}

#[test]
fn what_goes_on_is_kept_once_per_code_and_ten_minutes() {
    for (kept, code, ruling) in [
        (codes(&[]), "timeout", Ruling::Kept),
        (codes(&[("timeout", 0)]), "timeout", Ruling::Repeats),
        (codes(&[("timeout", THINNED_MS - 1)]), "timeout", Ruling::Repeats),
        (codes(&[("timeout", THINNED_MS)]), "timeout", Ruling::Kept),
        (codes(&[("timeout", 0)]), "connection-refused", Ruling::Kept),
    ] {
        assert_eq!(ruled(Occasion::Slot, code, &kept, NOTHING), ruling, "{code} after {kept:?}");
        assert_eq!(ruled(Occasion::Change, code, &kept, NOTHING), Ruling::Kept, "{code} after {kept:?}");
        assert_eq!(ruled(Occasion::Vote, code, &kept, NOTHING), Ruling::Kept, "{code} after {kept:?}");
    }
}

#[test]
fn a_module_that_makes_up_codes_is_kept_a_few_times() {
    let made_up = |ago_ms: i64| -> Codes { (0..CODES_MAX).map(|n| (format!("code-{n}"), NOW - ago_ms)).collect() };
    assert_eq!(ruled(Occasion::Slot, "code-9", &made_up(1), NOTHING), Ruling::Repeats);
    assert_eq!(ruled(Occasion::Slot, "code-9", &made_up(THINNED_MS), NOTHING), Ruling::Kept);
    assert_eq!(ruled(Occasion::Vote, "code-9", &made_up(1), NOTHING), Ruling::Kept);
}

#[test]
fn a_tenant_has_so_much_room_a_day_and_half_of_it_is_for_changes_and_votes() {
    let pieces = |pieces| Used { pieces, bytes: 0 };
    let bytes = |bytes| Used { pieces: 1, bytes };
    for (used, slot, change) in [
        (pieces(PIECES_PER_DAY_MAX / 2 - 1), Ruling::Kept, Ruling::Kept),
        (pieces(PIECES_PER_DAY_MAX / 2), Ruling::NoRoom, Ruling::Kept),
        (pieces(PIECES_PER_DAY_MAX - 1), Ruling::NoRoom, Ruling::Kept),
        (pieces(PIECES_PER_DAY_MAX), Ruling::NoRoom, Ruling::NoRoom),
        (bytes(BYTES_PER_DAY_MAX / 2 - 500), Ruling::Kept, Ruling::Kept),
        (bytes(BYTES_PER_DAY_MAX / 2 - 499), Ruling::NoRoom, Ruling::Kept),
        (bytes(BYTES_PER_DAY_MAX - 499), Ruling::NoRoom, Ruling::NoRoom),
    ] {
        assert_eq!(ruled(Occasion::Slot, "timeout", &Codes::new(), used), slot, "{used:?}");
        assert_eq!(ruled(Occasion::Change, "timeout", &Codes::new(), used), change, "{used:?}");
        assert_eq!(ruled(Occasion::Vote, "timeout", &Codes::new(), used), change, "{used:?}");
    }
}

#[test]
fn a_slot_that_no_fresh_result_can_have_is_refused() {
    let today = Day::of(NOW).start();
    for (slot, ruling) in [
        (NOW, Ruling::Kept),
        (NOW + AHEAD_MAX_MS, Ruling::Kept),
        (NOW + AHEAD_MAX_MS + 1, Ruling::OutOfTime),
        (today - 2 * DAY_MS, Ruling::Kept),
        (today - 2 * DAY_MS - 1, Ruling::OutOfTime),
        (UnixMs(0), Ruling::OutOfTime),
    ] {
        let offered = Offered { occasion: Occasion::Vote, code: "timeout", bytes: 1, slot };
        assert_eq!(rule(&offered, None, NOTHING, NOW), ruling, "{slot}");
    }
}

#[test]
fn what_decides_nothing_any_more_is_forgotten() {
    let (check, tenant) = (CheckId::from_bytes([1; 16]), TenantId::from_bytes([2; 16]));
    let day_ago = |days: i64| (tenant, Day::of(NOW - days * DAY_MS));
    let mut memory = Memory {
        codes: [(check, codes(&[("old", THINNED_MS), ("new", THINNED_MS - 1)]))].into(),
        used: [0, 2, 3].map(|days| (day_ago(days), NOTHING.with(7))).into(),
    };
    memory.take_over(Memory { codes: [].into(), used: [(day_ago(0), NOTHING.with(7).with(8))].into() });
    memory.forget_old(NOW);
    assert_eq!(memory.codes[&check], codes(&[("new", THINNED_MS - 1)]));
    assert_eq!(memory.used, [(day_ago(0), Used { pieces: 2, bytes: 15 }), (day_ago(2), NOTHING.with(7))].into());
    memory.forget_old(NOW + 1);
    assert!(memory.codes.is_empty());
}

fn failed(status: Status, code: &str, message: &str, attributes: Vec<Attribute>) -> Outcome {
    let detail = Detail { code: code.to_owned(), message: message.to_owned(), attributes, shown: Vec::new() };
    Outcome { status, latency_us: 1, detail: Some(Box::new(detail)) }
}

fn text(key: &str, bytes: usize) -> Attribute {
    Attribute { key: key.to_owned(), value: Value::Text("x".repeat(bytes)) }
}

#[test]
fn only_failures_bring_evidence_and_host_trouble_is_none() {
    for (status, brings) in [
        (Status::Up, false),
        (Status::Degraded, true),
        (Status::Down, true),
        (Status::Unknown(Blame::Module), true),
        (Status::Unknown(Blame::Host), false),
    ] {
        assert_eq!(brought_by(&failed(status, "c", "m", Vec::new())).is_some(), brings, "{status:?}");
    }
    assert_eq!(brought_by(&Outcome { status: Status::Down, latency_us: 1, detail: None }), None);
}

#[test]
fn evidence_is_whole_where_it_fits_and_says_so_where_it_is_cut() {
    let status = Attribute { key: "http.status".to_owned(), value: Value::Integer(503) };
    let whole = brought_by(&failed(Status::Down, "status-unexpected", "503", vec![status.clone()])).unwrap();
    assert_eq!((whole.code.as_str(), whole.message.as_str(), whole.is_cut), ("status-unexpected", "503", false));
    assert_eq!((&whole.attributes[..], whole.bytes()), (&[status][..], 17 + 3 + 11 + 8));

    let many: Vec<Attribute> = (0..70).map(|n| text(&format!("key-{n:02}"), 500)).collect();
    let cut = brought_by(&failed(Status::Down, "a\0b", &"ä".repeat(600), many)).unwrap();
    assert_eq!((cut.code.as_str(), cut.message.len(), cut.is_cut), ("ab", 1024, true));
    assert!(cut.bytes() <= 16 * 1024 && cut.attributes.len() > 25, "{} attributes", cut.attributes.len());
    assert_eq!(cut.attributes[0].key, "key-00", "the first are kept");
    let long = brought_by(&failed(Status::Down, "c", "", vec![text("key", 510), text("short", 5)])).unwrap();
    assert_eq!((long.attributes.len(), long.is_cut), (1, true), "one attribute alone does not take all the room");
}
