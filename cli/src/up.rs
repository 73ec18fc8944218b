//! `farwatch up`: the whole of Farwatch on one machine, in real processes.
//!
//! Control and its hosts are children of this process; it makes their certificates, registers the
//! hosts, and starts again what ends. For more than one machine run `control` and `host` themselves.

mod controls;
mod pki;
mod places;
mod supervisor;

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use crate::duration::seconds;
use crate::exit::{CANNOT_CREATE, Failure, OrFail, UNAVAILABLE, USAGE};
use crate::log::LogArgs;
use crate::otlp_args::OtlpArgs;
use crate::register::Registrar;
use crate::tell_args::TellArgs;
use pki::Authority;
use places::HOSTS_MAX;
use supervisor::{Restarts, Role, Supervised};

pub(crate) use supervisor::EXIT_WITH_PARENT;

/// What the settings file says of `up` the children are told by their flags, and the rest of it is not about them.
const NO_FILE: &str = "--settings=/dev/null";

/// Runs everything on this machine: control on an embedded database, and hosts.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  farwatch up\n  farwatch up --allow-net 192.168.1.0/24 --smtp-url smtp://localhost:25\n  \
                  farwatch up --database postgres://farwatch@db/farwatch --api-listen 127.0.0.1:8400,127.0.0.1:8410 \\\n    \
                  --link-listen 127.0.0.1:8401,127.0.0.1:8411"
)]
pub(crate) struct UpArgs {
    /// Where everything is kept.
    #[arg(long, env = "FARWATCH_DATA", default_value = "farwatch-data", value_name = "DIR")]
    data: PathBuf,
    /// How many hosts to run.
    #[arg(long, env = "FARWATCH_HOSTS", default_value_t = 5, value_name = "N")]
    hosts: usize,
    /// Registers the hosts and makes their certificates, but leaves running them to `farwatch host`.
    #[arg(long)]
    hosts_apart: bool,
    /// Where the API listens; once for every control process.
    #[arg(
        long,
        env = "FARWATCH_API_LISTEN",
        default_value = "127.0.0.1:8400",
        value_delimiter = ',',
        value_name = "ADDR"
    )]
    api_listen: Vec<SocketAddr>,
    /// Where hosts dial; once for every control process. More than one needs --database.
    #[arg(
        long,
        env = "FARWATCH_LINK_LISTEN",
        default_value = "127.0.0.1:8401",
        value_delimiter = ',',
        value_name = "ADDR"
    )]
    link_listen: Vec<SocketAddr>,
    /// A database other than the embedded one, such as postgres://user@host/name.
    #[arg(long, env = "FARWATCH_DATABASE", hide_env_values = true, value_name = "URL")]
    database: Option<String>,
    /// Lets checks and webhooks reach this private network; may be repeated.
    #[arg(long, env = "FARWATCH_ALLOW_NET", value_delimiter = ',', value_name = "CIDR")]
    allow_net: Vec<String>,
    /// Where hosts connect every five seconds to know whether they see the world; name several that fail apart.
    #[arg(long, env = "FARWATCH_REFERENCE", value_delimiter = ',', value_name = "HOST:PORT")]
    reference: Vec<String>,
    /// How long a returning host proves itself before it owns checks again.
    #[arg(long, env = "FARWATCH_WARMUP", default_value = "60s", value_parser = seconds, value_name = "TIME")]
    warmup: Duration,
    /// How long after its end a process is started again.
    #[arg(long, env = "FARWATCH_RESTART_AFTER", default_value = "1s", value_parser = seconds, value_name = "TIME")]
    restart_after: Duration,
    /// The longest wait before a process that ends again and again is started again.
    #[arg(long, default_value = "60s", value_parser = seconds, value_name = "TIME", hide = true)]
    restart_at_most: Duration,
    /// The local address the probes of the n-th host use; repeated, one per host.
    #[arg(long, value_name = "ADDR")]
    probe_bind: Vec<IpAddr>,
    /// The address by which the n-th host reaches control's link, where it is another; repeated.
    #[arg(long, value_name = "ADDR", hide = true)]
    link_via: Vec<SocketAddr>,
    /// The URL by which the n-th control process reaches the database, where it is another; repeated.
    #[arg(long, value_name = "URL", hide = true)]
    database_via: Vec<String>,
    #[command(flatten)]
    tell: TellArgs,
    #[command(flatten)]
    otlp: OtlpArgs,
    #[command(flatten)]
    log: LogArgs,
}

impl UpArgs {
    const fn restarts(&self) -> Restarts {
        Restarts { after: self.restart_after, at_most: self.restart_at_most }
    }
}

/// Runs until it is told to stop.
pub(crate) fn run(args: &UpArgs) -> Result<(), Failure> {
    args.log.start(None)?;
    if args.hosts == 0 || args.hosts > HOSTS_MAX {
        return Err(Failure::new(USAGE, format_args!("--hosts {}: use 1 to {HOSTS_MAX}", args.hosts)));
    }
    controls::check(args)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().or_fail(UNAVAILABLE)?;
    runtime.block_on(serve(args))
}

async fn serve(args: &UpArgs) -> Result<(), Failure> {
    std::fs::create_dir_all(args.data.join("log")).or_fail(CANNOT_CREATE)?;
    let data = args.data.canonicalize().or_fail(CANNOT_CREATE)?;
    let authority = Authority::in_directory(&data.join("identity")).or_fail(CANNOT_CREATE)?;
    authority.certify_control().or_fail(CANNOT_CREATE)?;
    let mut stop =
        (signal(SignalKind::interrupt()).or_fail(UNAVAILABLE)?, signal(SignalKind::terminate()).or_fail(UNAVAILABLE)?);

    let mut children = Vec::new();
    let started = start_fleet(args, &data, &authority, &mut children).await;
    if started.is_ok() {
        tell_ready(args, &data);
        let keepers = futures_util::future::join_all(children.iter_mut().map(Supervised::keep));
        tokio::select! {
            _ = keepers => {}
            _ = stop.0.recv() => {}
            _ = stop.1.recv() => {}
        }
    }
    // Hosts first: what they deliver while ending still finds control.
    for child in children.iter_mut().rev() {
        child.stop().await;
    }
    started
}

async fn start_fleet(
    args: &UpArgs,
    data: &Path,
    authority: &Authority,
    children: &mut Vec<Supervised>,
) -> Result<(), Failure> {
    let (api, links) = controls::start(args, data, children).await?;
    let registrar = Registrar::new(&api, &data.join("admin.token"))?;
    for (index, facts) in places::first(args.hosts).into_iter().enumerate() {
        let directory = data.join("hosts").join(&facts.name);
        let id = places::id_in(&directory).or_fail(CANNOT_CREATE)?;
        authority.certify_host(id, &directory.join("identity")).or_fail(CANNOT_CREATE)?;
        registrar.register(id, &facts)?;
        if args.hosts_apart {
            continue;
        }
        let role = host_role(args, data, &facts.name, &links, index);
        children.push(Supervised::start(role, args.restarts()).or_fail(UNAVAILABLE)?);
    }
    Ok(())
}

fn host_role(args: &UpArgs, data: &Path, name: &str, links: &[String], index: usize) -> Role {
    let directory = data.join("hosts").join(name);
    let links = args.link_via.get(index).map_or_else(|| links.to_vec(), |via| vec![via.to_string()]);
    let data_flag = format!("--data={}", directory.display());
    let mut words = vec!["host".to_owned(), NO_FILE.to_owned(), data_flag, args.log.flag()];
    words.push("--peer-listen=127.0.0.1:0".to_owned());
    words.extend(links.iter().map(|link| format!("--control={link}")));
    words.extend(args.allow_net.iter().map(|net| format!("--allow-net={net}")));
    words.extend(args.probe_bind.get(index).map(|address| format!("--probe-bind={address}")));
    let log = data.join("log").join(format!("{name}.log"));
    Role { name: name.to_owned(), args: words, environment: Vec::new(), log }
}

#[allow(clippy::print_stdout, reason = "this is what the person at the terminal waits for")]
fn tell_ready(args: &UpArgs, data: &Path) {
    let api = std::fs::read_to_string(data.join("api.url")).unwrap_or_default();
    let (hosts, folder) = (args.hosts, data.join("hosts"));
    if args.hosts_apart {
        println!(
            "farwatch is up: {hosts} hosts are registered; run each with farwatch host --data {}/NAME",
            folder.display()
        );
    } else {
        println!("farwatch is up: {hosts} hosts (not independent: they share this machine)");
    }
    println!("  API    {}", api.trim());
    println!("  token  {}", data.join("admin.token").display());
    println!("  logs   {}", data.join("log").display());
    let away = std::path::absolute(data).unwrap_or_else(|_| data.to_owned());
    println!("  away   in another folder, first: export FARWATCH_DATA={}", away.display());
    println!("  next   farwatch check create http --name example --url https://example.com --every 60s");
}
