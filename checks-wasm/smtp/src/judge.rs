//! What the replies of a mail server say about it, in the words of outcomes.

use farwatch_guest::dialogue::{Said, Wrong};
use farwatch_guest::outcome::Finding;
use farwatch_guest::reply::Reply;
use farwatch_guest::wit::farwatch::check::types::Status;

use crate::config::Message;

/// By this the server says, whatever it was asked, that it closes the connection (RFC 5321, section 3.8).
const CLOSING: u16 = 421;

/// The reply, if it has the code that it must have.
///
/// # Errors
/// This code, unless the server closes the connection.
pub fn wanted(reply: Reply, code: u16, otherwise: &'static str, expected: &str) -> Said<Reply> {
    match reply.code {
        found if found == code => Ok(reply),
        CLOSING => Err(reply.refused("service-unavailable", expected)),
        _ => Err(reply.refused(otherwise, expected)),
    }
}

/// The first words of a server. One that takes no mail, now or ever, says so by them.
pub fn greeting(reply: Reply) -> Said<Reply> {
    let code = if reply.is_positive() { "protocol-error" } else { "service-unavailable" };
    wanted(reply, 220, code, "a greeting by 220")
}

/// A login that did not succeed.
pub fn login(reply: &Reply, username: &str) -> Wrong {
    let code = match reply.code {
        CLOSING => "service-unavailable",
        _ if reply.is_transient() => "login-unavailable",
        500..600 => "login-refused",
        _ => "protocol-error",
    };
    reply.refused(code, &format!("a login as `{username}`"))
}

/// Whether the server takes a sender. Where the recipient should be refused, it may be that already here.
pub fn sender(reply: &Reply, message: &Message) -> Said<()> {
    let code = match reply.code {
        200..300 => return Ok(()),
        CLOSING => "service-unavailable",
        _ if message.is_to_be_refused => return Ok(()),
        // No mail is taken by anybody: a full disk is told like that.
        _ if reply.is_transient() => "sender-deferred",
        500..600 => "sender-refused",
        _ => "protocol-error",
    };
    Err(reply.refused(code, &format!("mail from <{}> to be taken", message.from)))
}

/// Whether the server takes a recipient, or refuses it where it should.
pub fn recipient(reply: &Reply, message: &Message) -> Said<Finding> {
    let to = &message.to;
    let code = match reply.code {
        CLOSING => "service-unavailable",
        200..300 if message.is_to_be_refused => {
            return Err(reply.refused("recipient-accepted", &format!("mail to <{to}> to be refused")));
        }
        200..300 => return Ok(None),
        400..600 if message.is_to_be_refused => return Ok(None),
        400..500 => {
            // Commonly it is strangers that are put off, once: mail comes through all the same.
            let text = format!("expected mail to <{to}> to be taken, and it was put off by `{}`", reply.shown());
            return Ok(Some((Status::Degraded, "recipient-deferred", text)));
        }
        500..600 => "recipient-refused",
        _ => "protocol-error",
    };
    Err(reply.refused(code, &format!("mail to <{to}> to be taken")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(code: u16) -> Reply {
        Reply { code, lines: vec!["text".to_owned()] }
    }

    fn message(is_to_be_refused: bool) -> Message {
        Message { from: String::new(), to: "bob@example.com".to_owned(), is_to_be_refused }
    }

    fn code<T>(said: Said<T>) -> &'static str {
        match said {
            Ok(_) => "ok",
            Err(Wrong::Found(Status::Down, code, _)) => code,
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_server_says_by_its_greeting_whether_it_serves() {
        for (found, wanted) in
            [(220, "ok"), (421, "service-unavailable"), (554, "service-unavailable"), (250, "protocol-error")]
        {
            assert_eq!(code(greeting(reply(found))), wanted, "{found}");
        }
    }

    #[test]
    fn refusals_are_told_from_troubles() {
        for (found, login_code, sender_code) in [
            (535, "login-refused", "sender-refused"),
            (454, "login-unavailable", "sender-deferred"),
            (421, "service-unavailable", "service-unavailable"),
            (354, "protocol-error", "protocol-error"),
        ] {
            let wrong: Said<()> = Err(login(&reply(found), "anna"));
            assert_eq!((code(wrong), code(sender(&reply(found), &message(false)))), (login_code, sender_code));
        }
        assert_eq!(code(sender(&reply(550), &message(true))), "ok");
    }

    #[test]
    fn recipients_are_taken_or_refused_as_they_should_be() {
        for (found, is_to_be_refused, wanted) in [
            (250, false, "ok"),
            (251, false, "ok"),
            (450, false, "ok"),
            (550, false, "recipient-refused"),
            (250, true, "recipient-accepted"),
            (450, true, "ok"),
            (554, true, "ok"),
            (421, true, "service-unavailable"),
            (354, true, "protocol-error"),
        ] {
            assert_eq!(code(recipient(&reply(found), &message(is_to_be_refused))), wanted, "{found}");
        }
        let put_off = recipient(&reply(451), &message(false)).unwrap().unwrap();
        assert_eq!((put_off.0, put_off.1), (Status::Degraded, "recipient-deferred"));
        let refused = recipient(&reply(550), &message(false));
        assert!(matches!(refused, Err(Wrong::Found(_, _, text))
            if text == "expected mail to <bob@example.com> to be taken, got `550 text`"));
    }
}
