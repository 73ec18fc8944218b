//! Debian's prometheus-blackbox-exporter, asked over its own HTTP interface as Prometheus would.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};
use farwatch_tests::nginx::{free_address, is_listening};
use farwatch_tests::wait::eventually;

use crate::cpu;

/// Probes asked of it.
const PROBES: u32 = 5_000;
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
    let agent = ureq::Agent::new_with_defaults();
    let probe = format!("http://{listen}/probe?module=http_2xx&target={url}");
    let before = cpu::used_us(exporter.0.id())?;
    for _ in 0..PROBES {
        let metrics = agent.get(&probe).call()?.body_mut().read_to_string()?;
        ensure!(metrics.contains("probe_success 1"), "blackbox_exporter: the probe failed");
    }
    Ok((cpu::used_us(exporter.0.id())? - before) / f64::from(PROBES))
}
