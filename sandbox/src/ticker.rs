//! The thread that lets guests be interrupted.
//!
//! It is a thread of its own and not a task, since a guest that hogs its runtime would keep a task from running, and
//! so from stopping it. It ends by itself when the engine is gone.

use std::time::Duration;

use wasmtime::Engine;

/// How often a running guest is asked to make way, and how exactly its CPU time is limited.
pub(crate) const TICK: Duration = Duration::from_millis(10);

/// Starts the thread.
///
/// # Errors
/// When the system has no thread left.
pub(crate) fn start(engine: &Engine) -> std::io::Result<()> {
    let engine = engine.weak();
    std::thread::Builder::new().name("epochs".to_owned()).spawn(move || {
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            drop(engine);
            std::thread::sleep(TICK);
        }
    })?;
    Ok(())
}
