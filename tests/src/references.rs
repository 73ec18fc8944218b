//! References that hosts read, and that some of them can be shut out from: to those nobody answers.
//!
//! They are sockets of Python's that the kernel filters by source address, so that a host is cut off from them and from
//! nothing else. They end with their test.

use std::io::{BufRead, BufReader, Write};
use std::net::IpAddr;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::Mutex;

use anyhow::{Context, ensure};

use crate::python::python;

const PROGRAM: &str = include_str!("references.py");
/// How many there are.
const COUNT: &str = "3";

/// Running references.
#[derive(Debug)]
pub struct References {
    child: Child,
    ears: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
    ports: Vec<u16>,
}

impl References {
    /// Starts them; everybody reaches them.
    pub fn start() -> anyhow::Result<Self> {
        let mut child = python(PROGRAM)?.arg(COUNT).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let stdin = child.stdin.take().context("no standard input")?;
        let mut stdout = BufReader::new(child.stdout.take().context("no standard output")?);
        let mut line = String::new();
        stdout.read_line(&mut line)?;
        let ports = line.split_whitespace().map(str::parse).collect::<Result<Vec<u16>, _>>()?;
        ensure!(!ports.is_empty(), "the references do not listen");
        Ok(Self { child, ears: Mutex::new((stdin, stdout)), ports })
    }

    /// The flags by which `farwatch up` names them.
    pub fn flags(&self) -> Vec<String> {
        self.ports.iter().map(|port| format!("--reference=127.0.0.1:{port}")).collect()
    }

    /// Whoever comes from this address reaches none of them from now on.
    pub fn shut_out(&self, address: IpAddr) -> anyhow::Result<()> {
        self.say(&format!("shut {address}"))
    }

    /// Nobody reaches any of them from now on.
    pub fn shut_all_out(&self) -> anyhow::Result<()> {
        self.say("shut all")
    }

    /// Everybody reaches them again.
    pub fn let_in(&self) -> anyhow::Result<()> {
        self.say("open")
    }

    fn say(&self, order: &str) -> anyhow::Result<()> {
        let (stdin, stdout) = &mut *self.ears.lock().expect("no holder of this lock panics");
        writeln!(stdin, "{order}")?;
        stdin.flush()?;
        let mut line = String::new();
        stdout.read_line(&mut line)?;
        ensure!(line.trim() == "done", "the references did not take {order:?}");
        Ok(())
    }
}

impl Drop for References {
    fn drop(&mut self) {
        // One that has ended already is as good.
        let _ = (self.child.kill(), self.child.wait());
    }
}
