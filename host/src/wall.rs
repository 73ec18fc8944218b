//! The second wall around guests: what this process gives up before it runs any.
//!
//! A guest that broke out of the sandbox would be this process. So the process can gain no privilege any more, and asks
//! the kernel for nothing but what a host needs (`calls.rs`); the compile child and a successor inherit both. It limits no
//! files and no network: that is what the user that it runs as is for, and the probes' own gate.

mod calls;

use std::collections::BTreeMap;
use std::fs;

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

/// A successor has the filter of its predecessor as well as its own, and every call goes through all of them. More layers
/// than this add nothing, and the kernel has room for some dozens.
const LAYERS_MAX: u32 = 4;

/// Why there is no wall.
#[derive(Debug, thiserror::Error)]
pub enum WallError {
    /// The filter cannot be made for this processor.
    #[error("no filter of system calls can be made here: {0}")]
    Filter(#[from] BackendError),
    /// The kernel does not take it.
    #[error("the kernel takes no filter of system calls: {0}")]
    Kernel(#[from] seccompiler::Error),
}

/// Raises the wall around this thread and all that it starts from now on: to be called before there are others. A process
/// that has inherited layer upon layer raises none.
///
/// # Errors
/// When the kernel refuses; nothing is given up then, or only the gaining of privileges.
pub fn raise() -> Result<(), WallError> {
    if layers_by(&own_status()) >= LAYERS_MAX {
        return Ok(());
    }
    Ok(seccompiler::apply_filter(&program()?)?)
}

/// Whether it stands, as the kernel says of this process.
pub fn stands() -> bool {
    stands_by(&own_status())
}

/// What the kernel says of this process; nothing where it does not.
fn own_status() -> String {
    fs::read_to_string("/proc/self/status").unwrap_or_default()
}

fn stands_by(status: &str) -> bool {
    told_by(status, "Seccomp") == Some(2) && told_by(status, "NoNewPrivs") == Some(1)
}

/// Older kernels do not say how many there are.
fn layers_by(status: &str) -> u32 {
    told_by(status, "Seccomp_filters").unwrap_or(0)
}

fn told_by(status: &str, name: &str) -> Option<u32> {
    let found = status.lines().filter_map(|line| line.split_once(':')).find(|(key, _)| *key == name);
    found.and_then(|(_, told)| told.trim().parse().ok())
}

/// What is not allowed is answered as a kernel would that does not know it, so that a library falls back on what it did
/// before there was such a call.
fn program() -> Result<BpfProgram, BackendError> {
    let unknown = SeccompAction::Errno(libc::ENOSYS.unsigned_abs());
    let arch: TargetArch = std::env::consts::ARCH.try_into()?;
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        calls::ALLOWED.iter().chain(calls::OLDER).map(|call| (*call, Vec::new())).collect();
    rules.insert(libc::SYS_socket, families()?);
    SeccompFilter::new(rules, unknown, SeccompAction::Allow, arch)?.try_into()
}

/// Sockets of these families alone.
fn families() -> Result<Vec<SeccompRule>, BackendError> {
    let rule = |family: &i32| {
        let family = u64::from(family.unsigned_abs());
        let is_it = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, family)?;
        SeccompRule::new(vec![is_it])
    };
    calls::FAMILIES.iter().map(rule).collect()
}

#[cfg(test)]
mod tests {
    use rustix::net::{AddressFamily, SocketType, socket};

    use super::*;

    #[test]
    #[allow(clippy::disallowed_methods, reason = "the wall is raised around a thread of the test's own")]
    fn behind_the_wall_a_process_works_and_can_do_no_harm() {
        assert!(!stands(), "the tests run before it");
        let behind = std::thread::spawn(|| {
            raise().unwrap();
            let told = fs::read_to_string("/proc/thread-self/status").unwrap();
            assert!(stands_by(&told), "{told}");
            // It can do its work.
            socket(AddressFamily::INET6, SocketType::STREAM, None).unwrap();
            tempfile::tempfile().unwrap();
            assert!(std::process::Command::new("/bin/true").status().unwrap().success());
            // It can listen to no wire, enter no namespace and trace nobody, and neither can what it starts.
            let refused = socket(AddressFamily::PACKET, SocketType::RAW, None).unwrap_err();
            assert_eq!(refused, rustix::io::Errno::NOSYS);
            for program in [["/usr/bin/unshare", "--user"], ["/usr/bin/mount", "--bind"]] {
                let [program, flag] = program;
                let ran = std::process::Command::new(program).args([flag, "/", "/"]).output().unwrap();
                assert!(!ran.status.success(), "{program}");
                assert!(String::from_utf8_lossy(&ran.stderr).contains("not implemented"), "{ran:?}");
            }
        });
        behind.join().unwrap();
    }

    #[test]
    fn half_a_wall_is_none() {
        assert!(stands_by("Name:\tx\nNoNewPrivs:\t1\nSeccomp:\t2\n"));
        assert!(!stands_by("NoNewPrivs:\t0\nSeccomp:\t2\n"));
        assert!(!stands_by("NoNewPrivs:\t1\nSeccomp:\t0\nSeccomp_filters:\t2\n"));
        assert!(!stands_by(""));
        assert_eq!(layers_by("Seccomp:\t2\nSeccomp_filters:\t3\n"), 3);
    }
}
