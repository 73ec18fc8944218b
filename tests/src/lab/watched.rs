//! What the fleet watches: a check per site, each with its schedule as `core` has it, and what the API says of them.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context;
use farwatch_core::slot::Schedule;
use farwatch_proto::check::StreamId;
use farwatch_proto::id::CheckId;
use farwatch_proto::interval::Interval;
use farwatch_proto::time::UnixMs;
use serde_json::{Value, json};

use super::fleet::number;
use super::network::Place;
use super::targets::path;
use crate::api::Api;
use crate::scene::{moment, text};
use crate::wait::eventually;

/// All checks must be in force, and run, by then.
const START_LIMIT: Duration = Duration::from_secs(90);
/// Most checks are due every 10 s, and one in so many every 30 s, which has other delays and timeouts.
const SLOW_ONE_IN: usize = 6;
/// The largest page there is.
const PAGE: usize = 200;

/// One check.
#[derive(Clone, Debug)]
pub(super) struct WatchedCheck {
    pub(super) id: CheckId,
    pub(super) interval: Interval,
    pub(super) timeout_ms: i64,
    pub(super) schedule: Schedule,
}

/// The result that speaks for a slot.
#[derive(Clone, Debug)]
pub(super) struct Spoken {
    pub(super) host: usize,
    pub(super) started: UnixMs,
    pub(super) status: String,
    /// Whether it counts for its slot.
    pub(super) covers: bool,
}

/// All checks, by the numbers of their sites.
#[derive(Clone, Debug)]
pub(super) struct Watched {
    pub(super) checks: Vec<WatchedCheck>,
}

impl Watched {
    /// Makes them, and waits until each has been run and found up.
    pub(super) fn create(api: &Api, count: usize) -> anyhow::Result<Self> {
        let checks = (0..count).map(|site| create(api, site)).collect::<anyhow::Result<Vec<_>>>()?;
        eventually("every check to be run and up", START_LIMIT, || {
            let listed = api.get(&format!("/v1/checks?limit={PAGE}"))?;
            let items = listed["items"].as_array().context("the checks are no list")?;
            let up = items.iter().filter(|check| check["verdict"] == "up").count();
            anyhow::ensure!(up == count, "{up} of {count} are up");
            Ok(Some(()))
        })?;
        Ok(Self { checks })
    }

    /// Who runs each, by the newest view.
    pub(super) fn first_owners(&self, api: &Api) -> anyhow::Result<Vec<Option<usize>>> {
        let first = |check: &WatchedCheck| {
            let explained = api.get(&format!("/v1/checks/{}/explain", check.id))?;
            Ok(explained["owners"][0]["host_name"].as_str().and_then(number))
        };
        self.checks.iter().map(first).collect()
    }

    /// What speaks for each slot of a check in `[from, to)`.
    pub(super) fn spoken(
        &self,
        api: &Api,
        site: usize,
        (from, to): (UnixMs, UnixMs),
    ) -> anyhow::Result<BTreeMap<UnixMs, Spoken>> {
        let first = format!("/v1/checks/{}/results?from={}&to={}&limit={PAGE}", self.checks[site].id, from.0, to.0);
        let mut spoken = BTreeMap::new();
        let mut page = api.get(&first)?;
        loop {
            for item in page["items"].as_array().context("results are no list")? {
                spoken.insert(moment(&item["slot"])?, one_spoken(item)?);
            }
            let Some(cursor) = page["next"].as_str() else { return Ok(spoken) };
            page = api.get(&format!("{first}&cursor={cursor}"))?;
        }
    }

    /// The number of the site of a check.
    pub(super) fn site_of(&self, check: &Value) -> Option<usize> {
        let id = check.as_str()?.parse().ok()?;
        self.checks.iter().position(|watched| watched.id == id)
    }
}

fn create(api: &Api, site: usize) -> anyhow::Result<WatchedCheck> {
    let seconds = if site % SLOW_ONE_IN == SLOW_ONE_IN - 1 { 30 } else { 10 };
    let url = format!("http://{}{}", Place::Targets.address(), path(site));
    let wish = json!({
        "name": format!("site-{site}"), "module": "http", "interval": seconds, "config": { "url": url },
    });
    let made = api.post("/v1/checks", &wish)?;
    let id: CheckId = text(&made["id"]).parse()?;
    let interval = Interval::from_seconds(seconds)?;
    Ok(WatchedCheck {
        id,
        interval,
        timeout_ms: made["timeout_ms"].as_i64().context("a check without a timeout")?,
        schedule: Schedule::of(StreamId { check: id, number: 0 }, interval, 1),
    })
}

fn one_spoken(item: &Value) -> anyhow::Result<Spoken> {
    let status = text(&item["status"]);
    let is_of_its_module = status != "unknown" || item["blame"] == "module";
    Ok(Spoken {
        host: item["host_name"].as_str().and_then(number).context("a result of no host of the lab")?,
        started: moment(&item["started"])?,
        covers: is_of_its_module && item["timing"] != "outside",
        status,
    })
}
