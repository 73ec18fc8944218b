//! What a URL points at, read once and strictly: by probes and by webhooks alike.
//!
//! A host that some resolver would read as an address in disguise (`127.1`, `0x7f000001`, `2130706433`) is refused, so
//! that what a person reads is what is connected to. Whether it may be reached is the business of `egress`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::Uri;
use http::uri::{PathAndQuery, Scheme};

/// The longest URL, so that no request head outgrows what servers take.
const URL_MAX_BYTES: usize = 8 * 1024;
/// The longest name the DNS can hold, and the longest label in it.
const NAME_MAX_BYTES: usize = 253;
const LABEL_MAX_BYTES: usize = 63;

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Whether TLS is spoken.
    pub is_https: bool,
    /// The server.
    pub host: TargetHost,
    /// The port that is dialled.
    pub port: u16,
    /// Host and port as they are told to the server; a port that goes without saying is left out.
    pub authority: String,
    /// What is asked of the server.
    pub path_and_query: PathAndQuery,
}

/// A name to be resolved, or an address that stands for itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetHost {
    /// A name, in lower case.
    Name(String),
    /// An address.
    Address(IpAddr),
}

/// A URL that is refused before anything is sent. Its text does not repeat the path, which may hold a token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadTarget {
    /// It is too long.
    #[error("the URL is longer than {URL_MAX_BYTES} bytes")]
    TooLong,
    /// It breaks the grammar of URLs.
    #[error("it is not a URL: {0}")]
    Unreadable(String),
    /// It is relative, or of another scheme.
    #[error("it is not an absolute http or https URL")]
    Scheme,
    /// It holds credentials.
    #[error("the URL holds a user name or password, which is not sent; take it out of the URL")]
    UserInfo,
    /// Its port is none.
    #[error("{0:?} is not a port from 1 to 65535")]
    Port(String),
    /// Its address means something on one machine only.
    #[error("{0:?} is an IPv6 address with a zone, which means nothing to other machines")]
    Zone(String),
    /// Its host is none, or could be taken for another.
    #[error("{0:?} is not a host name or an address; write an IPv4 address as four decimal numbers")]
    Host(String),
}

impl Target {
    /// Reads an absolute `http` or `https` URL.
    pub fn of_url(url: &str) -> Result<Self, BadTarget> {
        if url.len() > URL_MAX_BYTES {
            return Err(BadTarget::TooLong);
        }
        let unreadable = |error: http::uri::InvalidUri| BadTarget::Unreadable(error.to_string());
        let parts = url.parse::<Uri>().map_err(unreadable)?.into_parts();
        let is_https = match &parts.scheme {
            Some(scheme) if *scheme == Scheme::HTTP => false,
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            _ => return Err(BadTarget::Scheme),
        };
        let authority = parts.authority.ok_or(BadTarget::Scheme)?;
        let usual_port = if is_https { 443 } else { 80 };
        let (host, port) = split_authority(authority.as_str())?;
        let port = port.unwrap_or(usual_port);
        let authority = if port == usual_port { host.to_owned() } else { format!("{host}:{port}") };
        let path_and_query = match parts.path_and_query {
            Some(path) if path.as_str().starts_with('/') => path,
            // Its text has the slash that the URL left out.
            Some(query) => query.to_string().parse().map_err(unreadable)?,
            None => PathAndQuery::from_static("/"),
        };
        Ok(Self { is_https, host: TargetHost::of_text(host)?, port, authority, path_and_query })
    }
}

fn split_authority(authority: &str) -> Result<(&str, Option<u16>), BadTarget> {
    if authority.contains('@') {
        return Err(BadTarget::UserInfo);
    }
    let bad_host = || BadTarget::Host(authority.to_owned());
    let host_end = match authority.strip_prefix('[') {
        Some(rest) => rest.find(']').map(|end| end + 2).ok_or_else(bad_host)?,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, rest) = authority.split_at(host_end);
    if rest.is_empty() {
        return Ok((host, None));
    }
    let digits = rest.strip_prefix(':').ok_or_else(bad_host)?;
    Ok((host, Some(port(digits).ok_or_else(|| BadTarget::Port(digits.to_owned()))?)))
}

/// A port in plain decimal digits.
pub fn port(digits: &str) -> Option<u16> {
    let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|port| is_plain && *port != 0)
}

impl TargetHost {
    /// Reads a name, an IPv4 address, or an IPv6 address in brackets.
    pub fn of_text(text: &str) -> Result<Self, BadTarget> {
        let bad_host = || BadTarget::Host(text.to_owned());
        if let Some(inner) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            if inner.contains('%') {
                return Err(BadTarget::Zone(text.to_owned()));
            }
            return inner.parse::<Ipv6Addr>().map(|address| Self::Address(address.into())).map_err(|_| bad_host());
        }
        if let Ok(address) = text.parse::<Ipv4Addr>() {
            return Ok(Self::Address(address.into()));
        }
        if is_name(text) { Ok(Self::Name(text.to_ascii_lowercase())) } else { Err(bad_host()) }
    }
}

/// Whether this is a name that no resolver takes for an address.
fn is_name(text: &str) -> bool {
    let name = text.strip_suffix('.').unwrap_or(text);
    let is_label = |label: &str| {
        (1..=LABEL_MAX_BYTES).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    let is_a_number = |label: &str| {
        label.bytes().all(|byte| byte.is_ascii_digit())
            || label.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("0x"))
    };
    name.len() <= NAME_MAX_BYTES && name.split('.').all(is_label) && !name.rsplit('.').next().is_some_and(is_a_number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_read_into_what_is_dialled_and_what_is_told() {
        let target = Target::of_url("http://Example.com:8080/a?b=1#c").unwrap();
        assert_eq!(target.host, TargetHost::Name("example.com".to_owned()));
        assert_eq!((target.port, target.is_https), (8080, false));
        assert_eq!(target.authority, "Example.com:8080");
        assert_eq!(target.path_and_query.as_str(), "/a?b=1");
    }

    #[test]
    fn what_goes_without_saying_is_filled_in_and_left_out() {
        let target = Target::of_url("https://example.com:443").unwrap();
        assert_eq!((target.port, target.is_https, target.authority.as_str()), (443, true, "example.com"));
        assert_eq!(target.path_and_query.as_str(), "/");
        let query_only = Target::of_url("https://example.com:443?x=1").unwrap();
        assert_eq!((query_only.authority.as_str(), query_only.path_and_query.as_str()), ("example.com", "/?x=1"));
        let ipv6 = Target::of_url("http://[2001:db8::7]:81").unwrap();
        assert_eq!(ipv6.host, TargetHost::Address("2001:db8::7".parse().unwrap()));
        assert_eq!((ipv6.authority.as_str(), ipv6.path_and_query.as_str()), ("[2001:db8::7]:81", "/"));
    }

    #[test]
    fn addresses_in_disguise_and_nonsense_are_refused() {
        for url in [
            "http://2130706433/",
            "http://127.1/",
            "http://0x7f.0.0.1/",
            "http://0x7f000001/",
            "http://0177.0.0.1/",
            "http://127.0.0.1./",
            "http://1.2.3.4.5/",
            "http://example.0x1/",
            "http://a..b/",
            "http://-_-.%41/",
            "http://user@example.com/",
            "http://user:pass@example.com/",
            "http://[fe80::1%25eth0]/",
            "http://[::1",
            "http://[::1]x/",
            "http://example.com:/",
            "http://example.com:0/",
            "http://example.com:65536/",
            "http://example.com:+80/",
            "http:///x",
            "/relative",
            "ftp://example.com/",
            "example.com",
            "",
            "http://exa mple.com/",
            "http://exämple.com/",
        ] {
            assert!(Target::of_url(url).is_err(), "{url}");
        }
        assert_eq!(Target::of_url(&format!("http://e.com/{}", "a".repeat(URL_MAX_BYTES))), Err(BadTarget::TooLong));
        assert_eq!(Target::of_url("http://u@h/"), Err(BadTarget::UserInfo));
    }

    #[test]
    fn a_refusal_does_not_repeat_the_path() {
        for url in
            ["http://127.1/s3cret", "http://u@h/s3cret", "http://h:0/s3cret", "ftp://h/s3cret", "http://h/s3cret x"]
        {
            assert!(!Target::of_url(url).unwrap_err().to_string().contains("s3cret"), "{url}");
        }
    }
}
