//! The control processes of `up`: one on the embedded database, or several on one of PostgreSQL.
//!
//! The first keeps its files where everything is kept, and makes the keys; the others have directories of their own
//! and use those keys.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use farwatch_control::config::{ControlConfig, ControlFlags};
use farwatch_core::certificate::LIFE_MS;
use farwatch_core::fleet::HOLD_DOWN_MAX_MS;
use tokio::time::{sleep, timeout};

use super::supervisor::{Role, Supervised};
use super::{NO_FILE, UpArgs};
use crate::compile::compile_command;
use crate::exit::{Failure, OrFail, UNAVAILABLE, USAGE};

/// A control process has this long to open its ports; it compiles the built-in modules first.
const START_LIMIT: Duration = Duration::from_secs(60);
/// How often its files are looked for.
const POLL: Duration = Duration::from_millis(50);
/// The files by which a control process tells where it is reached.
const ADDRESS_FILES: [&str; 2] = ["api.url", "link.address"];

/// Whether the flags make sense to control, which would say so too, but in a log and after everything has begun.
pub(super) fn check(args: &UpArgs) -> Result<(), Failure> {
    let (apis, links) = (args.api_listen.len(), args.link_listen.len());
    if apis != links {
        let why = "name both once for every control process";
        return Err(Failure::new(USAGE, format_args!("--api-listen: {apis} and --link-listen: {links}; {why}")));
    }
    if links > 1 && args.database.is_none() {
        let why = "an embedded database bears one control process; name another with --database postgres://...";
        return Err(Failure::new(USAGE, format_args!("--link-listen: {links} addresses; {why}")));
    }
    for index in 0..links {
        ControlConfig::try_new(flags(args, index)?).or_fail(USAGE)?;
    }
    Ok(())
}

/// What of the flags is for a control process, as it takes it.
fn flags(args: &UpArgs, index: usize) -> Result<ControlFlags, Failure> {
    Ok(ControlFlags {
        data: args.data.clone(),
        database: args.database.clone(),
        api_listen: args.api_listen[index],
        link_listen: args.link_listen[index],
        link_address: None,
        identity: None,
        master_key_file: None,
        allow_net: args.allow_net.clone(),
        reference: args.reference.clone(),
        warmup: args.warmup,
        hold_down_max: Duration::from_millis(HOLD_DOWN_MAX_MS.unsigned_abs()),
        certificate_life: Duration::from_millis(LIFE_MS.unsigned_abs()),
        otlp: args.otlp.flags(),
        tell: args.tell.flags(),
        compiler: compile_command()?,
    })
}

/// Starts every control process and waits until each serves. Returns the first one's API and where each is linked.
pub(super) async fn start(
    args: &UpArgs,
    data: &Path,
    children: &mut Vec<Supervised>,
) -> Result<(String, Vec<String>), Failure> {
    let mut links = Vec::new();
    let mut first_api = None;
    for index in 0..args.link_listen.len() {
        let directory = directory(data, index);
        let role = role(args, data, &directory, index);
        children.push(Supervised::start(role, args.restarts()).or_fail(UNAVAILABLE)?);
        let child = children.last_mut().expect("a child was just added");
        let (api, link) = wait_until_it_serves(&directory, child).await?;
        first_api.get_or_insert(api);
        links.push(link);
    }
    Ok((first_api.expect("there is at least one control process"), links))
}

/// Where a control process keeps its files.
fn directory(data: &Path, index: usize) -> PathBuf {
    if index == 0 { data.to_owned() } else { data.join("controls").join((index + 1).to_string()) }
}

fn role(args: &UpArgs, data: &Path, directory: &Path, index: usize) -> Role {
    // What an earlier start wrote must not be taken for this one's.
    for name in ADDRESS_FILES {
        let _ = std::fs::remove_file(directory.join(name));
    }
    let flag = |name: &str, value: &dyn std::fmt::Display| format!("--{name}={value}");
    let address = |addresses: &[SocketAddr]| addresses[index].to_string();
    let mut words = vec![
        "control".to_owned(),
        NO_FILE.to_owned(),
        flag("data", &directory.display()),
        flag("identity", &data.join("identity").display()),
        flag("master-key-file", &data.join("master.key").display()),
        flag("api-listen", &address(&args.api_listen)),
        flag("link-listen", &address(&args.link_listen)),
        flag("warmup", &format_args!("{}ms", args.warmup.as_millis())),
        args.log.flag(),
    ];
    words.extend(args.otlp.words());
    words.extend(args.allow_net.iter().map(|net| flag("allow-net", net)));
    words.extend(args.reference.iter().map(|reference| flag("reference", reference)));
    let mut environment = args.tell.environment();
    let database = args.database_via.get(index).or(args.database.as_ref());
    environment.extend(database.cloned().map(|url| ("FARWATCH_DATABASE", url)));
    let name = if index == 0 { "control".to_owned() } else { format!("control-{}", index + 1) };
    Role { log: data.join("log").join(format!("{name}.log")), name, args: words, environment }
}

/// The API's URL and the link's address, once control has written them.
async fn wait_until_it_serves(directory: &Path, control: &mut Supervised) -> Result<(String, String), Failure> {
    let written = |name: &str| std::fs::read_to_string(directory.join(name)).ok().map(|text| text.trim().to_owned());
    let look = async {
        loop {
            if let (Some(api), Some(link)) = (written("api.url"), written("link.address")) {
                return Ok((api, link));
            }
            if let Some(ending) = control.has_ended() {
                return Err(Failure::new(UNAVAILABLE, ending));
            }
            sleep(POLL).await;
        }
    };
    let late = || Failure::new(UNAVAILABLE, "control did not open its ports in time; see its log");
    timeout(START_LIMIT, look).await.map_err(|_| late())?
}
