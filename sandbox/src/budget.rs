//! The memory that all runs of one sandbox may have together: half of the machine's, or of the control group's where that
//! has less. A quarter of it is never one payer's, so that nobody alone leaves others without. What every run has for
//! nothing, so that no plain one is ever refused, is not counted.
//!
//! It counts what guests were given and not what they touched. It frees nothing: whoever took gives back.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What every run has for nothing, in bytes: twice what compiled modules have. All places of a host have 1 GiB of it at
/// once, where guests of the plainest kind attack.
pub(crate) const FREE_BYTES: usize = 2 << 20;
/// Of so many parts of the whole, one payer never has the last.
const PARTS: usize = 4;
/// The machine's memory where the kernel does not tell, in bytes.
const UNTOLD_BYTES: usize = 1 << 30;

/// Who a run is for, as whoever asks for it numbers them.
pub type Payer = u128;

/// See the file's documentation.
#[derive(Debug)]
pub(crate) struct Budget {
    bytes: usize,
    /// What each payer has, where that is anything.
    taken: Mutex<BTreeMap<Payer, usize>>,
}

impl Budget {
    /// Of so many bytes.
    pub(crate) const fn new(bytes: usize) -> Self {
        Self { bytes, taken: Mutex::new(BTreeMap::new()) }
    }

    /// Half of what there is here.
    pub(crate) fn of_machine() -> Self {
        Self::new(machine_bytes() / 2)
    }

    /// Takes so many bytes for this payer, all or none.
    pub(crate) fn take(&self, payer: Payer, bytes: usize) -> bool {
        if bytes == 0 {
            return true;
        }
        let mut taken = self.taken();
        let in_all: usize = taken.values().sum();
        let own = taken.get(&payer).copied().unwrap_or(0);
        let is_held = own + bytes <= self.bytes - self.bytes.div_ceil(PARTS) && in_all + bytes <= self.bytes;
        if is_held {
            taken.insert(payer, own + bytes);
        }
        is_held
    }

    /// Gives bytes back that were taken for this payer.
    pub(crate) fn give_back(&self, payer: Payer, bytes: usize) {
        if bytes == 0 {
            return;
        }
        let mut taken = self.taken();
        let own = taken.get(&payer).copied().unwrap_or(0).saturating_sub(bytes);
        if own == 0 {
            taken.remove(&payer);
        } else {
            taken.insert(payer, own);
        }
    }

    fn taken(&self) -> MutexGuard<'_, BTreeMap<Payer, usize>> {
        // Every change of the map is one step, so a panic elsewhere cannot have left half of one.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What of a run's memory is counted, in bytes.
pub(crate) const fn counted(used: usize) -> usize {
    used.saturating_sub(FREE_BYTES)
}

fn machine_bytes() -> usize {
    let total = fs::read_to_string("/proc/meminfo").ok().and_then(|text| total_in(&text));
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let limit = group_limit(Path::new("/sys/fs/cgroup"), group_in(&groups));
    total.into_iter().chain(limit).min().unwrap_or(UNTOLD_BYTES)
}

/// The whole memory by `proc(5)`'s meminfo.
fn total_in(meminfo: &str) -> Option<usize> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: usize = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1 << 10)
}

/// The control group of this process, by `cgroups(7)`, of version 2.
fn group_in(groups: &str) -> &str {
    groups.lines().find_map(|line| line.strip_prefix("0::/")).unwrap_or_default()
}

/// The lowest limit of a group and those above it.
fn group_limit(root: &Path, group: &str) -> Option<usize> {
    let above = root.join(group);
    let limits = above.ancestors().take_while(|folder| folder.starts_with(root));
    // Where there is no limit stands `max`, which is no number.
    limits.filter_map(|folder| fs::read_to_string(folder.join("memory.max")).ok()?.trim().parse().ok()).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_is_less_for_others_until_it_is_given_back() {
        let budget = Budget::new(100);
        assert!(budget.take(1, 60) && !budget.take(2, 41) && budget.take(2, 40) && !budget.take(3, 1));
        assert!(budget.take(3, 0));
        budget.give_back(1, 60);
        assert!(budget.take(3, 60) && !budget.take(1, 1));
    }

    #[test]
    fn nobody_alone_leaves_the_others_without() {
        let budget = Budget::new(100);
        assert!(budget.take(1, 75) && !budget.take(1, 1) && budget.take(2, 25));
        budget.give_back(1, 5);
        assert!(budget.take(1, 5));
    }

    #[test]
    fn what_a_run_has_for_nothing_is_not_counted() {
        assert_eq!([0, FREE_BYTES, FREE_BYTES + 5].map(counted), [0, 0, 5]);
    }

    #[test]
    fn the_kernel_tells_how_much_there_is() {
        assert_eq!(total_in("MemTotal:        2048 kB\nMemFree:  1 kB\n"), Some(2 << 20));
        assert_eq!(total_in("MemFree:  1 kB\n"), None);
        assert!(machine_bytes() > 64 << 20);
    }

    #[test]
    fn the_lowest_limit_of_all_groups_above_holds() {
        let root = tempfile::tempdir().expect("a directory");
        let below = root.path().join("system.slice/farwatch-host.service");
        fs::create_dir_all(&below).expect("folders");
        let write = |folder: &Path, text: &str| fs::write(folder.join("memory.max"), text).expect("a file");
        write(&below, "max\n");
        write(below.parent().expect("it has one"), "1000\n");
        let group = group_in("1:cpu:/x\n0::/system.slice/farwatch-host.service\n");
        assert_eq!(group_limit(root.path(), group), Some(1000));
        write(&below, "500\n");
        assert_eq!(group_limit(root.path(), group), Some(500));
        assert_eq!(group_limit(root.path(), "elsewhere"), None);
    }
}
