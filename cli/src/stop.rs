//! How a serving process hears that it should stop, or ends with the one that started it.

use std::future::Future;

use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

use crate::exit::{Failure, OrFail, UNAVAILABLE};

/// Returns on SIGINT or SIGTERM.
pub(crate) fn told_to_stop(runtime: &Runtime) -> Result<impl Future<Output = ()> + use<>, Failure> {
    let _in_runtime = runtime.enter();
    let mut interrupt = signal(SignalKind::interrupt()).or_fail(UNAVAILABLE)?;
    let mut terminate = signal(SignalKind::terminate()).or_fail(UNAVAILABLE)?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// From now on this process is killed when its parent ends, however that ends.
pub(crate) fn end_with_parent() {
    use rustix::process::{Signal, set_parent_process_death_signal};
    // Where the kernel cannot, the child is stopped by its parent alone.
    let _ = set_parent_process_death_signal(Some(Signal::KILL));
}
