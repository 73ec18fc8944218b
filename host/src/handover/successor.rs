//! The side that takes over.
//!
//! It runs no slot until it is told its border, and owns the directory only once its predecessor has left it.

use std::collections::BTreeSet;
use std::fs::File;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use farwatch_core::ownership::{Readiness, Tenure};
use farwatch_proto::VERSION;
use farwatch_proto::id::{BootId, HostId};
use farwatch_proto::link::Mark;
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use super::predecessor::READY_LIMIT;
use super::wire::{FromPredecessor, FromSuccessor, Wire};
use super::{LOOK, Phase, Post, connect, try_lock, until};

/// A predecessor answers by then: it may be writing an assignment.
const WELCOME_LIMIT: Duration = Duration::from_secs(5);
/// Control and the neighbours that the predecessor hears are linked by then; whoever is not is done without.
const LINKS_LIMIT: Duration = Duration::from_secs(10);
/// Modules are loaded this long before the predecessor gives up waiting.
const MODULES_LIMIT: Duration = READY_LIMIT.saturating_sub(Duration::from_secs(12));
/// The border is told by then.
const BORDER_LIMIT: Duration = Duration::from_secs(5);
/// A predecessor that has finished, or died, has left the directory by then.
const LEAVE_LIMIT: Duration = Duration::from_secs(30);

/// A predecessor that has been greeted.
pub(crate) struct Succession {
    wire: Wire,
    /// The boot before this one.
    pub(crate) boot: BootId,
    hears: BTreeSet<HostId>,
    /// Where neighbours dial it.
    pub(crate) listens_at: Option<SocketAddr>,
}

impl Succession {
    /// Greets the process that has the directory. From its answer on what is on disk stays as it is.
    pub(super) async fn greet(data: &Path) -> anyhow::Result<Self> {
        let mut wire = Wire::new(connect(data).await.context("it takes no successor")?);
        wire.say(&FromSuccessor::Succeeds { version: VERSION.to_owned() }).await?;
        match wire.hear_within(WELCOME_LIMIT).await? {
            Some(FromPredecessor::Welcome { boot, hears, listens_at }) => {
                Ok(Self { wire, boot, hears: hears.into_iter().collect(), listens_at })
            }
            _ => bail!("it did not answer as a host does"),
        }
    }
}

/// Takes over, and answers with the lock on the directory. An error means that the predecessor carries on.
pub(crate) async fn take_over(post: &Post, mut succession: Succession, data: &Path) -> anyhow::Result<File> {
    get_ready(post, &succession.hears).await?;
    succession.wire.say(&FromSuccessor::Ready).await?;
    if let Ok(Some(FromPredecessor::Border { at })) = succession.wire.hear_within(BORDER_LIMIT).await {
        info!(border = %at, "taking over");
        post.serve_in(Tenure::from(at));
        post.is_open.send_replace(true);
    }
    // One that died named no border perhaps, and has left the directory; one that carries on has not.
    let (is_settled, marks) = finished(&mut succession.wire).await;
    let lock = locked(data).await?;
    post.shared.spool.adopt(&marks, post.shared.clock.boot()).context("cannot read the predecessor's spool")?;
    post.shared.copies.adopt(post.shared.clock.boot()).context("cannot read what is kept for neighbours")?;
    if !is_settled {
        post.shared.remember(&post.holdings.borrow());
        let now = post.shared.clock.wall();
        post.shared.desks.all().for_each(|mut desk| desk.inherit(now));
    }
    post.is_open.send_replace(true);
    post.phase.send_replace(Phase::Serving);
    info!(is_settled, "the predecessor has ended");
    Ok(lock)
}

/// Waits until every module is loaded and everybody that matters is linked.
async fn get_ready(post: &Post, hears: &BTreeSet<HostId>) -> anyhow::Result<()> {
    timeout(MODULES_LIMIT, until(|| is_loaded(post))).await.context("not all modules are loaded in time")?;
    let is_linked = || post.linked.borrow().is_some() && missing(post, hears).is_empty();
    if timeout(LINKS_LIMIT, until(is_linked)).await.is_err() {
        let (control, neighbours) = (post.linked.borrow().is_some(), missing(post, hears).len());
        warn!(control, neighbours, "taking over though not everybody is linked");
    }
    Ok(())
}

fn is_loaded(post: &Post) -> bool {
    let holdings = post.holdings.borrow();
    holdings.needed_modules().iter().all(|module| holdings.readiness(module) != Readiness::NotYet)
}

/// The neighbours that the predecessor hears and this process does not.
fn missing(post: &Post, hears: &BTreeSet<HostId>) -> Vec<HostId> {
    let heard: BTreeSet<HostId> = post.shared.peers().heard(post.shared.clock.boot()).collect();
    hears.difference(&heard).copied().collect()
}

/// What the predecessor says at its end. One that ends without a word leaves its slots open.
async fn finished(wire: &mut Wire) -> (bool, Vec<Mark>) {
    match wire.hear().await {
        Ok(Some(FromPredecessor::Finished { is_settled, marks })) => (is_settled, marks),
        _ => {
            warn!("the predecessor has gone without finishing; what it left open is run here");
            (false, Vec::new())
        }
    }
}

async fn locked(data: &Path) -> anyhow::Result<File> {
    let taking = async {
        loop {
            match try_lock(data) {
                Ok(None) => sleep(LOOK).await,
                taken => return taken,
            }
        }
    };
    let taken = timeout(LEAVE_LIMIT, taking).await.context("the predecessor does not leave the data directory")?;
    taken?.context("the lock was taken")
}
