//! `farwatch control`: one process of the control plane.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use farwatch_control::config::{ControlConfig, ControlFlags};
use farwatch_control::otlp;
use farwatch_control::process::{self, StartError};
use farwatch_control::store::StoreError;

use crate::compile::compile_command;
use crate::duration::seconds;
use crate::exit::{Failure, NO_INPUT, OrFail, UNAVAILABLE, USAGE, code_of};
use crate::log::LogArgs;
use crate::otlp_args::OtlpArgs;
use crate::stop::told_to_stop;
use crate::tell_args::TellArgs;

/// Runs a control process: the API, and the fleet while it leads.
#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  farwatch control --data /var/lib/farwatch --database postgres://farwatch@db/farwatch"
)]
pub(crate) struct ControlArgs {
    /// Where the embedded database, keys and caches are kept.
    #[arg(long, env = "FARWATCH_DATA", default_value = "farwatch-data", value_name = "DIR")]
    data: PathBuf,
    /// Another database than the embedded one.
    #[arg(long, env = "FARWATCH_DATABASE", hide_env_values = true, value_name = "URL")]
    database: Option<String>,
    /// Where the API listens; loopback only, for it speaks plain HTTP.
    #[arg(long, env = "FARWATCH_API_LISTEN", default_value = "127.0.0.1:8400", value_name = "ADDR")]
    api_listen: SocketAddr,
    /// Where hosts dial, with mutual TLS.
    #[arg(long, env = "FARWATCH_LINK_LISTEN", default_value = "127.0.0.1:8401", value_name = "ADDR")]
    link_listen: SocketAddr,
    /// How hosts reach that address, where it is another to them.
    #[arg(long, env = "FARWATCH_LINK_ADDRESS", value_name = "HOST:PORT")]
    link_address: Option<String>,
    /// The directory of control.pem, control.key and ca.pem; DATA/identity when absent.
    #[arg(long, env = "FARWATCH_IDENTITY", value_name = "DIR")]
    identity: Option<PathBuf>,
    /// The key that secrets are sealed under; DATA/master.key when absent. Keep a copy elsewhere.
    #[arg(long, env = "FARWATCH_MASTER_KEY_FILE", value_name = "FILE")]
    master_key_file: Option<PathBuf>,
    /// Lets webhooks reach this private network; may be repeated.
    #[arg(long, env = "FARWATCH_ALLOW_NET", value_delimiter = ',', value_name = "CIDR")]
    allow_net: Vec<String>,
    /// Where hosts connect every five seconds to know whether they see the world; name several that fail apart.
    #[arg(long, env = "FARWATCH_REFERENCE", value_delimiter = ',', value_name = "HOST:PORT")]
    reference: Vec<String>,
    /// How long a returning host proves itself before it owns checks again.
    #[arg(long, env = "FARWATCH_WARMUP", default_value = "60s", value_parser = seconds, value_name = "TIME")]
    warmup: Duration,
    /// How long a host that dies again and again proves itself, at most.
    #[arg(long, env = "FARWATCH_HOLD_DOWN_MAX", default_value = "1h", value_parser = seconds, value_name = "TIME")]
    hold_down_max: Duration,
    /// How long the certificate of a host is good.
    #[arg(
        long,
        env = "FARWATCH_HOST_CERTIFICATE_LIFE",
        default_value = "24h",
        value_parser = seconds,
        value_name = "TIME",
        hide = true
    )]
    host_certificate_life: Duration,
    #[command(flatten)]
    tell: TellArgs,
    #[command(flatten)]
    otlp: OtlpArgs,
    #[command(flatten)]
    log: LogArgs,
}

/// Runs until it is told to stop.
pub(crate) fn run(args: ControlArgs) -> Result<(), Failure> {
    let flags = ControlFlags {
        tell: args.tell.flags(),
        data: args.data,
        database: args.database,
        api_listen: args.api_listen,
        link_listen: args.link_listen,
        link_address: args.link_address,
        identity: args.identity,
        master_key_file: args.master_key_file,
        allow_net: args.allow_net,
        reference: args.reference,
        warmup: args.warmup,
        hold_down_max: args.hold_down_max,
        certificate_life: args.host_certificate_life,
        otlp: args.otlp.flags(),
        compiler: compile_command()?,
    };
    let config = ControlConfig::try_new(flags).or_fail(USAGE)?;
    let (layer, spans) = config.sends_telemetry().then(otlp::layer).unzip();
    args.log.start(layer)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().or_fail(UNAVAILABLE)?;
    let stop = told_to_stop(&runtime)?;
    runtime.block_on(process::run(config, spans, stop)).map_err(|error| Failure::new(code_of_start(&error), error))
}

fn code_of_start(error: &StartError) -> u8 {
    match error {
        StartError::Database { source: StoreError::Unavailable(_), .. }
        | StartError::InUse { .. }
        | StartError::Port { .. } => UNAVAILABLE,
        StartError::Database { .. } => NO_INPUT,
        StartError::Other(error) => code_of(error),
    }
}
