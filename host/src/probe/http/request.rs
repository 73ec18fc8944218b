//! A request as it will be sent, made of what the module asked for and what stands for itself.

use bytes::Bytes;
use farwatch_core::target::Target;
use http::header::{ACCEPT, CONTENT_LENGTH, HOST, TRANSFER_ENCODING, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::probe::evidence::{Phase, Request, Version};
use crate::probe::trace::Mishap;

/// The most headers a module may send.
const HEADERS_MAX: usize = 100;
/// The most they may weigh together. Servers refuse far less.
const HEADERS_MAX_BYTES: usize = 64 * 1024;
/// The largest body a module may send: a probe is no upload.
const BODY_MAX_BYTES: usize = 1 << 20;

/// Ready to be sent in either protocol.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) method: Method,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Prepared {
    /// Checks what the module asked for and adds `host`, `user-agent` and `accept` where it did not.
    pub(super) fn new(request: Request, target: &Target) -> Result<Self, Mishap> {
        if request.version == Version::Http3 {
            let message = "this host does not speak HTTP/3; ask for another version".to_owned();
            return Err(Mishap::new(Phase::Prepare, "not-supported", message));
        }
        let method = Method::from_bytes(request.method.as_bytes())
            .ok()
            .filter(|method| *method != Method::CONNECT)
            .ok_or_else(|| invalid(format!("{:?} is not a method that can be sent", request.method)))?;
        let body = request.body.unwrap_or_default();
        if body.len() > BODY_MAX_BYTES {
            return Err(invalid(format!("the body has {} bytes; at most {BODY_MAX_BYTES} are allowed", body.len())));
        }
        let headers = headers(&request.headers, target)?;
        Ok(Self { method, headers, body: body.into() })
    }
}

pub(super) const fn invalid(message: String) -> Mishap {
    Mishap::new(Phase::Prepare, "request-invalid", message)
}

fn headers(asked: &[(String, String)], target: &Target) -> Result<HeaderMap, Mishap> {
    let weight: usize = asked.iter().map(|(name, value)| name.len() + value.len()).sum();
    if asked.len() > HEADERS_MAX || weight > HEADERS_MAX_BYTES {
        let limits = format!("at most {HEADERS_MAX} headers of {HEADERS_MAX_BYTES} bytes in all are allowed");
        return Err(invalid(format!("{} headers of {weight} bytes: {limits}", asked.len())));
    }
    let mut headers = HeaderMap::with_capacity(asked.len() + 4);
    let authority = HeaderValue::from_str(&target.authority);
    headers.insert(HOST, authority.map_err(|_| invalid(format!("{} cannot be sent", target.authority)))?);
    headers.insert(USER_AGENT, HeaderValue::from_static(crate::probe::USER_AGENT));
    headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
    let mut given: [(HeaderName, bool); 3] = [(HOST, false), (USER_AGENT, false), (ACCEPT, false)];
    for (name, value) in asked {
        let (name, value) = header(name, value)?;
        match given.iter_mut().find(|(usual, is_given)| !is_given && *usual == name) {
            Some((_, is_given)) => {
                *is_given = true;
                headers.insert(name, value);
            }
            None => {
                headers.append(name, value);
            }
        }
    }
    Ok(headers)
}

fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), Mishap> {
    let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| invalid(format!("{name:?} is no header name")))?;
    if parsed == CONTENT_LENGTH || parsed == TRANSFER_ENCODING {
        return Err(invalid(format!("{name} follows from the body and cannot be set")));
    }
    // The value may be a secret, so the message does not show it.
    let value = HeaderValue::from_bytes(value.as_bytes())
        .map_err(|_| invalid(format!("the value of the header {name} holds a character that cannot be sent")))?;
    Ok((parsed, value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::evidence::Want;

    fn prepared(method: &str, headers: &[(&str, &str)]) -> Result<Prepared, Mishap> {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let request = Request {
            method: method.to_owned(),
            url: "http://example.com:8080/".to_owned(),
            headers,
            body: None,
            version: Version::Automatic,
            verify_tls: true,
            client: None,
            ip_version: None,
            max_body_bytes: 0,
            timeout_ms: 1000,
            want: Want::empty(),
        };
        let target = Target::of_url(&request.url).unwrap();
        Prepared::new(request, &target)
    }

    fn sent(prepared: &Prepared) -> Vec<(&str, &str)> {
        prepared.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect()
    }

    #[test]
    fn host_user_agent_and_accept_stand_for_themselves() {
        let prepared = prepared("GET", &[("X-Check", "1")]).unwrap();
        let agent = crate::probe::USER_AGENT;
        let expected = [("host", "example.com:8080"), ("user-agent", agent), ("accept", "*/*"), ("x-check", "1")];
        assert_eq!(sent(&prepared), expected);
    }

    #[test]
    fn what_the_module_gives_replaces_them_and_may_be_repeated() {
        let given = [("Accept", "text/html"), ("accept", "text/plain"), ("host", "other"), ("user-agent", "x")];
        let prepared = prepared("PATCH", &given).unwrap();
        let accepted: Vec<_> = prepared.headers.get_all(ACCEPT).iter().collect();
        assert_eq!(accepted, ["text/html", "text/plain"]);
        assert_eq!(
            (&prepared.headers[HOST], &prepared.headers[USER_AGENT]),
            (&"other".parse().unwrap(), &"x".parse().unwrap())
        );
    }

    #[test]
    fn what_cannot_be_sent_is_refused_and_no_secret_is_shown() {
        for (method, header) in [
            ("GE T", ("a", "b")),
            ("CONNECT", ("a", "b")),
            ("GET", ("a b", "c")),
            ("GET", ("Content-Length", "5")),
            ("GET", ("transfer-encoding", "chunked")),
            ("GET", ("authorization", "s3cret\r\nx: y")),
        ] {
            let refused = prepared(method, &[header]).unwrap_err();
            assert_eq!((refused.phase, refused.code), (Phase::Prepare, "request-invalid"));
            assert!(!refused.message.contains("s3cret"));
        }
        let many = vec![("a", "b"); HEADERS_MAX + 1];
        assert!(prepared("GET", &many).is_err());
    }
}
