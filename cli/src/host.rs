//! `farwatch host`: runs a host on this machine; with a verb it joins the fleet, or asks the API about hosts instead.

mod join;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::{Args, Subcommand};
use farwatch_host::config::{HostConfig, HostSettings};
use farwatch_host::housekeeping_runtime;
use farwatch_host::join::remembered;
use farwatch_host::spool::SpoolLimits;
use tracing::warn;

use crate::client::host::HostVerb;
use crate::compile::compile_command;
use crate::exit::{Failure, OrFail, UNAVAILABLE, USAGE, code_of};
use crate::log::LogArgs;
use crate::reach::Reach;
use crate::stop::told_to_stop;
use crate::up::EXIT_WITH_PARENT;
use join::JoinArgs;

/// The flag of a process that takes over from another.
const SUCCEED: &str = "--succeed";

const EXAMPLES: &str = "Examples:
  farwatch host --data /var/lib/farwatch-host --control control-a.example:8401 --control control-b.example:8401
  farwatch host join --token fwj_… --provider hetzner --region eu-central --data /var/lib/farwatch-host
  farwatch host --data /var/lib/farwatch-host --control control-a.example:8401 --succeed
  farwatch host list";

/// Runs a host; or lists and shows the fleet's hosts
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true, after_help = EXAMPLES)]
pub(crate) struct HostArgs {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    run: RunArgs,
}

#[derive(Subcommand, Debug)]
enum Verb {
    Join(JoinArgs),
    #[command(flatten)]
    Asks(HostVerb),
}

/// What a host is run with.
#[derive(Args, Debug)]
struct RunArgs {
    /// Where identity, spool and modules are kept.
    #[arg(long, env = "FARWATCH_HOST_DATA", default_value = "farwatch-host", value_name = "DIR")]
    data: PathBuf,
    /// Where a control process listens for hosts; may be repeated. What it was told when it joined, when absent.
    #[arg(long, env = "FARWATCH_CONTROL", value_delimiter = ',', value_name = "HOST:PORT")]
    control: Vec<String>,
    /// The directory of host.pem, host.key and ca.pem; DATA/identity when absent.
    #[arg(long, env = "FARWATCH_IDENTITY", value_name = "DIR")]
    identity: Option<PathBuf>,
    /// Where other hosts dial this one, to stand by for each other.
    #[arg(long, env = "FARWATCH_PEER_LISTEN", default_value = "0.0.0.0:8402", value_name = "ADDR")]
    peer_listen: SocketAddr,
    /// How other hosts reach this one, where it is another address than it is linked from.
    #[arg(long, env = "FARWATCH_PEER_ADDRESS", value_name = "ADDR")]
    peer_address: Option<SocketAddr>,
    /// How many runs at once.
    #[arg(long, env = "FARWATCH_RUN_PLACES", default_value_t = HostSettings::RUN_PLACES, value_name = "N")]
    run_places: u32,
    /// Threads that run guests; one for every two cores when absent.
    #[arg(long, env = "FARWATCH_GUEST_THREADS", value_name = "N")]
    guest_threads: Option<usize>,
    #[command(flatten)]
    reach: Reach,
    /// Take over from the process that runs on this data already: it finishes what it began, and nothing is missed.
    #[arg(long)]
    succeed: bool,
    #[command(flatten)]
    log: LogArgs,
}

impl HostArgs {
    /// Asks, or runs until it is told to stop.
    pub(crate) fn run(self) -> Result<(), Failure> {
        match self.verb {
            Some(Verb::Join(args)) => args.run(),
            Some(Verb::Asks(verb)) => verb.run(),
            None => serve(self.run),
        }
    }
}

/// What a successor of this process is started with: the same words. One that ends with its parent has none.
fn successor_words() -> Option<Vec<OsString>> {
    if std::env::var_os(EXIT_WITH_PARENT).is_some() {
        return None;
    }
    let words = std::env::args_os().skip(1).filter(|word| word != SUCCEED);
    Some(words.chain([SUCCEED.into()]).collect())
}

/// Becomes the release that took over from this program, where one did: what is installed is older than it.
fn become_chosen(data: &Path) -> Result<(), Failure> {
    let Some((program, own)) = farwatch_host::chosen(data) else { return Ok(()) };
    let words = std::env::args_os().skip(1);
    let error = Command::new(&program).args(words).env(farwatch_host::INSTALLED, own.to_string()).exec();
    Err(Failure::new(UNAVAILABLE, format_args!("cannot run the release {}: {error}", program.display())))
}

fn serve(args: RunArgs) -> Result<(), Failure> {
    if successor_words().is_some() && !args.succeed {
        become_chosen(&args.data)?;
    }
    args.log.start(None)?;
    // No thread but this one runs yet, so all that come have it.
    if let Err(error) = farwatch_host::wall::raise() {
        warn!(%error, "this host runs guests without its second wall; `host show` says wall: off");
    }
    let identity = args.identity.unwrap_or_else(|| args.data.join("identity"));
    let joined = remembered(&identity);
    let controls = if args.control.is_empty() {
        joined.as_ref().map(|joined| joined.controls.clone()).unwrap_or_default()
    } else {
        args.control
    };
    let settings = HostSettings {
        identity,
        data: args.data,
        controls,
        peer_listen: Some(args.peer_listen),
        peer_address: args.peer_address.or(joined.and_then(|joined| joined.peer_address)),
        run_places: args.run_places,
        guest_threads: args.guest_threads,
        allow_nets: args.reach.networks()?,
        probe_bind: args.reach.probe_bind,
        extra_roots: args.reach.probe_ca_file,
        compile: compile_command()?,
        spool: SpoolLimits::USUAL,
        successor: successor_words(),
        succeeds: args.succeed,
    };
    let config = HostConfig::try_new(settings).or_fail(USAGE)?;
    let runtime = housekeeping_runtime().or_fail(UNAVAILABLE)?;
    let stop = told_to_stop(&runtime)?;
    runtime
        .block_on(farwatch_host::run(config, stop))
        .map_err(|error| Failure::new(code_of(&error), format_args!("{error:#}")))
}
