//! `make lab`: real processes on machines of their own, whose links are cut for real, and an account of every slot.
//!
//! `lab short|full [RELEASE [KILLS]]`. It builds its network, has the lab conducted in a process that stands in it, and
//! removes it whatever becomes of that. The other words are what it starts itself with, on other machines of the lab.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it speaks to whoever runs it")]

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, bail, ensure};
use farwatch_tests::lab::{Form, Network, Place, conduct, remove_leftovers, serve_targets, serve_wire};
use rustix::process::{Signal, geteuid, set_parent_process_death_signal};
use tokio::signal::unix::{SignalKind, signal};

fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    match run(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lab: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[OsString]) -> anyhow::Result<()> {
    let words = words.iter().map(|word| word.to_str().context("a word is no text")).collect::<Result<Vec<_>, _>>()?;
    match words.as_slice() {
        ["conduct", network, folder, form @ ..] => {
            let form = Form::of(form)?;
            conduct(Network::named(network, form.hosts), form, Path::new(folder))
        }
        ["targets", log] => end_with_parent().and_then(|()| serve_targets(Path::new(log))),
        ["wire", seed, ways @ ..] => {
            end_with_parent()?;
            serve_wire(&ways.iter().map(|way| parsed(way)).collect::<Result<Vec<_>, _>>()?, seed.parse()?)
        }
        form => direct(form),
    }
}

/// Whatever becomes of the one who started this, nothing of the lab goes on without it.
fn end_with_parent() -> anyhow::Result<()> {
    Ok(set_parent_process_death_signal(Some(Signal::KILL))?)
}

fn parsed(way: &str) -> anyhow::Result<(SocketAddr, SocketAddr)> {
    let (from, to) = way.split_once('=').context("a way is from=to")?;
    Ok((from.parse()?, to.parse()?))
}

/// Builds the network, has the lab conducted in it, and removes it.
fn direct(words: &[&str]) -> anyhow::Result<()> {
    let form = Form::of(words)?;
    ensure!(geteuid().is_root(), "it makes network namespaces, and only root may: run `make lab` as root");
    remove_leftovers()?;
    let Form { hosts, providers, checks, seed, .. } = form;
    println!(
        "lab: {hosts} hosts of {providers} providers watch {checks} sites; form={} seed={seed}",
        words.first().unwrap_or(&"")
    );
    let folder = tempfile::Builder::new().prefix("farwatch-lab-").tempdir()?;
    let network = Network::of_this_process(hosts).build()?;
    let mut command = all_ending_with(&network.0.command(Place::Control, &std::env::current_exe()?));
    command.arg("conduct").arg(network.0.name()).arg(folder.path()).args(words);
    let conducted = conducted(command);
    drop(network);
    if conducted.is_err() {
        println!("lab: its data and logs are kept in {}", folder.keep().display());
    }
    conducted
}

/// Runs it in a space of process numbers of its own, which ends with this process: the kernel ends whatever is in there,
/// also hosts that took over from those that were started.
fn all_ending_with(command: &Command) -> Command {
    let mut apart = Command::new("setpriv");
    apart.args(["--pdeathsig", "KILL", "unshare", "--pid", "--mount-proc", "--fork", "--kill-child"]);
    apart.arg(command.get_program()).args(command.get_args());
    apart
}

/// Waits for the one who conducts, and ends it where this process is told to stop.
fn conducted(command: Command) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let mut child = tokio::process::Command::from(command).kill_on_drop(true).spawn()?;
        let status = tokio::select! {
            status = child.wait() => status?,
            _ = interrupt.recv() => bail!("it was interrupted"),
            _ = terminate.recv() => bail!("it was told to end"),
        };
        ensure!(status.success(), "it did not hold");
        Ok(())
    })
}
