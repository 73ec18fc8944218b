//! `farwatch module test`: runs a component here, as a host would, without a Farwatch.
//!
//! It is the sandbox, the limits, the probes and the rules of egress of a host; what a run found is shown by the words of
//! `check test`. Nothing is saved but the recording that is asked for.

mod config;
mod opened;
mod recording;
mod secrets;
mod shown;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use farwatch_control::api::TryRunView;
use farwatch_core::egress::Policy;
use farwatch_host::clock::Clock;
use farwatch_host::probe::{ProbeSettings, Prober};
use farwatch_host::recording::Call;
use farwatch_host::secrets::Secrets;
use farwatch_host::tryout::{self, Found, Recorded};
use farwatch_host::wall;
use farwatch_proto::id::CheckId;
use farwatch_proto::interval::{LONGEST_TIMEOUT_MS, SHORTEST_TIMEOUT_MS};
use farwatch_proto::outcome::Status;
use farwatch_sandbox::{Limits, RunContext};
use serde_json::{Value, json};
use tokio::runtime::Builder;

use crate::duration::seconds;
use crate::exit::{FAILED, Failure, OrFail, REFUSED, UNAVAILABLE, USAGE};
use crate::output::{self, Look};
use crate::reach::Reach;
use config::Chosen;
use opened::Opened;
use recording::Recording;

/// How long a run may take where nothing is said, as with `check test`.
const TIMEOUT: Duration = Duration::from_secs(10);

const EXAMPLES: &str =
    "The component is judged and compiled as everywhere, asked what it is, given the config, and run once with the
limits and the probes of a host. Addresses that are not public are refused, as by a host, unless --allow-net
opens them. Without --config it is config.json of the project, or the first example of the module's own schema.

Examples:
  farwatch module test
  farwatch module test build/shop.wasm --url https://shop.example.com
  farwatch module test build/shop.wasm --config config.json --allow-net 127.0.0.0/8
  farwatch module test build/mail.wasm --config mail.json --secret-file mail=password.txt
  farwatch module test build/shop.wasm --config config.json --record shop.json
  farwatch module test build/shop.wasm --replay shop.json

A recording has every call of the probes with its answer. --replay answers from it in order, without a network, and
compares: a request that is not the recorded one ends the test with 65. The values of secrets are not in it.

It ends with 0 where the run gave an answer, be it up, degraded or down; with 65 where the module, its config or
a replayed request was refused; and with 69 where the run came out unknown.";

/// How a component is run here.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct TestArgs {
    /// The component; that of the project when absent
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// The folder of the project
    #[arg(long, value_name = "DIR", default_value = ".", conflicts_with = "file")]
    path: PathBuf,
    /// The config: a JSON object, a file of one, or - for standard input; the project's config.json when absent
    #[arg(long, value_name = "JSON|FILE")]
    config: Option<String>,
    /// What stands in the config as `url`
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// How long the run may take; 10s when absent, or what was recorded
    #[arg(long, value_parser = seconds, value_name = "TIME")]
    timeout: Option<Duration>,
    /// The value of a secret that the config names; may be repeated
    #[arg(long = "secret", value_name = "NAME=VALUE")]
    secrets: Vec<String>,
    /// The same from a file, of which the end of the last line is left out
    #[arg(long = "secret-file", value_name = "NAME=FILE")]
    secret_files: Vec<String>,
    /// Write what the probes are asked and answer into this file
    #[arg(long, value_name = "FILE", conflicts_with = "replay")]
    record: Option<PathBuf>,
    /// Answer the probes from this file instead of the network
    #[arg(long, value_name = "FILE")]
    replay: Option<PathBuf>,
    #[command(flatten)]
    reach: Reach,
}

/// What a run came to.
struct Ran {
    found: Found,
    calls: Vec<Call>,
    dropped: u32,
    took: Duration,
}

/// Tests it, and shows what came of that.
pub(super) fn run(args: &TestArgs, is_json: bool) -> Result<(), Failure> {
    let networks = args.reach.networks()?;
    let replayed = args.replay.as_deref().map(Recording::read).transpose()?;
    let given = secrets::given(&args.secrets, &args.secret_files)?;
    // A guest is run as on a host, behind its second wall, where the kernel has one. No thread but this one runs yet.
    let is_walled = wall::raise().is_ok() && wall::stands();
    let clock = Clock::default();
    let runtime = Builder::new_current_thread().enable_all().build().or_fail(FAILED)?;
    let file = args.file.clone().map_or_else(|| super::built(&args.path), Ok)?;
    let opened = runtime.block_on(Opened::of(&file, &clock))?;
    let chosen = Chosen::of(args, replayed.as_ref(), &opened)?;
    let mut shown = opened.shown();
    shown["config"] = chosen.config.clone();
    shown["config_from"] = json!(chosen.from);
    shown["is_walled"] = json!(is_walled);
    let (prepared, problems) = runtime.block_on(opened.judged(&chosen.config))?;
    shown["problems"] = json!(problems);
    let Some(prepared) = prepared else {
        show(&shown, is_json)?;
        return Err(Failure::new(REFUSED, "the module does not take the config"));
    };
    let secrets = secrets::of_config(&chosen.config, given, replayed.is_some())?;
    let timeout_ms = timeout_of(args, replayed.as_ref())?;
    let now_ms = replayed.as_ref().map_or_else(|| unsigned(clock.uncorrected_wall().0), |recording| recording.now_ms);
    let context = context(now_ms, timeout_ms, prepared);
    let ran = match &replayed {
        Some(recording) => runtime.block_on(again(&opened, &context, &secrets.values, recording, &clock)),
        None => {
            let settings = ProbeSettings { bind: args.reach.probe_bind, extra_roots: args.reach.probe_ca_file.clone() };
            let prober = Prober::new(clock.clone(), Policy::new(networks, Vec::new()), &settings).or_fail(USAGE)?;
            Ok(runtime.block_on(anew(&opened, &context, &secrets.values, &prober, &clock)))
        }
    };
    let ran = ran.map_err(|departed| secrets.advising(departed))?;
    if let Some(file) = &args.record {
        record(file, &opened, &chosen, &context, &ran, &secrets)?;
    }
    let status = ran.found.outcome.status;
    told(&mut shown, &opened, timeout_ms, ran, &clock);
    show(&shown, is_json)?;
    match status {
        Status::Unknown(_) => Err(Failure::new(UNAVAILABLE, "the run could not tell how its target is")),
        Status::Up | Status::Degraded | Status::Down => Ok(()),
    }
}

fn show(shown: &Value, is_json: bool) -> Result<(), Failure> {
    output::print(&if is_json { output::json(shown) } else { shown::lines(shown, Look::of_stdout()) })
}

fn timeout_of(args: &TestArgs, replayed: Option<&Recording>) -> Result<u32, Failure> {
    let ms = match (args.timeout, replayed) {
        (None, Some(recording)) => Some(recording.timeout_ms),
        (said, _) => u32::try_from(said.unwrap_or(TIMEOUT).as_millis()).ok(),
    };
    ms.filter(|ms| (SHORTEST_TIMEOUT_MS..=LONGEST_TIMEOUT_MS).contains(ms)).ok_or_else(|| {
        let line = format!("--timeout: a run may take {SHORTEST_TIMEOUT_MS} ms to {} s", LONGEST_TIMEOUT_MS / 1_000);
        Failure::new(USAGE, line)
    })
}

fn context(now_ms: u64, timeout_ms: u32, config: Vec<u8>) -> RunContext {
    let check_id = CheckId::from_bytes([0; 16]).to_string();
    RunContext { check_id, slot_ms: now_ms, now_ms, attempt: 0, timeout_ms, config }
}

/// Makes the run over the network.
async fn anew(opened: &Opened, context: &RunContext, secrets: &Secrets, prober: &Prober, clock: &Clock) -> Ran {
    let began = clock.instant();
    let (sandbox, module) = (&opened.sandbox, &opened.module);
    let Recorded { found, calls, dropped } =
        tryout::run_recorded(sandbox, prober, module, context, secrets, clock).await;
    Ran { found, calls, dropped, took: clock.instant().saturating_duration_since(began) }
}

/// Makes a run that was recorded again.
async fn again(
    opened: &Opened,
    context: &RunContext,
    secrets: &Secrets,
    recording: &Recording,
    clock: &Clock,
) -> Result<Ran, Failure> {
    let began = clock.instant();
    let found = tryout::run_again(&opened.sandbox, &opened.module, context, secrets, &recording.calls).await;
    let found =
        found.map_err(|departure| Failure::new(REFUSED, format_args!("the run is not as recorded: {departure}")))?;
    let took = clock.instant().saturating_duration_since(began);
    Ok(Ran { found, calls: recording.calls.clone(), dropped: 0, took })
}

fn record(
    file: &Path,
    opened: &Opened,
    chosen: &Chosen,
    context: &RunContext,
    ran: &Ran,
    secrets: &secrets::Named,
) -> Result<(), Failure> {
    if ran.dropped > 0 {
        let line = format!("the run made {} calls more than are kept, so there is no recording of it", ran.dropped);
        return Err(Failure::new(REFUSED, line));
    }
    let recording = Recording {
        module: format!("{}@{}", opened.description.name, opened.description.version),
        hash: opened.module.hash(),
        config: chosen.config.clone(),
        timeout_ms: context.timeout_ms,
        now_ms: context.now_ms,
        secrets: secrets.names.clone(),
        calls: ran.calls.clone(),
    };
    recording.write(file)
}

/// Adds what the run came to, beside what it might have taken.
fn told(shown: &mut Value, opened: &Opened, timeout_ms: u32, ran: Ran, clock: &Clock) {
    let limits = Limits::for_run(opened.module.tier(), Duration::from_millis(timeout_ms.into()));
    let Ran { found, calls, dropped, took } = ran;
    shown["timeout_ms"] = json!(timeout_ms);
    shown["limits"] = json!({
        "duration_us": limits.wall.as_micros(),
        "cpu_us": limits.cpu.as_micros(),
        "memory_bytes": limits.memory_bytes,
        "probes": limits.fetches,
    });
    shown["probes_made"] = json!(found.probes);
    shown["run"] = json!(TryRunView::of(found.told(clock.uncorrected_wall(), took)));
    shown["calls"] = json!(calls);
    shown["calls_dropped"] = json!(dropped);
}

fn unsigned(ms: i64) -> u64 {
    u64::try_from(ms).unwrap_or(0)
}
