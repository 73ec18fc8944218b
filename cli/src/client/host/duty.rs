//! `farwatch host drain`, `undrain` and `retire`: taking hosts out of the fleet and back in.

use std::thread::sleep;
use std::time::Duration;

use clap::Args;
use farwatch_control::clock::Clock;
use serde_json::{Value, json};

use super::super::Client;
use super::super::fields::{length, text};
use super::super::reference::{HOST, id_of};
use crate::duration::seconds;
use crate::exit::{Failure, UNAVAILABLE};
use crate::output::progress;

/// How often it is looked at what is left.
const POLL: Duration = Duration::from_millis(500);

/// Which host is drained, and how long that is waited for.
#[derive(Args, Debug)]
pub(crate) struct DrainArgs {
    /// Its name or id
    #[arg(value_name = "HOST")]
    host: String,
    /// Do not wait until it owns nothing
    #[arg(long)]
    no_wait: bool,
    /// How long to wait until it owns nothing
    #[arg(long, value_parser = seconds, default_value = "5min", value_name = "TIME")]
    limit: Duration,
}

/// Drains it, and waits until others own what it owned.
pub(super) fn drain(client: &Client, args: &DrainArgs) -> Result<(), Failure> {
    let id = id_of(&client.connection, HOST, &args.host)?;
    let mut host = client.connection.post(&format!("/v1/hosts/{id}/drain"), &json!({}))?;
    if !args.no_wait {
        host = idle(client, args, &id)?;
    }
    client.show(&host, super::shown)
}

/// The host once it owns nothing.
fn idle(client: &Client, args: &DrainArgs, id: &str) -> Result<Value, Failure> {
    let began = Clock.boot();
    loop {
        let host = client.connection.get(&format!("/v1/hosts/{id}"))?;
        if is_idle(&host) {
            progress("");
            return Ok(host);
        }
        let waited_ms = Clock.boot().since(began);
        if u128::from(waited_ms.unsigned_abs()) >= args.limit.as_millis() {
            progress("");
            return Err(Failure::new(UNAVAILABLE, too_long(&host, waited_ms)));
        }
        progress(&format!("draining {}: {}, {} …", text(&host, "name"), left(&host), length(waited_ms)));
        sleep(POLL);
    }
}

/// Whether others own all that it owned. Only the leader knows, so without one the answer is no.
fn is_idle(host: &Value) -> bool {
    let stands_aside = host["standing"].is_null() || host["standing"] == "away";
    stands_aside && (host["owns"] == 0 || host["standing"].is_null())
}

fn left(host: &Value) -> String {
    match host["owns"].as_u64() {
        Some(1) => "1 stream left".to_owned(),
        Some(left) => format!("{left} streams left"),
        None => "nobody says yet how many streams are left".to_owned(),
    }
}

fn too_long(host: &Value, waited_ms: i64) -> String {
    let (name, left) = (text(host, "name"), left(host));
    let advice = "it goes on being drained; `farwatch status` says what is in the way";
    format!("{name} still owns streams after {}: {left}; {advice}", length(waited_ms))
}

/// Takes the wish to drain it back.
pub(super) fn undrain(client: &Client, host: &str) -> Result<(), Failure> {
    let id = id_of(&client.connection, HOST, host)?;
    client.show(&client.connection.post(&format!("/v1/hosts/{id}/undrain"), &json!({}))?, super::shown)
}

/// Takes it out for good.
pub(super) fn retire(client: &Client, host: &str, force: bool) -> Result<(), Failure> {
    let id = id_of(&client.connection, HOST, host)?;
    let retired = client.connection.post(&format!("/v1/hosts/{id}/retire"), &json!({ "force": force }))?;
    client.show(&retired, super::shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_idle_once_the_leader_says_that_it_owns_nothing() {
        let host = |standing: Value, owns: Value| json!({"name": "fra", "standing": standing, "owns": owns});
        assert!(!is_idle(&host(json!("active"), json!(7))));
        assert!(!is_idle(&host(json!("away"), json!(7))), "it owns until the planned view is in force");
        assert!(!is_idle(&host(json!("away"), Value::Null)), "nobody leads");
        assert!(is_idle(&host(json!("away"), json!(0))));
        assert!(is_idle(&host(Value::Null, Value::Null)), "no view has it");
        let told = too_long(&host(json!("active"), json!(7)), 300_000);
        assert!(told.starts_with("fra still owns streams after 5 min 0 s: 7 streams left; "), "{told}");
    }
}
