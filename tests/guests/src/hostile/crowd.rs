//! 500 good checks on one host, in a process of its own, and what becomes of them when somebody attacks.
//!
//! The host is the one of the product, with its scheduler, its threads of guests and its ledger, at a control plane that
//! takes in the attacks as anybody's modules. What is late is said by the ledger's own rule.

use std::time::Duration;

use anyhow::{Context, ensure};
use farwatch_tests::lateness::{self, Lateness};
use farwatch_tests::nginx::{Nginx, Server};
use farwatch_tests::scene::text;
use farwatch_tests::system::System;
use farwatch_tests::wait::eventually;
use serde_json::{Value, json};

use super::attack::Attack;
use super::play::Arena;
use super::servers;

/// How many good checks there are.
pub const GOOD: usize = 500;
/// All of them are due in this time, each once.
pub const INTERVAL_MS: i64 = 10_000;
/// The longest timeout that a check of this interval may have.
const TIMEOUT_MAX_MS: u32 = 3_000;
/// Runs of an attack that are asked for their codes: those of the time in which the good checks are watched.
const CODES_MAX: usize = 3;
/// Checks are in force, and have run, by then.
const SETTLE_LIMIT: Duration = Duration::from_secs(120);

/// See the file's documentation.
pub struct Crowd {
    system: System,
    _nginx: Nginx,
    good: Vec<String>,
}

impl Crowd {
    /// Starts all, and waits until every check has run.
    ///
    /// # Errors
    /// When it does not come to that.
    pub fn gather() -> anyhow::Result<Self> {
        let nginx = Nginx::start(&[Server::http("location / { return 200 'hello'; }")])?;
        let system = System::builder().hosts(1).start()?;
        let wish = |number| {
            let name = format!("good-{number}");
            let config = json!({ "url": nginx.url(0, "/") });
            json!({ "name": name, "module": "http", "interval": INTERVAL_MS / 1_000, "contacts": [], "config": config })
        };
        let good = (0..GOOD).map(|number| made(&system, &wish(number))).collect::<anyhow::Result<Vec<_>>>()?;
        let crowd = Self { system, _nginx: nginx, good };
        crowd.await_runs(&crowd.good)?;
        Ok(crowd)
    }

    /// Has so many checks made by an attack. They are in force some time later.
    ///
    /// # Errors
    /// When its module or its checks are not taken.
    pub fn set_upon(&self, arena: &Arena<'_>, attack: &Attack, checks: usize) -> anyhow::Result<Vec<String>> {
        let module = self.push(arena, attack)?;
        let url = attack.server.as_deref().map(servers::url).transpose()?.unwrap_or_default();
        let config: Value = serde_json::from_str(&attack.config(&url)?)?;
        let attackers = (0..checks).map(|number| {
            let timeout_ms = attack.timeout_ms.min(TIMEOUT_MAX_MS);
            let name = format!("{}-{number}", attack.name);
            let wish = json!({
                "name": name, "module": module, "interval": INTERVAL_MS / 1_000, "timeout_ms": timeout_ms,
                "contacts": [], "config": config,
            });
            made(&self.system, &wish)
        });
        attackers.collect::<anyhow::Result<_>>().with_context(|| attack.name.clone())
    }

    /// Ends the checks of an attack.
    ///
    /// # Errors
    /// When they cannot be deleted.
    pub fn call_off(&self, attackers: &[String]) -> anyhow::Result<()> {
        attackers.iter().try_for_each(|check| self.system.api().delete(&format!("/v1/checks/{check}")).map(drop))
    }

    /// The module of an attack, by its name.
    fn push(&self, arena: &Arena<'_>, attack: &Attack) -> anyhow::Result<String> {
        if let Some(guest) = attack.guest.as_ref().filter(|guest| arena.is_built_in(guest)) {
            return Ok(guest.clone());
        }
        let path = self.system.data().join("attack.wasm");
        std::fs::write(&path, arena.bytes(attack)?)?;
        let pushed = self.system.client(&["module", "push", &path.display().to_string(), "--json"])?;
        ensure!(pushed.status.success(), "{}: {}", attack.name, String::from_utf8_lossy(&pushed.stderr));
        let pushed: Value = serde_json::from_slice(&pushed.stdout)?;
        Ok(text(&pushed["name"]))
    }

    /// Waits until each of these checks has run.
    ///
    /// # Errors
    /// When one does not.
    pub fn await_runs(&self, checks: &[String]) -> anyhow::Result<()> {
        let mut waiting = checks.to_vec();
        eventually("every check to have run", SETTLE_LIMIT, || {
            while let Some(check) = waiting.last() {
                let page = self.system.api().get(&format!("/v1/checks/{check}/results?limit=1"))?;
                if page["items"].as_array().is_none_or(Vec::is_empty) {
                    return Ok(None);
                }
                waiting.pop();
            }
            Ok(Some(()))
        })
    }

    /// How the good checks fare from now on, for so many of their intervals.
    ///
    /// # Errors
    /// When the ledger does not decide, or the results cannot be had.
    pub fn watch(&self, intervals: i64) -> anyhow::Result<Lateness> {
        lateness::watch(self.system.api(), &self.good, INTERVAL_MS, intervals)
    }

    /// By which codes the last runs of each of these checks ended, the last first.
    ///
    /// # Errors
    /// When they cannot be had.
    pub fn codes_of(&self, attackers: &[String]) -> anyhow::Result<Vec<Vec<String>>> {
        let code = |result: &Value| result["code"].as_str().filter(|code| !code.is_empty()).unwrap_or("ok").to_owned();
        let newest = |check: &String| {
            let page = self.system.api().get(&format!("/v1/checks/{check}/results?limit={CODES_MAX}"))?;
            Ok(page["items"].as_array().context("the results are no list")?.iter().map(code).collect())
        };
        attackers.iter().map(newest).collect()
    }
}

fn made(system: &System, wish: &Value) -> anyhow::Result<String> {
    Ok(text(&system.api().post("/v1/checks", wish)?["id"]))
}
