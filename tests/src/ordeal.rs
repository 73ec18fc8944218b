//! An ordeal: a site goes down and comes up on a schedule while processes of control are killed, and then it is
//! counted what was lost and what was doubled.
//!
//! It says what it found and judges nothing; who torments decides how, and who runs it what is bearable.

mod account;
mod controls;
mod instants;
mod kills;

use std::collections::BTreeSet;
use std::time::Duration;

use farwatch_core::incident::Step;
use farwatch_proto::time::UnixMs;
use serde_json::Value;

use crate::clock::now;
use crate::scene::{Scene, moment, text};
use crate::system::SystemBuilder;
use crate::wait::eventually;

pub use account::Account;
pub use controls::{Blow, Controls};
pub use kills::{CRASH_POINTS, Kills};

/// The site that goes down.
const FLAPPING: &str = "shop";
/// The sites that stay up, which nobody must be told of.
const STEADY: [&str; 2] = ["blog", "docs"];
/// A phase lasts at least this long: two slots and a round.
const PHASE_MIN_MS: i64 = 25_000;
/// A phase of which nobody was told by then is over all the same, and its telling counts as lost.
const PHASE_MAX_MS: i64 = 240_000;
/// Everything must have settled by then.
const SETTLE_LIMIT: Duration = Duration::from_secs(240);
/// A slot comes every ten seconds, and control has just been killed.
const SLOT_LIMIT: Duration = Duration::from_secs(60);

/// A time during which the site was down.
#[derive(Clone, Copy, Debug)]
struct Outage {
    from: UnixMs,
    to: Option<UnixMs>,
}

/// The ordeal under way.
pub struct Ordeal {
    scene: Scene,
    began: UnixMs,
    phase_began: UnixMs,
    outages: Vec<Outage>,
}

impl Ordeal {
    /// Starts Farwatch, with every site up.
    pub fn begin(system: SystemBuilder) -> anyhow::Result<Self> {
        let sites: Vec<&str> = [FLAPPING].into_iter().chain(STEADY).collect();
        let scene = Scene::set(&sites, system)?;
        let began = now();
        Ok(Self { scene, began, phase_began: began, outages: Vec::new() })
    }

    /// What it plays on.
    pub const fn scene(&self) -> &Scene {
        &self.scene
    }

    /// Waits until every site was run in a slot after this moment.
    fn await_slots_after(&self, after: UnixMs) -> anyhow::Result<()> {
        eventually("every site to be run", SLOT_LIMIT, || {
            for (site, _) in self.scene.sites() {
                let results = self.scene.results(site)?;
                if !results.iter().any(|result| moment(&result["slot"]).is_ok_and(|slot| slot > after)) {
                    return Ok(None);
                }
            }
            Ok(Some(()))
        })
    }

    /// Counts from now on, as soon as every site is run again.
    fn begin_anew(&mut self) -> anyhow::Result<()> {
        self.await_slots_after(now())?;
        self.began = now();
        self.phase_began = self.began;
        Ok(())
    }

    /// How often the site went down.
    pub const fn outages(&self) -> usize {
        self.outages.len()
    }

    /// Whether the site is down now.
    fn is_down(&self) -> bool {
        self.outages.last().is_some_and(|outage| outage.to.is_none())
    }

    /// Turns the site when its phase is over: it has lasted long enough and somebody was told of it, or it has lasted
    /// too long.
    pub fn keep_schedule(&mut self) -> anyhow::Result<()> {
        let lasted_ms = now().since(self.phase_began);
        if lasted_ms < PHASE_MIN_MS || (lasted_ms < PHASE_MAX_MS && !self.is_told()) {
            return Ok(());
        }
        self.turn()
    }

    fn turn(&mut self) -> anyhow::Result<()> {
        if self.is_down() {
            self.scene.repair_site(FLAPPING)?;
            let at = now();
            self.outages.last_mut().expect("it is down").to = Some(at);
        } else {
            self.outages.push(Outage { from: now(), to: None });
            self.scene.break_site(FLAPPING)?;
        }
        self.phase_began = now();
        Ok(())
    }

    /// Whether the beginning of the phase was told of; of the first one there is nothing to tell.
    pub fn is_told(&self) -> bool {
        let step = if self.is_down() { Step::Opened } else { Step::Resolved };
        self.told(step).len() >= self.outages.len()
    }

    /// The incidents of which this was told. A recovery may tell of an opening that could not be delivered, and of an
    /// outage that nobody could judge while it lasted.
    fn told(&self, step: Step) -> BTreeSet<String> {
        let bodies = self.scene.webhooks.requests().into_iter().filter_map(|request| request.json().ok());
        let tells = |body: &Value| match step {
            Step::Opened => {
                let data = &body["data"];
                let tells_both = data["includes_opening"] == true || data["seen_afterwards"] == true;
                body["type"] == "incident.opened" || tells_both
            }
            Step::Resolved => body["type"] == "incident.resolved",
        };
        bodies.filter(tells).map(|body| text(&body["data"]["incident_id"])).collect()
    }
}
