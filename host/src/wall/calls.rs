//! The system calls that a host may make, by what it makes them for.
//!
//! Left out is what no host needs and what has helped to break out of processes: tracing and reading other processes,
//! namespaces and mounts, kernel modules, BPF, `io_uring`, performance counters, keys, user faults, and the clock and power
//! of the machine.
//!
//! A release that takes over is started behind the wall of the one before it: what it needs more than that has it by the
//! release after next, or by a start of its own.

use libc::{AF_INET, AF_INET6, AF_NETLINK, AF_UNIX};

/// The families of sockets: netlink is how libraries ask which addresses the machine has.
pub(super) const FAMILIES: [i32; 4] = [AF_UNIX, AF_INET, AF_INET6, AF_NETLINK];

/// The calls, but `socket`.
#[rustfmt::skip]
pub(super) const ALLOWED: &[i64] = &[
    // Files: what is kept, and what modules and releases are written to.
    libc::SYS_read, libc::SYS_write, libc::SYS_readv, libc::SYS_writev, libc::SYS_pread64, libc::SYS_pwrite64,
    libc::SYS_preadv, libc::SYS_pwritev, libc::SYS_preadv2, libc::SYS_pwritev2, libc::SYS_openat, libc::SYS_close,
    libc::SYS_close_range, libc::SYS_fstat, libc::SYS_newfstatat, libc::SYS_statx, libc::SYS_lseek, libc::SYS_faccessat,
    libc::SYS_faccessat2, libc::SYS_renameat, libc::SYS_renameat2, libc::SYS_unlinkat, libc::SYS_linkat,
    libc::SYS_symlinkat, libc::SYS_readlinkat, libc::SYS_mkdirat, libc::SYS_getdents64, libc::SYS_fsync,
    libc::SYS_fdatasync, libc::SYS_sync_file_range, libc::SYS_ftruncate, libc::SYS_fallocate, libc::SYS_fadvise64,
    libc::SYS_flock, libc::SYS_fcntl, libc::SYS_ioctl, libc::SYS_dup, libc::SYS_dup3, libc::SYS_pipe2, libc::SYS_fchmod,
    libc::SYS_fchmodat, libc::SYS_fchown, libc::SYS_fchownat, libc::SYS_utimensat, libc::SYS_umask, libc::SYS_getcwd,
    libc::SYS_chdir, libc::SYS_statfs, libc::SYS_fstatfs, libc::SYS_copy_file_range, libc::SYS_sendfile,
    libc::SYS_splice,
    // Memory: the allocator's, and that of guests with their images.
    libc::SYS_mmap, libc::SYS_munmap, libc::SYS_mprotect, libc::SYS_mremap, libc::SYS_madvise, libc::SYS_mincore,
    libc::SYS_msync, libc::SYS_mlock, libc::SYS_munlock, libc::SYS_brk, libc::SYS_memfd_create, libc::SYS_membarrier,
    // Threads, and the processes of the compiler and of a successor.
    libc::SYS_clone, libc::SYS_clone3, libc::SYS_execve, libc::SYS_execveat, libc::SYS_exit, libc::SYS_exit_group,
    libc::SYS_wait4, libc::SYS_waitid, libc::SYS_kill, libc::SYS_tkill, libc::SYS_tgkill, libc::SYS_pidfd_open,
    libc::SYS_pidfd_send_signal, libc::SYS_getpid, libc::SYS_getppid, libc::SYS_gettid, libc::SYS_set_tid_address,
    libc::SYS_set_robust_list, libc::SYS_get_robust_list, libc::SYS_rseq, libc::SYS_futex, libc::SYS_futex_waitv,
    libc::SYS_sched_yield, libc::SYS_sched_getaffinity, libc::SYS_sched_setaffinity, libc::SYS_sched_getparam,
    libc::SYS_sched_getscheduler, libc::SYS_getpriority, libc::SYS_setpriority, libc::SYS_setsid, libc::SYS_setpgid,
    libc::SYS_getpgid, libc::SYS_getsid, libc::SYS_prctl, libc::SYS_seccomp, libc::SYS_prlimit64, libc::SYS_getrlimit,
    libc::SYS_setrlimit, libc::SYS_getrusage, libc::SYS_times, libc::SYS_sysinfo, libc::SYS_uname, libc::SYS_getcpu,
    libc::SYS_getuid, libc::SYS_geteuid, libc::SYS_getgid, libc::SYS_getegid, libc::SYS_getresuid, libc::SYS_getresgid,
    libc::SYS_getgroups, libc::SYS_capget,
    // Signals.
    libc::SYS_rt_sigaction, libc::SYS_rt_sigprocmask, libc::SYS_rt_sigreturn, libc::SYS_rt_sigtimedwait,
    libc::SYS_rt_sigpending, libc::SYS_rt_sigsuspend, libc::SYS_rt_sigqueueinfo, libc::SYS_rt_tgsigqueueinfo,
    libc::SYS_sigaltstack, libc::SYS_signalfd4, libc::SYS_restart_syscall,
    // Time, and waiting for it.
    libc::SYS_clock_gettime, libc::SYS_clock_getres, libc::SYS_clock_nanosleep, libc::SYS_nanosleep,
    libc::SYS_gettimeofday, libc::SYS_timerfd_create, libc::SYS_timerfd_settime, libc::SYS_timerfd_gettime,
    libc::SYS_timer_create, libc::SYS_timer_settime, libc::SYS_timer_delete, libc::SYS_setitimer, libc::SYS_getitimer,
    // Waiting for what comes.
    libc::SYS_epoll_create1, libc::SYS_epoll_ctl, libc::SYS_epoll_pwait, libc::SYS_epoll_pwait2, libc::SYS_ppoll,
    libc::SYS_pselect6, libc::SYS_eventfd2,
    // The network: probes, links and neighbours. `socket` itself has rules of its own.
    libc::SYS_socketpair, libc::SYS_bind, libc::SYS_listen, libc::SYS_accept, libc::SYS_accept4, libc::SYS_connect,
    libc::SYS_getsockname, libc::SYS_getpeername, libc::SYS_sendto, libc::SYS_recvfrom, libc::SYS_sendmsg,
    libc::SYS_recvmsg, libc::SYS_sendmmsg, libc::SYS_recvmmsg, libc::SYS_shutdown, libc::SYS_getsockopt,
    libc::SYS_setsockopt,
    // Randomness.
    libc::SYS_getrandom,
];

/// What older programs and libraries call by other names, which newer processors never had.
#[rustfmt::skip]
#[cfg(target_arch = "x86_64")]
pub(super) const OLDER: &[i64] = &[
    libc::SYS_open, libc::SYS_stat, libc::SYS_lstat, libc::SYS_access, libc::SYS_rename, libc::SYS_unlink,
    libc::SYS_link, libc::SYS_symlink, libc::SYS_readlink, libc::SYS_mkdir, libc::SYS_rmdir, libc::SYS_chmod,
    libc::SYS_chown, libc::SYS_dup2, libc::SYS_pipe, libc::SYS_fork, libc::SYS_vfork, libc::SYS_poll, libc::SYS_select,
    libc::SYS_epoll_create, libc::SYS_epoll_wait, libc::SYS_eventfd, libc::SYS_signalfd, libc::SYS_getpgrp,
    libc::SYS_time, libc::SYS_alarm, libc::SYS_pause, libc::SYS_arch_prctl,
];

/// Processors that came later have none.
#[cfg(not(target_arch = "x86_64"))]
pub(super) const OLDER: &[i64] = &[];
