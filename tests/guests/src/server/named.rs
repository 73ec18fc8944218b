//! BIND, with records of the zone `example`.

use farwatch_tests::server::named::Named;
use serde::Deserialize;

use super::{Running, certificate, settings};
use crate::case::Setup;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    records: String,
    certificate: Option<String>,
}

/// Starts it. Where it speaks TLS is the fact `tls_port`.
pub(super) fn start(setup: &Setup) -> anyhow::Result<Running> {
    let settings: Settings = settings(setup)?;
    let named = Named::start(&settings.records, &certificate(settings.certificate.as_deref())?)?;
    let (address, tls) = (named.address, named.tls.port());
    Ok(Running::new(address, named).fact("tls_port", tls))
}
