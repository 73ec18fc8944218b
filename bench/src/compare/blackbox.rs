//! Debian's prometheus-blackbox-exporter, asked over its own HTTP interface as Prometheus would.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use farwatch_tests::nginx::is_listening;
use farwatch_tests::ports::free_address;
use farwatch_tests::wait::eventually;

use crate::cpu;

/// Who asks it, each for one probe in every step: together as many a second as a host makes, and as many at once.
const ASKERS: u32 = super::RUNS_PER_SECOND * super::STEP_MS / 1_000;
/// Probes that each of them asks for.
const PROBES_EACH: u32 = 1_100;
/// It opens its port within this time.
const START_LIMIT: Duration = Duration::from_secs(10);
/// Its plainest HTTP probe.
const CONFIG: &str = "modules:\n  http_2xx:\n    prober: http\n    http:\n      preferred_ip_protocol: ip4\n";

struct Exporter(Child);

impl Drop for Exporter {
    fn drop(&mut self) {
        // It holds nothing that a kill could lose.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// CPU of one probe of the exporter, in microseconds.
pub(crate) fn blackbox_exporter(url: &str) -> anyhow::Result<f64> {
    let folder = tempfile::tempdir()?;
    let config = folder.path().join("blackbox.yml");
    fs::write(&config, CONFIG)?;
    let listen = free_address()?;
    let child = Command::new("prometheus-blackbox-exporter")
        .arg(format!("--config.file={}", config.display()))
        .arg(format!("--web.listen-address={listen}"))
        .arg("--log.level=error")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("prometheus-blackbox-exporter is missing; run make bench")?;
    let exporter = Exporter(child);
    eventually("blackbox_exporter to listen", START_LIMIT, || Ok(is_listening(listen).then_some(())))?;
    let probe = format!("http://{listen}/probe?module=http_2xx&target={url}");
    let before = cpu::used_us(exporter.0.id())?;
    thread::scope(|scope| {
        let askers: Vec<_> = (0..ASKERS).map(|_| scope.spawn(|| ask(&probe))).collect();
        askers.into_iter().try_for_each(|asker| asker.join().expect("an asker does not panic"))
    })?;
    Ok((cpu::used_us(exporter.0.id())? - before) / f64::from(ASKERS * PROBES_EACH))
}

/// Asks for one probe in every step, over one connection that stays open, as Prometheus does.
#[allow(clippy::disallowed_methods, reason = "a measuring tool keeps its pace by the clock")]
fn ask(probe: &str) -> anyhow::Result<()> {
    let agent = ureq::Agent::new_with_defaults();
    let began = Instant::now();
    for step in 1..=PROBES_EACH {
        let metrics = agent.get(probe).call()?.body_mut().read_to_string()?;
        ensure!(metrics.contains("probe_success 1"), "blackbox_exporter: the probe failed");
        let next = began + step * Duration::from_millis(super::STEP_MS.into());
        while let Some(left) = next.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
            thread::park_timeout(left);
        }
    }
    Ok(())
}
