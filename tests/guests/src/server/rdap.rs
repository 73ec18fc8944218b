//! The RDAP server of a registry: nginx with one document of RFC 9083, for the domain `watched.example`.

use std::process::Command;

use farwatch_tests::nginx::{Nginx, Server};
use serde::Deserialize;
use serde_json::json;

use super::{Running, settings};
use crate::case::Setup;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// When the registration ends; without it that is not said.
    expires_in_days: Option<i64>,
    /// What is said of the domain.
    #[serde(default = "active")]
    statuses: Vec<String>,
    /// What stands in the server block instead of the document.
    instead: Option<String>,
}

fn active() -> Vec<String> {
    vec!["active".to_owned()]
}

/// Starts it.
pub(super) fn start(setup: &Setup) -> anyhow::Result<Running> {
    let settings: Settings = settings(setup)?;
    let mut events = vec![json!({"eventAction": "registration", "eventDate": "1995-08-14T04:00:00Z"})];
    if let Some(days) = settings.expires_in_days {
        events.push(json!({"eventAction": "expiration", "eventDate": date(days)?}));
    }
    let document = json!({
        "rdapConformance": ["rdap_level_0"],
        "objectClassName": "domain",
        "ldhName": "WATCHED.EXAMPLE",
        "status": settings.statuses,
        "events": events,
        "entities": [{
            "objectClassName": "entity",
            "roles": ["registrar"],
            "vcardArray": ["vcard", [["version", {}, "text", "4.0"], ["fn", {}, "text", "Example Registrar"]]],
        }],
    });
    let usual = format!(
        "location = /v1/domain/watched.example {{ default_type application/rdap+json; return 200 '{document}'; }}\n\
         location / {{ return 404; }}"
    );
    let nginx = Nginx::start(&[Server::http(&settings.instead.unwrap_or(usual))])?;
    Ok(Running::new(nginx.address(0), nginx))
}

/// The day in so many days, as RFC 3339 has it.
fn date(days: i64) -> anyhow::Result<String> {
    let output =
        Command::new("date").args(["--utc", "--date", &format!("{days} days"), "+%Y-%m-%dT%H:%M:%SZ"]).output()?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
