//! `farwatch up`: the whole of Farwatch on one machine, in real processes.
//!
//! Control and its hosts are children of this process; it makes their certificates, registers the
//! hosts, and starts again what ends. For more than one machine run `control` and `host` themselves.

mod pki;
mod places;
mod supervisor;

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use farwatch_control::config::{ControlConfig, ControlFlags};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{sleep, timeout};

use crate::compile::compile_command;
use crate::duration::seconds;
use crate::exit::{CANNOT_CREATE, Failure, OrFail, UNAVAILABLE, USAGE};
use crate::register::Registrar;
use crate::tell_args::TellArgs;
use pki::Authority;
use places::HOSTS_MAX;
use supervisor::{Role, Supervised};

pub(crate) use supervisor::EXIT_WITH_PARENT;

/// Control has this long to open its ports; it compiles the built-in modules first.
const CONTROL_START_LIMIT: Duration = Duration::from_secs(60);
/// What the settings file says of `up` the children are told by their flags, and the rest of it is not about them.
const NO_FILE: &str = "--settings=/dev/null";
/// How often its files are looked for.
const POLL: Duration = Duration::from_millis(50);

/// Runs everything on this machine: control on an embedded database, and hosts.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  farwatch up\n  farwatch up --allow-net 192.168.1.0/24 --smtp-url smtp://localhost:25"
)]
pub(crate) struct UpArgs {
    /// Where everything is kept.
    #[arg(long, env = "FARWATCH_DATA", default_value = "farwatch-data", value_name = "DIR")]
    data: PathBuf,
    /// How many hosts to run.
    #[arg(long, env = "FARWATCH_HOSTS", default_value_t = 5, value_name = "N")]
    hosts: usize,
    /// Where the API listens.
    #[arg(long, env = "FARWATCH_API_LISTEN", default_value = "127.0.0.1:8400", value_name = "ADDR")]
    api_listen: SocketAddr,
    /// Where hosts dial.
    #[arg(long, env = "FARWATCH_LINK_LISTEN", default_value = "127.0.0.1:8401", value_name = "ADDR")]
    link_listen: SocketAddr,
    /// A database other than the embedded one, such as postgres://user@host/name.
    #[arg(long, env = "FARWATCH_DATABASE", hide_env_values = true, value_name = "URL")]
    database: Option<String>,
    /// Lets checks and webhooks reach this private network; may be repeated.
    #[arg(long, env = "FARWATCH_ALLOW_NET", value_delimiter = ',', value_name = "CIDR")]
    allow_net: Vec<String>,
    /// How long a returning host proves itself before it owns checks again.
    #[arg(long, env = "FARWATCH_WARMUP", default_value = "60s", value_parser = seconds, value_name = "TIME")]
    warmup: Duration,
    /// How long after its end a process is started again.
    #[arg(long, env = "FARWATCH_RESTART_AFTER", default_value = "1s", value_parser = seconds, value_name = "TIME")]
    restart_after: Duration,
    /// The local address the probes of the n-th host use; repeated, one per host.
    #[arg(long, value_name = "ADDR")]
    probe_bind: Vec<IpAddr>,
    /// The address by which the n-th host reaches control's link, where it is another; repeated.
    #[arg(long, value_name = "ADDR", hide = true)]
    link_via: Vec<SocketAddr>,
    #[command(flatten)]
    tell: TellArgs,
}

/// Runs until it is told to stop.
pub(crate) fn run(args: &UpArgs) -> Result<(), Failure> {
    crate::log::start();
    if args.hosts == 0 || args.hosts > HOSTS_MAX {
        return Err(Failure::new(USAGE, format_args!("--hosts {}: use 1 to {HOSTS_MAX}", args.hosts)));
    }
    // Control would refuse them too, but in a log and after everything has begun.
    ControlConfig::try_new(control_flags(args)?).or_fail(USAGE)?;
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

    let mut children = vec![Supervised::start(control_role(args, &data), args.restart_after).or_fail(UNAVAILABLE)?];
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
    let (api, link) = wait_for_control(data, &mut children[0]).await?;
    let registrar = Registrar::new(&api, &data.join("admin.token"))?;
    for (index, facts) in places::first(args.hosts).into_iter().enumerate() {
        let directory = data.join("hosts").join(&facts.name);
        let id = places::id_in(&directory).or_fail(CANNOT_CREATE)?;
        authority.certify_host(id, &directory.join("identity")).or_fail(CANNOT_CREATE)?;
        registrar.register(id, &facts)?;
        let role = host_role(args, data, &facts.name, &link, index);
        children.push(Supervised::start(role, args.restart_after).or_fail(UNAVAILABLE)?);
    }
    Ok(())
}

/// The API's URL and the link's address, once control has written them.
async fn wait_for_control(data: &Path, control: &mut Supervised) -> Result<(String, String), Failure> {
    let written = |name: &str| std::fs::read_to_string(data.join(name)).ok().map(|text| text.trim().to_owned());
    let look = async {
        loop {
            if let (Some(api), Some(link), true) =
                (written("api.url"), written("link.address"), data.join("admin.token").exists())
            {
                return Ok((api, link));
            }
            if let Some(ending) = control.has_ended() {
                return Err(Failure::new(UNAVAILABLE, ending));
            }
            sleep(POLL).await;
        }
    };
    let late = || Failure::new(UNAVAILABLE, "control did not open its ports in time; see its log");
    timeout(CONTROL_START_LIMIT, look).await.map_err(|_| late())?
}

/// What of the flags is for control, as control takes it.
fn control_flags(args: &UpArgs) -> Result<ControlFlags, Failure> {
    Ok(ControlFlags {
        data: args.data.clone(),
        database: args.database.clone(),
        api_listen: args.api_listen,
        link_listen: args.link_listen,
        link_address: None,
        identity: None,
        master_key_file: None,
        allow_net: args.allow_net.clone(),
        warmup: args.warmup,
        tell: args.tell.flags(),
        compiler: compile_command()?,
    })
}

fn control_role(args: &UpArgs, data: &Path) -> Role {
    // What an earlier start wrote must not be taken for this one's.
    for name in ["api.url", "link.address"] {
        let _ = std::fs::remove_file(data.join(name));
    }
    let mut words = vec![
        "control".to_owned(),
        NO_FILE.to_owned(),
        format!("--data={}", data.display()),
        format!("--api-listen={}", args.api_listen),
        format!("--link-listen={}", args.link_listen),
        format!("--warmup={}ms", args.warmup.as_millis()),
    ];
    words.extend(args.allow_net.iter().map(|net| format!("--allow-net={net}")));
    let mut environment = args.tell.environment();
    environment.extend(args.database.clone().map(|url| ("FARWATCH_DATABASE", url)));
    Role { name: "control".to_owned(), args: words, environment, log: data.join("log/control.log") }
}

fn host_role(args: &UpArgs, data: &Path, name: &str, link: &str, index: usize) -> Role {
    let directory = data.join("hosts").join(name);
    let link = args.link_via.get(index).map_or_else(|| link.to_owned(), SocketAddr::to_string);
    let mut words = vec!["host".to_owned(), NO_FILE.to_owned()];
    words.extend([format!("--data={}", directory.display()), format!("--control={link}")]);
    words.extend(args.allow_net.iter().map(|net| format!("--allow-net={net}")));
    words.extend(args.probe_bind.get(index).map(|address| format!("--probe-bind={address}")));
    let log = data.join("log").join(format!("{name}.log"));
    Role { name: name.to_owned(), args: words, environment: Vec::new(), log }
}

#[allow(clippy::print_stdout, reason = "this is what the person at the terminal waits for")]
fn tell_ready(args: &UpArgs, data: &Path) {
    let api = std::fs::read_to_string(data.join("api.url")).unwrap_or_default();
    println!("farwatch is up: {} hosts (not independent: they share this machine)", args.hosts);
    println!("  API    {}", api.trim());
    println!("  token  {}", data.join("admin.token").display());
    println!("  logs   {}", data.join("log").display());
    println!("  next   farwatch check create http --name example --url https://example.com --every 60s");
}
