//! `farwatch check test`: runs a check now, or a config that no check has.

use std::thread::{scope, sleep};
use std::time::Duration;

use clap::Args;
use farwatch_control::clock::Clock;
use serde_json::{Map, Value, json};

use super::super::Client;
use super::super::fields::{length, micros, text};
use super::super::reference::{CHECK, HOST, id_of};
use super::config::{ConfigArgs, pairs, put};
use super::tried;
use crate::duration::seconds;
use crate::exit::{FOUND_DOWN, Failure, UNAVAILABLE, USAGE};
use crate::output::{Cell, Look, Table, progress};

/// How often it is said how long the hosts have been at it.
const POLL: Duration = Duration::from_millis(200);

const EXAMPLES: &str = "A check is run from every host that holds it. With a config nothing has to be saved: the module
is run from a few hosts that are least alike, and each shows its steps, what came from the
target, and its log.

Examples:
  farwatch check test shop
  farwatch check test http --url https://shop.example.com --contains Basket
  farwatch check test tcp --host mail.example.com --port 25 --from fra-1 --from nyc-1
  farwatch check test imap --config imap.json --hosts 5 --location EU --json

It ends with 1 where the target is down from anywhere.";

/// Run a check now, or a config that no check has
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct TestArgs {
    /// The name or id of a check; or a module, where its config is said
    #[arg(value_name = "CHECK|MODULE")]
    what: String,
    /// From this host, by name or id; may be repeated
    #[arg(long = "from", value_name = "HOST", conflicts_with = "hosts")]
    from: Vec<String>,
    /// From so many hosts, 1 to 5
    #[arg(long, value_name = "N")]
    hosts: Option<u8>,
    /// From where: a region, a country or a continent of the fleet
    #[arg(long, value_name = "PLACE")]
    location: Option<String>,
    /// A label that the hosts must carry, as key=value; may be repeated
    #[arg(long = "label", value_name = "KEY=VALUE")]
    labels: Vec<String>,
    /// How long a run may take; 10s when absent
    #[arg(long, value_parser = seconds, value_name = "TIME")]
    timeout: Option<Duration>,
    #[command(flatten)]
    config: ConfigArgs,
}

pub(super) fn run(client: &Client, args: &TestArgs) -> Result<(), Failure> {
    if args.config.is_said()? {
        let body = body_of(client, args)?;
        let answer = asked(client, "/v1/checks/test", Some(&body))?;
        client.show(&answer, tried::shown)?;
        return ended(answer["hosts"].as_array().into_iter().flatten().map(|host| host["run"]["status"].as_str()));
    }
    if is_placed(args) {
        let line = "--from, --hosts, --location, --label and --timeout are for configs that no check has: say one with \
                    --config, --url or --host; a check is run from the hosts that hold it";
        return Err(Failure::new(USAGE, line));
    }
    let id = id_of(&client.connection, CHECK, &args.what).map_err(|failure| failure.advising(&advice(&args.what)))?;
    let answer = asked(client, &format!("/v1/checks/{id}/test"), None)?;
    client.show(&answer, tested)?;
    ended(answer["results"].as_array().into_iter().flatten().map(|result| result["status"].as_str()))
}

/// What else may have been meant.
fn advice(what: &str) -> String {
    format!("to try the module {what:?}, say its config with --config, --url or --host")
}

const fn is_placed(args: &TestArgs) -> bool {
    let is_anywhere = args.from.is_empty() && args.hosts.is_none() && args.location.is_none() && args.labels.is_empty();
    !is_anywhere || args.timeout.is_some()
}

/// The body of a try.
fn body_of(client: &Client, args: &TestArgs) -> Result<Value, Failure> {
    let mut hosts = Vec::with_capacity(args.from.len());
    for said in &args.from {
        hosts.push(id_of(&client.connection, HOST, said)?);
    }
    said(args, &hosts)
}

fn said(args: &TestArgs, hosts: &[String]) -> Result<Value, Failure> {
    let mut body = Map::new();
    body.insert("module".to_owned(), json!(args.what));
    body.insert("config".to_owned(), Value::Object(args.config.of_module(&args.what)?));
    put(&mut body, "timeout_ms", args.timeout.map(|timeout| json!(timeout.as_millis())));
    put(&mut body, "location", args.location.as_ref().map(|place| json!(place)));
    let labels = pairs("--label", &args.labels, '=')?;
    put(&mut body, "labels", (!labels.is_empty()).then_some(Value::Object(labels)));
    put(&mut body, "hosts", (!hosts.is_empty()).then(|| json!(hosts)));
    put(&mut body, "count", args.hosts.map(|count| json!(count)));
    Ok(Value::Object(body))
}

/// Asks, and says meanwhile how long that takes.
fn asked(client: &Client, path: &str, body: Option<&Value>) -> Result<Value, Failure> {
    let began = Clock.boot();
    scope(|scope| {
        let asking = scope.spawn(|| client.connection.post_and_wait(path, body));
        while !asking.is_finished() {
            progress(&format!("the hosts are running it, {} …", length(Clock.boot().since(began))));
            sleep(POLL);
        }
        progress("");
        asking.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// How the command ends, by what each host found.
fn ended<'v>(found: impl Iterator<Item = Option<&'v str>>) -> Result<(), Failure> {
    let found: Vec<&str> = found.flatten().collect();
    let down = found.iter().filter(|status| **status == "down").count();
    if down > 0 {
        return Err(Failure::new(FOUND_DOWN, format_args!("it is down from {down} of {} hosts", found.len())));
    }
    if found.iter().all(|status| *status == "unknown") {
        return Err(Failure::new(UNAVAILABLE, "no host could tell how the target is"));
    }
    Ok(())
}

fn tested(trial: &Value, look: Look) -> String {
    let mut table = Table::new(&["host", "found", "latency", "code", "message"]);
    for result in trial["results"].as_array().into_iter().flatten() {
        table.row(vec![
            text(result, "host_name").into(),
            Cell::word(result["status"].as_str().unwrap_or_default()),
            micros(result, "latency_us").into(),
            text(result, "code").into(),
            text(result, "message").into(),
        ]);
    }
    let silent = trial["asked"].as_array().into_iter().flatten().filter(|asked| asked["answered"] == false);
    for asked in silent {
        let name = text(asked, "host_name");
        table.row(vec![
            name.into(),
            Cell::word("unknown"),
            Cell::plain(""),
            Cell::plain(""),
            "no answer in time".to_owned().into(),
        ]);
    }
    table.shown(look, "nobody was asked")
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        test: TestArgs,
    }

    fn args(line: &str) -> Result<TestArgs, String> {
        let words = ["test"].into_iter().chain(line.split(' '));
        Line::try_parse_from(words).map(|line| line.test).map_err(|error| error.to_string())
    }

    #[test]
    fn a_config_and_where_to_try_it_make_a_whole_body() {
        let line = "http --url https://a.example --contains ok --location EU --label net=v6 --timeout 2s --hosts 2";
        let args = args(line).unwrap();
        assert!(args.config.is_said().unwrap());
        assert_eq!(
            said(&args, &[]).unwrap(),
            json!({
                "module": "http", "timeout_ms": 2000, "location": "EU", "labels": {"net": "v6"}, "count": 2,
                "config": {"url": "https://a.example", "body_contains": "ok"},
            })
        );
        assert_eq!(said(&args, &["hst_1".to_owned()]).unwrap()["hosts"], json!(["hst_1"]));
    }

    #[test]
    fn without_a_config_it_is_a_check_that_is_meant() {
        let saved = args("shop").unwrap();
        assert!(!saved.config.is_said().unwrap() && !is_placed(&saved));
        assert!(is_placed(&args("shop --from fra-1").unwrap()) && is_placed(&args("shop --timeout 2s").unwrap()));
        assert!(args("snmp --config {}").unwrap().config.is_said().unwrap());
        assert!(args("http --url a --from x --hosts 2").err().unwrap().contains("cannot be used with"));
    }

    #[test]
    fn it_fails_where_the_target_is_down_from_anywhere_or_nobody_could_tell() {
        let code =
            |found: &[Option<&'static str>]| ended(found.iter().copied()).err().map(|failure| format!("{failure:?}"));
        assert_eq!(code(&[Some("up"), Some("degraded"), None]), None);
        assert!(code(&[Some("up"), Some("down"), None]).unwrap().contains("down from 1 of 2 hosts"));
        assert!(code(&[None, Some("unknown")]).unwrap().contains("no host could tell"));
    }

    #[test]
    fn who_did_not_answer_is_shown_too() {
        let trial = json!({
            "asked": [{"host_name": "fra", "answered": true}, {"host_name": "ams", "answered": false}],
            "results": [{"host_name": "fra", "status": "down", "latency_us": 0, "code": "timeout", "message": "no answer"}],
        });
        let shown = tested(&trial, Look::PLAIN);
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines[0], "HOST  FOUND    LATENCY  CODE     MESSAGE");
        assert_eq!(lines[1], "fra   down              timeout  no answer");
        assert_eq!(lines[2], "ams   unknown                    no answer in time");
    }
}
