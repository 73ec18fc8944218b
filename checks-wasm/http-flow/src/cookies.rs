//! The cookies of one run (RFC 6265): where they go by their domain, path and security.
//!
//! A run is over before any cookie is, so `Max-Age` only says whether one is removed, and `Expires` says nothing. Which
//! suffixes are public is not known; a domain without a dot is refused.

use std::net::IpAddr;

use farwatch_guest::web::url;

/// More than any site needs; browsers keep as many.
const COOKIES_MAX: usize = 50;
/// What browsers stop at, too.
const COOKIE_MAX: usize = 4_096;

/// See the file's documentation.
#[derive(Debug, Default)]
pub struct Jar(Vec<Cookie>);

#[derive(Debug)]
struct Cookie {
    name: String,
    value: String,
    domain: String,
    /// Whether it goes to the host alone that set it.
    is_of_host: bool,
    path: String,
    is_secure: bool,
}

/// Of a URL, what decides on cookies.
struct Place {
    host: String,
    path: String,
    is_secure: bool,
}

impl Place {
    fn of(url: &str) -> Option<Self> {
        let parts = url::split(url).ok()?;
        let host = match parts.authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
            _ => parts.authority,
        };
        let path = if parts.path.is_empty() { "/" } else { parts.path };
        let is_secure = parts.scheme.eq_ignore_ascii_case("https");
        Some(Self { host: host.to_ascii_lowercase(), path: path.to_owned(), is_secure })
    }

    /// The folder of the path, without its last slash.
    fn folder(&self) -> &str {
        match self.path.rfind('/') {
            None | Some(0) => "/",
            Some(end) => &self.path[..end],
        }
    }

    fn is_in(&self, domain: &str) -> bool {
        let is_below = || self.host.strip_suffix(domain).is_some_and(|below| below.ends_with('.'));
        self.host == domain || is_below() && self.host.parse::<IpAddr>().is_err()
    }
}

impl Jar {
    /// What a request to that URL says in its `cookie` header, if anything.
    pub fn header(&self, url: &str) -> Option<String> {
        let place = Place::of(url)?;
        let mut fitting: Vec<_> = self.0.iter().filter(|cookie| cookie.goes_to(&place)).collect();
        fitting.sort_by_key(|cookie| core::cmp::Reverse(cookie.path.len()));
        let pairs: Vec<_> = fitting.iter().map(|cookie| format!("{}={}", cookie.name, cookie.value)).collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }

    /// Keeps what an answer from that URL sets.
    pub fn keep(&mut self, url: &str, headers: &[(String, String)]) {
        let Some(place) = Place::of(url) else { return };
        for (_, set) in headers.iter().filter(|(name, _)| name == "set-cookie") {
            if let Some((cookie, is_over)) = Cookie::read(set, &place) {
                self.0.retain(|other| !other.is_same(&cookie));
                if !is_over && self.0.len() < COOKIES_MAX {
                    self.0.push(cookie);
                }
            }
        }
    }
}

impl Cookie {
    /// A cookie that an answer from there may set, and whether it removes it.
    fn read(set: &str, place: &Place) -> Option<(Self, bool)> {
        let mut parts = set.split(';');
        let (name, value) = parts.next()?.split_once('=')?;
        let (name, value) = (name.trim().to_owned(), value.trim().to_owned());
        if name.is_empty() || set.len() > COOKIE_MAX || set.contains(char::is_control) {
            return None;
        }
        let mut cookie = Self {
            name,
            value,
            domain: place.host.clone(),
            is_of_host: true,
            path: place.folder().to_owned(),
            is_secure: false,
        };
        let mut is_over = false;
        for part in parts {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            let value = value.trim();
            match key.trim().to_ascii_lowercase().as_str() {
                "path" if value.starts_with('/') => cookie.path = value.to_owned(),
                "secure" => cookie.is_secure = true,
                "max-age" => is_over = value.parse::<i64>().is_ok_and(|seconds| seconds <= 0),
                "domain" if !value.is_empty() => {
                    cookie.domain = value.strip_prefix('.').unwrap_or(value).to_ascii_lowercase();
                    cookie.is_of_host = false;
                }
                _ => {}
            }
        }
        let may_set = place.is_in(&cookie.domain) && (cookie.domain == place.host || cookie.domain.contains('.'));
        may_set.then_some((cookie, is_over))
    }

    fn is_same(&self, other: &Self) -> bool {
        (&self.name, &self.domain, &self.path) == (&other.name, &other.domain, &other.path)
    }

    fn goes_to(&self, place: &Place) -> bool {
        let is_of_domain = if self.is_of_host { place.host == self.domain } else { place.is_in(&self.domain) };
        let is_of_path = place
            .path
            .strip_prefix(self.path.as_str())
            .is_some_and(|below| below.is_empty() || self.path.ends_with('/') || below.starts_with('/'));
        is_of_domain && is_of_path && (place.is_secure || !self.is_secure)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(set: &[&str], from: &str, to: &str) -> String {
        let mut jar = Jar::default();
        let headers: Vec<_> = set.iter().map(|set| ("set-cookie".to_owned(), (*set).to_owned())).collect();
        jar.keep(from, &headers);
        jar.header(to).unwrap_or_default()
    }

    #[test]
    fn cookies_go_where_they_may() {
        let from = "https://www.example.com/shop/cart?x";
        for (set, to, header) in [
            ("a=1", "https://www.example.com/shop", "a=1"),
            ("a=1", "https://www.example.com/shop/x", "a=1"),
            ("a=1", "http://www.example.com:8080/shop/x", "a=1"),
            ("a=1", "https://www.example.com/shopping", ""),
            ("a=1", "https://www.example.com/", ""),
            ("a=1", "https://example.com/shop", ""),
            ("a=1", "https://x.www.example.com/shop", ""),
            ("a=1; Path=/", "https://www.example.com", "a=1"),
            ("a=1; path=relative", "https://www.example.com/shop", "a=1"),
            ("a=1; Path=/; Domain=.Example.com", "https://api.example.com/", "a=1"),
            ("a=1; Path=/; Domain=example.com", "https://badexample.com/", ""),
            ("a=1; Path=/; Domain=other.example", "https://other.example/", ""),
            ("a=1; Path=/; Domain=com", "https://www.example.com/", ""),
            ("a=1; Path=/; Secure", "https://www.example.com/", "a=1"),
            ("a=1; Path=/; Secure", "http://www.example.com/", ""),
            ("a=1; Path=/; Max-Age=60; HttpOnly; SameSite=Lax", "https://www.example.com/", "a=1"),
            ("a=1; Path=/; Max-Age=0", "https://www.example.com/", ""),
            ("a = b=c ; Path=/", "https://www.example.com/", "a=b=c"),
            ("novalue", "https://www.example.com/shop", ""),
            ("=x", "https://www.example.com/shop", ""),
        ] {
            assert_eq!(sent(&[set], from, to), header, "{set} to {to}");
        }
    }

    #[test]
    fn a_cookie_is_replaced_removed_and_stands_behind_those_of_longer_paths() {
        let (from, to) = ("http://a.example/x/y", "http://a.example/x/y");
        assert_eq!(sent(&["a=1; Path=/", "b=2; Path=/x", "a=3; Path=/"], from, to), "b=2; a=3");
        assert_eq!(sent(&["a=1", "b=2", "a=; Max-Age=-1"], from, to), "b=2");
        let many: Vec<_> = (0..COOKIES_MAX + 9).map(|n| format!("c{n}=x")).collect();
        let many: Vec<_> = many.iter().map(String::as_str).collect();
        assert_eq!(sent(&many, from, to).split("; ").count(), COOKIES_MAX);
        let long = format!("a={}", "x".repeat(COOKIE_MAX));
        assert_eq!(sent(&[&long], from, to), "");
    }

    #[test]
    fn addresses_have_no_domains() {
        assert_eq!(sent(&["a=1; Path=/; Domain=0.0.1"], "http://127.0.0.1/", "http://127.0.0.1/"), "");
        assert_eq!(sent(&["a=1; Path=/; Domain=127.0.0.1"], "http://127.0.0.1:81/", "http://127.0.0.1:82/"), "a=1");
        assert_eq!(sent(&["a=1"], "http://[::1]:81/", "http://[::1]/"), "a=1");
    }
}
