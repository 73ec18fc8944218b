//! `make fuzz SECONDS=n`: strikes everything that reads the bytes of peers and of uploads, each for so long. `fuzz test` does it as briefly
//! as `make test` can bear.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use farwatch_guest_cases::fuzz::host::{HttpTarget, PARSERS};
use farwatch_guest_cases::fuzz::module::ModuleTarget;
use farwatch_guest_cases::fuzz::upload::UploadTarget;
use farwatch_guest_cases::fuzz::{Tally, Target, strike};
use farwatch_guest_cases::stage::{COMPILE, Stage};

/// How long each target is struck when nothing is said.
const USUAL: Duration = Duration::from_secs(60);
/// How long each is in `make test`, where all of them together take no longer than the other.
const BRIEF: Duration = Duration::from_secs(10);
const BRIEF_IN_ALL: Duration = Duration::from_secs(240);
/// The seed of `make test`, where the same has to come out each time.
const BRIEF_SEED: u64 = 1;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let first = arguments.next();
    if first.as_deref() == Some(COMPILE) {
        return farwatch_sandbox::compile_child::main();
    }
    match run(first.as_deref(), arguments.next().as_deref()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "fuzz: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(time: Option<&str>, seed: Option<&str>) -> anyhow::Result<()> {
    let stage = Stage::new()?;
    let mut targets: Vec<Box<dyn Target + '_>> = Vec::new();
    for parser in PARSERS {
        targets.push(Box::new(parser));
    }
    targets.push(Box::new(UploadTarget::new(&stage)?));
    targets.push(Box::new(HttpTarget::http1(&stage)?));
    targets.push(Box::new(HttpTarget::http2(&stage)?));
    for module in stage.modules()? {
        targets.push(Box::new(ModuleTarget::new(&stage, &module)?));
    }
    let (time, usual_seed) = match time {
        Some("test") => (BRIEF.min(BRIEF_IN_ALL / u32::try_from(targets.len())?), BRIEF_SEED),
        Some(seconds) => (Duration::from_secs(seconds.parse().context("give a number of seconds")?), now()?),
        None => (USUAL, now()?),
    };
    let seed = seed.map(str::parse).transpose().context("the seed is a number")?.unwrap_or(usual_seed);
    let mut out = std::io::stdout().lock();
    writeln!(out, "seed {seed}, {} s for each of {} targets", time.as_secs_f32(), targets.len())?;
    let mut all = 0;
    for target in &mut targets {
        let Tally { replayed, changed, ends } = strike(target.as_mut(), time, seed)?;
        writeln!(out, "{:<12} replayed {replayed:>4}  changed {changed:>9}  ends {ends:>4}", target.name())?;
        all += changed + replayed as u64;
    }
    writeln!(out, "fuzz: targets={} inputs={all} broken=0", targets.len())?;
    Ok(())
}

/// A seed that is another each time.
fn now() -> anyhow::Result<u64> {
    Ok(u64::try_from(farwatch_tests::clock::now().0)?)
}
