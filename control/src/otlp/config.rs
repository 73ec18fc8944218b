//! Where telemetry goes, as the operator set it: complete and valid before the first port opens.

use std::fs;
use std::path::{Path, PathBuf};

use farwatch_core::target::{Target, TargetHost};
use http::header::{CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::flag::{BadFlag, bad, pem_file};

/// The flag that turns telemetry on.
const ENDPOINT: &str = "--otlp-endpoint";
/// The flag that names the file of headers.
const HEADERS_FILE: &str = "--otlp-headers-file";
/// The flag that names certificates.
const CA_FILE: &str = "--otlp-ca-file";
/// A file of headers holds some tokens; a larger one is another file.
const HEADERS_FILE_MAX_BYTES: usize = 16 * 1024;
/// Headers that say how a request is sent, which is not for the operator to say.
const OURS: [HeaderName; 6] = [CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST, TRANSFER_ENCODING];

/// The values of the flags, as they were given.
#[derive(Clone, Debug, Default)]
pub struct OtlpFlags {
    /// `--otlp-endpoint`: where the collector listens, such as `http://127.0.0.1:4318`. None: telemetry is off.
    pub endpoint: Option<String>,
    /// `--otlp-headers-file`: a file of `name: value` lines that go with every request, for they hold secrets.
    pub headers_file: Option<PathBuf>,
    /// `--otlp-ca-file`: PEM certificates that the collector's may be signed by, besides the system's.
    pub ca_file: Option<PathBuf>,
}

/// Where telemetry goes.
#[derive(Clone, Debug)]
pub struct OtlpConfig {
    pub(super) traces: Target,
    pub(super) metrics: Target,
    pub(super) headers: HeaderMap,
    pub(super) roots: Option<Vec<u8>>,
}

impl OtlpConfig {
    /// Reads the flags and the files they name. `None` where telemetry is off.
    pub fn try_new(flags: &OtlpFlags) -> Result<Option<Self>, BadFlag> {
        let Some(endpoint) = &flags.endpoint else {
            let useless = [(HEADERS_FILE, flags.headers_file.is_some()), (CA_FILE, flags.ca_file.is_some())];
            return match useless.into_iter().find(|(_, is_given)| *is_given) {
                Some((flag, _)) => Err(bad(flag, "without --otlp-endpoint nothing is sent")),
                None => Ok(None),
            };
        };
        let headers = flags.headers_file.as_deref().map(headers_of).transpose()?.unwrap_or_default();
        let traces = signal(endpoint, "traces")?;
        if !headers.is_empty() && !traces.is_https && !is_this_machine(&traces) {
            return Err(bad(ENDPOINT, "the headers would travel in clear; use https, or a collector on this machine"));
        }
        let roots = pem_file(CA_FILE, flags.ca_file.as_deref())?;
        Ok(Some(Self { traces, metrics: signal(endpoint, "metrics")?, headers, roots }))
    }
}

/// Where one signal goes: the path that OTLP gives it, below the endpoint.
fn signal(endpoint: &str, name: &str) -> Result<Target, BadFlag> {
    let base = endpoint.trim_end_matches('/');
    let whole = Target::of_url(endpoint).map_err(|why| bad(ENDPOINT, &why))?;
    if whole.path_and_query.query().is_some() {
        return Err(bad(ENDPOINT, "it must not have a query; /v1/traces and /v1/metrics are added to it"));
    }
    Target::of_url(&format!("{base}/v1/{name}")).map_err(|why| bad(ENDPOINT, &why))
}

fn is_this_machine(target: &Target) -> bool {
    match &target.host {
        TargetHost::Address(address) => address.is_loopback(),
        TargetHost::Name(name) => name == "localhost",
    }
}

/// The headers in a file. Nothing of it is repeated in complaints, for it is secret.
fn headers_of(path: &Path) -> Result<HeaderMap, BadFlag> {
    let wrong = |why: &str| bad(HEADERS_FILE, &format!("{}: {why}", path.display()));
    let text = fs::read_to_string(path).map_err(|error| wrong(&error.to_string()))?;
    if text.len() > HEADERS_FILE_MAX_BYTES {
        return Err(wrong(&format!("it is longer than {HEADERS_FILE_MAX_BYTES} bytes")));
    }
    let mut headers = HeaderMap::new();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !is_remark(line)) {
        let bad_line = |why: &str| wrong(&format!("line {}: {why}", index + 1));
        let (name, value) = line.split_once(':').ok_or_else(|| bad_line("write it as name: value"))?;
        let name: HeaderName = name.trim().parse().map_err(|_| bad_line("what stands before the colon is no name"))?;
        if OURS.contains(&name) {
            return Err(bad_line("this header is not for you to set"));
        }
        let mut value: HeaderValue =
            value.trim().parse().map_err(|_| bad_line("its value has characters of control"))?;
        value.set_sensitive(true);
        headers.append(name, value);
    }
    Ok(headers)
}

fn is_remark(line: &str) -> bool {
    line.trim().is_empty() || line.trim_start().starts_with('#')
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn to(endpoint: &str) -> OtlpFlags {
        OtlpFlags { endpoint: Some(endpoint.to_owned()), ..OtlpFlags::default() }
    }

    fn file(text: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    }

    #[test]
    fn the_signals_have_their_paths_below_the_endpoint() {
        assert!(OtlpConfig::try_new(&OtlpFlags::default()).unwrap().is_none());
        for (endpoint, traces) in [
            ("http://127.0.0.1:4318", "/v1/traces"),
            ("http://127.0.0.1:4318/", "/v1/traces"),
            ("https://collector.example/otlp/", "/otlp/v1/traces"),
        ] {
            let config = OtlpConfig::try_new(&to(endpoint)).unwrap().unwrap();
            assert_eq!(config.traces.path_and_query.as_str(), traces, "{endpoint}");
            assert_eq!(config.metrics.path_and_query.as_str(), traces.replace("traces", "metrics"), "{endpoint}");
        }
    }

    #[test]
    fn headers_are_read_and_shown_to_nobody() {
        let file = file("# of the collector\n\nauthorization: Bearer s3cret\nX-Scope-OrgID:a\n");
        let flags = OtlpFlags { headers_file: Some(file.path().to_owned()), ..to("https://collector.example") };
        let config = OtlpConfig::try_new(&flags).unwrap().unwrap();
        assert_eq!(config.headers["authorization"], "Bearer s3cret");
        assert_eq!(config.headers["x-scope-orgid"], "a");
        assert!(!format!("{config:?}").contains("s3cret"));
    }

    #[test]
    fn every_bad_flag_is_named_in_one_line() {
        let with_headers = |endpoint: &str, text: &str| {
            let file = file(text);
            let flags = OtlpFlags { headers_file: Some(file.path().to_owned()), ..to(endpoint) };
            OtlpConfig::try_new(&flags).unwrap_err().to_string()
        };
        let here = "http://127.0.0.1:4318";
        for (told, begins) in [
            (OtlpConfig::try_new(&to("grpc://c:4317")).unwrap_err().to_string(), "--otlp-endpoint: "),
            (OtlpConfig::try_new(&to("http://u:s3cret@c")).unwrap_err().to_string(), "--otlp-endpoint: "),
            (OtlpConfig::try_new(&to("http://c/?a=b")).unwrap_err().to_string(), "--otlp-endpoint: "),
            (with_headers("http://collector.example", "a: s3cret"), "--otlp-endpoint: "),
            (with_headers(here, "s3cret"), "--otlp-headers-file: "),
            (with_headers(here, "a b: s3cret"), "--otlp-headers-file: "),
            (with_headers(here, "Host: s3cret"), "--otlp-headers-file: "),
        ] {
            assert!(told.starts_with(begins) && !told.contains('\n') && !told.contains("s3cret"), "{told}");
        }
        let missing = Some(PathBuf::from("no-such-file"));
        for flags in [
            OtlpFlags { headers_file: missing.clone(), ..to(here) },
            OtlpFlags { ca_file: missing.clone(), ..to(here) },
            OtlpFlags { ca_file: missing.clone(), ..OtlpFlags::default() },
            OtlpFlags { headers_file: missing, ..OtlpFlags::default() },
        ] {
            let told = OtlpConfig::try_new(&flags).unwrap_err().to_string();
            assert!(told.starts_with("--otlp-") && !told.contains('\n'), "{told}");
        }
    }
}
