//! The account of one scenario: what the sites saw, held against what the ledger says, in both directions.
//!
//! Nothing is taken from the ledger but what is compared: which slots there were is computed from the schedules, and who
//! ran them when is what the sites noted.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use anyhow::{Context, ensure};
use farwatch_core::slot::EARLY_MS;
use farwatch_proto::time::UnixMs;
use serde_json::Value;

use super::Lab;
use super::fleet::number;
use super::network::Place;
use super::targets::Hit;
use super::watched::{Spoken, WatchedCheck};
use crate::scene::moment;

/// Between the start of a run as its host has it and its request as the site has it: a busy machine, beside the timeout.
const SLACK_MS: i64 = 500;

/// A part of the lab's time, with all slots that were due in it.
#[derive(Clone, Debug)]
pub(super) struct Window {
    pub(super) from: UnixMs,
    pub(super) to: UnixMs,
    /// Requests from then on are not held against whoever made them: they may follow from what is done next.
    pub(super) blamed_until: UnixMs,
    /// Who ran each check when it began.
    pub(super) first_owners: Vec<Option<usize>>,
}

/// What came out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Figures {
    pub(super) slots: u64,
    pub(super) missed: u64,
    /// Of these, those that no owner could have run.
    pub(super) excused: u64,
    pub(super) late_max_ms: i64,
    /// Slots that more than one request was made for.
    pub(super) doubled: u64,
    /// Slots that another host than the first owner made a request for.
    pub(super) hedged: u64,
    pub(super) false_incidents: u64,
    /// Slots that count as run though no request arrived, because whoever ran them reached no site.
    pub(super) blind: u64,
    /// Slots that count as run by a host of which no request arrived.
    pub(super) unproven: u64,
    /// Slots for which a request arrived and that do not count as run.
    pub(super) unrecorded: u64,
}

impl Figures {
    pub(super) fn add(&mut self, other: &Self) {
        self.slots += other.slots;
        self.missed += other.missed;
        self.excused += other.excused;
        self.late_max_ms = self.late_max_ms.max(other.late_max_ms);
        self.doubled += other.doubled;
        self.hedged += other.hedged;
        self.false_incidents += other.false_incidents;
        self.blind += other.blind;
        self.unproven += other.unproven;
        self.unrecorded += other.unrecorded;
    }
}

/// Accounts for every slot of the window; nothing while the ledger has not decided all of them.
pub(super) fn account(lab: &Lab, window: &Window, hits: &[Hit]) -> anyhow::Result<Option<Figures>> {
    let api = lab.fleet.api();
    let ledger = api.get(&format!("/v1/ledger?from={}&to={}", window.from.0, window.to.0))?;
    if ledger["pending"] != 0 {
        return Ok(None);
    }
    let mut figures = Figures { missed: count(&ledger, "missed")?, ..Figures::default() };
    let mut covered = 0;
    for site in 0..lab.watched.checks.len() {
        let spoken = lab.watched.spoken(api, site, (window.from, window.to))?;
        covered += spoken.values().filter(|spoken| spoken.covers).count() as u64;
        Site { lab, site, check: &lab.watched.checks[site], first_owner: window.first_owners[site] }.add(
            window,
            hits,
            &spoken,
            &mut figures,
        );
    }
    let (due, run) = (count(&ledger, "due")?, count(&ledger, "on_time")? + count(&ledger, "late")?);
    ensure!(due == figures.slots, "the ledger has {due} slots due, and the schedules have {}", figures.slots);
    ensure!(run == covered, "the ledger counts {run} slots as run, and the results cover {covered}");
    figures.excused = excused(lab, &ledger)?;
    figures.false_incidents = incidents(lab, window)?;
    Ok(Some(figures))
}

fn count(ledger: &Value, word: &str) -> anyhow::Result<u64> {
    ledger[word].as_u64().with_context(|| format!("a ledger without {word}"))
}

/// One check within a window.
struct Site<'a> {
    lab: &'a Lab,
    site: usize,
    check: &'a WatchedCheck,
    first_owner: Option<usize>,
}

impl Site<'_> {
    fn add(&self, window: &Window, hits: &[Hit], spoken: &BTreeMap<UnixMs, Spoken>, figures: &mut Figures) {
        let mut by_slot: BTreeMap<UnixMs, Vec<Hit>> = BTreeMap::new();
        for hit in hits.iter().filter(|hit| hit.check == self.site) {
            by_slot.entry(self.check.schedule.open_slot(hit.at)).or_default().push(*hit);
        }
        for slot in self.check.schedule.slots_between(window.from, window.to) {
            let of_slot = |slot: UnixMs| by_slot.get(&slot).map_or(&[][..], Vec::as_slice);
            let hits = of_slot(slot);
            // A run that began at the very end of its window made its request in the next one.
            let after = of_slot(slot + self.check.interval.ms());
            self.add_slot(slot, (hits, after), spoken.get(&slot).filter(|spoken| spoken.covers), figures);
            let until = window.blamed_until;
            let blamed: Vec<&Hit> = hits.iter().filter(|hit| hit.at < until).collect();
            figures.doubled += u64::from(blamed.len() > 1);
            let owner = self.first_owner.map(address);
            figures.hedged += u64::from(blamed.iter().any(|hit| Some(hit.from) != owner));
        }
    }

    fn add_slot(&self, slot: UnixMs, (hits, after): (&[Hit], &[Hit]), spoken: Option<&Spoken>, figures: &mut Figures) {
        figures.slots += 1;
        let late_ms = hits.iter().map(|hit| hit.at.since(slot)).min().unwrap_or_default();
        figures.late_max_ms = figures.late_max_ms.max(late_ms);
        match spoken {
            None => figures.unrecorded += u64::from(!hits.is_empty() && !self.is_of_struck_hosts(hits)),
            Some(spoken) if hits.iter().chain(after).any(|hit| self.is_of(hit, spoken)) => {}
            // It found the site down, which it never was, for it was cut off from it.
            Some(spoken) if spoken.status == "down" => figures.blind += u64::from(hits.is_empty()),
            Some(_) => figures.unproven += 1,
        }
    }

    /// Whether the request is that of the run.
    fn is_of(&self, hit: &Hit, spoken: &Spoken) -> bool {
        let after_ms = hit.at.since(spoken.started);
        hit.from == address(spoken.host) && (-EARLY_MS..=self.check.timeout_ms + SLACK_MS).contains(&after_ms)
    }

    /// Whether every request came from a host that was struck before it could have told what it found.
    fn is_of_struck_hosts(&self, hits: &[Hit]) -> bool {
        let struck = |hit: &Hit| {
            let to = hit.at + self.check.timeout_ms;
            (0..self.lab.fleet.count())
                .any(|host| address(host) == hit.from && self.lab.faults.was_struck(host, hit.at, to))
        };
        hits.iter().all(struck)
    }
}

fn address(host: usize) -> Ipv4Addr {
    Place::Host(host).address()
}

/// Of the missed slots, those that none of their owners could have run.
fn excused(lab: &Lab, ledger: &Value) -> anyhow::Result<u64> {
    let mut excused = 0;
    for missed in ledger["missed_slots"].as_array().context("a ledger without missed slots")? {
        let (slot, site) = (moment(&missed["slot"])?, lab.watched.site_of(&missed["check"]));
        let check = &lab.watched.checks[site.context("a slot of no check of the lab")?];
        let owners = missed["owners"].as_array().context("a slot without owners")?;
        let hosts = owners.iter().filter_map(|owner| owner["host_name"].as_str().and_then(number));
        let could = hosts.into_iter().any(|host| lab.faults.could_run(host, slot, check.interval, check.timeout_ms));
        excused += u64::from(!could);
    }
    Ok(excused)
}

/// Incidents that began in the window. The sites never failed, so every one is false.
fn incidents(lab: &Lab, window: &Window) -> anyhow::Result<u64> {
    let listed = lab.fleet.api().get("/v1/incidents?limit=200")?;
    let items = listed["items"].as_array().context("the incidents are no list")?;
    let began = items.iter().filter_map(|incident| moment(&incident["first_failed_slot"]).ok());
    Ok(began.filter(|slot| window.from <= *slot && *slot < window.to).count() as u64)
}
