//! The config of a module as flags say it: whole, or in short for the modules that are used most. It judges nothing the API
//! judges.

use std::fs;
use std::io::Read;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde_json::{Map, Value, json};

use super::job::JobArgs;
use crate::duration::seconds;
use crate::exit::{Failure, NO_INPUT, USAGE};

/// What a module is told.
#[derive(Args, Debug, Default)]
pub(super) struct ConfigArgs {
    /// The config of the module: a JSON object, a file of one, or - for standard input
    #[arg(long, value_name = "JSON|FILE")]
    config: Option<String>,
    #[command(flatten)]
    http: HttpArgs,
    #[command(flatten)]
    tcp: TcpArgs,
    #[command(flatten)]
    answer: AnswerArgs,
    #[command(flatten)]
    job: JobArgs,
}

/// The config of the module `http`, for short.
#[derive(Args, Debug, Default)]
#[command(next_help_heading = "Of the module http")]
struct HttpArgs {
    /// What to fetch
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// The method of the request
    #[arg(long, value_name = "METHOD")]
    method: Option<String>,
    /// A header to send, as 'Name: value'; may be repeated
    #[arg(long = "header", value_name = "HEADER")]
    headers: Vec<String>,
    /// The body to send, from a file
    #[arg(long, value_name = "FILE")]
    body_file: Option<PathBuf>,
    /// The statuses that are good, such as 200-299,301
    #[arg(long, value_name = "STATUSES")]
    expect_status: Option<String>,
    /// Text that must not be in the body
    #[arg(long, value_name = "TEXT")]
    not_contains: Option<String>,
    /// Do not follow redirects
    #[arg(long)]
    no_redirects: bool,
}

/// The config of the module `tcp`, for short.
#[derive(Args, Debug, Default)]
#[command(next_help_heading = "Of the module tcp")]
struct TcpArgs {
    /// What to connect to: a name or an address
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
    /// The port that it listens on
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
    /// Speak TLS from the first byte
    #[arg(long)]
    tls: bool,
    /// What to send, such as 'PING\r\n'
    #[arg(long, value_name = "TEXT")]
    send: Option<String>,
    /// What ends the answer, such as '\n'
    #[arg(long, value_name = "TEXT")]
    read_until: Option<String>,
}

/// What both judge an answer by.
#[derive(Args, Debug, Default)]
#[command(next_help_heading = "Of the modules http and tcp")]
struct AnswerArgs {
    /// Text that must be in the body or the answer
    #[arg(long, value_name = "TEXT")]
    contains: Option<String>,
    /// A regular expression that must match in the body or the answer
    #[arg(long, value_name = "REGEX")]
    matches: Option<String>,
    /// An answer that takes longer is degraded
    #[arg(long, value_parser = seconds, value_name = "TIME")]
    degraded_above: Option<Duration>,
    /// A certificate that expires in fewer days is degraded
    #[arg(long, value_name = "DAYS")]
    certificate_days: Option<u16>,
}

impl ConfigArgs {
    /// Whether anything is said at all.
    pub(super) fn is_said(&self) -> Result<bool, Failure> {
        let answer = answer_config(&self.answer, "a", "b");
        let short = [http_config(&self.http)?, tcp_config(&self.tcp), answer, self.job.config()];
        Ok(self.config.is_some() || short.iter().any(|config| !config.is_empty()))
    }

    /// The config that was given for this module, with the short flags over it.
    pub(super) fn of_module(&self, module: &str) -> Result<Map<String, Value>, Failure> {
        let mut config = match &self.config {
            Some(said) => object_in(said)?,
            None => Map::new(),
        };
        let (http, tcp, job) = (http_config(&self.http)?, tcp_config(&self.tcp), self.job.config());
        let name = module.split('@').next();
        if name != Some("heartbeat") && !job.is_empty() {
            let line = format!("the flags of the module heartbeat do not fit the module {module}; use --config");
            return Err(Failure::new(USAGE, line));
        }
        let (fitting, other, answer) = match name {
            Some("http") => (http, ("tcp", tcp), answer_config(&self.answer, "body_contains", "body_regex")),
            Some("tcp" | "udp" | "tls" | "icmp" | "ntp") => {
                (tcp, ("http", http), answer_config(&self.answer, "expect_contains", "expect_regex"))
            }
            _ => {
                let mut short = http;
                short.extend(tcp);
                short.extend(answer_config(&self.answer, "contains", "matches"));
                (job, ("http or tcp", short), Map::new())
            }
        };
        if !other.1.is_empty() {
            let line = format!("the flags of the module {} do not fit the module {module}; use --config", other.0);
            return Err(Failure::new(USAGE, line));
        }
        config.extend(fitting);
        config.extend(answer);
        Ok(config)
    }
}

/// Puts what was said.
pub(super) fn put(map: &mut Map<String, Value>, key: &str, value: Option<Value>) {
    if let Some(value) = value {
        map.insert(key.to_owned(), value);
    }
}

/// The object that was said: as JSON, in a file, or on standard input.
pub(in crate::client) fn object_in(said: &str) -> Result<Map<String, Value>, Failure> {
    let text = if said.trim_start().starts_with('{') { said.to_owned() } else { text_in(said)? };
    serde_json::from_str(&text)
        .map_err(|error| Failure::new(USAGE, format_args!("--config is no JSON object: {error}")))
}

fn text_in(place: &str) -> Result<String, Failure> {
    let mut text = String::new();
    let read = match place {
        "-" => std::io::stdin().read_to_string(&mut text).map(|_| text),
        file => fs::read_to_string(file),
    };
    read.map_err(|error| Failure::new(NO_INPUT, format_args!("cannot read --config {place}: {error}")))
}

fn http_config(http: &HttpArgs) -> Result<Map<String, Value>, Failure> {
    let mut config = Map::new();
    put(&mut config, "url", http.url.as_ref().map(|url| json!(url)));
    put(&mut config, "method", http.method.as_ref().map(|method| json!(method)));
    let headers = pairs("--header", &http.headers, ':')?;
    put(&mut config, "headers", (!headers.is_empty()).then_some(Value::Object(headers)));
    if let Some(file) = &http.body_file {
        let place = file.display();
        let body = fs::read_to_string(file)
            .map_err(|error| Failure::new(NO_INPUT, format_args!("cannot read --body-file {place}: {error}")))?;
        config.insert("body".to_owned(), json!(body));
    }
    put(&mut config, "expected_status", http.expect_status.as_ref().map(|statuses| json!(statuses)));
    put(&mut config, "body_not_contains", http.not_contains.as_ref().map(|text| json!(text)));
    put(&mut config, "follow_redirects", http.no_redirects.then_some(Value::Bool(false)));
    Ok(config)
}

fn tcp_config(tcp: &TcpArgs) -> Map<String, Value> {
    let mut config = Map::new();
    put(&mut config, "host", tcp.host.as_ref().map(|host| json!(host)));
    put(&mut config, "port", tcp.port.map(|port| json!(port)));
    put(&mut config, "tls", tcp.tls.then_some(Value::Bool(true)));
    put(&mut config, "send", tcp.send.as_ref().map(|text| json!(text)));
    put(&mut config, "read_until", tcp.read_until.as_ref().map(|text| json!(text)));
    config
}

/// What both modules judge by, under the names that one of them has for it.
fn answer_config(answer: &AnswerArgs, contains: &str, regex: &str) -> Map<String, Value> {
    let mut config = Map::new();
    put(&mut config, contains, answer.contains.as_ref().map(|text| json!(text)));
    put(&mut config, regex, answer.matches.as_ref().map(|regex| json!(regex)));
    put(&mut config, "degraded_above_ms", answer.degraded_above.map(|above| json!(above.as_millis())));
    put(&mut config, "certificate_days_min", answer.certificate_days.map(|days| json!(days)));
    config
}

/// Texts such as `key=value` as an object.
pub(super) fn pairs(flag: &str, said: &[String], between: char) -> Result<Map<String, Value>, Failure> {
    let mut pairs = Map::new();
    for text in said {
        let Some((key, value)) = text.split_once(between) else {
            return Err(Failure::new(USAGE, format_args!("{flag} {text:?}: write it as key{between}value")));
        };
        pairs.insert(key.trim().to_owned(), json!(value.trim()));
    }
    Ok(pairs)
}
