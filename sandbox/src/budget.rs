//! The memory that all runs of one sandbox may have together: half of the machine's, or of the control group's where that
//! has less. What every run has for nothing, so that no plain one is ever refused, is not counted.
//!
//! It counts what guests were given and not what they touched. It frees nothing: whoever took gives back.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What every run has for nothing, in bytes: twice what compiled modules have. All places of a host have 1 GiB of it at
/// once, where guests of the plainest kind attack.
pub(crate) const FREE_BYTES: usize = 2 << 20;
/// The machine's memory where the kernel does not tell, in bytes.
const UNTOLD_BYTES: usize = 1 << 30;

/// See the file's documentation.
#[derive(Debug)]
pub(crate) struct Budget {
    left: AtomicUsize,
}

impl Budget {
    /// Of so many bytes.
    pub(crate) const fn new(bytes: usize) -> Self {
        Self { left: AtomicUsize::new(bytes) }
    }

    /// Half of what there is here.
    pub(crate) fn of_machine() -> Self {
        Self::new(machine_bytes() / 2)
    }

    /// Takes so many bytes, all or none.
    pub(crate) fn take(&self, bytes: usize) -> bool {
        let less = |left: usize| left.checked_sub(bytes);
        bytes == 0 || self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }

    /// Gives bytes back that were taken.
    pub(crate) fn give_back(&self, bytes: usize) {
        if bytes > 0 {
            self.left.fetch_add(bytes, Ordering::Relaxed);
        }
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
        assert!(budget.take(60) && !budget.take(41) && budget.take(40) && budget.take(0));
        budget.give_back(60);
        assert!(budget.take(60) && !budget.take(1));
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
