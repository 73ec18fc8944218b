//! What an ordeal came to.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use anyhow::{Context, ensure};
use farwatch_core::incident::Step;
use farwatch_proto::time::UnixMs;
use serde_json::Value;

use super::{FLAPPING, Ordeal, Outage, SETTLE_LIMIT};
use crate::clock::now;
use crate::scene::{moment, text};
use crate::wait::eventually;

/// A slot begins this long before its moment, and a target turns at no exact one.
const EDGE_MS: i64 = 1_000;

/// What was lost and what was doubled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Times the site was down.
    pub outages: usize,
    /// Those of which both the beginning and the end were told.
    pub told: usize,
    /// Those of which not.
    pub lost: usize,
    /// Incidents beyond one for each outage, among them any of a site that was up.
    pub doubled_incidents: usize,
    /// Messages that came again under the same id, as they may.
    pub doubled_messages: usize,
    /// Slots that nobody ran.
    pub missed: u64,
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { outages, told, lost, doubled_incidents, doubled_messages, missed } = self;
        write!(
            f,
            "outages={outages} told={told} lost={lost} doubled_incidents={doubled_incidents} \
             doubled_messages={doubled_messages} missed={missed}"
        )
    }
}

impl Account {
    /// Demands that nothing was lost, nobody told of what was not, and nothing missed.
    pub fn must_hold(&self) -> anyhow::Result<()> {
        ensure!(self.outages > 0, "there was no outage to lose");
        let fine = (self.lost, self.doubled_incidents, self.missed) == (0, 0, 0) && self.told == self.outages;
        ensure!(fine, "{self}");
        Ok(())
    }
}

impl Ordeal {
    /// Brings the site up, waits until everything has settled, and counts.
    pub fn account(mut self) -> anyhow::Result<Account> {
        self.settle();
        if self.is_down() {
            self.turn()?;
            self.settle();
        }
        let incidents = self.incidents()?;
        let both: BTreeSet<String> =
            self.told(Step::Opened).intersection(&self.told(Step::Resolved)).cloned().collect();
        let is_told = |outage: &&Outage| incidents_of(outage, &incidents).any(|one| both.contains(&text(&one["id"])));
        let told = self.outages.iter().filter(is_told).count();
        let seen = self.outages.iter().filter(|outage| incidents_of(outage, &incidents).next().is_some()).count();
        Ok(Account {
            outages: self.outages.len(),
            told,
            lost: self.outages.len() - told,
            doubled_incidents: incidents.len() - seen,
            doubled_messages: self.doubled_messages(),
            missed: self.missed()?,
        })
    }

    /// Waits until the beginning of the phase was told. What never is will be counted as lost, so a limit that is over is
    /// no error here.
    fn settle(&self) {
        let _ = eventually("the phase to be told", SETTLE_LIMIT, || Ok(self.is_told().then_some(())));
    }

    /// All incidents there are, of whatever site.
    fn incidents(&self) -> anyhow::Result<Vec<Value>> {
        let mut all = Vec::new();
        let mut path = "/v1/incidents?limit=200".to_owned();
        loop {
            let page = self.scene.system.api().get(&path)?;
            all.extend(page["items"].as_array().context("incidents are no list")?.iter().cloned());
            match page["next"].as_str() {
                Some(cursor) => path = format!("/v1/incidents?limit=200&cursor={cursor}"),
                None => break,
            }
        }
        let check = self.scene.check_id(FLAPPING).to_string();
        let stray = all.iter().find(|incident| incident["check"] != check.as_str());
        ensure!(stray.is_none(), "an incident of a site that was up: {stray:?}");
        Ok(all)
    }

    fn doubled_messages(&self) -> usize {
        let requests = self.scene.webhooks.requests();
        let mut times: BTreeMap<&str, usize> = BTreeMap::new();
        for request in &requests {
            *times.entry(request.header("webhook-id")).or_default() += 1;
        }
        requests.len() - times.len()
    }

    /// The slots that nobody ran, once the ledger has decided every one.
    fn missed(&self) -> anyhow::Result<u64> {
        let to = now();
        let ledger = eventually("the ledger to decide", SETTLE_LIMIT, || {
            let ledger = self.scene.ledger(self.began, to)?;
            Ok((now().since(to) > 20_000 && ledger["pending"] == 0).then_some(ledger))
        })?;
        ensure!(ledger["due"].as_u64().is_some_and(|due| due > 0), "nothing was due: {ledger}");
        ledger["missed"].as_u64().context("a ledger says how many were missed")
    }
}

/// The incidents that began in this outage.
fn incidents_of<'i>(outage: &Outage, incidents: &'i [Value]) -> impl Iterator<Item = &'i Value> {
    let (from, to) = (outage.from + -EDGE_MS, outage.to.unwrap_or(UnixMs(i64::MAX - EDGE_MS)) + EDGE_MS);
    incidents
        .iter()
        .filter(move |incident| moment(&incident["first_failed_slot"]).is_ok_and(|slot| from <= slot && slot <= to))
}
