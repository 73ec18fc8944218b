//! The main story on real processes: an outage is seen, confirmed and told; while it is open a host
//! dies, a neighbour takes over, the host returns; the outage ends and that is told too.
//!
//! Prints a timeline with measured seconds. Exits 0 only if no slot was missed, by a count of its own,
//! and exactly one incident was opened, told once at its beginning and once at its end.

mod stage;
mod story;
mod tally;
mod timeline;

use std::process::ExitCode;

use stage::Stage;
use timeline::Timeline;

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
    let mut stage = Stage::set(&timeline)?;
    let outage = story::outage(&mut stage, &timeline)?;
    let takeover = story::death_and_return(&stage, &timeline)?;
    story::recovery(&mut stage, &timeline, &outage)?;
    let tally = tally::take(&stage, &timeline)?;
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
