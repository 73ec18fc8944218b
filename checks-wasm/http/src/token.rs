//! Tokens of OAuth 2.0 for a client that acts for itself (RFC 6749, section 4.4).
//!
//! A token is fetched in the run that needs it and kept for no other, so that a server that gives none is noticed.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use farwatch_guest::fields::Fields;
use farwatch_guest::outcome::found;
use farwatch_guest::secret::Secret;
use farwatch_guest::web::body::{form, percent};
use farwatch_guest::web::exchange::{Ask, Progress, Time, look};
use farwatch_guest::web::expect::Expect;
use farwatch_guest::web::statuses::StatusRange;
use farwatch_guest::web::wish::{Filling, Wish};
use farwatch_guest::web::{json, judge, url};
use serde_json::Value;

use crate::wit::farwatch::check::http::{Request, Response, Want};
use crate::wit::farwatch::check::types::{Failure, Outcome, Problem, Status};

/// The fields of a grant.
pub const FIELDS: &[&str] =
    &["oauth2_token_url", "oauth2_client_id", "oauth2_client_secret", "oauth2_scope", "oauth2_client_auth"];

/// No server takes a longer name, or more scopes.
const TEXT_MAX: usize = 1_024;
/// The longest token that is sent on: no server takes longer headers.
const TOKEN_MAX: usize = 7 << 10;
/// How much of an error a message shows. The standard's are shorter.
const ERROR_MAX: usize = 40;

/// Who gives the token, and to whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    url: String,
    client: String,
    secret: Secret,
    scope: Option<String>,
    is_in_body: bool,
}

/// What came of asking.
pub enum Token {
    /// The token, and what it took, in microseconds.
    Granted(String, u64),
    /// There is none.
    Refused(Outcome),
}

/// Reads the fields; none where no token is needed.
pub fn read(fields: &mut Fields<'_>) -> Option<Grant> {
    let given = FIELDS.iter().find(|field| fields.get(field).is_some())?;
    for missing in &FIELDS[..3] {
        if fields.get(missing).is_none() {
            let message = format!("`{given}` means nothing without `{missing}`; give both, or neither");
            fields.add("config-missing-field", format!("/{missing}"), message);
        }
    }
    let url = fields.text("oauth2_token_url", usize::MAX).unwrap_or_default();
    if let Some(message) = url::split(url).err().filter(|_| fields.get("oauth2_token_url").is_some()) {
        fields.bad("oauth2_token_url", message);
    }
    for other in ["basic_user", "bearer_token"] {
        if fields.get(other).is_some() {
            fields.bad(other, format!("one request proves who we are in one way; leave out `{other}`, or `{given}`"));
        }
    }
    let is_encrypted = url.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https:"));
    fields.guard_login(is_encrypted, "oauth2_client_secret");
    let wanted = fields.text("url", usize::MAX).unwrap_or_default();
    let shows_token = wanted.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https:"));
    if is_encrypted {
        fields.guard_login(shows_token, "oauth2_client_secret");
    }
    let text = |fields: &mut Fields<'_>, field| fields.text(field, TEXT_MAX).map(str::to_owned);
    Some(Grant {
        url: url.to_owned(),
        client: text(fields, "oauth2_client_id").unwrap_or_default(),
        scope: text(fields, "oauth2_scope"),
        is_in_body: fields.choice("oauth2_client_auth", &[("basic", false), ("body", true)]).unwrap_or(false),
        secret: fields.secret("oauth2_client_secret")?,
    })
}

/// Asks for a token.
///
/// # Errors
/// When nothing can be said of the target.
pub fn fetch(
    grant: &Grant,
    wish: &Wish,
    time: Time,
    filling: &impl Filling,
    fetch: impl FnMut(Request<'_>) -> Result<Response, Failure>,
) -> Result<Token, Problem> {
    let secret = filling.secret(&grant.secret)?;
    let mut pairs = vec![("grant_type", "client_credentials")];
    pairs.extend(grant.scope.as_deref().map(|scope| ("scope", scope)));
    if grant.is_in_body {
        pairs.extend([("client_id", grant.client.as_str()), ("client_secret", &secret)]);
    }
    let body = form(&pairs);
    let login = format!("{}:{}", percent(&grant.client), percent(&secret));
    let login = format!("Basic {}", STANDARD.encode(login));
    let mut headers = vec![("accept", "application/json"), ("content-type", "application/x-www-form-urlencoded")];
    headers.extend((!grant.is_in_body).then_some(("authorization", login.as_str())));
    let ask = Ask {
        method: "POST",
        url: &grant.url,
        headers,
        private_headers: usize::from(!grant.is_in_body),
        body: Some(body.as_bytes()),
        is_body_private: true,
        client: None,
        version: wish.version,
        ip_version: wish.ip_version,
        verify_tls: wish.verify_tls,
        follow_redirects: false,
        max_redirects: 0,
    };
    let (mut outcome, response) = look(&ask, &any_answer(), Want::BODY, time, fetch)?;
    Ok(match response.map(|response| granted(&response, outcome.latency_us)) {
        Some(Ok(token)) => Token::Granted(token, outcome.latency_us),
        Some(Err((code, message))) => {
            Token::Refused(found(Some((Status::Down, code, message)), outcome.latency_us, outcome.attributes))
        }
        None => {
            outcome.message.insert_str(0, "while the token was fetched: ");
            Token::Refused(outcome)
        }
    })
}

/// What a token server answers is judged here, whatever its status.
fn any_answer() -> Expect<'static> {
    Expect {
        statuses: vec![StatusRange { first: 100, last: 599 }],
        body_contains: None,
        body_not_contains: None,
        body_regex: None,
        degraded_above_ms: None,
        certificate_days_min: None,
        rules: None,
    }
}

/// The token of an answer.
///
/// # Errors
/// Code and sentence of why there is none.
fn granted(response: &Response, elapsed_us: u64) -> Result<String, (&'static str, String)> {
    let place = judge::place(response, Progress { redirects: 0, elapsed_us });
    let answer = json::parse(&response.body).unwrap_or(Value::Null);
    let said = |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or_default();
    let wrong = |code, got: String| Err((code, format!("expected a token, got {got} {place}")));
    match response.status {
        200..=299 => {}
        // An error is one of the standard's words; what is none may be anything.
        status @ (400 | 401 | 403) => {
            let error: String = said("error").chars().filter(|c| c.is_ascii_graphic()).take(ERROR_MAX).collect();
            return wrong("login-refused", format!("status {status} {error}").trim_end().to_owned());
        }
        status => return wrong("status-unexpected", format!("status {status}")),
    }
    let token = said("access_token");
    if token.is_empty() || token.len() > TOKEN_MAX || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return wrong("token-missing", format!("an answer of {} bytes without one", response.body_bytes));
    }
    if !said("token_type").eq_ignore_ascii_case("bearer") {
        return wrong("token-missing", "one that is no bearer token".to_owned());
    }
    Ok(token.to_owned())
}
