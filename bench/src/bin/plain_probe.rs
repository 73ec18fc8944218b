//! The host's HTTP probe without any WASM around it, as often as asked: what a check costs at least.
//!
//! `plain_probe URL [COUNT] [AT_ONCE] [PER_SECOND]` probes the URL, fresh connection each, and prints the
//! CPU time of this process per probe. It asks for the same evidence as a check and may connect anywhere.

#![allow(clippy::print_stdout, reason = "a measuring tool prints its figures")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};
use farwatch_core::egress::Policy;
use farwatch_host::clock::Clock;
use farwatch_host::probe::evidence::{Request, Version, Want};
use farwatch_host::probe::{ProbeSettings, Prober};
use rustix::time::{ClockId, clock_gettime};
use tokio::sync::Semaphore;
use tokio::time::{MissedTickBehavior, interval};

/// As in `farwatch`: what is compared must differ in nothing else.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Enough that the process's start does not show in the mean.
const DEFAULT_COUNT: u64 = 20_000;
/// Keeps two cores busy without queueing at the target.
const DEFAULT_AT_ONCE: usize = 16;
/// As a check would ask.
const TIMEOUT_MS: u32 = 3_000;
const MAX_BODY_BYTES: u32 = 64 * 1024;
/// With a rate given, probes start in steps of this length, as a host starts what is due: most of what a
/// probe costs at a low rate is waking up for it.
const STEP: Duration = Duration::from_millis(20);

/// What the command line asks for.
struct Load {
    url: String,
    count: u64,
    at_once: usize,
    per_second: Option<u64>,
}

fn main() -> anyhow::Result<()> {
    let load = Load::from_args()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(run(load))
}

impl Load {
    fn from_args() -> anyhow::Result<Self> {
        let mut args = std::env::args().skip(1);
        let Some(url) = args.next() else { bail!("usage: plain_probe URL [COUNT] [AT_ONCE] [PER_SECOND]") };
        let mut number = |name: &str| -> anyhow::Result<Option<u64>> {
            args.next().map(|text| text.parse().with_context(|| format!("{name} {text:?} is no number"))).transpose()
        };
        let count = number("COUNT")?.unwrap_or(DEFAULT_COUNT);
        let at_once = number("AT_ONCE")?.map_or(DEFAULT_AT_ONCE, |number| number as usize);
        Ok(Self { url, count, at_once, per_second: number("PER_SECOND")?.filter(|rate| *rate > 0) })
    }
}

async fn run(load: Load) -> anyhow::Result<()> {
    let everywhere = Policy::new(vec!["0.0.0.0/0".parse()?, "::/0".parse()?], Vec::new());
    let prober = Arc::new(Prober::new(Clock::default(), everywhere, &ProbeSettings::default())?);
    let first = prober.fetch(request(&load.url)).await;
    match first {
        Ok(response) => println!("first answer: {} {:?}", response.status, response.times),
        Err(failure) => bail!("the first probe failed: {} {}", failure.code, failure.message),
    }
    let failed = Arc::new(AtomicU64::new(0));
    let (cpu_before, wall_before) = (cpu_ns(), wall_ns());
    probe_all(&load, &prober, &failed).await?;
    let (cpu, wall) = (cpu_ns() - cpu_before, wall_ns() - wall_before);
    println!(
        "plain_probe: probes={} failed={} cpu_us_per_probe={:.1} probes_per_second={:.0}",
        load.count,
        failed.load(Ordering::Relaxed),
        cpu as f64 / 1e3 / load.count as f64,
        load.count as f64 * 1e9 / wall as f64,
    );
    Ok(())
}

#[allow(clippy::disallowed_methods, reason = "a measuring tool ends when its probes have")]
async fn probe_all(load: &Load, prober: &Arc<Prober>, failed: &Arc<AtomicU64>) -> anyhow::Result<()> {
    let places = Arc::new(Semaphore::new(load.at_once));
    let mut steps = interval(STEP);
    steps.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut allowed = 0.0;
    for _ in 0..load.count {
        if let Some(rate) = load.per_second {
            while allowed < 1.0 {
                steps.tick().await;
                allowed += rate as f64 * STEP.as_secs_f64();
            }
            allowed -= 1.0;
        }
        let place = places.clone().acquire_owned().await?;
        let (prober, failed, request) = (prober.clone(), failed.clone(), request(&load.url));
        tokio::spawn(async move {
            if prober.fetch(request).await.is_err() {
                failed.fetch_add(1, Ordering::Relaxed);
            }
            drop(place);
        });
    }
    // All places free again means that all probes are over.
    let _all = places.acquire_many(u32::try_from(load.at_once)?).await?;
    Ok(())
}

fn request(url: &str) -> Request {
    Request {
        method: "GET".to_owned(),
        url: url.to_owned(),
        headers: Vec::new(),
        body: None,
        version: Version::Automatic,
        verify_tls: false,
        client: None,
        ip_version: None,
        max_body_bytes: MAX_BODY_BYTES,
        timeout_ms: TIMEOUT_MS,
        want: Want::empty(),
    }
}

/// User and system time of this process.
fn cpu_ns() -> i64 {
    nanoseconds(ClockId::ProcessCPUTime)
}

fn wall_ns() -> i64 {
    nanoseconds(ClockId::Monotonic)
}

fn nanoseconds(clock: ClockId) -> i64 {
    let time = clock_gettime(clock);
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}
