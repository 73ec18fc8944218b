//! Takes in what control says this host is to hold, keeps it on disk, and says when it holds it.
//!
//! Views and plans count the moment they come. An assignment is acknowledged only when its definitions
//! are on disk and every module they need is loaded or known never to load. Nothing here runs a check.

mod disk;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use farwatch_core::held::Held;
use farwatch_core::ownership::{Readiness, Views};
use farwatch_core::placement::can_place;
use farwatch_proto::check::Definition;
use farwatch_proto::fleet::View;
use farwatch_proto::id::{CheckId, ModuleHash};
use farwatch_proto::link::{FromControl, FromHost};
use farwatch_proto::time::Stamp;
use farwatch_sandbox::Module;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::sleep;
use tracing::{info, warn};

use crate::clock::Clock;
use crate::handover::Pen;
use crate::holdings::Holdings;
use crate::modules::{Loading, ModuleFailure};
use crate::secrets::Opener;
use crate::spawn::Spawner;
use disk::{Disk, KeptViews};

/// A module that could not be fetched or loaded is tried again after this long.
const MODULE_RETRY: Duration = Duration::from_secs(2);
/// Checks whose reason for not running is told to control at once. More would not fit a message.
const UNABLE_TOLD_MAX: usize = 200;

/// An assignment that has come whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reached {
    pub(crate) to: Stamp,
    /// What tells it from any other by what is in it.
    pub(crate) digest: u64,
}

/// What control is told this host holds; a new connection tells it anew.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Acknowledged {
    pub(crate) reached: Option<Reached>,
    pub(crate) view: Option<Stamp>,
    unable: Vec<(CheckId, String)>,
}

impl Acknowledged {
    pub(crate) fn message(&self) -> FromHost {
        let assignment = self.reached.map(|reached| reached.to);
        FromHost::Holds { assignment, view: self.view, unable: self.unable.clone() }
    }
}

/// A change that is still coming in, part by part.
#[derive(Debug, Default)]
struct Incoming {
    to: Stamp,
    is_whole: bool,
    put: Vec<Definition>,
    forget: Vec<CheckId>,
}

/// Holds everything and tells the others.
pub(crate) struct Assignment {
    clock: Clock,
    disk: Disk,
    reached: Option<Reached>,
    views: Views,
    incoming: Option<Incoming>,
    loading: Loading,
    pen: Pen,
    opener: Arc<Opener>,
    under_way: BTreeSet<ModuleHash>,
    holdings: watch::Sender<Arc<Holdings>>,
    acknowledged: watch::Sender<Acknowledged>,
    /// Asks for a new connection, on which control sends the whole.
    relink: Arc<Notify>,
}

/// Where others read what is held, and what control is to be told.
pub(crate) struct Readers {
    pub(crate) holdings: watch::Receiver<Arc<Holdings>>,
    pub(crate) acknowledged: watch::Receiver<Acknowledged>,
    pub(crate) relink: Arc<Notify>,
}

impl Assignment {
    /// Reads what an earlier process left on disk.
    pub(crate) fn open(
        directory: PathBuf,
        clock: Clock,
        loading: Loading,
        pen: Pen,
        opener: Arc<Opener>,
    ) -> anyhow::Result<(Self, Readers)> {
        let shown = directory.display().to_string();
        let opened = Disk::open(directory).with_context(|| format!("cannot use {shown}"))?;
        let (disk, reached, definitions, kept) = opened;
        let mut views = Views::default();
        let now = clock.wall();
        kept.in_force.into_iter().for_each(|view| views.put_in_force(view, now));
        kept.plans.into_iter().for_each(|plan| views.put_plan(plan));
        info!(checks = definitions.len(), "definitions read from disk");
        let checks = definitions.into_iter().map(|(check, all)| (check, Arc::new(Held::new(all)))).collect();
        let first = Holdings::default().with_checks(checks, &opener).with_views(views.clone());
        // What was sealed for another key is asked for again, with the whole.
        let is_lost = opener.is_new && first.definitions().any(|definition| !definition.secrets.is_empty());
        let reached = reached.filter(|_| !is_lost).map(|to| Reached { to, digest: first.digest() });
        let (holdings, holdings_reader) = watch::channel(Arc::new(first));
        let (acknowledged, acknowledged_reader) = watch::channel(Acknowledged::default());
        let assignment = Self {
            clock,
            disk,
            reached,
            views,
            incoming: None,
            loading,
            pen,
            opener,
            under_way: BTreeSet::new(),
            holdings,
            acknowledged,
            relink: Arc::default(),
        };
        let relink = assignment.relink.clone();
        Ok((assignment, Readers { holdings: holdings_reader, acknowledged: acknowledged_reader, relink }))
    }

    /// Takes in what comes, until nobody sends any more.
    pub(crate) async fn serve(mut self, mut messages: mpsc::Receiver<FromControl>, spawner: Spawner) {
        let (loaded, mut loads) = mpsc::unbounded_channel();
        let stopping = spawner.stopping();
        self.load_what_is_missing(&spawner, &loaded);
        loop {
            tokio::select! {
                () = stopping.requested() => return,
                message = messages.recv() => match message {
                    Some(message) => self.take_in(message),
                    None => return,
                },
                Some((hash, result)) = loads.recv() => self.note_load(hash, result),
            }
            self.load_what_is_missing(&spawner, &loaded);
            self.acknowledge();
        }
    }

    fn take_in(&mut self, message: FromControl) {
        // Held until it is done, so that a successor which reads the disk reads all of it or nothing.
        let pen = self.pen.clone();
        let is_laid_down = pen.is_laid_down();
        match message {
            FromControl::View { view } if can_place(&view) => {
                info!(view = %view.number, planned = view.planned, "view in force");
                self.views.put_in_force(view, self.clock.wall());
                self.publish_views(*is_laid_down);
            }
            FromControl::Plan { view } if can_place(&view) => {
                self.views.put_plan(view);
                self.publish_views(*is_laid_down);
            }
            FromControl::View { view } | FromControl::Plan { view } => refuse_view(&view),
            FromControl::Withdraw { view } => {
                self.views.withdraw(view);
                self.publish_views(*is_laid_down);
            }
            // A successor is told instead.
            FromControl::Assign { .. } if *is_laid_down => self.incoming = None,
            FromControl::Assign { since, to, last, put, forget } => {
                self.gather(since, to, put, forget);
                if last {
                    self.complete();
                }
            }
            _ => {}
        }
    }

    fn gather(&mut self, since: Option<Stamp>, to: Stamp, put: Vec<Definition>, forget: Vec<CheckId>) {
        let is_new = self.incoming.as_ref().is_none_or(|incoming| incoming.to != to);
        if is_new {
            if since.is_some() && since != self.reached.map(|reached| reached.to) {
                warn!(%to, "changes to an assignment that this host does not hold; it asks for the whole");
                self.forget_acknowledgement();
                return;
            }
            self.incoming = Some(Incoming { to, is_whole: since.is_none(), ..Incoming::default() });
        }
        if let Some(incoming) = &mut self.incoming {
            incoming.put.extend(put);
            incoming.forget.extend(forget);
        }
    }

    /// A host that says it holds nothing is sent everything.
    fn forget_acknowledgement(&mut self) {
        self.incoming = None;
        self.reached = None;
        self.acknowledged.send_modify(|told| told.reached = None);
        self.relink.notify_one();
    }

    /// The last part has come: keeps the change on disk, then acts by it.
    fn complete(&mut self) {
        let Some(incoming) = self.incoming.take() else { return };
        let Incoming { to, is_whole, put, forget } = incoming;
        let before = self.holdings.borrow().clone();
        let mut checks = if is_whole { HashMap::new() } else { before.checks.as_ref().clone() };
        for check in &forget {
            checks.remove(check);
        }
        // What is put of a check replaces all that was held of it.
        let mut put_by_check: HashMap<CheckId, Vec<Definition>> = HashMap::new();
        for definition in put {
            put_by_check.entry(definition.check).or_default().push(definition);
        }
        let changed: BTreeSet<CheckId> = put_by_check.keys().copied().collect();
        checks.extend(put_by_check.into_iter().map(|(check, all)| (check, Arc::new(Held::new(all)))));
        let next = before.with_checks(checks, &self.opener).without_unneeded_modules();
        let written = match is_whole {
            true => self.disk.write_whole(to, next.definitions()),
            false => {
                let put = next.definitions().filter(|definition| changed.contains(&definition.check)).collect();
                self.disk.write_change(to, put, &forget, next.definitions())
            }
        };
        if let Err(error) = written {
            // Acting by it is right all the same; only a restart would not know.
            warn!(%error, "definitions cannot be written; a restart without control would not know them");
        }
        self.reached = Some(Reached { to, digest: next.digest() });
        self.holdings.send_replace(Arc::new(next));
    }

    /// Views count at once; where a successor keeps them, they are not written here.
    fn publish_views(&mut self, by_successor: bool) {
        let before = self.holdings.borrow().clone();
        self.holdings.send_replace(Arc::new(before.with_views(self.views.clone())));
        if by_successor {
            return;
        }
        let (in_force, plans) = self.views.parts();
        let kept = KeptViews { in_force, plans };
        if let Err(error) = self.disk.write_views(&kept) {
            warn!(%error, "views cannot be written; a restart without control would not know them");
        }
    }

    fn load_what_is_missing(
        &mut self,
        spawner: &Spawner,
        loaded: &mpsc::UnboundedSender<(ModuleHash, Result<Module, ModuleFailure>)>,
    ) {
        let holdings = self.holdings.borrow().clone();
        for hash in holdings.needed_modules() {
            if holdings.readiness(&hash) != Readiness::NotYet || !self.under_way.insert(hash) {
                continue;
            }
            let (loading, loaded) = (self.loading.clone(), loaded.clone());
            spawner.task("module", async move {
                let result = loading.load(hash).await;
                if matches!(result, Err(ModuleFailure::Passing(_))) {
                    sleep(MODULE_RETRY).await;
                }
                // Nobody listens only while the host stops.
                let _ = loaded.send((hash, result));
            });
        }
    }

    fn note_load(&mut self, hash: ModuleHash, result: Result<Module, ModuleFailure>) {
        self.under_way.remove(&hash);
        let before = self.holdings.borrow().clone();
        match result {
            Ok(module) => {
                info!(module = %hash, "module loaded");
                self.holdings.send_replace(Arc::new(before.with_module(hash, module)));
            }
            Err(ModuleFailure::Lasting(reason)) => {
                warn!(module = %hash, reason, "a module will not load");
                self.holdings.send_replace(Arc::new(before.with_refused(hash, reason)));
            }
            Err(ModuleFailure::Passing(reason)) => warn!(module = %hash, reason, "a module is not to be had yet"),
        }
    }

    /// Tells control what is held, once it is.
    fn acknowledge(&mut self) {
        let holdings = self.holdings.borrow().clone();
        let is_all_settled = holdings.needed_modules().iter().all(|hash| holdings.readiness(hash) != Readiness::NotYet);
        let told = self.acknowledged.borrow().reached;
        let reached = if is_all_settled { self.reached } else { told };
        let next = Acknowledged { reached, view: self.views.newest_number(), unable: unable(&holdings) };
        self.acknowledged.send_if_modified(|before| {
            let is_new = *before != next;
            *before = next;
            is_new
        });
    }
}

fn unable(holdings: &Holdings) -> Vec<(CheckId, String)> {
    if holdings.refused.is_empty() {
        return Vec::new();
    }
    let reason = |definition: &Definition| {
        holdings.refused.get(&definition.module).map(|reason| (definition.check, reason.clone()))
    };
    let unable: BTreeMap<CheckId, String> = holdings.definitions().filter_map(reason).collect();
    unable.into_iter().take(UNABLE_TOLD_MAX).collect()
}

fn refuse_view(view: &View) {
    warn!(
        view = %view.number,
        placement_version = view.placement_version,
        "a view is placed by a rule this version does not know; upgrade this host"
    );
}
