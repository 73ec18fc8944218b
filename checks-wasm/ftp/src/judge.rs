//! What the replies of a file server say about it, in the words of outcomes.

use farwatch_guest::dialogue::{Said, Wrong};
use farwatch_guest::outcome::{Finding, plural};
use farwatch_guest::reply::Reply;
use farwatch_guest::wit::farwatch::check::types::Status;

/// By this the server says, whatever it was asked, that it closes the connection (RFC 959, section 4.2.1).
const CLOSING: u16 = 421;
/// The password is still to come, and here it is not asked for.
const NAME_TAKEN: u16 = 331;

/// The reply, if it has one of the codes that it may have.
///
/// # Errors
/// This code, unless the server closes the connection.
pub fn wanted(reply: Reply, codes: &[u16], otherwise: &'static str, expected: &str) -> Said<Reply> {
    match reply.code {
        found if codes.contains(&found) => Ok(reply),
        CLOSING => Err(reply.refused("service-unavailable", expected)),
        _ => Err(reply.refused(otherwise, expected)),
    }
}

/// The first words of a server.
pub fn greeting(reply: Reply) -> Said<Reply> {
    // By 120 it says that it is not ready yet, and by all others that it does not serve.
    let code = if reply.code == 120 || !reply.is_positive() { "service-unavailable" } else { "protocol-error" };
    wanted(reply, &[220], code, "a greeting by 220")
}

/// Whether the name was enough to be let in; none where the password is still to come.
pub fn name(reply: &Reply, username: &str) -> Said<Option<()>> {
    match reply.code {
        230 | 232 => Ok(Some(())),
        NAME_TAKEN => Ok(None),
        _ => Err(login(reply, username)),
    }
}

/// A login that did not succeed.
pub fn login(reply: &Reply, username: &str) -> Wrong {
    let code = match reply.code {
        CLOSING => "service-unavailable",
        // One more word is wanted, an account, which hardly any server knows.
        332 => "login-unavailable",
        _ if reply.is_transient() => "login-unavailable",
        500..600 => "login-refused",
        _ => "protocol-error",
    };
    reply.refused(code, &format!("a login as `{username}`"))
}

/// The size of a file, from the reply to SIZE (RFC 3659, section 4).
pub fn size(reply: Reply, file: &str) -> Said<i64> {
    let expected = format!("the size of `{file}`");
    let code = match reply.code {
        550 => "file-missing",
        500 | 502 => "size-unsupported",
        _ => "file-unavailable",
    };
    let reply = wanted(reply, &[213], code, &expected)?;
    let size = reply.lines.first().and_then(|text| text.trim().parse().ok()).filter(|size: &i64| *size >= 0);
    size.ok_or_else(|| reply.refused("protocol-error", &expected))
}

/// A file that is smaller than it may be.
pub fn smallness(file: &str, bytes: i64, bytes_min: Option<i64>) -> Finding {
    let bytes_min = bytes_min.filter(|bytes_min| bytes < *bytes_min)?;
    let message = format!("`{file}` has {}, fewer than {bytes_min}, says the answer", plural(bytes, "byte"));
    Some((Status::Down, "file-too-small", message))
}

/// Where the server says that one is, from the reply to PWD: between quotes, within which a quote stands twice.
pub fn place(reply: &Reply) -> Said<String> {
    let unreadable = || reply.refused("protocol-error", "the directory between quotes");
    let rest = reply.lines.first().and_then(|text| text.strip_prefix('"')).ok_or_else(unreadable)?;
    let mut place = String::new();
    let mut chars = rest.chars();
    while let Some(char) = chars.next() {
        if char == '"' && chars.next() != Some('"') {
            return Ok(place);
        }
        place.push(char);
    }
    Err(unreadable())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(code: u16, text: &str) -> Reply {
        Reply { code, lines: vec![text.to_owned()] }
    }

    fn code<T>(said: Said<T>) -> &'static str {
        match said {
            Ok(_) => "ok",
            Err(Wrong::Found(Status::Down, code, _)) => code,
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn greetings_and_logins_are_judged() {
        for (found, of_greeting, of_name, of_login) in [
            (220, "ok", "protocol-error", "protocol-error"),
            (120, "service-unavailable", "protocol-error", "protocol-error"),
            (230, "protocol-error", "ok", "protocol-error"),
            (331, "protocol-error", "ok", "protocol-error"),
            (332, "protocol-error", "login-unavailable", "login-unavailable"),
            (421, "service-unavailable", "service-unavailable", "service-unavailable"),
            (450, "service-unavailable", "login-unavailable", "login-unavailable"),
            (530, "service-unavailable", "login-refused", "login-refused"),
        ] {
            let reply = reply(found, "text");
            assert_eq!(code(greeting(reply.clone())), of_greeting, "{found}");
            assert_eq!(code(name(&reply, "anna")), of_name, "{found}");
            assert_eq!(code::<()>(Err(login(&reply, "anna"))), of_login, "{found}");
        }
    }

    #[test]
    fn sizes_are_read_and_compared() {
        for (found, text, wanted) in [
            (213, "1234", Ok(1_234)),
            (213, " 0 ", Ok(0)),
            (213, "-1", Err("protocol-error")),
            (213, "9223372036854775808", Err("protocol-error")),
            (213, "many", Err("protocol-error")),
            (550, "no", Err("file-missing")),
            (502, "what", Err("size-unsupported")),
            (451, "not now", Err("file-unavailable")),
            (421, "bye", Err("service-unavailable")),
        ] {
            let size = size(reply(found, text), "a");
            assert_eq!(size.map_err(|wrong| code::<()>(Err(wrong))), wanted, "{found} {text}");
        }
        assert!(smallness("a", 10, Some(10)).is_none() && smallness("a", 0, None).is_none());
        let (status, code, message) = smallness("a", 1, Some(10)).unwrap();
        assert_eq!((status, code), (Status::Down, "file-too-small"));
        assert_eq!(message, "`a` has 1 byte, fewer than 10, says the answer");
    }

    #[test]
    fn a_place_stands_between_quotes() {
        for (text, place) in [
            (r#""/" is the current directory"#, Some("/")),
            (r#""/a ""b"" c""#, Some(r#"/a "b" c"#)),
            (r#""""#, Some("")),
            (r#""/open"#, None),
            ("/bare", None),
            ("", None),
        ] {
            assert_eq!(super::place(&reply(257, text)).ok().as_deref(), place, "{text}");
        }
    }
}
