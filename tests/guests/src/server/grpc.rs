//! A server of gRPC with the usual health service: Python's grpcio.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::json;

use super::{Running, python, settings};
use crate::case::Setup;

const PROGRAM: &str = include_str!("grpc.py");
/// Prints its version.
pub(super) const VERSION: &[&str] = &[
    "sh",
    "-c",
    "\"${CARGO_TARGET_DIR:-target}/python/bin/python\" -c 'import grpc; print(\"grpcio\", grpc.__version__)'",
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// The services, and how each of them is: `SERVING`, `NOT_SERVING` or `UNKNOWN`. Without it there is no health service.
    services: Option<BTreeMap<String, String>>,
    /// What the metadata `authorization` must be.
    token: Option<String>,
    certificate: Option<String>,
}

/// Starts it.
pub(super) fn start(setup: &Setup) -> anyhow::Result<Running> {
    let Settings { services, token, certificate } = settings(setup)?;
    python::start(PROGRAM, &json!({ "services": services, "token": token }), certificate.as_deref())
}
