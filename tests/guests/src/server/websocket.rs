//! A server of WebSockets: Python's websockets, which does something else at each path.

use serde::Deserialize;
use serde_json::json;

use super::{Running, python, settings};
use crate::case::Setup;

const PROGRAM: &str = include_str!("websocket.py");
/// Prints its version.
pub(super) const VERSION: &[&str] = &[
    "sh",
    "-c",
    "\"${CARGO_TARGET_DIR:-target}/python/bin/python\" -c 'import websockets; print(\"websockets\", websockets.__version__)'",
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    certificate: Option<String>,
}

/// Starts it.
pub(super) fn start(setup: &Setup) -> anyhow::Result<Running> {
    let settings: Settings = settings(setup)?;
    python::start(PROGRAM, &json!({}), settings.certificate.as_deref())
}
