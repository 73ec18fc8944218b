//! Files, environment, streams, exit, clocks and randomness.

use crate::wit::farwatch::check::{log, secrets};
use crate::wit::wasi::cli::{environment, exit, stderr, stdin, stdout, terminal_stdout};
use crate::wit::wasi::clocks::{monotonic_clock, wall_clock};
use crate::wit::wasi::filesystem::preopens;
use crate::wit::wasi::filesystem::types::{Descriptor, DescriptorFlags, OpenFlags, PathFlags};
use crate::wit::wasi::io::poll;
use crate::wit::wasi::random::{insecure, insecure_seed, random};

const HOUR_NS: u64 = 3_600_000_000_000;

/// Does what the word says, and tells what came of it.
pub(crate) fn misuse(behaviour: &str) -> Option<String> {
    Some(match behaviour {
        "files" => preopens::get_directories().len().to_string(),
        "file-forged" => forged_file(),
        "environment" => environment(),
        "stdin" => format!("{:?}", stdin::get_stdin().blocking_read(1)),
        "stdout" => streams(),
        "stdout-flood" => flood(),
        "stdout-huge" => format!("{:?}", stdout::get_stdout().write(&vec![b'x'; 16 << 20])),
        "stdout-zeroes" => format!("{:?}", stdout::get_stdout().write_zeroes(u64::MAX)),
        "exit" => left(Ok(())),
        "exit-failed" => left(Err(())),
        "sleep" => slept(HOUR_NS),
        "sleep-forever" => slept(u64::MAX),
        "nap" => slept(20_000_000),
        "poll-nothing" => format!("{:?}", poll::poll(&[])),
        "clock-spin" => loop {
            std::hint::black_box(monotonic_clock::now());
        },
        "poll-spin" => loop {
            monotonic_clock::subscribe_duration(0).block();
        },
        "secret-spin" => loop {
            drop(secrets::get("none"));
        },
        "hoard" => loop {
            std::mem::forget(monotonic_clock::subscribe_duration(HOUR_NS));
        },
        "hoard-streams" => loop {
            std::mem::forget(stdout::get_stdout());
        },
        "clocks" => format!("{} {}", wall_clock::now().seconds, monotonic_clock::resolution()),
        "random" => randomness(random::get_random_bytes),
        "random-insecure" => randomness(insecure::get_insecure_random_bytes),
        "random-seeds" => loop {
            std::hint::black_box((insecure_seed::insecure_seed(), random::get_random_u64()));
        },
        "random-huge" => random::get_random_bytes(u64::MAX).len().to_string(),
        "random-few" => random::get_random_bytes(64).len().to_string(),
        _ => return None,
    })
}

/// Opens a file by a directory that nobody gave to this module.
fn forged_file() -> String {
    // A number is all that a handle is to a guest; the host must know that it gave none out.
    let directory = unsafe { Descriptor::from_handle(1) };
    let opened = directory.open_at(PathFlags::empty(), "/etc/passwd", OpenFlags::empty(), DescriptorFlags::READ);
    format!("{opened:?}")
}

fn environment() -> String {
    let (variables, arguments) = (environment::get_environment(), environment::get_arguments());
    let is_terminal = terminal_stdout::get_terminal_stdout().is_some();
    format!("{} {} {:?} {is_terminal}", variables.len(), arguments.len(), environment::initial_cwd())
}

fn streams() -> String {
    let (out, err) = (stdout::get_stdout(), stderr::get_stderr());
    let said = [
        out.blocking_write_and_flush(b"first, and "),
        stdout::get_stdout().blocking_write_and_flush(b"the rest of it\n"),
    ];
    log::emit(log::Level::Debug, "between");
    let more = [err.blocking_write_and_flush(b"second\n"), out.blocking_write_and_flush(b"third, without an end")];
    said.iter().chain(&more).all(Result::is_ok).to_string()
}

fn flood() -> String {
    let out = stdout::get_stdout();
    let chunk = [[b'x'; 127].as_slice(), b"\n"].concat().repeat(32);
    (0..1_000).all(|_| out.blocking_write_and_flush(&chunk).is_ok()).to_string()
}

fn left(status: Result<(), ()>) -> String {
    exit::exit(status);
    "still here".to_owned()
}

fn slept(duration_ns: u64) -> String {
    let began = monotonic_clock::now();
    monotonic_clock::subscribe_duration(duration_ns).block();
    (monotonic_clock::now() - began >= duration_ns).to_string()
}

fn randomness(get: impl Fn(u64) -> Vec<u8>) -> String {
    (0..10).map(|_| get(32 << 10).len()).sum::<usize>().to_string()
}
