//! Servers that are spoken to over one connection: where they are, how it is encrypted, and what is judged of all of them.
//!
//! The fields are the same in every module that uses it; what is said over the connection is the module's business.

use crate::dialogue::{Dialogue, Said, Wrong};
use crate::fields::{Fields, HOST_MAX};
use crate::outcome::{
    Finding, TIMES, certificate_days_left, certificate_expiring, failed, found, integer, slow, text, times,
};
use crate::secret::Secret;
use crate::squeezed_text;
use crate::wit::exports::farwatch::check::check::RunContext;
use crate::wit::farwatch::check::tcp::{Evidence, Target, TlsOptions};
use crate::wit::farwatch::check::types::{Attribute, ClientIdentity, IpVersion, Outcome, Problem, Status};
use crate::wit::farwatch::check::udp;

/// The fields that every service has.
pub const FIELDS: &[&str] = &[
    "host",
    "port",
    "ip_version",
    "security",
    "verify_tls",
    "server_name",
    "client_certificate",
    "client_key",
    "certificate_days_min",
    "degraded_above_ms",
];
/// The fields of a service that TLS has no part in.
pub const PLAIN_FIELDS: &[&str] = &["host", "port", "ip_version", "degraded_above_ms"];
/// No certificate is good for longer than that.
const CERTIFICATE_DAYS_MAX: u64 = 3_650;
/// A chain of certificates in PEM.
const CERTIFICATE_MAX: usize = 16 << 10;
/// A datagram that is lost is sent again after this: the timeout of a check is longer.
const RESEND_AFTER_MS: u32 = 1_000;
/// Where the schema of a module has the fields of its service.
const PLACE: &str = "\"$service\": {},";

/// How a connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// Not at all.
    None,
    /// From the first byte.
    Tls,
    /// Once both sides have agreed on it.
    StartTls,
}

const WORDS: [(&str, Security); 3] =
    [("none", Security::None), ("tls", Security::Tls), ("starttls", Security::StartTls)];

/// What kind of server a module speaks to.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// Where it listens by convention.
    pub port: u16,
    /// And where it speaks TLS from the first byte; the same where there is no other.
    pub tls_port: u16,
    /// Whether its protocol can turn to TLS.
    pub can_start_tls: bool,
    /// How it is spoken to when nothing is said.
    pub security: Security,
    /// The protocols to offer in the TLS handshake, for servers that insist on it.
    pub alpn: &'static [&'static str],
}

/// What a conversation that came to its good end has shown.
#[derive(Debug, Default)]
pub struct Heard {
    /// What is wrong all the same, which is told with the attributes. Where it came from is added to its sentence.
    pub finding: Finding,
    /// What was measured, and what the server says of itself.
    pub attributes: Vec<Attribute>,
}

impl From<Vec<Attribute>> for Heard {
    fn from(attributes: Vec<Attribute>) -> Self {
        Self { finding: None, attributes }
    }
}

/// One server.
#[derive(Debug, Clone)]
pub struct Service {
    host: String,
    port: u16,
    ip_version: Option<IpVersion>,
    /// How its connection is encrypted.
    pub security: Security,
    verify_tls: bool,
    server_name: Option<String>,
    client: Option<(String, Secret)>,
    certificate_days_min: Option<u16>,
    degraded_above_ms: Option<u32>,
    alpn: &'static [&'static str],
}

impl Kind {
    /// Reads the fields of the service.
    pub fn read(&self, fields: &mut Fields<'_>) -> Service {
        let security = fields.choice("security", self.securities()).unwrap_or(self.security);
        if security == Security::None {
            self.refuse_tls(fields);
        }
        let usual = if security == Security::Tls { self.tls_port } else { self.port };
        let certificate = fields.text("client_certificate", CERTIFICATE_MAX).map(str::to_owned);
        let key = fields.secret("client_key");
        Service {
            host: fields.host("host").unwrap_or_default().to_owned(),
            port: fields.port().unwrap_or(usual),
            ip_version: fields.ip_version(),
            security,
            verify_tls: fields.boolean("verify_tls").unwrap_or(true),
            server_name: fields.text("server_name", HOST_MAX).map(str::to_owned),
            client: fields.together(("client_certificate", certificate), ("client_key", key)),
            certificate_days_min: fields
                .number("certificate_days_min", 1, CERTIFICATE_DAYS_MAX)
                .map(|days| days as u16),
            degraded_above_ms: fields.limit_ms("degraded_above_ms"),
            alpn: self.alpn,
        }
    }

    fn securities(&self) -> &'static [(&'static str, Security)] {
        if self.can_start_tls { &WORDS } else { &WORDS[..2] }
    }

    fn refuse_tls(&self, fields: &mut Fields<'_>) {
        for field in ["verify_tls", "server_name", "client_certificate", "client_key", "certificate_days_min"] {
            if fields.get(field).is_some() {
                fields.bad(field, format!("`{field}` is about TLS; set `security` to \"tls\", or leave it out"));
            }
        }
    }

    /// The schema of a module, with the fields of its service where it has the property `$service`.
    pub fn schema(&self, own: &str) -> String {
        let words: Vec<_> = self.securities().iter().map(|(word, _)| format!("\"{word}\"")).collect();
        let usual = WORDS.iter().find(|(_, security)| *security == self.security).map_or("none", |(word, _)| word);
        let port = if self.security == Security::Tls { self.tls_port } else { self.port };
        let ports = if self.port == self.tls_port {
            self.port.to_string()
        } else {
            format!("{} without TLS from the first byte, {} with it", self.port, self.tls_port)
        };
        let properties = squeezed_text!("src/service.json")
            .replace("\"$securities\"", &words.join(", "))
            .replace("$security", usual)
            .replace("$ports", &ports)
            .replace("\"$port\"", &port.to_string());
        own.replace(PLACE, properties.trim_end())
    }
}

impl Service {
    /// Reads the fields of a service that TLS has no part in, for its protocol encrypts by itself or not at all. It listens
    /// at this port by convention.
    pub fn without_tls(fields: &mut Fields<'_>, port: u16) -> Self {
        Self {
            host: fields.host("host").unwrap_or_default().to_owned(),
            port: fields.port().unwrap_or(port),
            ip_version: fields.ip_version(),
            security: Security::None,
            verify_tls: true,
            server_name: None,
            client: None,
            certificate_days_min: None,
            degraded_above_ms: fields.limit_ms("degraded_above_ms"),
            alpn: &[],
        }
    }

    /// Opens a connection, holds the conversation, and judges what came of it.
    ///
    /// # Errors
    /// Why nothing can be said of the server.
    pub fn talk<H: Into<Heard>>(
        &self,
        context: &RunContext,
        converse: impl FnOnce(&Dialogue) -> Said<H>,
    ) -> Result<Outcome, Problem> {
        let identity = self.identity()?;
        let tls = (self.security == Security::Tls).then(|| self.options(identity.as_ref()));
        let target = Target {
            host: &self.host,
            port: self.port,
            ip_version: self.ip_version,
            tls,
            timeout_ms: context.timeout_ms,
        };
        let dialogue = match Dialogue::open(target) {
            Ok(dialogue) => dialogue,
            Err(wrong) => return ended(wrong, None),
        };
        match converse(&dialogue) {
            Ok(heard) => Ok(self.judge(&dialogue.evidence(), heard.into(), context.now_ms)),
            Err(wrong) => ended(wrong, Some(&dialogue.evidence())),
        }
    }

    /// The host as a URL has it, with its port unless that is the usual one.
    pub fn authority(&self, usual_port: u16) -> String {
        let is_bare_address = self.host.contains(':') && !self.host.starts_with('[');
        let host = if is_bare_address { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == usual_port { host } else { format!("{host}:{}", self.port) }
    }

    /// What to connect to.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The probe for a datagram, where the protocol has them too. One that is lost is sent again.
    pub fn datagram<'a>(&'a self, datagram: &'a [u8], timeout_ms: u32) -> udp::Request<'a> {
        let Self { host, port, ip_version, .. } = self;
        let (port, ip_version, resend_after_ms) = (*port, *ip_version, Some(RESEND_AFTER_MS));
        udp::Request { host, port, ip_version, datagram, resend_after_ms, timeout_ms }
    }

    /// Judges what was found over UDP.
    ///
    /// # Errors
    /// Why nothing can be said of the server.
    pub fn judge_datagram(&self, response: &udp::Response, said: Said<Heard>) -> Result<Outcome, Problem> {
        let evidence = Evidence { remote: response.remote.clone(), times: response.times, tls: None };
        match said {
            Ok(heard) => Ok(self.judge(&evidence, heard, 0)),
            Err(wrong) => ended(wrong, Some(&evidence)),
        }
    }

    /// Turns to TLS, now that the server has agreed to it.
    ///
    /// # Errors
    /// When that fails.
    pub fn start_tls(&self, dialogue: &Dialogue) -> Said<()> {
        let identity = self.identity()?;
        dialogue.start_tls(self.options(identity.as_ref()))
    }

    fn identity(&self) -> Result<Option<(&str, String)>, Problem> {
        let Some((certificate, key)) = &self.client else { return Ok(None) };
        Ok(Some((certificate, key.reveal()?)))
    }

    fn options<'a>(&'a self, identity: Option<&'a (&'a str, String)>) -> TlsOptions<'a> {
        TlsOptions {
            server_name: self.server_name.as_deref(),
            verify: self.verify_tls,
            certificates: false,
            alpn: self.alpn,
            client: identity.map(|(certificate_pem, key_pem)| ClientIdentity { certificate_pem, key_pem }),
        }
    }

    /// What is wrong with a server that was talked with to the end: what the conversation found, then what is judged of all.
    fn judge(&self, evidence: &Evidence, heard: Heard, now_ms: u64) -> Outcome {
        let Heard { finding, mut attributes } = heard;
        let total_us = evidence.times.total.into();
        let days_left = evidence.tls.as_ref().and_then(|tls| certificate_days_left(tls, now_ms));
        let finding = finding
            .map(|(status, code, message)| (status, code, placed(&message, evidence)))
            .or_else(|| slow("all was done", total_us, self.degraded_above_ms))
            .or_else(|| {
                let message = certificate_expiring(days_left?, self.certificate_days_min?)?;
                Some((Status::Degraded, "certificate-expiring", message))
            });
        attributes.extend(days_left.map(|days| integer("tls.certificate-days-left", days)));
        found(finding, total_us, seen(evidence, attributes))
    }
}

/// The outcome of a conversation that ended early.
fn ended(wrong: Wrong, evidence: Option<&Evidence>) -> Result<Outcome, Problem> {
    match wrong {
        Wrong::Failed(failure) => failed(failure),
        Wrong::Problem(problem) => Err(problem),
        Wrong::Found(status, code, mut message) => {
            let mut attributes = Vec::new();
            let mut total_us = 0;
            if let Some(evidence) = evidence {
                total_us = evidence.times.total.into();
                message = placed(&message, evidence);
                attributes = seen(evidence, attributes);
            }
            Ok(found(Some((status, code, message)), total_us, attributes))
        }
    }
}

/// A sentence with where it comes from and after what time.
fn placed(message: &str, evidence: &Evidence) -> String {
    format!("{message} from {} after {} ms", evidence.remote, evidence.times.total / 1_000)
}

fn seen(evidence: &Evidence, own: Vec<Attribute>) -> Vec<Attribute> {
    let mut attributes = Vec::with_capacity(TIMES + 1 + own.len());
    times(&mut attributes, &evidence.times);
    attributes.extend(own);
    attributes.push(text("net.remote", evidence.remote.clone()));
    attributes
}
