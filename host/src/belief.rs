//! Whether a failure is told: only once it is known that this host could see.
//!
//! The run is over and has given back its place; nothing but its own result waits here. Decides nothing: what becomes of a
//! failure is the answer of `core/sanity`.

use std::time::Duration;

use farwatch_core::ownership::Ended;
use farwatch_core::sanity::{Fate, Ran};
use farwatch_proto::outcome::{Outcome, Status};
use farwatch_proto::peer::Statement;
use farwatch_proto::run::Purpose;
use tokio::time::timeout;

use crate::outcome;
use crate::runner::{Job, Shared};

/// The fate of a failure is asked for again this often, for time alone may change it.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// What a run found, once that is to be told.
pub(crate) struct Settled {
    pub(crate) outcome: Outcome,
    /// The slot was left to the other owners meanwhile.
    pub(crate) was_yielded: bool,
}

impl Shared {
    /// What is to be told of a run that found this. A target that is up was reached; anything else waits for a reading of
    /// the panel of references.
    pub(crate) async fn settle(&self, job: &Job, found: Outcome, ran: Ran) -> Settled {
        let mut was_yielded = false;
        if found.status == Status::Up || !found.status.covers() {
            return Settled { outcome: found, was_yielded };
        }
        let mut changes = self.panel.changes();
        loop {
            changes.borrow_and_update();
            match self.panel.judge(ran) {
                Fate::Told => return Settled { outcome: found, was_yielded },
                Fate::Void => return Settled { outcome: void(), was_yielded },
                Fate::AwaitsReading => {}
                Fate::Doubted => {
                    if !was_yielded {
                        self.leave_to_others(job);
                    }
                    was_yielded = true;
                }
            }
            // The panel lives as long as this host, so only the time can run out.
            let _ = timeout(LOOK_AGAIN, changes.changed()).await;
        }
    }

    /// The next owner may run the slot at once. What this host found is kept, for it may be right.
    fn leave_to_others(&self, job: &Job) {
        if job.purpose == Purpose::Slot {
            let (stream, slot) = (job.stream, job.slot);
            let said = self.desks.of(stream.check).ended(stream, slot, Ended::Disturbed, self.clock.wall());
            self.book.tell(&job.tell, &Statement { stream, slot, said }.into());
        }
    }
}

fn void() -> Outcome {
    let why = "this host saw its references no more while others saw them, so what it found says nothing of the target";
    outcome::host_trouble("host-insane", why)
}
