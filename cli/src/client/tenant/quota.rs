//! `farwatch tenant quota`: what a tenant may have, and how much of it there is.

use clap::Args;
use serde_json::{Map, Value, json};

use super::super::Client;
use super::super::fields::{text, texts};
use super::super::reference::{TENANT, id_of};
use crate::exit::Failure;
use crate::output::{Cell, Look, Table, Tone};

pub(super) const EXAMPLES: &str = "Examples:
  farwatch tenant quota acme
  farwatch tenant quota acme --modules 500 --module-bytes 1073741824
  farwatch tenant quota acme --runs-per-minute 120000 --cpu-seconds-per-hour 7200
  farwatch tenant quota acme --modules default

A quota that is reached keeps more from being added. What runs goes on.";

/// What makes a quota be what Farwatch gives by itself.
const DEFAULT: &str = "default";

#[derive(Args, Debug)]
pub(super) struct QuotaArgs {
    /// Its name or id
    #[arg(value_name = "CUSTOMER")]
    named: String,
    /// Modules, each version counted; `default` is what Farwatch gives by itself
    #[arg(long, value_name = "COUNT", value_parser = amount)]
    modules: Option<Value>,
    /// The bytes of all modules together
    #[arg(long, value_name = "BYTES", value_parser = amount)]
    module_bytes: Option<Value>,
    /// Runs a minute that its checks may ask for
    #[arg(long, value_name = "COUNT", value_parser = amount)]
    runs_per_minute: Option<Value>,
    /// CPU seconds that its own modules may take in an hour before no more of them may run
    #[arg(long, value_name = "SECONDS", value_parser = amount)]
    cpu_seconds_per_hour: Option<Value>,
}

/// What there is a quota of, by the names of the API, and in words.
const AMOUNTS: [(&str, &str); 4] = [
    ("modules", "modules"),
    ("module_bytes", "bytes of modules"),
    ("runs_per_minute", "runs a minute"),
    ("cpu_seconds_per_hour", "CPU seconds an hour"),
];

impl QuotaArgs {
    /// What is to be changed.
    fn patch(&self) -> Map<String, Value> {
        let said = [&self.modules, &self.module_bytes, &self.runs_per_minute, &self.cpu_seconds_per_hour];
        let named = AMOUNTS.iter().zip(said).filter_map(|((name, _), said)| Some(((*name).to_owned(), said.clone()?)));
        named.collect()
    }
}

fn amount(said: &str) -> Result<Value, String> {
    if said == DEFAULT {
        return Ok(Value::Null);
    }
    let number = said.parse::<u64>().map_err(|_| format!("give a whole number, or `{DEFAULT}`"))?;
    Ok(json!(number))
}

pub(super) fn run(client: &Client, args: &QuotaArgs) -> Result<(), Failure> {
    let path = format!("/v1/tenants/{}/quota", id_of(&client.connection, TENANT, &args.named)?);
    let patch = args.patch();
    let quota = if patch.is_empty() {
        client.connection.get(&path)?
    } else {
        client.connection.patch(&path, &Value::Object(patch))?
    };
    client.show(&quota, shown)
}

fn shown(quota: &Value, look: Look) -> String {
    let mut table = Table::new(&["of", "used", "most", "said by", ""]);
    for (name, words) in AMOUNTS {
        let amount = &quota[name];
        let by = if amount["said"] == true { "the operator" } else { "Farwatch" };
        let is_reached = texts(quota, "reached").any(|reached| reached == name.replace('_', "-"));
        let reached = if is_reached { Cell::toned("reached", Tone::Doubtful) } else { Cell::plain("") };
        table.row(vec![
            words.to_owned().into(),
            text(amount, "used").into(),
            text(amount, "most").into(),
            by.to_owned().into(),
            reached,
        ]);
    }
    table.shown(look, "no quotas") + &warning(quota)
}

/// What is to be known where a quota is reached.
pub(super) fn warning(quota: &Value) -> String {
    let reached: Vec<&str> = texts(quota, "reached").collect();
    if reached.is_empty() {
        return String::new();
    }
    format!("there can be no more {}; what runs goes on\n", reached.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_is_not_changed() {
        let args = QuotaArgs {
            named: "acme".to_owned(),
            modules: amount("500").ok(),
            module_bytes: amount("default").ok(),
            runs_per_minute: None,
            cpu_seconds_per_hour: None,
        };
        assert_eq!(Value::Object(args.patch()), json!({"modules": 500, "module_bytes": null}));
        assert!(amount("-1").is_err() && amount("many").is_err());
    }

    #[test]
    fn what_is_reached_is_shown_as_such() {
        let amount = |most, used, said| json!({"most": most, "used": used, "said": said});
        let quota = json!({
            "modules": amount(200, 3, false), "module_bytes": amount(100, 60, true),
            "runs_per_minute": amount(60_000, 12, false), "cpu_seconds_per_hour": amount(10, 11, true),
            "reached": ["cpu-seconds-per-hour"],
        });
        let shown = shown(&quota, Look::PLAIN);
        let lines: Vec<&str> = shown.lines().collect();
        assert!(lines[1].starts_with("modules              3     200    Farwatch"), "{shown}");
        assert!(lines[4].ends_with("the operator  reached"), "{shown}");
        assert!(lines[5].ends_with("what runs goes on"), "{shown}");
    }
}
