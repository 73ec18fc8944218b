//! The main story on real processes: an outage is seen, confirmed and told; while it is open a host
//! dies, a neighbour takes over, the host returns; the outage ends and that is told too.
//!
//! Prints a timeline with measured seconds. Exits 0 only if no slot was missed, by a count of its own,
//! and exactly one incident was opened, told once at its beginning and once at its end.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it speaks to whoever runs it")]

mod story;
mod tally;
mod timeline;

use std::process::ExitCode;

use farwatch_tests::scene::Scene;
use farwatch_tests::system::System;
use timeline::Timeline;

/// The sites that are watched, each every 10 s. The first one will break.
const SITES: [&str; 20] = [
    "shop", "blog", "api", "docs", "mail", "wiki", "login", "search", "status", "cdn", "forum", "news", "jobs", "help",
    "files", "chat", "maps", "radio", "photos", "games",
];
/// How long a returning host proves itself: short, so that the story is.
const WARMUP: &str = "3s";
/// How long the killed host stays dead.
const RESTART_AFTER: &str = "15s";

fn main() -> ExitCode {
    match play() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn play() -> anyhow::Result<()> {
    let timeline = Timeline::start();
    timeline
        .tell(&format!("starting nginx with {} sites, a mail server, a webhook receiver, and farwatch", SITES.len()));
    let system = System::builder().flag(format!("--warmup={WARMUP}")).flag(format!("--restart-after={RESTART_AFTER}"));
    let mut scene = Scene::set(&SITES, system)?;
    timeline.tell(
        "five hosts are up (not independent: they share this machine), every check is in force, every site is up",
    );
    let outage = story::outage(&mut scene, &timeline)?;
    let takeover = story::death_and_return(&scene, &timeline)?;
    story::recovery(&mut scene, &timeline, &outage)?;
    let tally = tally::take(&scene, &timeline)?;
    println!(
        "demo: due={} on_time={} late={} missed={} pending={} incidents={} mails={} webhooks={} detect_ms={} takeover_ms={} seconds={}",
        tally.due,
        tally.on_time,
        tally.late,
        tally.missed,
        tally.pending,
        tally.incidents,
        tally.mails,
        tally.webhooks,
        outage.detect_ms,
        takeover.takeover_ms,
        timeline.seconds(),
    );
    tally.must_hold()
}
