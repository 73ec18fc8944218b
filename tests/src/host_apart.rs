//! A host that is no child of `farwatch up`: its process may hand over to another, which outlives it.
//!
//! All processes of one host are one process group, and end with it.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::system::{System, farwatch};
use crate::wait::eventually;

/// `farwatch up` makes their certificates and registers them by then.
const REGISTER_LIMIT: Duration = Duration::from_secs(30);

/// The processes of one host.
#[derive(Debug)]
pub struct HostApart {
    name: String,
    group: Pid,
    log: PathBuf,
    words: Vec<String>,
    /// Started by the test; what they start in turn is found by the group.
    children: Vec<Child>,
}

impl HostApart {
    /// Starts so many hosts, once `farwatch up` has registered them.
    pub(crate) fn start_all(system: &System, count: usize) -> anyhow::Result<Vec<Self>> {
        let names = eventually("the hosts to be registered", REGISTER_LIMIT, || {
            let hosts = system.api().get("/v1/hosts")?;
            let hosts = hosts["items"].as_array().context("the hosts are no list")?.clone();
            let names: Vec<String> = hosts.iter().filter_map(|host| host["name"].as_str().map(str::to_owned)).collect();
            Ok((names.len() == count).then_some(names))
        })?;
        names.into_iter().map(|name| Self::start(system, name)).collect()
    }

    fn start(system: &System, name: String) -> anyhow::Result<Self> {
        let data = system.data().join("hosts").join(&name);
        let words = vec![
            "host".to_owned(),
            format!("--data={}", data.display()),
            format!("--control={}", system.link_address(0)?),
            "--peer-listen=127.0.0.1:0".to_owned(),
            "--allow-net=127.0.0.0/8".to_owned(),
        ];
        let log = system.data().join("log").join(format!("{name}.log"));
        let first = command(&farwatch()?, &words, &log)?.process_group(0).spawn().context("cannot start a host")?;
        let group = Pid::from_raw(first.id().cast_signed()).context("the child has no process id")?;
        Ok(Self { name, group, log, words, children: vec![first] })
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Starts one more process of it with one more flag, and answers with its id.
    pub fn start_another(&mut self, flag: &str) -> anyhow::Result<Pid> {
        let mut words = self.words.clone();
        words.push(flag.to_owned());
        let child = command(&farwatch()?, &words, &self.log)?.process_group(self.group.as_raw_pid()).spawn()?;
        let pid = Pid::from_raw(child.id().cast_signed()).context("the child has no process id")?;
        self.children.push(child);
        Ok(pid)
    }

    /// How this process ended, if it has; one that the test started.
    pub fn ended(&mut self, pid: Pid) -> anyhow::Result<Option<ExitStatus>> {
        let raw = pid.as_raw_pid().cast_unsigned();
        match self.children.iter_mut().find(|child| child.id() == raw) {
            Some(child) => Ok(child.try_wait()?),
            None => bail!("{} has no such process", self.name),
        }
    }

    /// The process that was started first.
    pub const fn first(&self) -> Pid {
        self.group
    }

    /// Its processes that are alive.
    pub fn alive(&self) -> anyhow::Result<Vec<Pid>> {
        let group = self.group.as_raw_pid();
        let mut alive = Vec::new();
        for entry in fs::read_dir("/proc")? {
            let Ok(pid) = entry?.file_name().to_string_lossy().parse::<i32>() else { continue };
            // One that ends meanwhile is not alive.
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            let mut fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
            let (state, group_of) = (fields.next(), fields.nth(1));
            if state != Some("Z") && group_of.and_then(|field| field.parse().ok()) == Some(group) {
                alive.extend(Pid::from_raw(pid));
            }
        }
        Ok(alive)
    }

    /// Sends a signal to one of its processes.
    pub fn signal(&self, pid: Pid, signal: Signal) -> anyhow::Result<()> {
        Ok(kill_process(pid, signal)?)
    }
}

fn command(program: &Path, words: &[String], log: &Path) -> anyhow::Result<Command> {
    let log = fs::OpenOptions::new().create(true).append(true).open(log)?;
    let mut command = Command::new(program);
    command.args(words).env("FARWATCH_SETTINGS", "/dev/null").stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    Ok(command)
}

impl Drop for HostApart {
    fn drop(&mut self) {
        // The first process is waited for last, so its id, which is the group's, is nobody else's until then.
        let _ = kill_process_group(self.group, Signal::KILL);
        for child in self.children.iter_mut().rev() {
            let _ = child.wait();
        }
    }
}
