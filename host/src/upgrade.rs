//! Takes a release: fetches it, and starts it as the successor of this process.
//!
//! The new program inherits this one's words and environment, and outlives it. Whatever it does wrong before it has taken
//! over, this process carries on and says so.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use farwatch_proto::id::ReleaseHash;
use farwatch_proto::link::{FromHost, RELEASE_PATH};
use farwatch_proto::time::UnixMs;
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tracing::{info, warn};

use crate::handover::Phase;
use crate::modules::Loading;
use crate::release::{self, Releases};
use crate::runner::Shared;
use crate::spawn::{Stopping, blocking};

/// The largest release over a slow line.
const FETCH_LIMIT: Duration = Duration::from_secs(240);
/// A program that has not taken over by then is ended, and this one carries on.
const READY_LIMIT: Duration = Duration::from_secs(30);
/// Orders that wait: they are repeated, so more would only be older.
pub(crate) const ORDERS_WAITING_MAX: usize = 1;

/// An order to take a release.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UpgradeOrder {
    pub(crate) release: ReleaseHash,
    pub(crate) size_bytes: u64,
    pub(crate) ordered_at: UnixMs,
}

/// Takes releases, one at a time.
pub(crate) struct Upgrader {
    pub(crate) shared: Arc<Shared>,
    pub(crate) loading: Loading,
    pub(crate) releases: Releases,
    /// What a successor is started with, beside its program.
    pub(crate) words: Vec<OsString>,
    /// The program this process runs, once it is known.
    pub(crate) own: watch::Receiver<Option<ReleaseHash>>,
    pub(crate) phase: watch::Receiver<Phase>,
}

impl Upgrader {
    /// Carries out orders until the host stops.
    pub(crate) async fn serve(mut self, mut orders: mpsc::Receiver<UpgradeOrder>, stopping: Stopping) {
        tokio::select! {
            () = stopping.requested() => return,
            () = self.settle_in() => {}
        }
        let mut failed: Option<(UnixMs, String)> = None;
        loop {
            let order = tokio::select! {
                () = stopping.requested() => return,
                order = orders.recv() => order,
            };
            let Some(order) = order else { return };
            if *self.own.borrow() == Some(order.release) {
                continue;
            }
            // An order that failed is not tried again; that it failed is said again, for it may have been lost.
            if failed.as_ref().is_none_or(|(ordered_at, _)| *ordered_at != order.ordered_at) {
                info!(release = %order.release, "taking a release");
                let Err(error) = self.take(order, &stopping).await else { return };
                warn!(release = %order.release, error = format!("{error:#}"), "the release was not taken; this one carries on");
                failed = Some((order.ordered_at, format!("{error:#}")));
            }
            if let Some((ordered_at, reason)) = failed.clone() {
                // What does not fit is said at the next order.
                let _ = self.shared.to_say.try_send(FromHost::UpgradeFailed { ordered_at, reason });
            }
        }
    }

    /// Once this process has the host for itself, it is what is run after a restart of the machine, too.
    async fn settle_in(&mut self) {
        // Both are said sooner or later, or this process ends.
        let _ = self.phase.wait_for(|phase| *phase == Phase::Serving).await.is_ok();
        let own = self.own.wait_for(Option::is_some).await.ok().and_then(|own| *own);
        let (Some(release), Some(instead_of)) = (own, release::installed()) else { return };
        let releases = self.releases.clone();
        if let Ok(Err(error)) = blocking(move || releases.choose(release, instead_of)).await {
            warn!(%error, "after a restart of the machine the program that is installed is run, and not this release");
        }
    }

    /// Returns only where it failed, or this process is about to end.
    async fn take(&mut self, order: UpgradeOrder, stopping: &Stopping) -> anyhow::Result<()> {
        let (releases, release) = (self.releases.clone(), order.release);
        let program = match blocking(move || releases.verified(release)).await?? {
            Some(program) => program,
            None => self.fetch(order).await.context("it cannot be fetched")?,
        };
        let installed = release::installed().or(*self.own.borrow());
        let mut successor = start(&program, &self.words, installed).context("it cannot be started")?;
        let phase = &mut self.phase;
        let handed_over = async { phase.wait_for(|phase| *phase == Phase::HandedOver).await.is_ok() };
        let outcome = tokio::select! {
            // Whoever stops this host does not mean to have it go on as another process.
            () = stopping.requested() => "this host is being stopped".to_owned(),
            ended = successor.wait() => ending(ended),
            handed_over = timeout(READY_LIMIT, handed_over) => match handed_over {
                Ok(_) => return outlived(successor, stopping).await,
                Err(_) => format!("it was not ready within {} s", READY_LIMIT.as_secs()),
            },
        };
        // It may have ended already.
        let _ = successor.kill().await;
        bail!(outcome)
    }

    async fn fetch(&self, order: UpgradeOrder) -> anyhow::Result<PathBuf> {
        let (releases, own) = (self.releases.clone(), *self.own.borrow());
        let begun = blocking(move || releases.begin(order.release, own, order.size_bytes)).await?;
        let mut incoming = begun?;
        let path = format!("{RELEASE_PATH}/{}", order.release.hex());
        let fetching = self.loading.fetch_pieces(&path, |piece| incoming.take(piece));
        timeout(FETCH_LIMIT, fetching).await.with_context(|| format!("not within {} s", FETCH_LIMIT.as_secs()))??;
        blocking(move || incoming.finish()).await?
    }
}

/// Waits for the end of this process, which its successor is to outlive.
async fn outlived(mut successor: Child, stopping: &Stopping) -> anyhow::Result<()> {
    tokio::select! {
        () = stopping.requested() => Ok(()),
        ended = successor.wait() => bail!("{}, after it was to take over", ending(ended)),
    }
}

/// Starts a program with these words. It is not ended with this process.
fn start(program: &Path, words: &[OsString], installed: Option<ReleaseHash>) -> std::io::Result<Child> {
    let installed = installed.map(|installed| (release::INSTALLED, installed.to_string()));
    Command::new(program).args(words).envs(installed).stdin(Stdio::null()).kill_on_drop(false).spawn()
}

fn ending(ended: std::io::Result<ExitStatus>) -> String {
    match ended {
        Ok(status) => format!("it ended with {status}; its last lines are in the host's log"),
        Err(error) => format!("nobody knows how it ended: {error}"),
    }
}
