//! What is said of a machine that is to join: whose it is and where it stands, and what it will be as a host.

use clap::Args;
use serde_json::{Value, json};

use super::register::labels_of;
use crate::client::fields::{moment, text};
use crate::exit::Failure;
use crate::output::Look;

/// Whose machine it is, and where it stands; placement goes by it.
#[derive(Args, Debug)]
pub(crate) struct InviteArgs {
    /// Whose machine it is, such as hetzner
    #[arg(long, value_name = "WORD")]
    provider: String,
    /// Your name for the place, such as eu-central
    #[arg(long, value_name = "WORD")]
    region: String,
    /// What to call it; the machine says so itself, when absent
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Its country, by ISO 3166, such as DE; known where a host of the same provider and region is there
    #[arg(long, value_name = "CODE")]
    country: Option<String>,
    /// AF, AN, AS, EU, NA, OC or SA; known where a host of the same provider and region is there
    #[arg(long, value_name = "CODE")]
    continent: Option<String>,
    /// The autonomous system of its addresses
    #[arg(long, value_name = "N")]
    asn: Option<u32>,
    /// A label that checks may demand; may be repeated
    #[arg(long = "label", value_name = "NAME=VALUE")]
    labels: Vec<String>,
    /// Its share of the checks, in whole tickets; 1 when absent
    #[arg(long, value_name = "N")]
    weight: Option<u16>,
    /// The machine that it shares with other hosts of the fleet
    #[arg(long, value_name = "WORD")]
    shared_machine: Option<String>,
    /// Where the machine is to dial control; may be repeated. Where control listens, when absent
    #[arg(long = "control", value_name = "HOST:PORT")]
    controls: Vec<String>,
}

impl InviteArgs {
    /// The body of the request. What may stand in it is judged by the API.
    pub(super) fn wish(&self) -> Result<Value, Failure> {
        let mut wish = json!({
            "provider": self.provider, "region": self.region, "labels": labels_of(&self.labels)?,
            "controls": self.controls,
        });
        let said = [
            ("name", self.name.as_ref().map(|name| json!(name))),
            ("country", self.country.as_ref().map(|country| json!(country))),
            ("continent", self.continent.as_ref().map(|continent| json!(continent))),
            ("asn", self.asn.map(|asn| json!(asn))),
            ("weight", self.weight.map(|weight| json!(weight))),
            ("shared_machine", self.shared_machine.as_ref().map(|machine| json!(machine))),
        ];
        for (field, value) in said {
            if let Some(value) = value {
                wish[field] = value;
            }
        }
        Ok(wish)
    }
}

/// The line to type, and what to know of it.
pub(super) fn invited(token: &Value, _: Look) -> String {
    let controls: Vec<&str> = token["controls"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let mut shown = format!(
        "Type this on the machine, once and before {}:\n\n  {}\n\nIt will dial control at {}.\n",
        moment(token, "expires"),
        text(token, "command"),
        controls.join(", "),
    );
    if controls.iter().all(|control| control.starts_with("127.") || control.starts_with("[::1]")) {
        shown.push_str(
            "That is this machine alone: for any other, start control with --link-listen on an address that it can dial.\n",
        );
    }
    shown
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: InviteArgs,
    }

    #[test]
    fn what_is_not_said_is_left_to_the_api() {
        let wish = |line: &str| Line::parse_from(line.split(' ')).args.wish().unwrap();
        let least = json!({"provider": "p", "region": "eu", "labels": {}, "controls": []});
        assert_eq!(wish("x --provider p --region eu"), least);
        let more = wish("x --provider p --region eu --name a --asn 7 --label disk=ssd --control c:1");
        assert_eq!((&more["name"], &more["asn"]), (&json!("a"), &json!(7)));
        assert_eq!((&more["labels"], &more["controls"]), (&json!({"disk": "ssd"}), &json!(["c:1"])));
    }

    #[test]
    fn the_line_is_shown_and_an_address_that_only_this_machine_has_is_told() {
        let token = json!({"command": "farwatch host join --token fwj_1", "controls": ["c:1"], "expires": 1});
        let shown = invited(&token, Look::PLAIN);
        assert!(shown.contains("\n  farwatch host join --token fwj_1\n") && !shown.contains("alone"), "{shown}");
        let local = json!({"command": "x", "controls": ["127.0.0.1:8401"], "expires": 1});
        assert!(invited(&local, Look::PLAIN).contains("--link-listen"));
    }
}
