//! The side that hands over.
//!
//! It goes on as before until its successor is ready, and then until each of its own slots is decided. A successor that
//! goes away before it was handed everything changes nothing: this process carries on.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use farwatch_core::ownership::{Tenure, border};
use farwatch_proto::link::Mark;
use farwatch_proto::time::UnixMs;
use tokio::net::{UnixListener, UnixStream};
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use super::wire::{FromPredecessor, FromSuccessor, Wire};
use super::{Phase, Post, until};

/// Whoever connects says what it wants by then.
const GREETING_LIMIT: Duration = Duration::from_secs(5);
/// A successor is ready by then, or never. Loading the modules of a large host takes some seconds.
pub(super) const READY_LIMIT: Duration = Duration::from_secs(30);
/// Slots before the border are decided by then: the longest timeout, and a standby's last wait. What is still open goes to
/// the successor.
const SETTLE_LIMIT: Duration = Duration::from_secs(120);
/// What was found last is with control by then; what is not, the successor sends.
const DELIVERY_LIMIT: Duration = Duration::from_secs(3);
/// A socket that does not accept is tried again after this long.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// A successor has taken over; what is left is to end.
pub(crate) struct Succeeded {
    wire: Wire,
    is_settled: bool,
    /// The successor's process, where the system says it.
    pub(crate) pid: Option<i32>,
}

impl Succeeded {
    /// Says that this process has ended but for its exit.
    pub(crate) async fn finish(mut self, marks: Vec<Mark>) {
        let finished = FromPredecessor::Finished { is_settled: self.is_settled, marks };
        if let Err(error) = self.wire.say(&finished).await {
            warn!(error = format!("{error:#}"), "the successor was not told that this process has ended");
        }
    }
}

/// Waits for a successor and hands over to it. It comes back only once that is done.
pub(crate) async fn serve(post: &Post, listener: UnixListener) -> Succeeded {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            sleep(ACCEPT_PAUSE).await;
            continue;
        };
        match attend(post, stream).await {
            Ok(succeeded) => return succeeded,
            Err(error) => {
                warn!(error = format!("{error:#}"), "the handover came to nothing; this process carries on");
                post.resume();
            }
        }
    }
}

async fn attend(post: &Post, stream: UnixStream) -> anyhow::Result<Succeeded> {
    let pid = demand_own_user(&stream)?;
    let mut wire = Wire::new(stream);
    let Some(FromSuccessor::Succeeds { version }) = wire.hear_within(GREETING_LIMIT).await? else {
        bail!("whoever came did not say that it succeeds")
    };
    info!(version, pid, "a successor has come");
    *post.pen.is_laid_down() = true;
    let hears = post.shared.peers().heard(post.shared.clock.boot()).collect();
    wire.say(&FromPredecessor::Welcome { boot: post.boot, hears, listens_at: post.listens_at }).await?;
    let Some(FromSuccessor::Ready) = wire.hear_within(READY_LIMIT).await.context("the successor is not ready")? else {
        bail!("the successor went away before it was ready")
    };
    let border = hand_over(post);
    wire.say(&FromPredecessor::Border { at: border }).await?;
    post.phase.send_replace(Phase::HandedOver);
    info!(%border, "handing over");
    tokio::select! {
        is_settled = finish(post, border) => Ok(Succeeded { wire, is_settled, pid }),
        heard = wire.hear::<FromSuccessor>() => bail!("the successor went away after it was told its border: {heard:?}"),
    }
}

/// Only processes of the same user, or of root, can take over, whatever the mode of the socket has become.
fn demand_own_user(stream: &UnixStream) -> anyhow::Result<Option<i32>> {
    let other = stream.peer_cred()?;
    let own = rustix::process::geteuid().as_raw();
    ensure!(other.uid() == own || other.uid() == 0, "a process of the user {} may not take over", other.uid());
    Ok(other.pid())
}

fn hand_over(post: &Post) -> UnixMs {
    let border = border(post.shared.clock.wall());
    post.serve_in(Tenure::until(border));
    post.is_open.send_replace(false);
    border
}

/// Waits until what this process owes is done and delivered. Answers whether each of its slots is decided.
async fn finish(post: &Post, border: UnixMs) -> bool {
    let shared = &post.shared;
    let is_done = || {
        let now = shared.clock.wall();
        now >= border && shared.health.running() == 0 && shared.desks.all().all(|mut desk| desk.owes_nothing(now))
    };
    let is_settled = timeout(SETTLE_LIMIT, until(is_done)).await.is_ok();
    if !is_settled {
        warn!("slots before the border are still open; the successor runs them");
    }
    if post.linked.borrow().is_some() {
        // What is not delivered by then is in the spool, and goes out from there.
        let _ = timeout(DELIVERY_LIMIT, until(|| shared.spool.is_delivered())).await;
    }
    is_settled
}
