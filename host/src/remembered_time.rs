//! The fleet's time as this host knew it, kept on disk from one process to the next.
//!
//! A wall clock may be set wrong while nobody is there to say so. CLOCK_BOOTTIME counts on until the machine starts anew,
//! and so does what was known of the fleet's time by it.

use std::fs;
use std::io;
use std::path::PathBuf;

use farwatch_core::clocks::AheadMs;
use serde::{Deserialize, Serialize};

/// The kernel's name of this start of the machine.
const MACHINE_START: &str = "/proc/sys/kernel/random/boot_id";
/// What differs by less is not written again.
const WRITE_FROM_MS: i64 = 20;

#[derive(Serialize, Deserialize)]
struct Kept {
    machine_start: String,
    ahead_ms: AheadMs,
}

/// The file in which it is kept.
#[derive(Debug)]
pub(crate) struct RememberedTime {
    file: PathBuf,
    machine_start: String,
    known: Option<AheadMs>,
}

impl RememberedTime {
    /// What is remembered in this file; nothing where it is of another start of the machine.
    pub(crate) fn open(file: PathBuf) -> Self {
        let machine_start = fs::read_to_string(MACHINE_START).unwrap_or_default();
        Self::of_start(file, machine_start)
    }

    fn of_start(file: PathBuf, machine_start: String) -> Self {
        let kept: Option<Kept> = fs::read(&file).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let of_this_start = |kept: &Kept| !machine_start.is_empty() && kept.machine_start == machine_start;
        let known = kept.filter(of_this_start).map(|kept| kept.ahead_ms);
        Self { file, machine_start, known }
    }

    /// What an earlier process knew.
    pub(crate) const fn known(&self) -> Option<AheadMs> {
        self.known
    }

    /// Remembers this, where it differs from what is remembered.
    pub(crate) fn remember(&mut self, ahead: AheadMs) -> io::Result<()> {
        if self.known.is_some_and(|known| (known.0 - ahead.0).abs() < WRITE_FROM_MS) {
            return Ok(());
        }
        let kept = Kept { machine_start: self.machine_start.clone(), ahead_ms: ahead };
        let unfinished = self.file.with_extension("new");
        fs::write(&unfinished, serde_json::to_vec(&kept)?)?;
        fs::rename(&unfinished, &self.file)?;
        self.known = Some(ahead);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_known_is_known_until_the_machine_starts_anew() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("clock.json");
        let opened = |start: &str| RememberedTime::of_start(file.clone(), start.to_owned());
        assert_eq!(opened("one").known(), None);
        opened("one").remember(AheadMs(7)).unwrap();
        assert_eq!((opened("one").known(), opened("two").known()), (Some(AheadMs(7)), None));
        let written = fs::metadata(&file).unwrap().modified().unwrap();
        opened("one").remember(AheadMs(7 + WRITE_FROM_MS - 1)).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().modified().unwrap(), written);
        fs::write(&file, "{").unwrap();
        assert_eq!(opened("one").known(), None);
    }
}
