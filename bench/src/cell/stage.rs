//! A cell of the wanted size: control in real processes, its database, and raw hosts in the place of the real ones.

use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context, ensure};
use farwatch_proto::time::UnixMs;
use farwatch_tests::api::Api;
use farwatch_tests::clock::now;
use farwatch_tests::nginx::Nginx;
use farwatch_tests::postgres::{Durability, Postgres};
use farwatch_tests::system::System;
use farwatch_tests::wait::eventually;
use farwatch_tests::webhook_receiver::WebhookReceiver;
use rustix::process::Signal;
use serde_json::json;

use super::database::Database;
use super::fleet::{Fleet, INTERVAL_S};
use crate::cpu;

/// The hosts of a cell.
const HOSTS: [&str; 5] = ["fra-1", "par-1", "nyc-1", "sfo-1", "sin-1"];
/// The check that is copied must be judged by then.
const JUDGED_LIMIT: Duration = Duration::from_secs(60);
/// A successor leads by then, whatever it had to load.
const LEAD_LIMIT: Duration = Duration::from_secs(60);
/// A process of several that was killed stays away for this long, so that it does not work while others are measured.
const AWAY: &str = "20s";

/// What a cell stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Engine {
    /// The embedded database, and one control process.
    Sqlite,
    /// A server that waits for its disk, and so many control processes.
    Postgres { controls: usize },
}

/// A cell at work. What is first goes first.
pub(super) struct Cell {
    pub(super) fleet: Fleet,
    pub(super) database: Database,
    pub(super) system: System,
    is_postgres: bool,
    _webhooks: WebhookReceiver,
    _postgres: Option<Postgres>,
}

impl Cell {
    /// Starts one, fills it with so many checks, and waits until a leader has loaded them and every host holds them.
    pub(super) fn start(engine: Engine, checks: u64, nginx: &Nginx) -> anyhow::Result<Self> {
        let builder = System::builder().hosts(HOSTS.len());
        let (builder, postgres, url) = match engine {
            Engine::Sqlite => (builder, None, None),
            Engine::Postgres { controls } => {
                let postgres = Postgres::start(Durability::Safe)?;
                let url = postgres.create_database()?;
                let builder = builder.controls(controls, &url);
                let away = if controls > 1 { AWAY } else { "1s" };
                (builder.flag(format!("--restart-after={away}")), Some(postgres), Some(url))
            }
        };
        let system = builder.start()?;
        let webhooks = WebhookReceiver::start(Vec::new())?;
        make_the_check(system.api(), &webhooks, &nginx.url(0, "/"))?;
        let database = match url {
            Some(url) => Database::server(&url)?,
            None => Database::file(&system.data().join("farwatch.db"))?,
        };
        let fleet = take_the_place_of_hosts(&system, checks)?;
        let is_postgres = postgres.is_some();
        let mut cell = Self { fleet, database, system, is_postgres, _webhooks: webhooks, _postgres: postgres };
        cell.fleet.await_holding(1)?;
        cell.database.copy_check(checks)?;
        cell.kill_leader()?;
        cell.fleet.await_holding(checks + 1)?;
        Ok(cell)
    }

    /// The process of the leader, by its number.
    pub(super) fn leader(&self) -> anyhow::Result<usize> {
        let leads = |api: &Api| api.try_get("/v1/health").is_ok_and(|(_, health)| health["leads"] == true);
        eventually("a process to lead", LEAD_LIMIT, || Ok(self.system.apis().iter().position(leads)))
    }

    /// The process id of the leader.
    pub(super) fn leader_pid(&self) -> anyhow::Result<u32> {
        Ok(self.system.control_pid_of(self.leader()?)?.as_raw_nonzero().get().cast_unsigned())
    }

    /// Kills the leader and waits until another leadership has begun. Returns when it was killed.
    pub(super) fn kill_leader(&mut self) -> anyhow::Result<UnixMs> {
        let epoch = self.database.epoch()?;
        let leader = self.leader()?;
        let killed = now();
        self.system.signal(self.system.control_pid_of(leader)?, Signal::KILL)?;
        eventually("another leadership", LEAD_LIMIT, || Ok((self.database.epoch()? > epoch).then_some(())))?;
        Ok(killed)
    }

    /// CPU that all processes of the database have used that live, in microseconds; none where it is within control.
    pub(super) fn database_cpu_us(&mut self) -> anyhow::Result<f64> {
        if !self.is_postgres {
            return Ok(0.0);
        }
        // A connection that was closed meanwhile is not there to be counted.
        let used = self.database.server_processes()?.into_iter().filter_map(|pid| cpu::used_us(pid).ok());
        Ok(used.sum())
    }

    /// Results that control has acknowledged so far.
    pub(super) fn committed(&self) -> u64 {
        self.fleet.shared.committed.load(Ordering::Relaxed)
    }

    /// Lets the hosts send what they run, or not.
    pub(super) fn send(&self, sends: bool) {
        self.fleet.shared.sends.store(sends, Ordering::Relaxed);
    }

    /// Whether control took everything the hosts said.
    pub(super) fn demand_no_refusal(&self) -> anyhow::Result<()> {
        let refused = self.fleet.shared.refused.load(Ordering::Relaxed);
        let health = self.system.apis()[self.leader()?].get("/v1/health")?;
        ensure!(refused == 0 && health["refused"] == 0, "control refused what raw hosts said: {refused}, {health}");
        Ok(())
    }
}

impl Drop for Cell {
    fn drop(&mut self) {
        for host in HOSTS {
            if let Ok(pid) = self.system.host_pid(host) {
                // Asked to end, a stopped host would not hear it.
                let _ = self.system.signal(pid, Signal::CONT);
            }
        }
    }
}

/// Makes one check as customers do, with somebody to tell, and waits until it was seen up.
fn make_the_check(api: &Api, webhooks: &WebhookReceiver, url: &str) -> anyhow::Result<()> {
    let contact = &api.post("/v1/contacts", &json!({ "name": "on-call" }))?["id"];
    let contact = contact.as_str().context("a contact has no id")?;
    let channel = json!({ "kind": "webhook", "url": webhooks.url() });
    api.post(&format!("/v1/contacts/{contact}/channels"), &channel)?;
    let check = json!({
        "name": "cell", "module": "http", "interval": INTERVAL_S, "config": { "url": url }, "contacts": [contact],
    });
    let made = api.post("/v1/checks", &check)?;
    let path = format!("/v1/checks/{}", made["id"].as_str().context("a check has no id")?);
    eventually("the check to be seen up", JUDGED_LIMIT, || Ok((api.get(&path)?["verdict"] == "up").then_some(())))
}

/// Stops the real hosts where they are, and has raw ones speak for them at once: nobody is missed.
fn take_the_place_of_hosts(system: &System, checks: u64) -> anyhow::Result<Fleet> {
    for host in HOSTS {
        system.signal(system.host_pid(host)?, Signal::STOP)?;
    }
    let listed = system.api().get("/v1/checks")?;
    let module = listed["items"][0]["module_hash"].as_str().context("the check tells no module")?.parse()?;
    let links = (0..system.apis().len()).map(|index| system.link_address(index)).collect::<Result<_, _>>()?;
    Fleet::start(&system.data().join("hosts"), links, module, checks)
}
