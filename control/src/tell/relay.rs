//! The mail relay as the operator names it: `smtp://[user:password@]host[:port]` or `smtps://...`.
//!
//! `smtp://` demands STARTTLS. Only for a relay on this very machine may `?tls=none` give that up. The password
//! is shown by nothing here.

use std::fmt;

use farwatch_core::target::{TargetHost, port};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::{SUBMISSION_PORT, SUBMISSIONS_PORT};

/// How the connection to the relay is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encryption {
    /// From the first byte.
    Implicit,
    /// By STARTTLS, before anything is said that matters.
    StartTls,
    /// Not at all; only on this machine.
    None,
}

/// Where mail is handed over.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Relay {
    /// As it is dialled and as its certificate must name it; an IPv6 address without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) encryption: Encryption,
    pub(super) login: Option<Login>,
}

/// What the relay wants to know of us.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Login {
    user: String,
    password: String,
}

/// A relay URL that is refused. Its text repeats nothing of the URL, for that may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadRelay {
    #[error("it must begin with smtp:// or smtps://")]
    Scheme,
    #[error("it must name a host after the scheme, such as smtps://mail.example.com")]
    Host,
    #[error("its port must be a number from 1 to 65535")]
    Port,
    #[error("user and password stand before the host as user:password@, with %-escapes where a character is special")]
    Login,
    #[error("the only thing that may follow the port is ?tls=none")]
    Rest,
    #[error("tls=none is only for smtp:// to a loopback address or localhost: mail and password would travel in clear")]
    Clear,
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Relay({self}, {:?}, login: {})", self.encryption, self.login.is_some())
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login(..)")
    }
}

impl fmt::Display for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = &self.host;
        if host.contains(':') { write!(f, "[{host}]:{}", self.port) } else { write!(f, "{host}:{}", self.port) }
    }
}

impl Login {
    pub(super) fn credentials(&self) -> Credentials {
        Credentials::new(self.user.clone(), self.password.clone())
    }

    /// The text without the password, should a relay repeat it.
    pub(super) fn redact(&self, text: &str) -> String {
        if self.password.is_empty() { text.to_owned() } else { text.replace(&self.password, "(password)") }
    }
}

impl Relay {
    /// Reads the operator's URL.
    pub(super) fn of_url(url: &str) -> Result<Self, BadRelay> {
        let (scheme, rest) = url.split_once("://").ok_or(BadRelay::Scheme)?;
        let (encryption, usual_port) = match scheme {
            "smtp" => (Encryption::StartTls, SUBMISSION_PORT),
            "smtps" => (Encryption::Implicit, SUBMISSIONS_PORT),
            _ => return Err(BadRelay::Scheme),
        };
        let (login, rest) = match rest.rsplit_once('@') {
            Some((login, rest)) => (Some(login_of(login)?), rest),
            None => (None, rest),
        };
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let place = place.strip_suffix('/').unwrap_or(place);
        let (host, port) = host_and_port(place, usual_port)?;
        let encryption = match (query, encryption) {
            ("", encryption) => encryption,
            ("tls=none", Encryption::StartTls) if is_this_machine(&host) => Encryption::None,
            ("tls=none", _) => return Err(BadRelay::Clear),
            _ => return Err(BadRelay::Rest),
        };
        Ok(Self { host, port, encryption, login })
    }
}

fn host_and_port(place: &str, usual_port: u16) -> Result<(String, u16), BadRelay> {
    let host_end = match place.strip_prefix('[') {
        Some(rest) => rest.find(']').map(|end| end + 2).ok_or(BadRelay::Host)?,
        None => place.find([':', '/']).unwrap_or(place.len()),
    };
    let (host, rest) = place.split_at(host_end);
    let host = match TargetHost::of_text(host).map_err(|_| BadRelay::Host)? {
        TargetHost::Name(name) => name,
        TargetHost::Address(address) => address.to_string(),
    };
    let port = match (rest, rest.strip_prefix(':')) {
        ("", _) => usual_port,
        (_, Some(digits)) => port(digits).ok_or(BadRelay::Port)?,
        (_, None) => return Err(BadRelay::Rest),
    };
    Ok((host, port))
}

fn is_this_machine(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn login_of(text: &str) -> Result<Login, BadRelay> {
    let (user, password) = text.split_once(':').ok_or(BadRelay::Login)?;
    let (user, password) = (unescaped(user)?, unescaped(password)?);
    if user.is_empty() { Err(BadRelay::Login) } else { Ok(Login { user, password }) }
}

fn unescaped(text: &str) -> Result<String, BadRelay> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, after) = after.split_at_checked(2).ok_or(BadRelay::Login)?;
        let digits = str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+')).ok_or(BadRelay::Login)?;
        bytes.push(u8::from_str_radix(digits, 16).map_err(|_| BadRelay::Login)?);
        rest = after;
    }
    String::from_utf8(bytes).map_err(|_| BadRelay::Login)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relay_is_read_with_what_goes_without_saying() {
        let read = |url| Relay::of_url(url).unwrap();
        let plain = read("smtp://mail.example.com");
        assert_eq!((plain.to_string().as_str(), plain.encryption), ("mail.example.com:587", Encryption::StartTls));
        let full = read("smtps://ops%40example.com:p%3Aa%20ss%C3%A9@mail.example.com:2465/");
        assert_eq!((full.to_string().as_str(), full.encryption), ("mail.example.com:2465", Encryption::Implicit));
        assert_eq!(full.login, Some(Login { user: "ops@example.com".to_owned(), password: "p:a ssé".to_owned() }));
        assert_eq!(read("smtp://[2001:db8::25]").to_string(), "[2001:db8::25]:587");
        for url in ["smtp://127.0.0.1:25?tls=none", "smtp://[::1]:25?tls=none", "smtp://u:p@localhost?tls=none"] {
            assert_eq!(read(url).encryption, Encryption::None, "{url}");
        }
    }

    #[test]
    fn what_is_no_relay_is_refused_and_not_repeated() {
        for (url, why) in [
            ("mail.example.com", BadRelay::Scheme),
            ("http://mail.example.com", BadRelay::Scheme),
            ("smtp://", BadRelay::Host),
            ("smtp://user:s3cret@", BadRelay::Host),
            ("smtp://127.1:25", BadRelay::Host),
            ("smtp://mail.example.com:0", BadRelay::Port),
            ("smtp://mail.example.com:smtp", BadRelay::Port),
            ("smtp://user@mail.example.com", BadRelay::Login),
            ("smtp://:s3cret@mail.example.com", BadRelay::Login),
            ("smtp://user:s3cret%@mail.example.com", BadRelay::Login),
            ("smtp://user:s3cret%+1@mail.example.com", BadRelay::Login),
            ("smtp://user:%ff@mail.example.com", BadRelay::Login),
            ("smtp://mail.example.com/path", BadRelay::Rest),
            ("smtp://127.0.0.1?tls=maybe", BadRelay::Rest),
            ("smtp://mail.example.com?tls=none", BadRelay::Clear),
            ("smtps://127.0.0.1?tls=none", BadRelay::Clear),
        ] {
            assert_eq!(Relay::of_url(url), Err(why), "{url}");
            assert!(!why.to_string().contains("s3cret"));
        }
    }

    #[test]
    fn a_password_is_shown_by_nothing() {
        let relay = Relay::of_url("smtp://user:s3cret@mail.example.com").unwrap();
        assert!(!format!("{relay:?} {relay}").contains("s3cret"));
        let login = relay.login.unwrap();
        assert_eq!(login.redact("535 no user with s3cret"), "535 no user with (password)");
        assert!(!format!("{:?}", login.credentials()).contains("s3cret"));
    }
}
