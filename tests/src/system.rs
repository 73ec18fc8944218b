//! A whole Farwatch in real processes: `farwatch up` in a folder of its own.
//!
//! Everything it starts ends with it, and nothing else is ever signalled.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::api::Api;
use crate::host_apart::HostApart;
use crate::ports::free_address;
use crate::wait::eventually;

/// Control compiles the built-in modules before it serves.
const START_LIMIT: Duration = Duration::from_secs(60);
/// Asked to end, everything must have ended by then.
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// What a system is started with.
#[derive(Clone, Debug)]
pub struct SystemBuilder {
    hosts: usize,
    controls: usize,
    link: Option<SocketAddr>,
    flags: Vec<String>,
    environment: Vec<(String, String)>,
    program: Option<PathBuf>,
    data: Option<PathBuf>,
    apart: bool,
}

impl Default for SystemBuilder {
    fn default() -> Self {
        let flags = vec!["--allow-net=127.0.0.0/8".to_owned()];
        let environment = Vec::new();
        Self { hosts: 5, controls: 1, link: None, flags, environment, program: None, data: None, apart: false }
    }
}

impl SystemBuilder {
    /// So many hosts.
    #[must_use]
    pub const fn hosts(mut self, hosts: usize) -> Self {
        self.hosts = hosts;
        self
    }

    /// So many control processes, on the database of this URL.
    #[must_use]
    pub fn controls(mut self, controls: usize, database: &str) -> Self {
        self.controls = controls;
        self.flag(format!("--database={database}"))
    }

    /// Its hosts are processes of their own, which may hand over to others.
    #[must_use]
    pub fn hosts_apart(mut self) -> Self {
        self.apart = true;
        self.flag("--hosts-apart")
    }

    /// One more variable in the environment of all its processes.
    #[must_use]
    pub fn environment(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.push((name.to_owned(), value.into()));
        self
    }

    /// One more flag of `farwatch up`.
    #[must_use]
    pub fn flag(mut self, flag: impl Into<String>) -> Self {
        self.flags.push(flag.into());
        self
    }

    /// The probes of the hosts leave from these addresses, in order.
    #[must_use]
    pub fn probe_bind(self, addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        addresses.into_iter().fold(self, |builder, address| builder.flag(format!("--probe-bind={address}")))
    }

    /// Another program than the one under test: that of an earlier version.
    #[must_use]
    pub fn program(mut self, program: &Path) -> Self {
        self.program = Some(program.to_owned());
        self
    }

    /// It goes on with what is kept there, and leaves it there.
    #[must_use]
    pub fn data(mut self, data: &Path) -> Self {
        self.data = Some(data.to_owned());
        self
    }

    /// Control's link listens there.
    #[must_use]
    pub const fn link(mut self, address: SocketAddr) -> Self {
        self.link = Some(address);
        self
    }

    /// Starts it and waits until its hosts own.
    pub fn start(self) -> anyhow::Result<System> {
        let folder = tempfile::Builder::new().prefix("farwatch-").tempdir()?;
        let data = self.data.unwrap_or_else(|| folder.path().join("data"));
        // Where the one before it listened is no place to ask.
        let _ = fs::remove_file(data.join("api.url"));
        let output = fs::File::create(folder.path().join("up.log"))?;
        let mut command = Command::new(self.program.map_or_else(farwatch, Ok)?);
        command.arg("up").arg(format!("--data={}", data.display())).arg(format!("--hosts={}", self.hosts));
        for index in 0..self.controls {
            let link = self.link.filter(|_| index == 0).map_or_else(free_address, Ok)?;
            command.arg(format!("--api-listen={}", free_address()?)).arg(format!("--link-listen={link}"));
        }
        let child = command
            .args(&self.flags)
            .envs(self.environment)
            // What this machine is set up for is not what is tested.
            .env("FARWATCH_SETTINGS", "/dev/null")
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .context("cannot start farwatch")?;
        let mut system = System { apart: Vec::new(), child, data, folder: Some(folder), apis: Vec::new() };
        system.await_apis(self.controls)?;
        if self.apart {
            system.apart = HostApart::start_all(&system, self.hosts)?;
        }
        system.await_hosts(self.hosts)?;
        Ok(system)
    }
}

/// A running system.
#[derive(Debug)]
pub struct System {
    apart: Vec<HostApart>,
    child: Child,
    data: PathBuf,
    folder: Option<TempDir>,
    apis: Vec<Api>,
}

impl System {
    /// What a system is started with.
    pub fn builder() -> SystemBuilder {
        SystemBuilder::default()
    }

    /// Its API, with the operator's token.
    pub fn api(&self) -> &Api {
        &self.apis[0]
    }

    /// The API of each control process.
    pub fn apis(&self) -> &[Api] {
        &self.apis
    }

    /// Where it keeps its data.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The log of one of its processes: `control` or a host's name.
    pub fn log(&self, name: &str) -> String {
        fs::read_to_string(self.data.join("log").join(format!("{name}.log"))).unwrap_or_default()
    }

    /// Runs a client verb against it and returns what it printed, or its one line of complaint.
    pub fn client(&self, args: &[&str]) -> anyhow::Result<std::process::Output> {
        let api = fs::read_to_string(self.data.join("api.url"))?;
        let output = Command::new(farwatch()?)
            .args(args)
            .env("FARWATCH_SETTINGS", "/dev/null")
            .env("FARWATCH_API", api.trim())
            .env("FARWATCH_TOKEN_FILE", self.data.join("admin.token"))
            .output()?;
        Ok(output)
    }

    /// The process of control.
    pub fn control_pid(&self) -> anyhow::Result<Pid> {
        self.control_pid_of(0)
    }

    /// The n-th process of control.
    pub fn control_pid_of(&self, index: usize) -> anyhow::Result<Pid> {
        self.pid_of("control", &self.control_data(index))
    }

    /// Where the n-th process of control keeps its data.
    fn control_data(&self, index: usize) -> PathBuf {
        if index == 0 { self.data.clone() } else { self.data.join("controls").join((index + 1).to_string()) }
    }

    /// Where hosts dial the n-th process of control.
    pub fn link_address(&self, index: usize) -> anyhow::Result<String> {
        Ok(fs::read_to_string(self.control_data(index).join("link.address"))?.trim().to_owned())
    }

    /// The process of the host of this name.
    pub fn host_pid(&self, name: &str) -> anyhow::Result<Pid> {
        self.pid_of("host", &self.data.join("hosts").join(name))
    }

    /// Sends a signal to one of its own processes.
    pub fn signal(&self, pid: Pid, signal: Signal) -> anyhow::Result<()> {
        Ok(kill_process(pid, signal)?)
    }

    /// The child that runs this word on this data directory.
    fn pid_of(&self, word: &str, data: &Path) -> anyhow::Result<Pid> {
        let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", self.child.id()))?;
        for child in children.split_whitespace() {
            let line = fs::read(format!("/proc/{child}/cmdline")).unwrap_or_default();
            let words: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
            let wanted = format!("--data={}", data.display());
            if words.get(1) == Some(&word.as_bytes()) && words.contains(&wanted.as_bytes()) {
                return Pid::from_raw(child.parse()?).context("a child has no process id");
            }
        }
        anyhow::bail!("no {word} runs on {}", data.display())
    }

    /// The host of this name, where hosts are processes of their own.
    pub fn apart(&mut self, name: &str) -> anyhow::Result<&mut HostApart> {
        let found = self.apart.iter_mut().find(|host| host.name() == name);
        found.with_context(|| format!("no host {name} runs apart"))
    }

    fn await_apis(&mut self, controls: usize) -> anyhow::Result<()> {
        let read = |path: PathBuf| -> anyhow::Result<String> { Ok(fs::read_to_string(path)?.trim().to_owned()) };
        for index in 0..controls {
            let (data, token) = (self.control_data(index), self.data.join("admin.token"));
            let api = eventually("the API to open", START_LIMIT, || {
                ensure!(self.child.try_wait()?.is_none(), "farwatch up has ended: {}", self.output());
                Ok(Some(Api::new(&read(data.join("api.url"))?, &read(token.clone())?)))
            })?;
            self.apis.push(api);
        }
        Ok(())
    }

    fn await_hosts(&self, hosts: usize) -> anyhow::Result<()> {
        let api = self.apis[0].clone();
        eventually("every host to own", START_LIMIT, || {
            let listed = api.get("/v1/hosts")?;
            let active = |host: &serde_json::Value| host["standing"] == "active";
            let items = listed["items"].as_array().context("the hosts are no list")?;
            Ok((items.len() == hosts && items.iter().all(active)).then_some(()))
        })
        .with_context(|| self.output())
    }

    /// What `farwatch up` printed.
    pub fn output(&self) -> String {
        let log = self.folder.as_ref().map(|folder| folder.path().join("up.log"));
        log.and_then(|log| fs::read_to_string(log).ok()).unwrap_or_default()
    }

    /// Ends it as an operator would.
    fn stop(&mut self) -> anyhow::Result<()> {
        let pid = Pid::from_raw(self.child.id().cast_signed()).context("the child has no process id")?;
        if self.child.try_wait()?.is_none() {
            kill_process(pid, Signal::TERM)?;
        }
        eventually("farwatch up to end", STOP_LIMIT, || Ok(self.child.try_wait()?)).map(|_| ())
    }
}

impl Drop for System {
    #[allow(clippy::print_stderr, reason = "whoever reads the failed test wants to know")]
    fn drop(&mut self) {
        self.apart.clear();
        if self.stop().is_err() {
            // Its children end with it.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        if let Some(folder) = self.folder.take().filter(|_| std::thread::panicking()) {
            eprintln!("the data and logs of the failed test are kept in {}", folder.keep().display());
        }
    }
}

/// The program under test: built beside whatever runs this.
pub fn farwatch() -> anyhow::Result<PathBuf> {
    let me = std::env::current_exe()?;
    let built = me.ancestors().skip(1).map(|folder| folder.join("farwatch")).find(|path| path.is_file());
    built.context("there is no farwatch beside this program; run make build")
}
