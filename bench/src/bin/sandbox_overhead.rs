//! What the sandbox costs: a module run again and again, with an answer that is made up on the spot.
//!
//! `sandbox_overhead [--runs N] [--at-once N] [--json]` prints the CPU time and the page faults of one run of the built-in
//! `http`, from the fresh store to the dropped one, for several configs; with `--name NAME --module FILE --config JSON` of
//! that module with that config. With many runs at once each waits in its request until all of them do, as on a host whose
//! targets are far away, so that the memory of a run has left the processor's caches before it is used again; and what
//! each of them adds to the resident memory is told, too. It needs the guests (`make guests`) and makes no connection.

#![allow(clippy::print_stdout, reason = "a measuring tool prints its figures")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context;
use farwatch_proto::id::ModuleHash;
use farwatch_sandbox::http::{Request, Response, Version};
use farwatch_sandbox::types::{Failure, PhaseTimes, Status, TlsInfo};
use farwatch_sandbox::{CompileCommand, Limits, Module, Probes, RunContext, RunEnd, Sandbox, SandboxConfig};
use rustix::time::{ClockId, clock_gettime};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

/// As in `farwatch`: what is compared must differ in nothing else.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The word by which this program is a compiler for its sandbox.
const COMPILE: &str = "compile-module";
/// Enough for a mean that repeats within a few per cent.
const RUNS: u32 = 20_000;
/// Enough for every pool slot, cache line and branch to have been used.
const WARM_UP_RUNS: u32 = 2_000;

/// Many interpreters that begin at once have this long.
const WALL: Duration = Duration::from_secs(60);

/// The configs that are measured, by the names of their rows.
const CONFIGS: [(&str, &str); 6] = [
    ("plain", r#"{"url": "http://target.example/"}"#),
    ("tls", r#"{"url": "https://target.example/", "certificate_days_min": 14}"#),
    ("headers", r#"{"url": "http://target.example/", "headers": {"accept": "*/*", "x-a": "b"}, "method": "HEAD"}"#),
    ("body-contains", r#"{"url": "http://target.example/", "body_contains": "fine"}"#),
    ("body-regex", r#"{"url": "http://target.example/", "body_regex": "f[a-z]+e"}"#),
    ("redirect", r#"{"url": "http://target.example/moved"}"#),
];

/// The answer that every request gets, as soon as the other runs have made theirs.
#[derive(Clone)]
struct Canned {
    body: Arc<[u8]>,
    flight: Arc<Flight>,
}

/// Where runs wait for each other in their requests, and how many pages were resident when all of them first did.
struct Flight {
    all_ask: Barrier,
    resident: OnceLock<i64>,
}

impl Flight {
    fn of(runs: u32) -> Arc<Self> {
        Arc::new(Self { all_ask: Barrier::new(runs as usize), resident: OnceLock::new() })
    }

    async fn wait(&self) {
        tokio::task::yield_now().await;
        if self.all_ask.wait().await.is_leader() {
            self.resident.get_or_init(|| resident_pages().unwrap_or(0));
        }
    }

    fn resident_kib(&self) -> f64 {
        let pages = self.resident.get().copied().unwrap_or(0);
        (pages as f64) * (rustix::param::page_size() as f64) / 1024.0
    }
}

impl Probes for Canned {
    async fn fetch(&mut self, request: Request) -> Result<Response, Failure> {
        self.flight.wait().await;
        let moved = request.url.ends_with("/moved");
        let wants_body = request.want.contains(farwatch_sandbox::http::Want::BODY);
        Ok(Response {
            status: if moved { 301 } else { 200 },
            version: Version::Http1,
            location: moved.then(|| "/".to_owned()),
            headers: Vec::new(),
            trailers: Vec::new(),
            body: if wants_body { self.body.to_vec() } else { Vec::new() },
            body_bytes: 1_024,
            body_truncated: false,
            remote: "192.0.2.7:443".to_owned(),
            times: PhaseTimes {
                resolve: Some(120),
                connect: Some(340),
                tls: None,
                first_byte: Some(900),
                transfer: Some(50),
                total: 1_500,
            },
            tls: request.url.starts_with("https").then(tls),
        })
    }
}

fn tls() -> TlsInfo {
    TlsInfo {
        version: "TLSv1.3".to_owned(),
        cipher: "TLS_AES_128_GCM_SHA256".to_owned(),
        alpn: None,
        verified: true,
        verify_error: None,
        certificate_not_after_ms: Some(1_900_000_000_000),
        chain: Vec::new(),
    }
}

/// What the command line asks for.
#[derive(Clone, Copy)]
struct Load {
    runs: u32,
    at_once: u32,
    json: bool,
}

/// The module that it asks for, where that is another than `http`.
#[derive(Default)]
struct Named {
    name: String,
    file: PathBuf,
    config: String,
}

impl Load {
    fn from_args() -> anyhow::Result<(Self, Option<Named>)> {
        let mut load = Self { runs: RUNS, at_once: 1, json: false };
        let mut named = Named::default();
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().with_context(|| format!("{argument} has no value"));
            match argument.as_str() {
                "--json" => load.json = true,
                "--runs" => load.runs = value()?.parse().context("this is no number")?,
                "--at-once" => load.at_once = value()?.parse().context("this is no number")?,
                "--name" => named.name = value()?,
                "--module" => named.file = value()?.into(),
                "--config" => named.config = value()?,
                other => anyhow::bail!("unknown argument {other}"),
            }
        }
        Ok((load, Some(named).filter(|named| !named.name.is_empty())))
    }
}

/// What one run costs on average.
struct Cost {
    cpu_us: f64,
    faults: f64,
    guest_us: f64,
    memory_kib: usize,
    /// What each run in flight adds to the resident memory; nothing is known of one alone.
    in_flight_kib: Option<f64>,
}

fn main() -> anyhow::Result<ExitCode> {
    if std::env::args().nth(1).as_deref() == Some(COMPILE) {
        return Ok(farwatch_sandbox::compile_child::main());
    }
    let usage = "usage: sandbox_overhead [--runs N] [--at-once N] [--json] [--name NAME --module FILE --config JSON]";
    let (load, named) = Load::from_args().context(usage)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(measure_all(load, named))?;
    Ok(ExitCode::SUCCESS)
}

async fn measure_all(load: Load, named: Option<Named>) -> anyhow::Result<()> {
    let target = target_directory()?;
    let sandbox = Sandbox::new(SandboxConfig {
        directory: target.join("bench-sandbox"),
        run_places: SandboxConfig::HOST_RUN_PLACES,
        loaded_modules: 1,
        compile: CompileCommand {
            program: std::env::current_exe()?,
            arguments: vec![COMPILE.to_owned()],
            wall: CompileCommand::WALL,
        },
    })?;
    if let Some(Named { name, file, config }) = named {
        let module = loaded(&sandbox, &file).await?;
        return measure_config(&sandbox, &module, (&name, &config), load).await;
    }
    let module = loaded(&sandbox, &target.join("modules/http.wasm")).await?;
    let cost = measure(&sandbox, &module, Vec::new(), load).await?;
    report("nothing", &cost, load);
    for config in CONFIGS {
        measure_config(&sandbox, &module, config, load).await?;
    }
    Ok(())
}

async fn loaded(sandbox: &Sandbox, file: &Path) -> anyhow::Result<Module> {
    let bytes = std::fs::read(file).with_context(|| format!("no {}; run `make guests`", file.display()))?;
    let hash = ModuleHash::of(&bytes);
    sandbox.save(hash, bytes).await?;
    Ok(sandbox.load(hash).await?)
}

async fn measure_config(
    sandbox: &Sandbox,
    module: &Module,
    (name, config): (&str, &str),
    load: Load,
) -> anyhow::Result<()> {
    let prepared = sandbox.validate(module, config).await?;
    let prepared = prepared.map_err(|problems| anyhow::anyhow!("{config}: {problems:?}"))?;
    report(name, &measure(sandbox, module, prepared.config, load).await?, load);
    Ok(())
}

/// The directory that holds both this program and the guests.
fn target_directory() -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe()?;
    let holds_guests = |directory: &&Path| directory.join("modules/http.wasm").exists();
    Ok(program.ancestors().find(holds_guests).context("no guests beside this program; run `make guests`")?.to_owned())
}

async fn measure(sandbox: &Sandbox, module: &Module, config: Vec<u8>, load: Load) -> anyhow::Result<Cost> {
    let limits = Limits::for_run(module.tier(), WALL);
    let body: Arc<[u8]> = b"all is fine here; ".repeat(57).into();
    let is_prepared = !config.is_empty();
    let context = Arc::new(RunContext {
        check_id: "chk_01990a1b2c3d7e8f9a0b1c2d3e4f5a6b".to_owned(),
        slot_ms: 1_795_000_000_000,
        now_ms: 1_795_000_000_012,
        attempt: 0,
        timeout_ms: 3_000,
        config,
    });
    let (warm_up, rounds) = (WARM_UP_RUNS.min(load.runs).div_ceil(load.at_once), load.runs.div_ceil(load.at_once));
    let (mut guest_us, mut memory_kib) = (0, 0);
    let mut before = (0, 0);
    let (alone, together) = (Flight::of(1), Flight::of(load.at_once));
    // One alone comes first, so that what it leaves resident is not counted for others.
    for round in 0..=warm_up + rounds {
        if round == warm_up + 1 {
            before = (cpu_ns(), faults()?);
            guest_us = 0;
        }
        let (flight, at_once) = if round == 0 { (&alone, 1) } else { (&together, load.at_once) };
        let mut running = JoinSet::new();
        for _ in 0..at_once {
            let (sandbox, module, context) = (sandbox.clone(), module.clone(), Arc::clone(&context));
            let mut probes = Canned { body: Arc::clone(&body), flight: Arc::clone(flight) };
            running.spawn(async move { sandbox.run(&module, &mut probes, &context, &limits).await });
        }
        while let Some(report) = running.join_next().await {
            let report = report?;
            let is_good = matches!(&report.end, RunEnd::Judged(outcome) if outcome.status == Status::Up);
            anyhow::ensure!(is_good == is_prepared, "the run ended with {:?}", report.end);
            guest_us += report.cpu_us;
            memory_kib = report.memory_bytes >> 10;
        }
    }
    let per_run = |total: f64| total / f64::from(rounds * load.at_once);
    Ok(Cost {
        cpu_us: per_run((cpu_ns() - before.0) as f64 / 1e3),
        faults: per_run((faults()? - before.1) as f64),
        guest_us: per_run(guest_us as f64),
        memory_kib,
        in_flight_kib: (load.at_once > 1)
            .then(|| (together.resident_kib() - alone.resident_kib()) / f64::from(load.at_once - 1)),
    })
}

fn report(name: &str, cost: &Cost, load: Load) {
    let Cost { cpu_us, faults, guest_us, memory_kib, in_flight_kib } = cost;
    if load.json {
        println!(r#"{{"name":"sandbox/{name}/cpu","value":{cpu_us:.2},"unit":"us"}}"#);
        println!(r#"{{"name":"sandbox/{name}/faults","value":{faults:.2},"unit":"pages"}}"#);
        if let Some(kib) = in_flight_kib {
            println!(r#"{{"name":"sandbox/{name}/in_flight","value":{kib:.1},"unit":"KiB"}}"#);
        }
    } else {
        println!(
            "{name:14} {cpu_us:6.2} us CPU, {faults:5.2} faults, {guest_us:6.2} us in the guest, {memory_kib} KiB{}",
            in_flight_kib.map_or_else(String::new, |kib| format!(", {kib:.1} KiB resident for each in flight"))
        );
    }
}

/// User and system time of this process.
fn cpu_ns() -> i64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}

/// Pages of this process that are in memory: the second field of `proc(5)`'s statm.
fn resident_pages() -> anyhow::Result<i64> {
    let statm = std::fs::read_to_string("/proc/self/statm")?;
    Ok(statm.split_whitespace().nth(1).context("/proc/self/statm is too short")?.parse()?)
}

/// Page faults of this process that needed no disk: the tenth field of `proc(5)`, counted after the name in brackets.
fn faults() -> anyhow::Result<i64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    Ok(after_name.split_whitespace().nth(7).context("/proc/self/stat is too short")?.parse()?)
}
