//! What an answer says about the server.
//!
//! Where a proxy answers instead of the server there is no status of gRPC, and what the proxy said is told.

use farwatch_guest::escapes::show;
use farwatch_guest::outcome::{
    Finding, TIMES, certificate_days_left, certificate_expiring, found, integer, slow, text, times,
};

use crate::config::Config;
use crate::message::{self, Health};
use crate::status;
use crate::wit::farwatch::check::http::Response;
use crate::wit::farwatch::check::types::{Attribute, Outcome, Status};

/// How much of what a server says is shown, in characters.
const SHOWN_MAX: usize = 160;

/// Judges an answer.
pub fn response(config: &Config, response: &Response, now_ms: u64) -> Outcome {
    let took_us = response.times.total.into();
    let days_left = response.tls.as_ref().and_then(|tls| certificate_days_left(tls, now_ms));
    let (status, finding) = call(config, response);
    let finding = finding
        .map(|(code, message)| {
            let message = format!("{message} from {} after {} ms", response.remote, response.times.total / 1_000);
            (Status::Down, code, message)
        })
        .or_else(|| slow("answered", took_us, config.degraded_above_ms))
        .or_else(|| expiring(days_left?, config.certificate_days_min?));
    let mut attributes = Vec::with_capacity(TIMES + 4);
    attributes.push(integer("http.status", response.status.into()));
    attributes.extend(status.map(|status| integer("grpc.status", status as i64)));
    times(&mut attributes, &response.times);
    attributes.extend(days_left.map(|days| integer("tls.certificate-days-left", days)));
    attributes.push(remote(response));
    found(finding, took_us, attributes)
}

fn remote(response: &Response) -> Attribute {
    text("net.remote", response.remote.clone())
}

fn expiring(days_left: i64, days_min: u16) -> Finding {
    certificate_expiring(days_left, days_min).map(|message| (Status::Degraded, "certificate-expiring", message))
}

/// The status of the call, if it has one, and what is wrong.
fn call(config: &Config, response: &Response) -> (Option<usize>, Option<(&'static str, String)>) {
    let kind = header(&response.headers, "content-type").unwrap_or_default();
    if response.status != 200 {
        let message = format!("expected status 200 of HTTP, got {}", response.status);
        return (None, Some(("status-unexpected", message)));
    }
    if !kind.starts_with("application/grpc") {
        let message = format!("expected an answer of gRPC, got one of the type `{}`", show(kind.as_bytes(), SHOWN_MAX));
        return (None, Some(("protocol-error", message)));
    }
    // An answer without a message has its status in its head.
    let said = |name| header(&response.trailers, name).or_else(|| header(&response.headers, name));
    let Some(given) = said("grpc-status") else {
        let message = "the answer ended before it had a status of gRPC".to_owned();
        return (None, Some(("answer-incomplete", message)));
    };
    let Some(status) = status::read(given) else {
        let message = format!("expected a status of gRPC, got `{}`", show(given.as_bytes(), SHOWN_MAX));
        return (None, Some(("protocol-error", message)));
    };
    if status != 0 {
        let words = said("grpc-message").map(status::words).filter(|words| !words.is_empty());
        let words = words.map_or_else(String::new, |words| format!(": {}", show(words.as_bytes(), SHOWN_MAX)));
        let message = format!("{} got {status} {}{words}", asked(config), status::name(status));
        return (Some(status), Some((status::meaning(status), message)));
    }
    (Some(status), serving(config, &response.body))
}

fn serving(config: &Config, body: &[u8]) -> Option<(&'static str, String)> {
    let serving = match message::answer(body) {
        Ok(serving) => serving,
        Err(why) => return Some(("protocol-error", format!("expected a HealthCheckResponse, got {why}"))),
    };
    let (code, word) = match serving {
        Health::Serving => return None,
        Health::NotServing => ("not-serving", "NOT_SERVING".to_owned()),
        Health::Unknown => ("serving-unknown", "UNKNOWN".to_owned()),
        Health::ServiceUnknown => ("service-unknown", "SERVICE_UNKNOWN".to_owned()),
        Health::Other(number) => ("serving-unknown", format!("the unknown status {number}")),
    };
    Some((code, format!("{} got {word}", asked(config))))
}

fn asked(config: &Config) -> String {
    match config.service.as_str() {
        "" => "expected the server to be SERVING,".to_owned(),
        service => format!("expected `{service}` to be SERVING,"),
    }
}

fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
