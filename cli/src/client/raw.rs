//! `farwatch metrics` and `farwatch openapi`: what the API says for programs, as it says it.

use clap::Args;
use serde_json::Value;

use super::{Client, ClientArgs};
use crate::exit::Failure;
use crate::output;

/// The metrics of the control process that is asked, as Prometheus reads them
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  farwatch metrics | grep farwatch_leader")]
pub(crate) struct MetricsArgs {
    #[command(flatten)]
    client: ClientArgs,
}

impl MetricsArgs {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let client = Client::open(&self.client)?;
        let text = client.connection.text("/metrics")?;
        client.show(&Value::String(text.clone()), |_, _| text)
    }
}

/// The OpenAPI document of the API
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  farwatch openapi > farwatch.openapi.json")]
pub(crate) struct OpenapiArgs {
    #[command(flatten)]
    client: ClientArgs,
}

impl OpenapiArgs {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let client = Client::open(&self.client)?;
        client.show(&client.connection.get("/v1/openapi.json")?, |document, _| output::json(document))
    }
}
