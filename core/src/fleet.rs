//! Who is dead, who has come back, and which view follows.
//!
//! Control tells it whom it hears and who is registered; it answers with views. A death is in force
//! at once; everything else is planned: make before break. A leader that is new, was paused, or hears
//! nobody at all accuses nobody, for then the fault is most likely its own; and so it is where a host's neighbours
//! contradict its silence.

mod hearsay;
mod insane;
mod numbers;
mod rules;
mod strain;
mod target;

use std::collections::{BTreeMap, BTreeSet};

use farwatch_proto::fleet::{HostFacts, Standing, View};
use farwatch_proto::id::HostId;
use farwatch_proto::time::{BootMs, Stamp, UnixMs};

pub use hearsay::{ASK_AFTER_MS, ASK_FOR_MS, BRAKE_MS, CUT_OFF_MS};
pub use insane::INSANE_FOR_MS;
use insane::PanelSaid;
use numbers::Beginning;
pub use numbers::{LOST_VIEWS_MAX, is_lost};
use strain::Slots;

use crate::placement::Rules;

/// A host this long silent is dead, unless its neighbours hear it.
pub const SILENCE_MS: i64 = 5_000;
/// A host silent for this long is not asked for a vote, and one that was is replaced.
pub const VOTER_SILENCE_MS: i64 = 3_500;
/// A new or lagging leader accuses nobody for this long.
pub const LEADER_PATIENCE_MS: i64 = 10_000;
/// A leader whose own steps are this far apart was paused.
pub const LEADER_LAG_MS: i64 = 1_500;
/// A planned view is announced this long before it is in force.
pub const NOTICE_MS: i64 = 10_000;
/// A gainer that lives but has not acknowledged for this long is planned around.
pub const GAINER_PATIENCE_MS: i64 = 30_000;
/// Changes within this time become one view; so do the arrivals of a starting fleet.
pub const GATHER_MS: i64 = 1_000;
/// A returning host proves itself this long before it owns again, where the operator sets nothing else.
pub const WARMUP_MS: i64 = 60_000;
/// The first hold-down of a flapping host; each further one is twice as long.
pub const HOLD_DOWN_MS: i64 = 60_000;
/// The longest hold-down, where the operator sets nothing else.
pub const HOLD_DOWN_MAX_MS: i64 = 3_600_000;
/// Deaths within this time of each other are flapping.
pub const FLAP_MEMORY_MS: i64 = 3_600_000;

/// How long a host that has come back must be steady before it owns again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proving {
    /// After a first death.
    pub warmup_ms: i64,
    /// At most, however often it has died lately.
    pub hold_down_max_ms: i64,
}

impl Proving {
    /// Where the operator sets nothing else.
    pub const USUAL: Self = Self { warmup_ms: WARMUP_MS, hold_down_max_ms: HOLD_DOWN_MAX_MS };
}

/// A host that an operator registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    /// What it is.
    pub facts: HostFacts,
    /// Whether an operator has taken it out.
    pub drained: bool,
}

/// What this leader knows of one registered host's life.
#[derive(Clone, Debug)]
struct Life {
    registered: Registered,
    heard: Option<BootMs>,
    /// Heard without a silence since then.
    steady_since: Option<BootMs>,
    last_death: Option<BootMs>,
    /// Deaths in succession, each within [`FLAP_MEMORY_MS`] of the one before.
    flaps: u32,
    /// How its slots were run of late.
    slots: Slots,
    /// What votes made of late of the failures it saw first.
    rounds: Slots,
    /// What it says of its panel of references.
    panel: PanelSaid,
    /// Whom it says it hears.
    hears: BTreeSet<HostId>,
    /// Whom it ever said to hear, to this leader.
    neighbours: BTreeSet<HostId>,
    /// Which rules of placement it says it knows, once it has.
    places_by: Option<BTreeSet<u16>>,
}

impl Life {
    fn of(registered: Registered) -> Self {
        Self {
            registered,
            heard: None,
            steady_since: None,
            last_death: None,
            flaps: 0,
            slots: Slots::default(),
            rounds: Slots::default(),
            panel: PanelSaid::default(),
            hears: BTreeSet::new(),
            neighbours: BTreeSet::new(),
            places_by: None,
        }
    }

    /// How long it must be steady before it owns again.
    fn proving_ms(&self, proving: Proving) -> i64 {
        let hold_ms = match self.flaps {
            0 | 1 => 0,
            flaps => HOLD_DOWN_MS.saturating_mul(1 << (flaps - 2).min(16)).min(proving.hold_down_max_ms),
        };
        proving.warmup_ms.max(hold_ms)
    }

    fn is_steady(&self, for_ms: i64, now: BootMs) -> bool {
        self.steady_since.is_some_and(|since| now.since(since) >= for_ms)
    }

    fn died(&mut self, now: BootMs) {
        self.flaps = match self.last_death {
            Some(before) if now.since(before) < FLAP_MEMORY_MS => self.flaps.saturating_add(1),
            _ => 1,
        };
        self.last_death = Some(now);
        self.steady_since = None;
        (self.slots, self.rounds) = (Slots::default(), Slots::default());
        self.panel = PanelSaid::default();
    }
}

/// A planned view that is not yet in force.
#[derive(Clone, Debug)]
struct Plan {
    view: View,
    waits_for: BTreeSet<HostId>,
    proposed: BootMs,
}

/// What is to be done about the fleet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Announce this view to the hosts that gain by it.
    Propose(View),
    /// The announced view will not be.
    Withdraw(Stamp),
    /// This view is in force: an announced one that every gainer has acknowledged, or one at once.
    Enforce(View),
}

/// The fleet as the leader sees it.
#[derive(Clone, Debug)]
pub struct Fleet {
    hosts: BTreeMap<HostId, Life>,
    proving: Proving,
    /// The rules of placement that this leader knows.
    rules: Rules,
    /// Since when this leader's silence counts as evidence.
    watching_since: BootMs,
    last_step: BootMs,
    /// Since when the fleet has differed from the newest view in the same way.
    differs: Option<(BootMs, View)>,
    plan: Option<Plan>,
    /// The last number that no view in force bears and none may: of a plan that came to nothing, or passed over.
    used_up: Option<Stamp>,
    beginning: Option<Beginning>,
    /// When the silence of a host that owns was last contradicted by its neighbours.
    contradicted_at: Option<BootMs>,
}

impl Fleet {
    /// A fleet seen by a leader that begins at `now`.
    pub const fn new(proving: Proving, now: BootMs) -> Self {
        Self {
            hosts: BTreeMap::new(),
            proving,
            rules: Rules::KNOWN,
            watching_since: now,
            last_step: now,
            differs: None,
            plan: None,
            used_up: None,
            beginning: None,
            contradicted_at: None,
        }
    }

    /// Who is registered now.
    pub fn register(&mut self, registered: impl IntoIterator<Item = (HostId, Registered)>) {
        let mut before = std::mem::take(&mut self.hosts);
        self.hosts = registered
            .into_iter()
            .map(|(id, registered)| match before.remove(&id) {
                Some(life) => (id, Life { registered, ..life }),
                None => (id, Life::of(registered)),
            })
            .collect();
    }

    /// Whether this host is registered and not retired.
    pub fn is_registered(&self, host: HostId) -> bool {
        self.hosts.contains_key(&host)
    }

    /// Something came from this host.
    pub fn hear(&mut self, host: HostId, now: BootMs) {
        let Some(life) = self.hosts.get_mut(&host) else { return };
        let silent = life.heard.is_none_or(|heard| now.since(heard) >= SILENCE_MS);
        if silent || life.steady_since.is_none() {
            life.steady_since = Some(now);
        }
        life.heard = Some(now);
    }

    /// Whether the host has been heard within `limit_ms`.
    pub fn is_heard(&self, host: HostId, limit_ms: i64, now: BootMs) -> bool {
        self.hosts.get(&host).and_then(|life| life.heard).is_some_and(|heard| now.since(heard) < limit_ms)
    }

    /// How long the host has been silent to this leader, in milliseconds.
    pub fn silent_ms(&self, host: HostId, now: BootMs) -> i64 {
        let heard = self.hosts.get(&host).and_then(|life| life.heard);
        now.since(heard.unwrap_or(self.watching_since))
    }

    /// The hosts that an operator has taken out.
    pub fn drained(&self) -> impl Iterator<Item = HostId> {
        self.hosts.iter().filter(|(_, life)| life.registered.drained).map(|(id, _)| *id)
    }

    /// The pending plan, which holders must hold definitions for as well.
    pub fn plan(&self) -> Option<&View> {
        self.plan.as_ref().map(|plan| &plan.view)
    }

    /// The host holds everything that this view asks of it.
    pub fn acknowledge(&mut self, host: HostId, view: Stamp) {
        if let Some(plan) = &mut self.plan
            && plan.view.number == view
        {
            plan.waits_for.remove(&host);
        }
    }

    /// What to do at `now`. `gainers` names the hosts that run streams under a view which they do not
    /// run under the newest one.
    pub fn step(
        &mut self,
        newest: &View,
        now: BootMs,
        wall: UnixMs,
        gainers: impl Fn(&View) -> BTreeSet<HostId>,
    ) -> Vec<Decision> {
        self.notice_own_lag(now);
        if let Some(decisions) = self.settle_lost(newest, wall) {
            return decisions;
        }
        self.heed_strain(newest, now);
        self.heed_insanity(newest, now);
        let dead = self.newly_dead(newest, now);
        if !dead.is_empty() {
            return self.bury(&dead, newest, now, wall);
        }
        match self.plan.take() {
            Some(plan) => self.pursue(plan, now),
            None if self.is_braked(now) => Vec::new(),
            None => self.propose(newest, now, wall, gainers),
        }
    }

    fn notice_own_lag(&mut self, now: BootMs) {
        if now.since(self.last_step) >= LEADER_LAG_MS {
            self.watching_since = now;
        }
        self.last_step = now;
    }

    fn newly_dead(&mut self, newest: &View, now: BootMs) -> BTreeSet<HostId> {
        // Hosts that all fall silent at once do so within a heartbeat or two of each other: the last of them is not heard.
        if !self.hosts.keys().any(|host| self.is_heard(*host, VOTER_SILENCE_MS, now)) {
            self.watching_since = now;
        }
        if now.since(self.watching_since) < LEADER_PATIENCE_MS {
            return BTreeSet::new();
        }
        let owning = newest.hosts.iter().filter(|host| host.standing != Standing::Away);
        let silent = owning.map(|host| host.id).filter(|id| self.silent_ms(*id, now) >= SILENCE_MS).collect();
        self.heed_contradictions(silent, newest, now)
    }

    fn bury(&mut self, dead: &BTreeSet<HostId>, newest: &View, now: BootMs, wall: UnixMs) -> Vec<Decision> {
        for id in dead {
            if let Some(life) = self.hosts.get_mut(id) {
                life.died(now);
            }
        }
        let withdrawn = self.plan.take().map(|plan| plan.view.number);
        self.used_up = withdrawn.or(self.used_up);
        let mut view = newest.clone();
        for host in view.hosts.iter_mut().filter(|host| dead.contains(&host.id)) {
            host.standing = Standing::Away;
        }
        view.number = self.next_number(newest);
        view.in_force_from = wall;
        view.planned = false;
        self.differs = None;
        withdrawn.map(Decision::Withdraw).into_iter().chain([Decision::Enforce(view)]).collect()
    }

    fn pursue(&mut self, plan: Plan, now: BootMs) -> Vec<Decision> {
        if plan.waits_for.is_empty() || cfg!(mutant = "acks_ignored") {
            return vec![Decision::Enforce(plan.view)];
        }
        if now.since(plan.proposed) < GAINER_PATIENCE_MS {
            self.plan = Some(plan);
            return Vec::new();
        }
        for id in &plan.waits_for {
            if let Some(life) = self.hosts.get_mut(id) {
                // It has to prove itself anew; the next plan is made without it.
                life.steady_since = Some(now);
            }
        }
        self.used_up = Some(plan.view.number);
        vec![Decision::Withdraw(plan.view.number)]
    }

    /// Every number is given once, also that of a plan which came to nothing: hosts remember them.
    fn next_number(&self, newest: &View) -> Stamp {
        self.used_up.map_or(newest.number, |used_up| used_up.max(newest.number)).next()
    }

    fn propose(
        &mut self,
        newest: &View,
        now: BootMs,
        wall: UnixMs,
        gainers: impl Fn(&View) -> BTreeSet<HostId>,
    ) -> Vec<Decision> {
        let target = self.target(newest, now);
        if target == *newest {
            self.differs = None;
            return Vec::new();
        }
        let since = match &self.differs {
            Some((since, same)) if *same == target => *since,
            _ => {
                self.differs = Some((now, target));
                return Vec::new();
            }
        };
        if now.since(since) < GATHER_MS {
            return Vec::new();
        }
        self.differs = None;
        let waits_for = gainers(&target);
        let begins = !newest.hosts.iter().any(|host| host.standing == Standing::Active);
        let at_once = begins || waits_for.is_empty();
        let in_force_from = if at_once { wall } else { wall + NOTICE_MS };
        let view = View { number: self.next_number(newest), in_force_from, planned: !begins, ..target };
        if at_once {
            return vec![Decision::Enforce(view)];
        }
        self.plan = Some(Plan { view: view.clone(), waits_for, proposed: now });
        vec![Decision::Propose(view)]
    }
}

#[cfg(test)]
mod tests;
