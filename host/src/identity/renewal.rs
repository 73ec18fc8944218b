//! Asks for a new certificate once half of the life of the one there is has passed, for as long as that takes.
//!
//! It is asked for over the link to control, by the key that the host has, and is taken where the answer comes in.

use std::time::Duration;

use farwatch_proto::link::FromHost;
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;
use tracing::warn;

use super::Identity;
use crate::clock::Clock;
use crate::spawn::Stopping;

/// How often it is seen to at least: a machine may have slept over the moment.
const LOOK_EVERY_MS: i64 = 60_000;
/// And at most.
const LOOK_SOON_MS: i64 = 500;
/// What was not answered, or refused, is asked for again: half of a certificate's life is left for it.
const ASK_AGAIN: Duration = Duration::from_secs(300);

/// What renewing needs.
pub(crate) struct Renewal {
    pub(crate) identity: Identity,
    pub(crate) clock: Clock,
    /// Where control is linked, if it is.
    pub(crate) linked: watch::Receiver<Option<String>>,
    pub(crate) to_say: mpsc::Sender<FromHost>,
    pub(crate) stopping: Stopping,
}

impl Renewal {
    /// Asks whenever it is time, until the host stops.
    pub(crate) async fn serve(self) {
        loop {
            let due_in_ms = self.identity.validity().renewed_from().since(self.clock.wall());
            let is_asked = due_in_ms <= 0 && self.linked.borrow().is_some() && self.ask();
            let look_in_ms = due_in_ms.clamp(LOOK_SOON_MS, LOOK_EVERY_MS).unsigned_abs();
            let wait = if is_asked { ASK_AGAIN } else { Duration::from_millis(look_in_ms) };
            tokio::select! {
                () = self.stopping.requested() => return,
                () = sleep(wait) => {}
            }
        }
    }

    /// Whether there is nothing more to do for some time.
    fn ask(&self) -> bool {
        match self.identity.request() {
            // A link that takes nothing just now is asked again.
            Ok(request) => self.to_say.try_send(FromHost::Renew { request }).is_ok(),
            Err(error) => {
                warn!(error = format!("{error:#}"), "the certificate cannot be renewed");
                true
            }
        }
    }
}
