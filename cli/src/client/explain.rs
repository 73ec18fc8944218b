//! `farwatch explain`: why a check runs where it runs.

use clap::Args;
use serde_json::Value;

use super::fields::{text, texts};
use super::reference::{CHECK, id_of};
use super::{Client, ClientArgs};
use crate::exit::Failure;
use crate::output::{Cell, Look, Table};

/// Why a check runs where it runs
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  farwatch explain shop --stream 1")]
pub(crate) struct ExplainArgs {
    /// The check, by name or id
    #[arg(value_name = "CHECK")]
    check: String,
    /// Which of its streams, from 0
    #[arg(long, default_value_t = 0, value_name = "N")]
    stream: u16,
    #[command(flatten)]
    client: ClientArgs,
}

impl ExplainArgs {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let client = Client::open(&self.client)?;
        let id = id_of(&client.connection, CHECK, &self.check)?;
        let answer = client.connection.get(&format!("/v1/checks/{id}/explain?stream={}", self.stream))?;
        client.show(&answer, shown)
    }
}

fn shown(explained: &Value, look: Look) -> String {
    let mut table = Table::new(&["rank", "host", "standing", "provider", "region", "because"]);
    for host in explained["hosts"].as_array().into_iter().flatten() {
        let rank = host["rank"].as_u64().map_or_else(|| "-".to_owned(), |rank| rank.to_string());
        table.row(vec![
            rank.into(),
            text(host, "host_name").into(),
            Cell::word(host["standing"].as_str().unwrap_or_default()),
            text(host, "provider").into(),
            text(host, "region").into(),
            text(host, "because").into(),
        ]);
    }
    let view = text(explained, "view");
    let head = format!("stream {} of {}, by view {view}\n", text(explained, "stream"), text(explained, "streams"));
    let warnings: String = texts(explained, "warnings").map(|warning| format!("warning: {warning}\n")).collect();
    format!("{head}{}{warnings}", table.shown(look, "no hosts"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ranks_reasons_and_warnings_are_shown() {
        let explained = json!({
            "stream": 0, "streams": 1, "view": "1.4",
            "hosts": [{"rank": 0, "host_name": "fra", "standing": "active", "because": "owns"},
                      {"rank": null, "host_name": "ams", "standing": "away", "because": "away"}],
            "warnings": ["they share a machine"],
        });
        let shown = shown(&explained, Look::PLAIN);
        assert!(shown.starts_with("stream 0 of 1, by view 1.4\nRANK"), "{shown}");
        assert!(shown.contains("\n-     ams   away"), "{shown}");
        assert!(shown.ends_with("warning: they share a machine\n"), "{shown}");
    }
}
