//! A request as a config has it: with secrets that are named, and in some modules with what an earlier answer has to give.
//!
//! It becomes an [`Ask`] in the run, when all of that is known.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::body::{Body, filled, plain};
use super::exchange::Ask;
use super::url;
use crate::fields::Fields;
use crate::headers::{Header, is_token};
use crate::secret::Secret;
use crate::wit::farwatch::check::http::Version;
use crate::wit::farwatch::check::types::{IpVersion, Problem};

/// No server takes a longer name.
const USER_MAX: usize = 255;
/// A chain of certificates in PEM.
const CERTIFICATE_MAX: usize = 16 << 10;
/// What browsers stop at, too.
const REDIRECTS_MAX: u64 = 20;
/// Enough for http to https to www to a language.
const REDIRECTS_DEFAULT: u8 = 5;

/// Headers that say how a message travels. The host alone knows that.
const RESERVED_HEADERS: [&str; 7] =
    ["connection", "content-length", "keep-alive", "proxy-connection", "te", "transfer-encoding", "upgrade"];

/// The fields of a request.
pub const FIELDS: &[&str] = &[
    "url",
    "method",
    "headers",
    "body",
    "json",
    "form",
    "basic_user",
    "basic_password",
    "bearer_token",
    "allow_plaintext_login",
    "client_certificate",
    "client_key",
    "follow_redirects",
    "max_redirects",
    "verify_tls",
    "ip_version",
    "http_version",
];

/// The versions of HTTP, as configs name them.
pub const VERSIONS: [(&str, Version); 2] = [("1.1", Version::Http1), ("2", Version::Http2)];

/// See the file's documentation.
#[derive(Debug, Clone, PartialEq)]
pub struct Wish {
    /// Where it goes.
    pub url: String,
    method: String,
    headers: Vec<Header>,
    body: Body,
    basic: Option<(String, Secret)>,
    bearer: Option<Secret>,
    client: Option<(String, Secret)>,
    follow_redirects: bool,
    max_redirects: u8,
    /// Whether a bad certificate is a failure.
    pub verify_tls: bool,
    /// Which addresses may be used.
    pub ip_version: Option<IpVersion>,
    /// Which version of HTTP to speak.
    pub version: Version,
}

/// What stands behind names once a run has begun.
pub trait Filling {
    /// The value of a secret.
    ///
    /// # Errors
    /// When there is none.
    fn secret(&self, secret: &Secret) -> Result<String, Problem>;

    /// A text with what it leaves open; owned where it left something open.
    fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        Cow::Borrowed(text)
    }

    /// The same for a URL.
    fn url<'a>(&self, url: &'a str) -> Cow<'a, str> {
        Cow::Borrowed(url)
    }
}

/// Secrets are asked of the host, and texts leave nothing open.
#[derive(Debug, Clone, Copy)]
pub struct Revealed;

impl Filling for Revealed {
    fn secret(&self, secret: &Secret) -> Result<String, Problem> {
        secret.reveal()
    }
}

/// A request in which nothing is left open.
#[derive(Debug)]
pub struct Ready<'a> {
    wish: &'a Wish,
    url: Cow<'a, str>,
    headers: Vec<(String, String)>,
    private_headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
    is_body_private: bool,
    client: Option<(&'a str, String)>,
}

impl Wish {
    /// Reads the fields.
    pub fn read(fields: &mut Fields<'_>) -> Self {
        let url = url(fields).unwrap_or_default();
        let headers = fields.headers(&RESERVED_HEADERS);
        let body = Body::read(fields);
        let usual = if body == Body::None { "GET" } else { "POST" };
        let is_encrypted = url.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https:"));
        let (basic, bearer) = login(fields, is_encrypted, &headers);
        let certificate = fields.text("client_certificate", CERTIFICATE_MAX).map(str::to_owned);
        let key = fields.secret("client_key");
        let [automatic, versions @ ..] = [("auto", Version::Automatic), VERSIONS[0], VERSIONS[1]];
        Self {
            method: method(fields).unwrap_or(usual).to_owned(),
            url,
            headers,
            body,
            basic,
            bearer,
            client: fields.together(("client_certificate", certificate), ("client_key", key)),
            follow_redirects: fields.boolean("follow_redirects").unwrap_or(true),
            max_redirects: fields.number("max_redirects", 0, REDIRECTS_MAX).map_or(REDIRECTS_DEFAULT, |n| n as u8),
            verify_tls: fields.boolean("verify_tls").unwrap_or(true),
            ip_version: fields.ip_version(),
            version: fields.choice("http_version", &[automatic, versions[0], versions[1]]).unwrap_or(automatic.1),
        }
    }

    /// Every text that may leave something open, with the field that it stands in.
    pub fn texts(&self) -> Vec<(&'static str, &str)> {
        let mut texts = vec![("url", self.url.as_str())];
        texts.extend(self.headers.iter().filter_map(|header| Some(("headers", plain(&header.value)?))));
        texts.extend(self.basic.iter().map(|(user, _)| ("basic_user", user.as_str())));
        texts.extend(self.body.texts());
        texts
    }

    /// The request with nothing left open.
    ///
    /// # Errors
    /// When a secret has no value.
    pub fn ready(&self, filling: &impl Filling) -> Result<Ready<'_>, Problem> {
        let mut ready = Ready {
            wish: self,
            url: filling.url(&self.url),
            headers: Vec::new(),
            private_headers: Vec::new(),
            body: None,
            is_body_private: false,
            client: None,
        };
        for header in &self.headers {
            let (value, is_private) = filled(&header.value, filling)?;
            ready.header(&header.name, header.checked(value)?, is_private);
        }
        if let Some((user, password)) = &self.basic {
            let login = format!("{}:{}", filling.text(user), filling.secret(password)?);
            ready.header("authorization", format!("Basic {}", STANDARD.encode(login)), true);
        }
        if let Some(token) = &self.bearer {
            ready.bearer(&filling.secret(token)?);
        }
        if let Some((sent, kind)) = self.body.sent(filling, &mut ready.is_body_private)? {
            let is_told = self.headers.iter().any(|header| header.is("content-type"));
            if let Some(kind) = kind.filter(|_| !is_told) {
                ready.header("content-type", kind.to_owned(), false);
            }
            ready.body = Some(sent.into_bytes());
        }
        if let Some((certificate, key)) = &self.client {
            ready.client = Some((certificate, filling.secret(key)?));
        }
        Ok(ready)
    }
}

impl Ready<'_> {
    fn header(&mut self, name: &str, value: String, is_private: bool) {
        let headers = if is_private { &mut self.private_headers } else { &mut self.headers };
        headers.push((name.to_owned(), value));
    }

    /// Adds a token that proves who we are.
    pub fn bearer(&mut self, token: &str) {
        self.header("authorization", format!("Bearer {token}"), true);
    }

    /// The request.
    pub fn ask(&self) -> Ask<'_> {
        let headers = self.headers.iter().chain(&self.private_headers);
        Ask {
            method: &self.wish.method,
            url: &self.url,
            headers: headers.map(|(name, value)| (name.as_str(), value.as_str())).collect(),
            private_headers: self.private_headers.len(),
            body: self.body.as_deref(),
            is_body_private: self.is_body_private,
            client: self.client.as_ref().map(|(certificate, key)| (*certificate, key.as_str())),
            version: self.wish.version,
            ip_version: self.wish.ip_version,
            verify_tls: self.wish.verify_tls,
            follow_redirects: self.wish.follow_redirects,
            max_redirects: self.wish.max_redirects,
        }
    }
}

fn url(fields: &mut Fields<'_>) -> Option<String> {
    let url = fields.needed("url", "what to fetch", usize::MAX)?;
    match url::split(url) {
        Ok(_) => Some(url.to_owned()),
        Err(message) => {
            fields.bad("url", message);
            None
        }
    }
}

fn method<'a>(fields: &mut Fields<'a>) -> Option<&'a str> {
    let method = fields.text("method", 32)?;
    if !is_token(method) {
        fields.bad("method", format!("`{method}` is no HTTP method; write one such as GET, HEAD or POST"));
    }
    Some(method)
}

type Login = (Option<(String, Secret)>, Option<Secret>);

fn login(fields: &mut Fields<'_>, is_encrypted: bool, headers: &[Header]) -> Login {
    let user = fields.text("basic_user", USER_MAX).map(str::to_owned);
    if user.as_deref().is_some_and(|user| user.contains([':', '\r', '\n'])) {
        fields.bad("basic_user", "`basic_user` must be a name without colons and line breaks".to_owned());
    }
    let password = fields.secret("basic_password");
    let basic = fields.together(("basic_user", user), ("basic_password", password));
    let bearer = fields.secret("bearer_token");
    let shown = if basic.is_some() { "basic_password" } else { "bearer_token" };
    fields.guard_login(is_encrypted, shown);
    let ways = [
        ("the header `authorization`", headers.iter().any(|header| header.is("authorization"))),
        ("`basic_user`", basic.is_some()),
        ("`bearer_token`", bearer.is_some()),
    ];
    let given: Vec<_> = ways.iter().filter(|(_, is_given)| *is_given).map(|(way, _)| *way).collect();
    if let [first, second, ..] = given[..] {
        fields.bad(shown, format!("one request proves who we are in one way; leave out {second}, or {first}"));
    }
    (basic, bearer)
}
