//! The upgrade of a fleet to another release: who is next, and when it is stopped.
//!
//! One host goes first, alone, and is watched for longer. Then hosts follow, one of a region at a time and no more at once
//! than the operator allows. The upgrade stops by itself where a slot was missed, where a host does not come back in the
//! new release, and where hosts of the new release see what the others do not. Nothing here sends or waits: what is seen
//! comes in, and orders come out.

use std::collections::{BTreeMap, BTreeSet};

use farwatch_proto::id::{HostId, ReleaseHash};
use farwatch_proto::time::UnixMs;
use serde::{Deserialize, Serialize};

/// A host fetches, starts and hands over within this time: a slow line, the longest timeout of its checks, and room.
pub const HOST_LIMIT_MS: i64 = 300_000;
/// The first host is watched this long before another follows: some slots of every usual interval.
pub const CANARY_WATCH_MS: i64 = 30_000;
/// Every other host is watched this long.
pub const HOST_WATCH_MS: i64 = 10_000;
/// Failures that one upgraded host saw first and the others refuted, and that are taken for its release's fault where no
/// host of the release before had as many meanwhile. One or two happen to any host.
pub const REFUTED_MAX: u64 = 3;
/// The most hosts at once that may be asked for.
pub const UNAVAILABLE_MAX: u32 = 100;

/// An upgrade, begun by an operator. What is kept of it in the database is this, so a field that is added has a default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upgrade {
    /// To which release.
    pub release: ReleaseHash,
    /// Its version, for people.
    pub version: String,
    /// Hosts at once.
    pub max_unavailable: u32,
    /// When it was begun.
    pub started: UnixMs,
    /// Slots missed since then count against it: when it was begun, or resumed.
    pub watched_from: UnixMs,
    /// Whether it goes on.
    pub state: State,
    /// How far each host is.
    pub hosts: BTreeMap<HostId, Progress>,
}

/// Whether an upgrade goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum State {
    /// It goes on.
    Running,
    /// It stands still until an operator resumes it.
    Stopped {
        /// When it was stopped.
        at: UnixMs,
        /// Why.
        why: Stop,
    },
    /// Every host runs the release.
    Done {
        /// Since when.
        at: UnixMs,
    },
}

/// Why an upgrade was stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "because", rename_all = "snake_case")]
pub enum Stop {
    /// An operator said so.
    Operator,
    /// Slots were missed.
    Missed {
        /// How many.
        slots: u64,
    },
    /// A host could not take the release.
    Failed {
        /// Which.
        host: HostId,
        /// What it said.
        reason: String,
    },
    /// A host did not come back in the release in time, or did not stay.
    Late {
        /// Which.
        host: HostId,
    },
    /// A host of the release sees what the others do not.
    Disagrees {
        /// Which.
        host: HostId,
        /// Failures that it saw first and that were refuted, since it runs the release.
        refuted: u64,
    },
}

/// How far one host is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Progress {
    /// It has to wait.
    Waiting {
        /// Refuted failures of it when it was first seen.
        refuted: u64,
    },
    /// It was told to take the release.
    Ordered {
        /// When.
        at: UnixMs,
    },
    /// It runs the release and is watched.
    Watched {
        /// Since when.
        since: UnixMs,
        /// Refuted failures of it until then.
        refuted: u64,
    },
    /// It runs the release.
    Done {
        /// Refuted failures of it until it did.
        refuted: u64,
    },
}

/// What is seen of one host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Where it stands, as its operator calls it.
    pub region: String,
    /// Whether it is linked.
    pub is_linked: bool,
    /// Whether it can be told to take a release.
    pub can_upgrade: bool,
    /// What it runs, once it has said so.
    pub release: Option<ReleaseHash>,
    /// Failures it saw first and others refuted, since the leader took office.
    pub refuted: u64,
    /// The order that it could not carry out last, by its moment, and why.
    pub failure: Option<(UnixMs, String)>,
}

/// What is seen of all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sight {
    /// The hosts that are registered and not retired.
    pub hosts: BTreeMap<HostId, Seen>,
    /// Slots missed since [`Upgrade::watched_from`].
    pub missed: u64,
}

impl Upgrade {
    /// One that begins now.
    pub fn begin(release: ReleaseHash, version: String, max_unavailable: u32, now: UnixMs) -> Self {
        let (state, hosts) = (State::Running, BTreeMap::new());
        Self { release, version, max_unavailable, started: now, watched_from: now, state, hosts }
    }

    /// Whether it goes on.
    pub const fn is_running(&self) -> bool {
        matches!(self.state, State::Running)
    }

    /// Stops it, unless it is over or stopped already. Hosts that were told to take the release may yet do so.
    pub fn stop(&mut self, why: Stop, now: UnixMs) {
        if self.is_running() {
            self.state = State::Stopped { at: now, why };
        }
    }

    /// Lets it go on. Hosts that had not finished begin anew, and what was missed before counts no more.
    pub fn resume(&mut self, now: UnixMs) {
        if matches!(self.state, State::Stopped { .. }) {
            self.state = State::Running;
            self.watched_from = now;
            self.hosts.retain(|_, progress| matches!(progress, Progress::Done { .. }));
        }
    }

    /// What follows from what is seen. Answers whom to tell to take the release, also again where it was told before: a
    /// host that is at it does not mind.
    pub fn step(&mut self, sight: &Sight, now: UnixMs) -> Vec<HostId> {
        if !self.is_running() {
            return Vec::new();
        }
        if sight.missed > 0 {
            self.stop(Stop::Missed { slots: sight.missed }, now);
            return Vec::new();
        }
        self.hosts.retain(|host, _| sight.hosts.contains_key(host));
        for (host, seen) in &sight.hosts {
            self.follow(*host, seen, now);
        }
        self.compare(sight, now);
        if self.is_running() {
            self.order_next(sight, now);
        }
        if !self.is_running() {
            return Vec::new();
        }
        if self.hosts.values().all(|progress| matches!(progress, Progress::Done { .. })) {
            self.state = State::Done { at: now };
        }
        let ordered = self.hosts.iter().filter(|(_, progress)| matches!(progress, Progress::Ordered { .. }));
        ordered.map(|(host, _)| *host).collect()
    }

    /// Takes one host further by what is seen of it.
    fn follow(&mut self, host: HostId, seen: &Seen, now: UnixMs) {
        let runs_it = seen.is_linked && seen.release == Some(self.release);
        let is_first = !self.hosts.values().any(|progress| matches!(progress, Progress::Done { .. }));
        let watch_ms = if is_first { CANARY_WATCH_MS } else { HOST_WATCH_MS };
        let refuted = seen.refuted;
        let first = if runs_it { Progress::Done { refuted } } else { Progress::Waiting { refuted } };
        let progress = *self.hosts.entry(host).or_insert(first);
        let next = match progress {
            Progress::Waiting { .. } | Progress::Ordered { .. } if runs_it => Progress::Watched { since: now, refuted },
            // A new leader counts from nothing.
            Progress::Waiting { refuted: before } => Progress::Waiting { refuted: before.min(refuted) },
            Progress::Ordered { at } => {
                let failure = seen.failure.as_ref().filter(|(ordered_at, _)| *ordered_at == at);
                if let Some((_, reason)) = failure {
                    return self.stop(Stop::Failed { host, reason: reason.clone() }, now);
                }
                if now.since(at) >= HOST_LIMIT_MS {
                    return self.stop(Stop::Late { host }, now);
                }
                progress
            }
            // One that is merely not linked for a moment is given time until it is dead to the leader.
            Progress::Watched { .. } if seen.is_linked && !runs_it => return self.stop(Stop::Late { host }, now),
            Progress::Watched { since, .. } if !seen.is_linked && now.since(since) >= HOST_LIMIT_MS => {
                return self.stop(Stop::Late { host }, now);
            }
            Progress::Watched { since, refuted } if runs_it && now.since(since) >= watch_ms => {
                Progress::Done { refuted }
            }
            Progress::Watched { .. } | Progress::Done { .. } => progress,
        };
        self.hosts.insert(host, next);
    }

    /// Stops where a host of the release is refuted again and again, and more often than any that does not run it yet.
    fn compare(&mut self, sight: &Sight, now: UnixMs) {
        let (mut others, mut worst) = (0, None);
        for (host, progress) in &mut self.hosts {
            let seen = sight.hosts.get(host).map_or(0, |seen| seen.refuted);
            match progress {
                Progress::Waiting { refuted } => others = others.max(seen - (*refuted).min(seen)),
                Progress::Watched { refuted, .. } | Progress::Done { refuted } => {
                    // A new leader counts from nothing.
                    *refuted = (*refuted).min(seen);
                    worst = worst.max(Some((seen - *refuted, *host)));
                }
                Progress::Ordered { .. } => {}
            }
        }
        if let Some((refuted, host)) = worst.filter(|(refuted, _)| *refuted >= REFUTED_MAX && *refuted > others) {
            self.stop(Stop::Disagrees { host, refuted }, now);
        }
    }

    /// Tells as many hosts as may be told.
    fn order_next(&mut self, sight: &Sight, now: UnixMs) {
        loop {
            let under_way: Vec<HostId> =
                self.hosts.iter().filter(|(_, one)| is_under_way(**one)).map(|(id, _)| *id).collect();
            let is_proven = self.hosts.values().any(|progress| matches!(progress, Progress::Done { .. }));
            let at_once = if is_proven { self.max_unavailable as usize } else { 1 };
            if under_way.len() >= at_once {
                return;
            }
            let region = |host: &HostId| sight.hosts.get(host).map(|seen| seen.region.as_str());
            let busy: BTreeSet<Option<&str>> = under_way.iter().map(region).collect();
            let may_go = |host: &HostId| {
                let seen = sight.hosts.get(host);
                seen.is_some_and(|seen| seen.is_linked && seen.can_upgrade) && !busy.contains(&region(host))
            };
            let mut waiting = self.hosts.iter().filter(|(_, progress)| matches!(progress, Progress::Waiting { .. }));
            let Some(next) = waiting.find(|(host, _)| may_go(host)).map(|(host, _)| *host) else { return };
            self.hosts.insert(next, Progress::Ordered { at: now });
        }
    }
}

impl Progress {
    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Waiting { .. } => "waiting",
            Self::Ordered { .. } => "ordered",
            Self::Watched { .. } => "watched",
            Self::Done { .. } => "done",
        }
    }
}

const fn is_under_way(progress: Progress) -> bool {
    matches!(progress, Progress::Ordered { .. } | Progress::Watched { .. })
}

#[cfg(test)]
mod tests;
