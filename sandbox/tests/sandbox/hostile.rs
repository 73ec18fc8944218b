//! Bad guests: each gets the code that it deserves, and nobody else notices.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use farwatch_sandbox::{Fault, Limits, Module, RunEnd, RunReport, Sandbox, StopCode};

use crate::harness::{Always, Answers, Bench, Never, answer, judged, patient, run, run_raw, shared, stopped};

async fn misbehave(guest: &(&Sandbox, Module), behaviour: &str) -> RunReport {
    let config = format!(r#"{{"behaviour": "{behaviour}", "url": "http://a/"}}"#);
    run_raw(guest, &config, &mut Always(answer(200)), &patient()).await
}

#[tokio::test]
async fn every_misbehaviour_has_its_code() {
    let hostile = shared("hostile").await;
    for (behaviour, code) in [
        ("trap", StopCode::Trapped),
        ("panic", StopCode::Trapped),
        ("recursion", StopCode::StackOverflow),
        ("loop", StopCode::CpuLimit),
        ("loop-with-calls", StopCode::CpuLimit),
        ("memory", StopCode::MemoryLimit),
        ("entropy", StopCode::EntropyLimit),
        ("entropy-huge", StopCode::EntropyLimit),
        ("log-huge", StopCode::DataLimit),
        ("message-huge", StopCode::DataLimit),
        ("attributes-huge", StopCode::DataLimit),
        ("code", StopCode::AnswerInvalid),
    ] {
        let report = misbehave(&hostile, behaviour).await;
        assert_eq!(stopped(&report), code, "{behaviour}: {:?}", report.end);
        assert_eq!(code.fault(), Fault::Module);
        judged(misbehave(&hostile, "nothing").await);
    }
}

#[tokio::test]
async fn what_can_be_cut_is_cut() {
    let hostile = shared("hostile").await;
    let long = judged(misbehave(&hostile, "message-long").await);
    assert!(long.message.len() <= 1_024 && long.message.ends_with("x…"));
    assert_eq!(judged(misbehave(&hostile, "attributes").await).attributes.len(), 32);
    let flood = misbehave(&hostile, "log-flood").await;
    assert_eq!(flood.log.lines.iter().map(|line| line.message.len()).sum::<usize>(), 16 << 10);
    assert!(flood.log.dropped > 0);
}

#[tokio::test]
async fn a_problem_is_the_modules_own_word() {
    let hostile = shared("hostile").await;
    let report = misbehave(&hostile, "problem").await;
    assert!(matches!(&report.end, RunEnd::Problem(problem) if problem.code == "no-good"), "{:?}", report.end);
}

#[tokio::test]
async fn a_fetch_that_never_ends_meets_the_deadline() {
    let hostile = shared("hostile").await;
    let config = r#"{"behaviour": "fetch-forever", "url": "http://a/"}"#;
    let limits = Limits { wall: Duration::from_millis(50), ..patient() };
    let report = run_raw(&hostile, config, &mut Never, &limits).await;
    assert_eq!(stopped(&report), StopCode::Deadline);
}

#[tokio::test]
async fn fetches_are_counted() {
    let hostile = shared("hostile").await;
    let config = r#"{"behaviour": "fetch-without-end", "url": "http://a/"}"#;
    let limits = Limits { fetches: 3, ..patient() };
    let mut probes = Answers::new([Ok(answer(200)), Ok(answer(200)), Ok(answer(200))]);
    let report = run_raw(&hostile, config, &mut probes, &limits).await;
    assert_eq!(probes.requests.len(), 3);
    assert_eq!(judged(report).message, "fetch-limit");
}

#[tokio::test]
async fn memory_is_limited_as_asked_and_reported() {
    let hostile = shared("hostile").await;
    let limits = Limits { memory_bytes: 8 << 20, ..patient() };
    let report = run_raw(&hostile, r#"{"behaviour": "memory"}"#, &mut Never, &limits).await;
    assert_eq!(stopped(&report), StopCode::MemoryLimit);
    assert!((4 << 20..=8 << 20).contains(&report.memory_bytes), "{}", report.memory_bytes);
    let none = Limits { memory_bytes: 1 << 10, ..patient() };
    let report = run_raw(&hostile, r#"{"behaviour": "nothing"}"#, &mut Never, &none).await;
    assert_eq!(stopped(&report), StopCode::MemoryLimit);
}

#[tokio::test]
async fn runs_have_so_much_memory_together_until_they_are_over() {
    let (sandbox, module) = shared("hostile").await;
    let hostile = (&sandbox.clone().with_memory(8 << 20), module);
    for _ in 0..2 {
        let report = run_raw(&hostile, r#"{"behaviour": "memory"}"#, &mut Never, &patient()).await;
        assert_eq!(stopped(&report), StopCode::NoRunMemory);
        // Six are one payer's at most, and the first two are not counted.
        assert!((7 << 20..=8 << 20).contains(&report.memory_bytes), "{}", report.memory_bytes);
    }
    assert_eq!(StopCode::NoRunMemory.fault(), Fault::Host);
    judged(misbehave(&hostile, "nothing").await);
}

/// One thread, one guest that hogs it, and others that have work to do: they are done before the hog is stopped.
#[tokio::test(flavor = "current_thread")]
async fn a_hog_does_not_keep_others_from_running() {
    let (hostile, http) = (shared("hostile").await, shared("http").await);
    let done = AtomicU32::new(0);
    let hog = async {
        let report = misbehave(&hostile, "loop").await;
        (report, done.load(Ordering::Relaxed))
    };
    let others = async {
        for _ in 0..5 {
            judged(run(&http, r#"{"url": "http://a/"}"#, &mut Always(answer(200))).await);
            done.fetch_add(1, Ordering::Relaxed);
        }
    };
    let ((hog, done_before), ()) = tokio::join!(hog, others);
    assert_eq!(stopped(&hog), StopCode::CpuLimit);
    assert_eq!(done_before, 5);
    // The limit of 200 ms is counted in ticks of which the guest had at least the half.
    assert!(hog.cpu_us >= 100_000, "{}", hog.cpu_us);
}

#[tokio::test]
async fn a_run_without_a_place_is_the_hosts_fault() {
    let bench = Bench::with(|config| config.run_places = 1);
    let hostile = (&bench.sandbox, bench.load("hostile").await);
    let config = r#"{"behaviour": "fetch-forever", "url": "http://a/"}"#;
    let limits = patient();
    let mut never = Never;
    let holder = run_raw(&hostile, config, &mut never, &limits);
    tokio::pin!(holder);
    let second = tokio::select! {
        biased;
        report = &mut holder => panic!("it has no end, but {report:?}"),
        report = misbehave(&hostile, "nothing") => report,
    };
    assert_eq!(stopped(&second), StopCode::NoRunPlace);
    assert_eq!(StopCode::NoRunPlace.fault(), Fault::Host);
}

#[tokio::test]
async fn validate_is_held_to_its_limits_too() {
    let hostile = shared("hostile").await;
    for (behaviour, code) in [("validate-trap", StopCode::Trapped), ("validate-loop", StopCode::CpuLimit)] {
        let config = format!(r#"{{"behaviour": "{behaviour}"}}"#);
        let stop = hostile.0.validate(&hostile.1, &config).await.expect_err(behaviour);
        assert_eq!(stop.code, code, "{behaviour}: {stop}");
    }
    let huge = hostile.0.validate(&hostile.1, r#"{"behaviour": "validate-huge"}"#).await;
    assert_eq!(huge.expect("it ends").expect_err("it is too large")[0].code, "config-too-large");
    let many = hostile.0.validate(&hostile.1, r#"{"behaviour": "validate-many-problems"}"#).await;
    assert_eq!(many.expect("it ends").expect_err("it has problems").len(), 64);
}

#[tokio::test]
async fn a_module_describes_itself_however_much_memory_that_takes() {
    let hostile = shared("hostile").await;
    assert_eq!(hostile.0.describe(&hostile.1).await.expect("it ends").name, "hostile");
}
