//! The monitoring plugins that Nagios and its heirs run: one program for each protocol.

use std::process::Command;

use anyhow::Context;
use serde_json::Value;

use super::{Said, Verdict, unescaped};

/// Where Debian's packages have them.
const FOLDER: &str = "/usr/lib/nagios/plugins";

/// A plugin with its arguments.
#[derive(Debug)]
pub struct Question {
    program: &'static str,
    arguments: Vec<String>,
}

/// The version of all of them.
///
/// # Errors
/// When they are not installed.
pub fn version() -> anyhow::Result<String> {
    let told = Command::new(format!("{FOLDER}/check_tcp")).arg("--version").output();
    let told = told.context("check_tcp cannot be started; install the Debian package monitoring-plugins-basic")?;
    Ok(String::from_utf8_lossy(&told.stdout).trim().to_owned())
}

impl Question {
    /// What it finds: what it warns of is up, as what is degraded is.
    ///
    /// # Errors
    /// When it is not installed.
    pub fn ask(&self) -> anyhow::Result<Verdict> {
        let ran = Command::new(format!("{FOLDER}/{}", self.program)).args(&self.arguments).output();
        let ran = ran.with_context(|| format!("{} cannot be started; install its package", self.program))?;
        Ok(match ran.status.code() {
            Some(0 | 1) => Verdict::Up,
            Some(2) => Verdict::Down,
            _ => Verdict::Unknown,
        })
    }
}

/// A case in the terms of a plugin, where there are any.
pub fn question(module: &str, config: &Value, timeout_ms: u32) -> Option<Question> {
    let mut said = Said::of(config)?;
    let (program, mut arguments) = match module {
        "http" => ("check_http", http(&mut said)?),
        "tcp" => ("check_tcp", tcp(&mut said)?),
        // check_dns, which asks nslookup, cannot be told of a port.
        "dns" => ("check_dig", dns(&mut said)?),
        "icmp" => ("check_ping", icmp(&mut said)?),
        _ => return None,
    };
    arguments.extend(["-t".to_owned(), timeout_ms.div_ceil(1_000).to_string()]);
    said.is_all().then_some(Question { program, arguments })
}

fn texts<const N: usize>(texts: [&str; N]) -> Vec<String> {
    texts.map(str::to_owned).into()
}

fn http(said: &mut Said<'_>) -> Option<Vec<String>> {
    let url = said.text("url")?;
    let (scheme, rest) = url.split_once("://")?;
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (host, port) = authority.rsplit_once(':')?;
    let mut arguments = texts(["-H", host, "-I", host, "-p", port, "-u", &format!("/{path}")]);
    if scheme == "https" {
        // The version in Debian has no word for verifying a certificate.
        arguments.extend(texts(["-S", "--sni"]));
        said.flag("verify_tls", true);
    }
    arguments.extend(texts(["-f", if said.flag("follow_redirects", true) { "follow" } else { "ok" }]));
    if let Some(status) = said.get("expected_status") {
        let status = status.as_u64().or_else(|| status.as_str()?.parse().ok())?;
        arguments.extend(texts(["-e", &format!(" {status} ")]));
    }
    if let Some(text) = said.text("body_contains") {
        arguments.extend(texts(["-s", text]));
    }
    if let Some(pattern) = said.text("body_regex") {
        arguments.extend(texts(["-r", pattern]));
    }
    Some(arguments)
}

fn tcp(said: &mut Said<'_>) -> Option<Vec<String>> {
    let (host, port) = (said.text("host")?, said.number("port")?.to_string());
    let mut arguments = texts(["-H", host, "-p", &port]);
    if said.flag("tls", false) {
        arguments.extend(texts(["-S"]));
        said.flag("verify_tls", true);
    }
    if let Some(text) = said.text("send") {
        arguments.extend(texts(["-s", &unescaped(text)?]));
    }
    if let Some(text) = said.text("expect_contains") {
        arguments.extend(texts(["-e", unescaped(text)?.trim_end()]));
    }
    Some(arguments)
}

fn dns(said: &mut Said<'_>) -> Option<Vec<String>> {
    let (server, port) = (said.text("server")?, said.number("port")?.to_string());
    let record_type = said.text("record_type").unwrap_or("A");
    let mut arguments = texts(["-H", server, "-p", &port, "-l", said.text("name")?, "-T", record_type]);
    let mut flags = "+tries=1".to_owned();
    match said.text("transport").unwrap_or("udp") {
        "udp" => {}
        "tcp" => flags.push_str(" +tcp"),
        _ => return None,
    }
    if !said.flag("recursion", true) {
        flags.push_str(" +norecurse");
    }
    arguments.extend(texts(["-A", &flags]));
    for field in ["expect_exactly", "expect_including"] {
        if let Some(records) = said.get(field) {
            let [record] = records.as_array()?.as_slice() else { return None };
            arguments.extend(texts(["-a", record.as_str()?]));
        }
    }
    Some(arguments)
}

fn icmp(said: &mut Said<'_>) -> Option<Vec<String>> {
    let host = said.text("host")?;
    let count = said.number("count").unwrap_or(3).to_string();
    let loss = said.number("down_above_loss_percent").unwrap_or(99) + 1;
    let mut arguments =
        texts(["-H", host, "-p", &count, "-w", &format!("9000,{loss}%"), "-c", &format!("9999,{loss}%")]);
    if let Some(version) = said.text("ip_version") {
        arguments.push(format!("-{version}"));
    }
    said.get("interval_ms");
    Some(arguments)
}
