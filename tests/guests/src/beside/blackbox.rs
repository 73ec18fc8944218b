//! Prometheus' blackbox exporter, started on a port of loopback with a config that has one module for each case.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;

use anyhow::{Context, bail};
use farwatch_tests::nginx::is_listening;
use farwatch_tests::ports::free_address;
use farwatch_tests::server::{Server, path_text};
use serde_json::{Map, Value, json};

use super::{Said, Verdict, literal, unescaped};

/// The program, of the Debian package of the same name.
pub const PROGRAM: &str = "prometheus-blackbox-exporter";

/// What it is asked about one case.
#[derive(Debug)]
pub struct Question {
    target: String,
    module: Value,
}

/// A running exporter.
#[derive(Debug)]
pub struct Blackbox {
    address: SocketAddr,
    _server: Server,
}

impl Blackbox {
    /// Starts it with all that it will be asked, by names.
    ///
    /// # Errors
    /// When it is not installed, or does not take its config.
    pub fn start<'a>(questions: impl Iterator<Item = (&'a str, &'a Question)>) -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        let modules: Map<_, _> = questions.map(|(name, question)| (name.to_owned(), question.module.clone())).collect();
        let config = directory.path().join("blackbox.yml");
        // Every JSON is YAML.
        fs::write(&config, json!({ "modules": modules }).to_string())?;
        let address = free_address()?;
        let arguments = [format!("--config.file={}", path_text(&config)?), format!("--web.listen-address={address}")];
        let arguments = arguments.each_ref().map(String::as_str);
        let server = Server::start((PROGRAM, PROGRAM), &arguments, directory, || Ok(is_listening(address)))?;
        Ok(Self { address, _server: server })
    }

    /// What it finds.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn ask(&self, name: &str, question: &Question) -> anyhow::Result<Verdict> {
        let target = percent(&question.target);
        let mut stream = TcpStream::connect(self.address)?;
        write!(stream, "GET /probe?module={}&target={target} HTTP/1.0\r\n\r\n", percent(name))?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        match answer.lines().find_map(|line| line.strip_prefix("probe_success ")).context("it has found nothing")? {
            "1" => Ok(Verdict::Up),
            "0" => Ok(Verdict::Down),
            other => bail!("probe_success is {other}"),
        }
    }
}

fn percent(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// A case in its terms, where it has them.
pub fn question(module: &str, config: &Value, timeout_ms: u32, authority: &Path) -> Option<Question> {
    let mut said = Said::of(config)?;
    let (target, prober) = match module {
        "http" => http(&mut said, authority)?,
        "tcp" => tcp(&mut said, authority)?,
        "dns" => dns(&mut said, authority)?,
        "icmp" => icmp(&mut said)?,
        _ => return None,
    };
    let mut whole = json!({ "prober": module, "timeout": format!("{timeout_ms}ms") });
    whole[module] = prober;
    said.is_all().then_some(Question { target, module: whole })
}

/// Which addresses it uses where a name has both.
fn protocol(said: &mut Said<'_>) -> &'static str {
    if said.text("ip_version") == Some("6") { "ip6" } else { "ip4" }
}

fn tls(said: &mut Said<'_>, authority: &Path) -> Value {
    let mut tls = json!({ "ca_file": authority, "insecure_skip_verify": !said.flag("verify_tls", true) });
    if let Some(name) = said.text("server_name") {
        tls["server_name"] = name.into();
    }
    tls
}

fn http(said: &mut Said<'_>, authority: &Path) -> Option<(String, Value)> {
    let url = said.text("url")?;
    let mut prober = json!({
        "method": said.text("method").unwrap_or("GET"),
        "preferred_ip_protocol": protocol(said),
        "follow_redirects": said.flag("follow_redirects", true),
        "tls_config": tls(said, authority),
    });
    for (ours, theirs) in [
        ("body_contains", "fail_if_body_not_matches_regexp"),
        ("body_regex", "fail_if_body_not_matches_regexp"),
        ("body_not_contains", "fail_if_body_matches_regexp"),
    ] {
        if let Some(text) = said.text(ours) {
            prober[theirs] = json!([if ours == "body_regex" { text.to_owned() } else { literal(text) }]);
        }
    }
    if let Some(status) = said.get("expected_status") {
        prober["valid_status_codes"] = json!([status.as_u64().or_else(|| status.as_str()?.parse().ok())?]);
    }
    Some((url.to_owned(), prober))
}

fn tcp(said: &mut Said<'_>, authority: &Path) -> Option<(String, Value)> {
    let (host, port) = (said.text("host")?, said.number("port")?);
    let mut steps = Vec::new();
    if let Some(text) = said.text("send") {
        // It ends what it sends with a line feed, whatever one says.
        let plain = unescaped(text)?;
        steps.push(json!({ "send": plain.strip_suffix('\n')? }));
    }
    if let Some(text) = said.text("expect_contains") {
        steps.push(json!({ "expect": literal(unescaped(text)?.trim_end()) }));
    }
    if let Some(pattern) = said.text("expect_regex") {
        steps.push(json!({ "expect": pattern }));
    }
    // It reads line by line, so what ends an answer is no matter of its config.
    if said.text("read_until").is_some_and(|until| !matches!(until, "\\n" | "\\r\\n")) {
        return None;
    }
    let prober = json!({
        "preferred_ip_protocol": protocol(said),
        "query_response": steps,
        "tls": said.flag("tls", false),
        "tls_config": tls(said, authority),
    });
    Some((address(host, port), prober))
}

fn dns(said: &mut Said<'_>, authority: &Path) -> Option<(String, Value)> {
    let (server, port) = (said.text("server")?, said.number("port")?);
    let transport = said.text("transport").unwrap_or("udp");
    let mut prober = json!({
        "preferred_ip_protocol": protocol(said),
        "query_name": said.text("name")?,
        "query_type": said.text("record_type").unwrap_or("A"),
        "recursion_desired": said.flag("recursion", true),
        "transport_protocol": if transport == "udp" { "udp" } else { "tcp" },
        "valid_rcodes": [said.text("expected_rcode").unwrap_or("NOERROR")],
    });
    if transport == "tls" {
        prober["dns_over_tls"] = true.into();
        prober["tls_config"] = tls(said, authority);
    }
    // Of several records it can only ask that some or that all match; of one that is both.
    for field in ["expect_exactly", "expect_including"] {
        if let Some(records) = said.get(field) {
            let [record] = records.as_array()?.as_slice() else { return None };
            let rule =
                if field == "expect_exactly" { "fail_if_not_matches_regexp" } else { "fail_if_none_matches_regexp" };
            prober["validate_answer_rrs"] = json!({ rule: [format!("\t{}$", literal(record.as_str()?))] });
        }
    }
    Some((address(server, port), prober))
}

fn icmp(said: &mut Said<'_>) -> Option<(String, Value)> {
    let host = said.text("host")?;
    // It sends one.
    said.get("count");
    said.get("interval_ms");
    said.get("down_above_loss_percent");
    let mut prober = json!({ "preferred_ip_protocol": protocol(said), "ip_protocol_fallback": false });
    if let Some(size) = said.number("size") {
        prober["payload_size"] = size.into();
    }
    Some((host.to_owned(), prober))
}

fn address(host: &str, port: u64) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}
