//! What each built-in module costs: one good case of it, run again and again against its real server.
//!
//! `module_costs [--json] [MODULE...]` prints a row for every module that is built, or for those that are named: the size of
//! its component, the CPU time of compiling it, what one run takes of the guest and of this process with all its probes,
//! and the most memory that the guest had. Runs of one check follow each other, as slots do. A module that no case stands
//! for, a server that is not there and a run that is not good make it fail in the end, once all others are told.
//! It knows no bars.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a measuring tool prints its figures")]

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::Context;
use farwatch_guest_cases::case::{self, Case};
use farwatch_guest_cases::server;
use farwatch_guest_cases::stage::{COMPILE, Due, Stage, Standing, compare};
use rustix::time::{ClockId, clock_gettime};

/// As in `farwatch`: what is compared must differ in nothing else.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Enough for a mean that repeats within a few per cent.
const RUNS: u32 = 200;
/// Enough for the server to have all its processes and for every cache to have been used.
const WARM_UP_RUNS: u32 = 20;

/// The case by which a module is weighed is the one in which all is well.
const CASE: &str = "up";
/// Where all can be well in several ways, each has a name of its own: these are the ones in which most users will have it.
const CASES: [(&str, &str); 5] =
    [("ldap", "tls"), ("mysql", "native"), ("postgres", "scram"), ("sip", "udp"), ("websocket", "pong")];

/// What a module costs.
struct Cost {
    size_bytes: usize,
    compile_ms: f64,
    cpu_us: f64,
    guest_us: f64,
    memory_bytes: usize,
}

fn main() -> ExitCode {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == COMPILE) {
        return farwatch_sandbox::compile_child::main();
    }
    let is_json = arguments.first().is_some_and(|first| first == "--json");
    let failed = tell(&arguments.split_off(is_json.into()), is_json);
    server::end_all();
    match failed {
        Ok(0) => ExitCode::SUCCESS,
        Ok(failed) => {
            eprintln!("module_costs: {failed} modules could not be measured");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("module_costs: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Measures the wanted modules, or all, and returns how many could not be measured.
fn tell(wanted: &[String], is_json: bool) -> anyhow::Result<usize> {
    let stage = Stage::new()?;
    let cases: BTreeMap<String, Case> = case::all()?.into_iter().map(|case| (case.name.clone(), case)).collect();
    let modules = if wanted.is_empty() { stage.modules()? } else { wanted.to_vec() };
    if !is_json {
        println!(
            "| module | component, KiB | compiling, ms of CPU | guest, us | run, us of CPU | memory of the guest, KiB |"
        );
        println!("|---|---:|---:|---:|---:|---:|");
    }
    let mut failed = 0;
    for module in modules {
        match measure(&stage, &module, &cases) {
            Ok(cost) => report(&module, &cost, is_json),
            Err(error) => {
                failed += 1;
                eprintln!("module_costs: {module}: {error:#}");
            }
        }
    }
    Ok(failed)
}

fn measure(stage: &Stage, module: &str, cases: &BTreeMap<String, Case>) -> anyhow::Result<Cost> {
    let named = CASES.iter().find(|(name, _)| *name == module);
    let name = format!("{module}/{}", named.map_or(CASE, |(_, case)| case));
    let case = cases.get(&name).with_context(|| format!("no case {name} stands for it"))?;
    let standing = stage.set(case)?;
    let before_us = children_us()?;
    let due = stage.prepare(case, &standing)?;
    let compile_ms = (children_us()? - before_us) / 1_000.0;
    for _ in 0..WARM_UP_RUNS {
        run(stage, case, &standing, &due)?;
    }
    let before_us = own_us();
    let mut guest_us = Vec::new();
    let mut memory_bytes = 0;
    for _ in 0..RUNS {
        let (cpu_us, bytes) = run(stage, case, &standing, &due)?;
        guest_us.push(cpu_us);
        memory_bytes = memory_bytes.max(bytes);
    }
    let cpu_us = (own_us() - before_us) / f64::from(RUNS);
    Ok(Cost { size_bytes: stage.bytes(module)?.len(), compile_ms, cpu_us, guest_us: median(guest_us), memory_bytes })
}

/// Makes one run, and returns the time of the guest and the most memory that it had.
fn run(stage: &Stage, case: &Case, standing: &Standing, due: &Due) -> anyhow::Result<(u64, usize)> {
    let found = stage.run(due);
    compare(case, standing, &found)?;
    Ok((found.cpu_us, found.memory_bytes))
}

/// The guest's time goes by the clock of the wall, so a few runs are long in which the machine did something else.
fn median(mut values: Vec<u64>) -> f64 {
    values.sort_unstable();
    values.get(values.len() / 2).map_or(0.0, |value| *value as f64)
}

fn report(module: &str, cost: &Cost, is_json: bool) {
    let Cost { size_bytes, compile_ms, cpu_us, guest_us, memory_bytes } = cost;
    if !is_json {
        let (size, memory) = (size_bytes >> 10, memory_bytes >> 10);
        println!("| {module} | {size} | {compile_ms:.0} | {guest_us:.0} | {cpu_us:.0} | {memory} |");
        return;
    }
    let rows = [
        ("size", *size_bytes as f64, "bytes"),
        ("compile", *compile_ms, "ms"),
        ("guest_cpu", *guest_us, "us"),
        ("cpu", *cpu_us, "us"),
        ("memory", *memory_bytes as f64 / 1_024.0, "KiB"),
    ];
    for (what, value, unit) in rows {
        println!(r#"{{"name":"modules/{module}/{what}","value":{value:.2},"unit":"{unit}"}}"#);
    }
}

/// User and system time of this process.
fn own_us() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 * 1e6 + time.tv_nsec as f64 / 1e3
}

/// The same of its ended children: what compiles a module, for servers do not end here. It is counted in ticks.
fn children_us() -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let (_, after_name) = stat.rsplit_once(')').context("a stat line without a command")?;
    let ticks = after_name.split_whitespace().skip(13).take(2).map(str::parse::<f64>);
    let ticks: f64 = ticks.collect::<Result<Vec<_>, _>>()?.into_iter().sum();
    Ok(ticks * 1e6 / rustix::param::clock_ticks_per_second() as f64)
}
