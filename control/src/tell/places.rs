//! How many messages may be on their way to one receiver at once.
//!
//! A receiver that hangs keeps its own messages waiting and nobody else's. Says nothing about order, which is the
//! store's.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// The places of all receivers.
#[derive(Debug, Default)]
pub(super) struct Places {
    receivers: Mutex<BTreeMap<String, Arc<Semaphore>>>,
}

/// One message's place; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    _permit: OwnedSemaphorePermit,
}

impl Places {
    /// A place among the `most` of this receiver, or `None` when none is free for so long.
    pub(super) async fn take(&self, receiver: &str, most: usize, patience: Duration) -> Option<Place> {
        let places = {
            let mut receivers = self.receivers.lock().expect("no holder of this lock panics");
            // Whoever has or awaits a place holds the semaphore; the others are gone.
            receivers.retain(|_, places| Arc::strong_count(places) > 1);
            receivers.entry(receiver.to_owned()).or_insert_with(|| Arc::new(Semaphore::new(most))).clone()
        };
        let permit = timeout(patience, places.acquire_owned()).await.ok()?.ok()?;
        Some(Place { _permit: permit })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn take(places: &Places, receiver: &str) -> Option<Place> {
        places.take(receiver, 2, Duration::ZERO).await
    }

    #[tokio::test]
    async fn a_receiver_that_hangs_keeps_only_its_own_waiting() {
        let places = Places::default();
        let held = [take(&places, "slow").await, take(&places, "slow").await];
        assert!(held.iter().all(Option::is_some));
        assert!(take(&places, "slow").await.is_none());
        assert!(take(&places, "quick").await.is_some());
        drop(held);
        assert!(take(&places, "slow").await.is_some());
        assert_eq!(places.receivers.lock().unwrap().len(), 1, "receivers without messages are forgotten");
    }
}
