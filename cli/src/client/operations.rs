//! Every operation of the API has a word on the command line: this table says which, and fails where one has none.

use std::collections::BTreeSet;

use clap::{Command, FromArgMatches};
use farwatch_control::api::routes;

use crate::{Line, command};

/// The operations, each with a line that asks for it.
const WORDS: [(&str, &str, &str); 76] = [
    ("GET", "/heartbeat/{id}", "heartbeat send http://a.example/heartbeat/k"),
    ("POST", "/heartbeat/{id}", "heartbeat send http://a.example/heartbeat/k --with log"),
    ("GET", "/heartbeat/{id}/{word}", "heartbeat send http://a.example/heartbeat/k start"),
    ("POST", "/heartbeat/{id}/{word}", "heartbeat send http://a.example/heartbeat/k fail --with log"),
    ("GET", "/metrics", "metrics"),
    ("GET", "/v1/audit", "audit"),
    ("DELETE", "/v1/channels/{id}", "channel delete chn_1"),
    ("GET", "/v1/channels/{id}", "channel show chn_1"),
    ("PATCH", "/v1/channels/{id}", "channel edit chn_1 address=a@example.com"),
    ("GET", "/v1/checks", "check list"),
    ("POST", "/v1/checks", "check create http --name a --url https://a.example --every 10s"),
    ("POST", "/v1/checks/test", "check test http --url https://a.example --from fra-1"),
    ("DELETE", "/v1/checks/{id}", "check delete shop"),
    ("GET", "/v1/checks/{id}", "check show shop"),
    ("PATCH", "/v1/checks/{id}", "check edit shop interval=30s"),
    ("GET", "/v1/checks/{id}/evidence", "check evidence shop"),
    ("GET", "/v1/checks/{id}/explain", "explain shop"),
    ("GET", "/v1/checks/{id}/heartbeat", "heartbeat show backup"),
    ("POST", "/v1/checks/{id}/heartbeat/renew", "heartbeat renew backup"),
    ("GET", "/v1/checks/{id}/latency", "check latency shop"),
    ("GET", "/v1/checks/{id}/results", "check results shop"),
    ("GET", "/v1/checks/{id}/signals", "heartbeat signals backup"),
    ("POST", "/v1/checks/{id}/test", "check test shop"),
    ("GET", "/v1/checks/{id}/uptime", "check uptime shop"),
    ("GET", "/v1/contacts", "contact list"),
    ("POST", "/v1/contacts", "contact create ops"),
    ("DELETE", "/v1/contacts/{id}", "contact delete ops"),
    ("GET", "/v1/contacts/{id}", "contact show ops"),
    ("PATCH", "/v1/contacts/{id}", "contact edit ops name=night"),
    ("POST", "/v1/contacts/{id}/channels", "channel add ops --email a@example.com"),
    ("GET", "/v1/deliveries", "delivery list --dead"),
    ("GET", "/v1/deliveries/held", "delivery held"),
    ("POST", "/v1/deliveries/{id}/drop", "delivery drop dlv_1"),
    ("POST", "/v1/deliveries/{id}/release", "delivery release dlv_1"),
    ("POST", "/v1/deliveries/{id}/retry", "delivery retry dlv_1"),
    ("GET", "/v1/fleet/upgrade", "fleet upgrade --status"),
    ("POST", "/v1/fleet/upgrade", "fleet upgrade --to 1.4.0"),
    ("POST", "/v1/fleet/upgrade/resume", "fleet upgrade --resume"),
    ("POST", "/v1/fleet/upgrade/stop", "fleet upgrade --stop"),
    ("GET", "/v1/health", "health"),
    ("GET", "/v1/hosts", "host list"),
    ("POST", "/v1/hosts", "host register a --provider p --asn 1 --country DE --continent EU --region eu"),
    ("POST", "/v1/hosts/join-tokens", "host invite --provider p --region eu"),
    ("GET", "/v1/hosts/{id}", "host show fra-1"),
    ("PATCH", "/v1/hosts/{id}", "host edit fra-1 weight=3"),
    ("POST", "/v1/hosts/{id}/drain", "host drain fra-1"),
    ("POST", "/v1/hosts/{id}/retire", "host retire fra-1"),
    ("POST", "/v1/hosts/{id}/undrain", "host undrain fra-1"),
    ("GET", "/v1/incidents", "incident list"),
    ("GET", "/v1/incidents/{id}", "incident show inc_1"),
    ("GET", "/v1/ledger", "ledger --since 24h"),
    ("GET", "/v1/ledger/audit", "audit ledger --since 24h"),
    ("GET", "/v1/modules", "module list"),
    ("POST", "/v1/modules", "module push my-check.wasm"),
    ("GET", "/v1/modules/{id}", "module list my-check"),
    ("DELETE", "/v1/modules/{id}/{version}", "module delete my-check 1.2.0"),
    ("DELETE", "/v1/modules/{id}/{version}/hold", "module retry my-check 1.3.0"),
    ("GET", "/v1/openapi.json", "openapi"),
    ("GET", "/v1/own-incidents", "incident list --own"),
    ("GET", "/v1/releases", "release list"),
    ("POST", "/v1/releases", "release push farwatch"),
    ("DELETE", "/v1/releases/{id}", "release delete rel_1"),
    ("GET", "/v1/secrets", "secret list"),
    ("DELETE", "/v1/secrets/{id}", "secret delete mail"),
    ("PUT", "/v1/secrets/{id}", "secret set mail"),
    ("POST", "/v1/self-check", "self-check"),
    ("GET", "/v1/tasks", "tasks"),
    ("GET", "/v1/tenants", "tenant list"),
    ("POST", "/v1/tenants", "tenant create acme"),
    ("GET", "/v1/tenants/{id}", "tenant show acme"),
    ("PATCH", "/v1/tenants/{id}", "tenant edit acme name=corp"),
    ("GET", "/v1/tenants/{id}/quota", "tenant quota acme"),
    ("PATCH", "/v1/tenants/{id}/quota", "tenant quota acme --modules 500"),
    ("GET", "/v1/tokens", "token list"),
    ("POST", "/v1/tokens", "token create deploy"),
    ("DELETE", "/v1/tokens/{id}", "token revoke tok_1"),
];

fn words(line: &str) -> Vec<String> {
    format!("farwatch {line} --json").split(' ').map(str::to_owned).collect()
}

#[test]
fn every_operation_of_the_api_has_a_word() {
    let served: BTreeSet<(&str, &str)> = routes().into_iter().map(|route| (route.method, route.path)).collect();
    let spoken: BTreeSet<(&str, &str)> = WORDS.into_iter().map(|(method, path, _)| (method, path)).collect();
    let without: Vec<_> = served.difference(&spoken).collect();
    assert!(without.is_empty(), "give these a word, and a line in this table: {without:?}");
    let gone: Vec<_> = spoken.difference(&served).collect();
    assert!(gone.is_empty(), "the API has these no more: {gone:?}");
}

#[test]
fn every_word_is_taken_and_shows_what_the_api_said_where_it_is_asked_to() {
    for (_, _, line) in WORDS {
        let matches = command().try_get_matches_from(words(line)).unwrap_or_else(|why| panic!("{line}: {why}"));
        let taken = format!("{:?}", Line::from_arg_matches(&matches).unwrap());
        assert!(taken.contains("json: true"), "{line}: {taken}");
    }
}

/// The word itself, below the program.
fn found<'c>(command: &'c Command, line: &str) -> &'c Command {
    line.split(' ')
        .try_fold(command, |command, word| command.find_subcommand(word).ok_or(command))
        .unwrap_or_else(|at| at)
}

#[test]
fn every_word_says_what_it_does_and_shows_an_example() {
    let command = command();
    let mute: Vec<&str> = WORDS
        .into_iter()
        .map(|(_, _, line)| line)
        .filter(|line| {
            let word = found(&command, line);
            let example = word.get_after_help().map(ToString::to_string).unwrap_or_default();
            word.get_about().is_none() || !example.contains("farwatch ")
        })
        .collect();
    assert!(mute.is_empty(), "their --help has no example: {mute:?}");
}
