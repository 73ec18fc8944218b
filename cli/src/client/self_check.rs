//! `farwatch self-check`: whether the leader's memory is what a takeover would load; the exit code says the same.

use clap::Args;
use serde_json::{Value, json};

use super::fields::texts;
use super::{Client, ClientArgs};
use crate::exit::{FAILED, Failure};
use crate::output::Look;

/// Whether the leader holds in memory what a takeover would load
#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  farwatch self-check\n\nIt may be asked of any process. It ends with 0 when both agree, and with 70 when they do not."
)]
pub(crate) struct SelfCheckArgs {
    #[command(flatten)]
    client: ClientArgs,
}

impl SelfCheckArgs {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let client = Client::open(&self.client)?;
        let found = client.connection.post("/v1/self-check", &json!({}))?;
        client.show(&found, shown)?;
        if found["agrees"] == true {
            return Ok(());
        }
        Err(Failure::new(
            FAILED,
            "the leader's memory differs from the database; its next takeover will use the latter",
        ))
    }
}

fn shown(found: &Value, _: Look) -> String {
    if found["agrees"] == true {
        return "memory and database agree\n".to_owned();
    }
    texts(found, "differences").map(|difference| format!("differs  {difference}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_difference_has_its_line() {
        let agrees = json!({"agrees": true, "differences": []});
        assert_eq!(shown(&agrees, Look::PLAIN), "memory and database agree\n");
        let differs = json!({"agrees": false, "differences": ["the detector of a", "the last slot of b"]});
        assert_eq!(shown(&differs, Look::PLAIN).lines().count(), 2);
    }
}
