//! What the lab says: a line for each scenario once all of its slots are decided, and one for all of them.
//!
//! The windows of the scenarios follow on each other without a gap, so that no slot between them is left out.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use farwatch_proto::time::UnixMs;

use super::Lab;
use super::account::{Figures, Window, account};
use super::fleet::hit_log;
use super::scenario::Scenario;
use super::targets::hits;
use crate::clock::now;
use crate::wait::eventually;

/// By then the ledger has decided the last slot: hosts that were away have delivered.
const DECIDE_LIMIT: Duration = Duration::from_secs(120);
/// Of so many slots without a fault less than one may be run by a standby: 0.1 %.
const FALSE_HEDGES_ONE_IN: u64 = 1_000;

/// One scenario that was played, or is.
struct Played {
    scenario: Scenario,
    window: Window,
    blows: usize,
    figures: Option<Figures>,
}

/// See the file's documentation.
pub(super) struct Report {
    hit_log: PathBuf,
    played: Vec<Played>,
}

impl Report {
    pub(super) fn new(folder: &Path) -> Self {
        Self { hit_log: hit_log(folder), played: Vec::new() }
    }

    /// A scenario begins; the one before it has ended.
    pub(super) fn begin(&mut self, lab: &Lab, scenario: &Scenario) -> anyhow::Result<()> {
        let first_owners = lab.watched.first_owners(lab.fleet.api())?;
        let from = now();
        self.close(from);
        let window = Window { from, to: from, blamed_until: UnixMs(i64::MAX), first_owners };
        self.played.push(Played { scenario: *scenario, window, blows: 0, figures: None });
        Ok(())
    }

    /// The scenario that began last is over.
    pub(super) fn end(&mut self, blows: usize) {
        if let Some(last) = self.played.last_mut() {
            last.blows = blows;
        }
        self.close(now());
    }

    fn close(&mut self, to: UnixMs) {
        if let Some(last) = self.played.last_mut() {
            last.window.to = to;
            if last.scenario.is_sound {
                last.window.blamed_until = to;
            }
        }
    }

    /// Tells of the scenarios before the last whose slots are all decided. The last one's window may still grow.
    pub(super) fn tell_decided(&mut self, lab: &Lab) {
        let before = self.played.len() - 1;
        // What cannot be told while hosts still deliver is told at the end, and what is wrong then counts.
        let _ = self.tell(lab, before);
    }

    /// Tells of all, and of their sum.
    pub(super) fn tell_all(&mut self, lab: &Lab) -> anyhow::Result<()> {
        eventually("the ledger to decide every slot", DECIDE_LIMIT, || {
            Ok(self.tell(lab, self.played.len())?.then_some(()))
        })?;
        let mut total = Figures::default();
        self.played.iter().filter_map(|played| played.figures.as_ref()).for_each(|figures| total.add(figures));
        let blows: usize = self.played.iter().map(|played| played.blows).sum();
        say(&format!("total={} kills={blows} {}", self.played.len(), Shown(&total, false)));
        Ok(())
    }

    /// Whether all of the first `count` are told.
    fn tell(&mut self, lab: &Lab, count: usize) -> anyhow::Result<bool> {
        let hits = hits(&self.hit_log)?;
        for played in self.played.iter_mut().take(count).filter(|played| played.figures.is_none()) {
            let Some(figures) = account(lab, &played.window, &hits)? else { return Ok(false) };
            let Played { scenario, blows, .. } = played;
            say(&format!("scenario={} kills={blows} {}", scenario.name, Shown(&figures, scenario.is_sound)));
            played.figures = Some(figures);
        }
        Ok(true)
    }

    /// What did not hold.
    pub(super) fn broken(&self) -> Vec<String> {
        self.played.iter().flat_map(Played::broken).collect()
    }
}

impl Played {
    fn broken(&self) -> Vec<String> {
        let Some(figures) = &self.figures else { return vec![format!("{} was not told", self.scenario.name)] };
        let is_over = figures.hedged * FALSE_HEDGES_ONE_IN >= figures.slots.max(1);
        let unproven = figures.unproven + figures.unrecorded + figures.blind;
        let is_sound = self.scenario.is_sound;
        let rules = [
            (figures.missed > figures.excused, "slots were missed"),
            (figures.false_incidents > 0, "there were false incidents"),
            (is_sound && is_over, "standbys ran slots though nothing was wrong"),
            (unproven > 0, "the sites and the ledger differ"),
            (figures.slots == 0, "nothing was due"),
        ];
        let broken = rules.into_iter().filter(|(is_broken, _)| *is_broken);
        broken.map(|(_, what)| format!("{}: {what}", self.scenario.name)).collect()
    }
}

/// Figures as a line shows them, and whether hedges in them were false.
struct Shown<'a>(&'a Figures, bool);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(figures, are_hedges_false) = self;
        let percent = |part: u64| part as f64 * 100.0 / figures.slots.max(1) as f64;
        let Figures { slots, missed, late_max_ms, doubled, hedged, false_incidents, .. } = figures;
        write!(f, "slots={slots} missed={missed} late_max_ms={late_max_ms} doubled_pct={:.2} ", percent(*doubled))?;
        match are_hedges_false {
            true => write!(f, "false_hedges_pct={:.2} ", percent(*hedged))?,
            // Where something was wrong a standby that runs a slot does what it is there for.
            false => write!(f, "false_hedges_pct=- ")?,
        }
        let Figures { excused, blind, unproven, unrecorded, .. } = figures;
        write!(f, "false_incidents={false_incidents} excused={excused} blind={blind} ")?;
        write!(f, "unproven={unproven} unrecorded={unrecorded}")
    }
}

#[allow(clippy::print_stdout, reason = "it speaks to whoever runs it")]
fn say(what: &str) {
    println!("lab: {what}");
}
