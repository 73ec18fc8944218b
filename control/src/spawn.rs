//! The only place of this crate that starts tasks, and that waits for them at the end.
//!
//! A stop is asked for once; everybody who waits hears of it. Whoever has not ended within the grace
//! is named.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;
use tracing::warn;

/// Hears of the stop.
#[derive(Clone, Debug)]
pub struct Stopping {
    asked: watch::Receiver<bool>,
}

impl Stopping {
    /// Returns once the stop has been asked for.
    pub async fn requested(&self) {
        let mut asked = self.asked.clone();
        // The sender is gone only when the process is past stopping.
        let _ = asked.wait_for(|stop| *stop).await;
    }

    /// Whether it has been asked for.
    pub fn is_requested(&self) -> bool {
        *self.asked.borrow()
    }
}

/// Starts tasks and knows who is still at work.
#[derive(Clone)]
pub struct Spawner {
    stop: Arc<watch::Sender<bool>>,
    running: Arc<watch::Sender<usize>>,
    names: Arc<Mutex<BTreeMap<u64, &'static str>>>,
    next: Arc<Mutex<u64>>,
}

impl Default for Spawner {
    fn default() -> Self {
        Self {
            stop: Arc::new(watch::channel(false).0),
            running: Arc::new(watch::channel(0).0),
            names: Arc::default(),
            next: Arc::default(),
        }
    }
}

/// Takes the task off the list however it ends.
struct Leaving {
    spawner: Spawner,
    number: u64,
}

impl Drop for Leaving {
    fn drop(&mut self) {
        self.spawner.names.lock().expect("no holder of this lock panics").remove(&self.number);
        self.spawner.running.send_modify(|running| *running -= 1);
    }
}

impl Spawner {
    /// Starts a task under a name.
    #[allow(clippy::disallowed_methods, reason = "this is the file that starts tasks")]
    pub fn spawn(&self, name: &'static str, work: impl Future<Output = ()> + Send + 'static) {
        let number = {
            let mut next = self.next.lock().expect("no holder of this lock panics");
            *next += 1;
            *next
        };
        self.names.lock().expect("no holder of this lock panics").insert(number, name);
        self.running.send_modify(|running| *running += 1);
        let leaving = Leaving { spawner: self.clone(), number };
        tokio::spawn(async move {
            let _leaving = leaving;
            work.await;
        });
    }

    /// Runs something that blocks, on a thread of the runtime's blocking pool.
    #[allow(clippy::disallowed_methods, reason = "this is the file that starts tasks")]
    pub fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> tokio::task::JoinHandle<T> {
        tokio::task::spawn_blocking(work)
    }

    /// Hears of the stop.
    pub fn stopping(&self) -> Stopping {
        Stopping { asked: self.stop.subscribe() }
    }

    /// Asks everybody to stop.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Waits until everybody has ended, or names who is late.
    pub async fn wait(&self, grace: Duration) {
        let mut running = self.running.subscribe();
        let ended = timeout(grace, async { running.wait_for(|running| *running == 0).await.is_ok() });
        if ended.await.is_err() {
            let late: Vec<&str> = self.names.lock().expect("no holder of this lock panics").values().copied().collect();
            warn!(?late, "stopped without waiting for these tasks");
        }
    }
}
