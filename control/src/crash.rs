//! Named points at which a test may have this process killed, as by kill -9.
//!
//! They exist where a crash would be worst: between a fact and its record. A build for production has none of it.

/// Where a process may be told to die.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CrashPoint {
    /// A flush is drafted and not committed.
    Commit,
    /// A flush is committed, and nobody was told.
    Acknowledge,
    /// A delivery is claimed and not sent.
    Claim,
    /// A delivery is sent, and its answer not recorded.
    Send,
    /// Blocks are written, and how far folding has come is not.
    Fold,
    /// The takeover row is written, and nothing is loaded.
    Takeover,
}

/// Ends the process here if the file that `FARWATCH_CRASH_FILE` names has the point's word in it. The file is removed
/// first, so that whoever wrote it sees that it happened, and the next process goes on.
#[cfg(debug_assertions)]
pub(crate) fn pass(point: CrashPoint) {
    use std::path::PathBuf;
    use std::sync::OnceLock;

    static FILE: OnceLock<Option<PathBuf>> = OnceLock::new();
    let Some(file) = FILE.get_or_init(|| std::env::var_os("FARWATCH_CRASH_FILE").map(PathBuf::from)) else { return };
    let word = match point {
        CrashPoint::Commit => "commit",
        CrashPoint::Acknowledge => "acknowledge",
        CrashPoint::Claim => "claim",
        CrashPoint::Send => "send",
        CrashPoint::Fold => "fold",
        CrashPoint::Takeover => "takeover",
    };
    if std::fs::read_to_string(file).is_ok_and(|named| named.trim() == word) && std::fs::remove_file(file).is_ok() {
        // A signal to oneself that cannot be caught is always delivered.
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    }
}

/// Nothing.
#[cfg(not(debug_assertions))]
pub(crate) const fn pass(_: CrashPoint) {}
