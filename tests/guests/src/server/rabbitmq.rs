//! RabbitMQ: one node with a name service of its own, and a client that fills its queues and takes from them.
//!
//! It takes a while to start, so it has no settings: all cases share it.

use std::collections::BTreeMap;
use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, ensure};
use farwatch_tests::ports::free_address;
use farwatch_tests::python::interpreter;
use farwatch_tests::server::{Server, path_text};
use serde_json::json;
use tempfile::TempDir;

use super::{Running, certificate};
use crate::case::Setup;

/// How long the node may take to start, on a machine busy with other tests.
const PATIENCE: Duration = Duration::from_secs(300);
/// Where the package has the programs of each version. Those in the path would turn into another user.
const PROGRAMS: &str = "/usr/lib/rabbitmq/lib";
const PACKAGE: &str = "rabbitmq-server";
const CLIENT: &str = include_str!("rabbitmq.py");
/// The client's password.
const PASSWORD: &str = "fills and takes";

/// Starts it. Where it speaks TLS is the fact `tls_port`.
pub(super) fn start(setup: &Setup) -> anyhow::Result<Running> {
    ensure!(setup.settings.is_empty(), "a node has no settings, for all cases share it");
    let names = names()?;
    let (address, tls) = (free_address()?, free_address()?);
    let node = node(names.1, address, tls)?;
    let client = client(address)?;
    // What is held ends in this order.
    Ok(Running::new(address, (client, node, names.0)).fact("tls_port", tls.port()))
}

/// The name service, without which no node starts, and which it would start by itself and leave behind.
fn names() -> anyhow::Result<(Server, SocketAddr)> {
    let address = free_address()?;
    let arguments = ["-port", &address.port().to_string(), "-address", "127.0.0.1"];
    let ready = || Ok(TcpStream::connect(address).is_ok());
    Ok((Server::start(("epmd", "erlang-base"), &arguments, tempfile::tempdir()?, ready)?, address))
}

fn node(names: SocketAddr, address: SocketAddr, tls: SocketAddr) -> anyhow::Result<Server> {
    let directory = tempfile::tempdir()?;
    write_files(&directory, address, tls)?;
    let here = path_text(directory.path())?.to_owned();
    let variables = BTreeMap::from([
        // Where its cookie is.
        ("HOME", here.clone()),
        ("LANG", "C.UTF-8".to_owned()),
        ("ERL_EPMD_PORT", names.port().to_string()),
        ("ERL_EPMD_ADDRESS", "127.0.0.1".to_owned()),
        // It becomes the node itself then, instead of watching over it.
        ("RUNNING_UNDER_SYSTEMD", "1".to_owned()),
        ("RABBITMQ_NODENAME", format!("farwatch{}@localhost", address.port())),
        ("RABBITMQ_DIST_PORT", free_address()?.port().to_string()),
        ("RABBITMQ_CONFIG_FILE", format!("{here}/rabbitmq.conf")),
        ("RABBITMQ_CONF_ENV_FILE", format!("{here}/none")),
        ("RABBITMQ_ENABLED_PLUGINS_FILE", format!("{here}/plugins")),
        ("RABBITMQ_MNESIA_BASE", format!("{here}/mnesia")),
        ("RABBITMQ_LOG_BASE", format!("{here}/logs")),
        ("RABBITMQ_LOGS", "-".to_owned()),
        ("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "-kernel inet_dist_use_interface {127,0,0,1}".to_owned()),
    ]);
    let variables: Vec<_> = variables.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let program = program()?;
    let arguments: Vec<_> = variables.iter().map(String::as_str).chain([path_text(&program)?]).collect();
    let ready = || Ok(TcpStream::connect(address).is_ok() && TcpStream::connect(tls).is_ok());
    Server::start_within(PATIENCE, ("env", PACKAGE), &arguments, directory, ready)
}

fn program() -> anyhow::Result<PathBuf> {
    let versions =
        fs::read_dir(PROGRAMS).context("there is no RabbitMQ; install the Debian package rabbitmq-server")?;
    let programs = versions.map(|version| Ok(version?.path().join("sbin/rabbitmq-server")));
    let programs = programs.collect::<std::io::Result<Vec<_>>>()?;
    programs.into_iter().find(|program| program.exists()).with_context(|| format!("no rabbitmq-server in {PROGRAMS}"))
}

fn write_files(directory: &TempDir, address: SocketAddr, tls: SocketAddr) -> anyhow::Result<()> {
    let here = path_text(directory.path())?;
    let certificate = certificate(None)?;
    let config = format!(
        "listeners.tcp.1 = {address}\nlisteners.ssl.1 = {tls}\nssl_options.certfile = {here}/chain.pem\n\
         ssl_options.keyfile = {here}/key.pem\nssl_options.verify = verify_none\nload_definitions = {here}/content.json\n\
         loopback_users = none\nlog.console = true\n",
    );
    let queue =
        |name: &str| json!({ "name": name, "vhost": "shop", "durable": true, "auto_delete": false, "arguments": {} });
    let user = |name: &str, password: &str| json!({ "name": name, "password": password, "tags": "" });
    let may = |user: &str, configure: &str| json!({ "user": user, "vhost": "shop", "configure": configure, "write": ".*", "read": ".*" });
    let content = json!({
        "users": [user("watcher", "correct horse"), user("client", PASSWORD)],
        "vhosts": [{ "name": "/" }, { "name": "shop" }],
        "permissions": [may("watcher", ""), may("client", ".*")],
        "queues": [queue("orders"), queue("mail")],
        "exchanges": [{
            "name": "events", "vhost": "shop", "type": "topic", "durable": true, "auto_delete": false, "internal": false,
            "arguments": {},
        }],
        "bindings": [],
    });
    for (name, text) in [
        ("rabbitmq.conf", config.as_str()),
        ("content.json", &content.to_string()),
        ("plugins", "[].\n"),
        ("chain.pem", &certificate.chain_pem),
        ("key.pem", &certificate.key_pem),
    ] {
        fs::write(directory.path().join(name), text)?;
    }
    Ok(())
}

/// Puts seven messages into `orders`, takes from `mail`, and keeps `mine` to itself.
fn client(address: SocketAddr) -> anyhow::Result<Server> {
    let directory = tempfile::tempdir()?;
    let is_done = directory.path().join("done");
    let python = interpreter()?;
    let arguments = ["-c", CLIENT, &address.port().to_string(), PASSWORD];
    Server::start((path_text(&python)?, "python3-venv"), &arguments, directory, || Ok(is_done.exists()))
}
