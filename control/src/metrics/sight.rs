//! Where one looks to see how a process stands, for whoever asks and for whoever is told unasked.

use super::{Exposition, Format, Metrics, Seen};
use crate::clock::Clock;
use crate::leader::LeaderHandle;
use crate::store::Store;
use crate::tasks::TaskList;

/// A process, as its metrics see it. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Sight {
    pub(crate) metrics: Metrics,
    pub(crate) leader: LeaderHandle,
    pub(crate) tasks: TaskList,
    pub(crate) store: Store,
    pub(crate) clock: Clock,
}

impl Sight {
    /// Everything that can be told now.
    pub(crate) async fn exposed(&self, format: Format) -> Exposition {
        let seen = Seen {
            cpu: self.clock.processor(),
            leader: self.leader.status(),
            tasks: self.tasks.statuses(),
            pool: self.store.pool_use(),
            // A database that is away is one of the things that metrics must tell.
            backlog: self.store.backlog().await.ok(),
        };
        self.metrics.exposed(&seen, format)
    }
}
