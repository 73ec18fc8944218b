//! What `up` asks of the API at its start: to register its hosts.

use std::fs;
use std::path::Path;
use std::time::Duration;

use farwatch_proto::fleet::HostFacts;
use farwatch_proto::id::HostId;
use serde_json::{Value, json};
use ureq::Agent;

use crate::exit::{Failure, NO_INPUT, OrFail, UNAVAILABLE};

/// Control is on the same machine and has just opened its ports.
const LIMIT: Duration = Duration::from_secs(10);

/// Speaks to the API with the operator's token.
pub(crate) struct Registrar {
    agent: Agent,
    api: String,
    authorization: String,
}

impl Registrar {
    /// With the token in this file.
    pub(crate) fn new(api: &str, token_file: &Path) -> Result<Self, Failure> {
        let token = fs::read_to_string(token_file).or_fail(NO_INPUT)?;
        let agent = Agent::config_builder().timeout_global(Some(LIMIT)).http_status_as_error(false).build();
        let authorization = format!("Bearer {}", token.trim());
        Ok(Self { agent: agent.into(), api: api.to_owned(), authorization })
    }

    /// Registers a host; one that is registered already stays as it is.
    pub(crate) fn register(&self, id: HostId, facts: &HostFacts) -> Result<(), Failure> {
        let mut body = serde_json::to_value(facts).or_fail(UNAVAILABLE)?;
        body["id"] = json!(id);
        self.post("/v1/hosts", &body)
    }

    fn post(&self, path: &str, body: &Value) -> Result<(), Failure> {
        let request = self.agent.post(format!("{}{path}", self.api)).header("authorization", &self.authorization);
        let mut response = request.send_json(body).or_fail(UNAVAILABLE)?;
        if response.status().is_success() {
            return Ok(());
        }
        let problem: Value = response.body_mut().read_json().unwrap_or_default();
        Err(Failure::new(UNAVAILABLE, format_args!("POST {path}: {} {}", response.status(), problem["detail"])))
    }
}
