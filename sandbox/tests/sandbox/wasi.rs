//! Guests that import WASI: what they get of it, and how it ends when they want more.

use std::time::Duration;

use farwatch_sandbox::{Fault, Level, Limits, RunReport, StopCode};

use crate::harness::{Never, judged, patient, run_raw, shared, stopped};

async fn misuse(behaviour: &str, limits: &Limits) -> RunReport {
    let guest = shared("hostile-wasi").await;
    run_raw(&guest, &format!(r#"{{"behaviour": "{behaviour}"}}"#), &mut Never, limits).await
}

/// What the guest tells that it found.
async fn found(behaviour: &str) -> String {
    judged(misuse(behaviour, &patient()).await).message
}

#[tokio::test]
async fn nothing_of_the_host_is_there() {
    for (behaviour, nothing) in [
        ("files", "0"),
        ("environment", "0 0 None false"),
        ("stdin", "Err(StreamError::Closed)"),
        ("random-few", "64"),
        ("nap", "true"),
    ] {
        assert_eq!(found(behaviour).await, nothing, "{behaviour}");
    }
    let clocks = found("clocks").await;
    let seconds: u64 = clocks.split(' ').next().and_then(|seconds| seconds.parse().ok()).expect("a time");
    assert!(seconds > 1_700_000_000, "{clocks}");
}

#[tokio::test]
async fn every_misuse_has_its_code() {
    for (behaviour, code) in [
        ("file-forged", StopCode::Trapped),
        ("poll-nothing", StopCode::Trapped),
        ("stdout-zeroes", StopCode::Trapped),
        ("stdout-huge", StopCode::DataLimit),
        ("exit", StopCode::Exited),
        ("exit-failed", StopCode::Exited),
        ("hoard", StopCode::HandleLimit),
        ("hoard-streams", StopCode::HandleLimit),
        ("random", StopCode::EntropyLimit),
        ("random-insecure", StopCode::EntropyLimit),
        ("random-seeds", StopCode::EntropyLimit),
        ("random-huge", StopCode::EntropyLimit),
    ] {
        let report = misuse(behaviour, &patient()).await;
        assert_eq!(stopped(&report), code, "{behaviour}: {:?}", report.end);
        assert_eq!(code.fault(), Fault::Module);
    }
}

#[tokio::test]
async fn standard_streams_are_lines_of_the_log() {
    let report = misuse("stdout", &patient()).await;
    let lines: Vec<(Level, &str)> = report.log.lines.iter().map(|line| (line.level, line.message.as_str())).collect();
    let expected = [
        (Level::Info, "first, and the rest of it"),
        (Level::Debug, "between"),
        (Level::Warn, "second"),
        (Level::Info, "third, without an end"),
    ];
    assert_eq!(lines, expected);
    assert_eq!(judged(report).message, "true");
}

#[tokio::test]
async fn a_flood_of_output_is_cut_and_nobody_is_held_up() {
    let report = misuse("stdout-flood", &Limits { cpu: Duration::from_secs(10), ..patient() }).await;
    assert!(report.log.lines.len() == 64 && report.log.dropped == 32 * 1_000 - 64, "{}", report.log.dropped);
    assert_eq!(judged(report).message, "true");
}

/// One thread, so a guest that held it would keep the deadline from being seen.
#[tokio::test(flavor = "current_thread")]
async fn a_wait_holds_no_thread_and_ends_with_the_run() {
    let limits = Limits { wall: Duration::from_millis(50), ..patient() };
    for behaviour in ["sleep", "sleep-forever"] {
        let report = misuse(behaviour, &limits).await;
        assert_eq!(stopped(&report), StopCode::Deadline, "{behaviour}");
    }
}

/// Each of these makes way after every few microseconds, so no tick ever sees it compute.
#[tokio::test]
async fn a_guest_that_makes_way_all_the_time_meets_the_limit_of_cpu_time() {
    for behaviour in ["clock-spin", "poll-spin", "secret-spin"] {
        let report = misuse(behaviour, &patient()).await;
        assert_eq!(stopped(&report), StopCode::CpuLimit, "{behaviour}");
        assert!(report.cpu_us >= 100_000, "{behaviour}: {}", report.cpu_us);
    }
}

#[tokio::test]
async fn without_a_gate_sockets_are_refused_by_every_route() {
    for route in ["tcp4", "tcp6", "udp4", "udp6", "lookup", "lookup-address"] {
        assert_eq!(found(&format!("socket-{route}")).await, "access-denied", "{route}");
    }
    for route in ["connect-forged", "listen-forged", "bind-forged", "send-forged"] {
        let report = misuse(&format!("socket-{route}"), &patient()).await;
        assert_eq!(stopped(&report), StopCode::Trapped, "{route}: {:?}", report.end);
    }
}
