//! The only place of this crate that starts tasks and threads.
//!
//! Whatever runs beside its caller is started here under a name, so that a stop knows whom it waits for
//! and says who is late. Runs are not listed: the places they take are counted where they are given.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::timeout;
use tracing::warn;

/// Runs something that blocks, on a thread of the runtime's blocking pool.
#[allow(clippy::disallowed_methods, reason = "this is the file that starts tasks")]
pub(crate) fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    tokio::task::spawn_blocking(work)
}

/// Starts one run on the runtime of the shard that calls it. It is put aside, for a task is moved several times until it
/// lies where it is polled, and a run is large.
#[allow(clippy::disallowed_methods, reason = "this is the file that starts tasks")]
pub(crate) fn run(work: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
    tokio::spawn(Box::pin(work)).abort_handle()
}

/// Hears of the stop.
#[derive(Clone, Debug)]
pub(crate) struct Stopping {
    asked: watch::Receiver<bool>,
}

impl Stopping {
    /// Returns once the stop has been asked for.
    pub(crate) async fn requested(&self) {
        let mut asked = self.asked.clone();
        // The sender is gone only when everybody has stopped.
        let _ = asked.wait_for(|stop| *stop).await;
    }
}

/// Starts tasks and threads, and knows who is still at work.
#[derive(Clone, Debug)]
pub(crate) struct Spawner {
    stop: Arc<watch::Sender<bool>>,
    at_work: Arc<watch::Sender<BTreeMap<u64, &'static str>>>,
    next: Arc<Mutex<u64>>,
}

/// Takes the task off the list however it ends.
struct Leaving {
    spawner: Spawner,
    number: u64,
}

impl Drop for Leaving {
    fn drop(&mut self) {
        self.spawner.at_work.send_modify(|at_work| {
            at_work.remove(&self.number);
        });
    }
}

impl Default for Spawner {
    fn default() -> Self {
        let (stop, at_work) = (watch::channel(false).0, watch::channel(BTreeMap::new()).0);
        Self { stop: Arc::new(stop), at_work: Arc::new(at_work), next: Arc::default() }
    }
}

impl Spawner {
    /// Starts a task under a name.
    #[allow(clippy::disallowed_methods, reason = "this is the file that starts tasks")]
    pub(crate) fn task(&self, name: &'static str, work: impl Future<Output = ()> + Send + 'static) {
        let leaving = self.enter(name);
        tokio::spawn(async move {
            let _leaving = leaving;
            work.await;
        });
    }

    /// Starts a thread with a runtime of its own, for one shard of guests.
    pub(crate) fn shard(&self, name: &'static str, work: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
        let runtime = Builder::new_current_thread().enable_io().enable_time().build()?;
        let leaving = self.enter(name);
        thread::Builder::new().name(name.to_owned()).spawn(move || {
            let _leaving = leaving;
            runtime.block_on(work);
            // Runs that are still under way are dropped with the runtime, and cover nothing.
            runtime.shutdown_background();
        })?;
        Ok(())
    }

    /// Hears of the stop.
    pub(crate) fn stopping(&self) -> Stopping {
        Stopping { asked: self.stop.subscribe() }
    }

    /// Asks everybody to stop, and waits until they have or names who is late.
    pub(crate) async fn stop(&self, grace: Duration) {
        self.stop.send_replace(true);
        let mut at_work = self.at_work.subscribe();
        let all_gone = timeout(grace, async { at_work.wait_for(BTreeMap::is_empty).await.is_ok() }).await;
        if all_gone.is_err() {
            let late: Vec<&str> = self.at_work.borrow().values().copied().collect();
            warn!(?late, "stopped without waiting for these");
        }
    }

    fn enter(&self, name: &'static str) -> Leaving {
        let number = {
            let mut next = self.next.lock().expect("no holder of this lock panics");
            *next += 1;
            *next
        };
        self.at_work.send_modify(|at_work| {
            at_work.insert(number, name);
        });
        Leaving { spawner: self.clone(), number }
    }
}
