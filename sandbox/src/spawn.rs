//! The one place of this crate that starts anything beside its caller, who waits for it at once.

use std::future::Future;

use crate::modules::ModuleError;

/// Does work that goes on to its end also where nobody waits for it any more. Only with the runtime it ends before.
///
/// # Errors
/// Those of the work, and one of the host when the work panicked or the runtime is shutting down.
#[allow(clippy::disallowed_methods, reason = "this is the file that starts tasks")]
pub(crate) async fn to_its_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, ModuleError>> + Send + 'static,
) -> Result<T, ModuleError> {
    let done = tokio::spawn(work).await;
    done.unwrap_or_else(|error| Err(ModuleError::Host(error.to_string())))
}

/// Does work that reads files or computes for long on a thread that may wait. Dropping the future leaves the work to
/// end by itself.
///
/// # Errors
/// Those of the work, and one of the host when the work panicked or the runtime is shutting down.
#[allow(clippy::disallowed_methods, reason = "this is the file that starts tasks")]
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ModuleError> + Send + 'static,
) -> Result<T, ModuleError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(ModuleError::Host(error.to_string())))
}
