//! The built-in `grpc-health` check: asks a server of gRPC how it is, by the service that all of them may have for that
//! (`grpc.health.v1.Health/Check`).
//!
//! It asks once over a connection of its own, and does not watch.

mod config;
mod judge;
mod message;
mod status;

use farwatch_guest::check::Check;
use farwatch_guest::fields::{judge, reread};
use farwatch_guest::outcome::failed;
use farwatch_guest::wit;
use wit::exports::farwatch::check::check::RunContext;
use wit::farwatch::check::http::{Request, Version, Want, fetch};
use wit::farwatch::check::types::{ClientIdentity, Outcome, Problem};

use crate::config::Config;

/// The largest answer that is read, in bytes. A right one has seven.
const ANSWER_MAX: u32 = 16 << 10;

/// The module, as the treaty sees it.
struct GrpcHealthCheck;

impl Check for GrpcHealthCheck {
    const NAME: &'static str = "grpc-health";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const SUMMARY: &'static str = "Asks a gRPC server how it is, by its health service.";
    const CAPABILITIES: &'static [&'static str] = &["http"];

    fn schema() -> String {
        farwatch_guest::squeezed_text!("src/schema.json")
    }

    fn validate(config: &str) -> Result<Vec<u8>, Vec<Problem>> {
        judge::<Config>(config)
    }

    fn run(context: &RunContext) -> Result<Outcome, Problem> {
        let config = reread::<Config>(&context.config)?;
        let metadata = config.metadata()?;
        let headers: Vec<_> = metadata.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let client = config.client()?;
        let client = client.as_ref().map(|(certificate_pem, key_pem)| ClientIdentity { certificate_pem, key_pem });
        let (url, body) = (config.url(), message::question(&config.service));
        let answer = fetch(Request {
            method: "POST",
            url: &url,
            headers: &headers,
            body: Some(&body),
            version: Version::Http2,
            verify_tls: config.verify_tls,
            client,
            ip_version: config.ip_version,
            max_body_bytes: ANSWER_MAX,
            timeout_ms: context.timeout_ms,
            want: Want::HEADERS | Want::TRAILERS | Want::BODY,
        });
        match answer {
            Ok(response) => Ok(judge::response(&config, &response, context.now_ms)),
            Err(failure) => failed(failure),
        }
    }
}

farwatch_guest::export!(GrpcHealthCheck);
