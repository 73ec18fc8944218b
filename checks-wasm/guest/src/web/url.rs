//! What this module must know of URLs: whether one may be asked for, and where a redirect leads (RFC 3986, section 5).
//!
//! It does not resolve, connect or decide what is allowed. The host parses every URL again and judges for itself.

/// The longest URL that is accepted, in bytes. Servers commonly refuse longer ones.
pub const URL_MAX: usize = 8_192;

/// An absolute URL, cut into the parts that matter here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parts<'a> {
    /// `http` or `https`, as it was written.
    pub scheme: &'a str,
    /// The host and perhaps a port.
    pub authority: &'a str,
    /// The path; empty or starting with a slash.
    pub path: &'a str,
    /// The query with its question mark, or empty.
    pub query: &'a str,
}

/// Cuts an absolute `http` or `https` URL into its parts, without its fragment.
///
/// # Errors
/// A sentence that says what is wrong and what to do about it.
pub fn split(url: &str) -> Result<Parts<'_>, String> {
    if url.len() > URL_MAX {
        return Err(format!("the URL is longer than {URL_MAX} bytes; shorten it"));
    }
    if let Some(bad) = url.chars().find(|c| !c.is_ascii_graphic()) {
        return Err(format!("{bad:?} may not stand in a URL; percent-encode it, or in a name use its xn-- form"));
    }
    let start = "the URL must start with http:// or https://";
    let (scheme, rest) = url.split_once("://").ok_or(start)?;
    if !is_http(scheme) {
        return Err(start.to_owned());
    }
    let rest = rest.split_once('#').map_or(rest, |(before, _)| before);
    let (authority, rest) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let (path, query) = rest.split_at(rest.find('?').unwrap_or(rest.len()));
    check_authority(authority)?;
    Ok(Parts { scheme, authority, path, query })
}

fn is_http(scheme: &str) -> bool {
    scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")
}

fn check_authority(authority: &str) -> Result<(), String> {
    if authority.contains('@') {
        return Err("a URL may not hold a user name; send an `authorization` header instead".to_owned());
    }
    let (host, port) = match authority.rfind([':', ']']) {
        Some(at) if authority.as_bytes()[at] == b':' => (&authority[..at], Some(&authority[at + 1..])),
        _ => (authority, None),
    };
    let is_literal = host.starts_with('[') && host.ends_with(']');
    let is_name = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte));
    if host.is_empty() {
        return Err("the URL names no host".to_owned());
    }
    if !is_literal && !is_name {
        return Err(format!("`{host}` is no host name; an IPv6 address stands in brackets"));
    }
    match port.map(str::parse::<u16>) {
        None | Some(Ok(1..)) => Ok(()),
        _ => Err("the port in the URL must be a number from 1 to 65535".to_owned()),
    }
}

/// Whether two absolute URLs have the same scheme, host and port as they are written.
pub fn same_origin(a: &str, b: &str) -> bool {
    match (split(a), split(b)) {
        (Ok(a), Ok(b)) => a.scheme.eq_ignore_ascii_case(b.scheme) && a.authority.eq_ignore_ascii_case(b.authority),
        _ => false,
    }
}

/// Where a `Location` header leads from `base`.
///
/// # Errors
/// A sentence that says why it leads nowhere.
pub fn join(base: &str, location: &str) -> Result<String, String> {
    let base = split(base)?;
    let location = location.split_once('#').map_or(location, |(before, _)| before);
    let location = encode_foreign(location.trim());
    let origin = format!("{}://{}", base.scheme, base.authority);
    let joined = if has_scheme(&location) {
        location
    } else if location.starts_with("//") {
        format!("{}:{location}", base.scheme)
    } else {
        let (path, query) = location.split_at(location.find('?').unwrap_or(location.len()));
        match path {
            "" if query.is_empty() => format!("{origin}{}{}", base.path, base.query),
            "" => format!("{origin}{}{query}", base.path),
            path if path.starts_with('/') => format!("{origin}{}{query}", without_dots(path)),
            path => {
                let folder = base.path.rfind('/').map_or("/", |end| &base.path[..=end]);
                format!("{origin}{}{query}", without_dots(&format!("{folder}{path}")))
            }
        }
    };
    split(&joined)?;
    Ok(joined)
}

fn has_scheme(text: &str) -> bool {
    let end = text.find([':', '/', '?']).unwrap_or(text.len());
    text[end..].starts_with(':')
}

/// Servers send names of files as they are; browsers encode them, and so do we.
fn encode_foreign(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'!'..=b'~' => encoded.push(byte.into()),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

/// Resolves `.` and `..` in a path that starts with a slash.
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path[1..].split('/').peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if is_last {
                    kept.push("");
                }
            }
            segment => kept.push(segment),
        }
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_urls_are_split() {
        for (url, authority, path, query) in [
            ("http://example.com", "example.com", "", ""),
            ("HTTPS://example.com:8443/a/b?c=d#e", "example.com:8443", "/a/b", "?c=d"),
            ("http://[2001:db8::7]:80?x", "[2001:db8::7]:80", "", "?x"),
            ("http://192.0.2.7/", "192.0.2.7", "/", ""),
        ] {
            let parts = split(url).expect(url);
            assert_eq!((parts.authority, parts.path, parts.query), (authority, path, query), "{url}");
        }
    }

    #[test]
    fn bad_urls_are_refused_in_words() {
        for (url, words) in [
            ("example.com", "must start with http"),
            ("ftp://example.com", "must start with http"),
            ("http://", "names no host"),
            ("http:///path", "names no host"),
            ("http://:80", "names no host"),
            ("http://user@example.com", "may not hold a user name"),
            ("http://a b", "percent-encode"),
            ("http://bücher.example", "xn--"),
            ("http://2001:db8::7/", "in brackets"),
            ("http://example.com:0", "from 1 to 65535"),
            ("http://example.com:65536", "from 1 to 65535"),
            ("http://example.com:", "from 1 to 65535"),
        ] {
            let problem = split(url).expect_err(url);
            assert!(problem.contains(words), "{url}: {problem}");
        }
        assert!(split(&format!("http://a/{}", "x".repeat(URL_MAX))).is_err());
    }

    #[test]
    fn redirects_lead_where_rfc_3986_says() {
        let base = "http://a.example/b/c/d?q";
        for (location, target) in [
            ("https://b.example/x#y", "https://b.example/x"),
            ("//b.example/x", "http://b.example/x"),
            ("/x?y", "http://a.example/x?y"),
            ("x", "http://a.example/b/c/x"),
            ("../x/", "http://a.example/b/x/"),
            ("../../../x", "http://a.example/x"),
            ("./", "http://a.example/b/c/"),
            ("..", "http://a.example/b/"),
            ("?z", "http://a.example/b/c/d?z"),
            ("", "http://a.example/b/c/d?q"),
            ("/ä b", "http://a.example/%C3%A4%20b"),
            ("x?u=http://y", "http://a.example/b/c/x?u=http://y"),
        ] {
            assert_eq!(join(base, location).as_deref(), Ok(target), "{location}");
        }
        assert_eq!(join("http://a.example", "x").as_deref(), Ok("http://a.example/x"));
        assert!(join(base, "ftp://a.example/").is_err());
        assert!(join(base, "mailto:a@example.com").is_err());
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        assert!(same_origin("http://A.example/x", "http://a.example/y"));
        assert!(!same_origin("http://a.example/", "https://a.example/"));
        assert!(!same_origin("http://a.example/", "http://a.example:8080/"));
    }
}
