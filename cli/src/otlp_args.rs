//! The flags about telemetry, shared by `up` and `control`.

use std::path::PathBuf;

use clap::Args;
use farwatch_control::otlp::OtlpFlags;

/// Where telemetry goes.
#[derive(Args, Clone, Debug)]
pub(crate) struct OtlpArgs {
    /// Sends traces and metrics to a collector by OTLP over HTTP, such as http://127.0.0.1:4318.
    #[arg(long, env = "FARWATCH_OTLP_ENDPOINT", value_name = "URL")]
    otlp_endpoint: Option<String>,
    /// A file of `name: value` lines, headers that the collector asks for.
    #[arg(long, env = "FARWATCH_OTLP_HEADERS_FILE", value_name = "FILE")]
    otlp_headers_file: Option<PathBuf>,
    /// PEM certificates that may sign the collector's, besides the system's.
    #[arg(long, env = "FARWATCH_OTLP_CA_FILE", value_name = "FILE")]
    otlp_ca_file: Option<PathBuf>,
}

impl OtlpArgs {
    /// The flags as control takes them.
    pub(crate) fn flags(&self) -> OtlpFlags {
        let Self { otlp_endpoint, otlp_headers_file, otlp_ca_file } = self.clone();
        OtlpFlags { endpoint: otlp_endpoint, headers_file: otlp_headers_file, ca_file: otlp_ca_file }
    }

    /// The same for a child process.
    pub(crate) fn words(&self) -> Vec<String> {
        let file = |name: &str, path: &Option<PathBuf>| Some(format!("--{name}={}", path.as_ref()?.display()));
        let endpoint = self.otlp_endpoint.as_ref().map(|url| format!("--otlp-endpoint={url}"));
        let headers = file("otlp-headers-file", &self.otlp_headers_file);
        [endpoint, headers, file("otlp-ca-file", &self.otlp_ca_file)].into_iter().flatten().collect()
    }
}
