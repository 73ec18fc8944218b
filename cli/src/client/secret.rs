//! `farwatch secret`: passwords, tokens and keys that checks name and nobody reads again.

use std::io::{IsTerminal, Read, stdin};

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::fields::{items, moment, text};
use super::{Client, ClientArgs};
use crate::exit::{FAILED, Failure};
use crate::output::{Look, Table};

/// Passwords, tokens and keys that checks name
#[derive(Args, Debug)]
pub(crate) struct SecretArgs {
    #[command(flatten)]
    client: ClientArgs,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// Give a secret a value, which is read from standard input and never shown again
    #[command(after_help = "A config names it where the value would stand: {\"password\": {\"secret\": \"mail\"}}.
Checks that name it run by the new value once the hosts that run them hold it.

Examples:
  farwatch secret set mail < password.txt
  pass show mail | farwatch secret set mail")]
    Set(Named),
    /// List secrets, without their values
    #[command(after_help = "Example:\n  farwatch secret list")]
    List,
    /// Delete a secret that no check names
    #[command(after_help = "Example:\n  farwatch secret delete mail")]
    Delete(Named),
}

#[derive(Args, Debug)]
struct Named {
    /// Its name
    #[arg(value_name = "SECRET")]
    secret: String,
}

impl SecretArgs {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let client = Client::open(&self.client)?;
        match &self.verb {
            Verb::Set(named) => {
                let value = read_value(&named.secret)?;
                let secret = client.connection.put(&path(&named.secret), &json!({ "value": value }))?;
                client.show(&secret, set)
            }
            Verb::List => client.show(&client.connection.get("/v1/secrets")?, listed),
            Verb::Delete(named) => {
                let answer = client.connection.delete(&path(&named.secret))?;
                client.show(&answer, |_, _| format!("{} is gone\n", named.secret))
            }
        }
    }
}

fn path(name: &str) -> String {
    format!("/v1/secrets/{name}")
}

/// What comes on standard input, without the end of its last line.
#[allow(clippy::print_stderr, reason = "whoever sits at a terminal is told what is waited for")]
fn read_value(name: &str) -> Result<String, Failure> {
    if stdin().is_terminal() {
        eprintln!("type the value of {name} and end with Ctrl-D; it is shown while you type, a pipe is better");
    }
    let mut value = String::new();
    let read = stdin().read_to_string(&mut value);
    read.map_err(|error| Failure::new(FAILED, format_args!("the value cannot be read: {error}; it must be text")))?;
    let value = value.strip_suffix('\n').unwrap_or(&value);
    Ok(value.strip_suffix('\r').unwrap_or(value).to_owned())
}

fn set(secret: &Value, _: Look) -> String {
    let checks = secret["checks"].as_array().map_or(0, Vec::len);
    let run_by_it = match checks {
        0 => "no check names it yet".to_owned(),
        1 => "1 check will run by it".to_owned(),
        count => format!("{count} checks will run by it"),
    };
    format!("{} has version {}; {run_by_it}\n", text(secret, "name"), secret["version"])
}

fn listed(secrets: &Value, look: Look) -> String {
    let mut table = Table::new(&["name", "version", "checks", "changed"]);
    for secret in items(secrets) {
        let checks = secret["checks"].as_array().map_or(0, Vec::len).to_string();
        table.row(vec![
            text(secret, "name").into(),
            secret["version"].to_string().into(),
            checks.into(),
            moment(secret, "changed").into(),
        ]);
    }
    table.shown(look, "no secrets; `farwatch secret set` gives one a value")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_says_how_many_checks_name_a_secret() {
        let secrets = json!({"items": [{"name": "mail", "version": 3, "checks": ["chk_1", "chk_2"], "changed": 0}]});
        assert_eq!(listed(&secrets, Look::PLAIN).lines().nth(1), Some("mail  3        2       1970-01-01 00:00:00Z"));
    }

    #[test]
    fn whoever_sets_a_secret_hears_what_runs_by_it() {
        let secret = |checks: &[&str]| json!({"name": "mail", "version": 1, "checks": checks});
        assert_eq!(set(&secret(&[]), Look::PLAIN), "mail has version 1; no check names it yet\n");
        assert_eq!(set(&secret(&["a"]), Look::PLAIN), "mail has version 1; 1 check will run by it\n");
    }
}
