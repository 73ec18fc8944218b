//! How the check is let in: it proves its password in the way that the server wants.
//!
//! The password itself is sent only over an encrypted connection, unless the config allows it otherwise.

use farwatch_guest::dialogue::{Said, Wrong, down, protocol_error};
use farwatch_guest::service::Security;

use crate::config::Config;
use crate::packet::{self, Answer, Reply};
use crate::proof::{Way, itself};
use crate::refusal::{self, Step};
use crate::talk::Session;

/// No way of being let in has more steps.
const STEPS_MAX: usize = 6;
/// Words of the way by SHA-256: the server has found the proof good by the hash that it had kept in memory.
const FOUND_GOOD: &[u8] = &[3];
/// Or it has kept none, and needs the password itself.
const NOT_KEPT: &[u8] = &[4];

/// Turns to TLS where the config wants it, says who it is and proves it. Returns the version of the server.
///
/// # Errors
/// When it is not let in.
pub fn log_in(session: &mut Session<'_>, config: &Config) -> Said<String> {
    let packet = session.packet()?;
    if packet.first() == Some(&0xff) {
        return Err(refusal::read(&packet, Step::Login));
    }
    let Some(greeting) = packet::greeting(&packet) else {
        return Err(protocol_error("the greeting of a MySQL server", &packet));
    };
    let login = &config.login;
    let is_encrypted = config.service.security != Security::None;
    let reply = Reply { user: &login.username, database: login.database.as_deref(), is_encrypted };
    if is_encrypted {
        if !greeting.can_tls {
            return Err(down("starttls-refused", "expected a server that speaks TLS, got one that does not"));
        }
        session.send(&reply.tls_request())?;
        config.service.start_tls(session.dialogue)?;
    }
    let password = login.password.as_ref().map(|secret| secret.reveal()).transpose()?.unwrap_or_default();
    // The server asks again if it wants another way. The password itself is never offered.
    let way = Way::of(&greeting.way).filter(|way| *way != Way::Clear).unwrap_or(Way::Native);
    session.send(&reply.login(way, &way.proof(&password, &greeting.nonce)))?;
    let showing = Showing { is_encrypted, is_allowed: login.is_plaintext_allowed };
    prove(session, way, &password, showing)?;
    Ok(greeting.version)
}

/// Goes on until the server lets in.
fn prove(session: &mut Session<'_>, mut way: Way, password: &str, showing: Showing) -> Said<()> {
    for _ in 0..STEPS_MAX {
        let packet = session.packet()?;
        match packet::answer(&packet) {
            Some(Answer::Welcome) => return Ok(()),
            Some(Answer::Refused) => return Err(refusal::read(&packet, Step::Login)),
            Some(Answer::Switch(name, nonce)) => {
                way = showing.way(name)?;
                session.send(&way.proof(password, nonce))?;
            }
            Some(Answer::More(word)) if way == Way::CachingSha2 && word == FOUND_GOOD => {}
            Some(Answer::More(word)) if way == Way::CachingSha2 && word == NOT_KEPT => {
                showing.refuse_not_kept()?;
                session.send(&itself(password))?;
            }
            _ => return Err(protocol_error("an answer to the login", &packet)),
        }
    }
    Err(down("protocol-error", format!("expected an end of the login after at most {STEPS_MAX} steps, got none")))
}

/// Whether the password may be shown.
#[derive(Debug, Clone, Copy)]
struct Showing {
    is_encrypted: bool,
    is_allowed: bool,
}

impl Showing {
    /// The way that the server wants, if it may be gone.
    fn way(self, name: &str) -> Said<Way> {
        match Way::of(name) {
            Some(Way::Clear) if !self.is_encrypted && !self.is_allowed => Err(unsafe_login("`allow_plaintext_login`")),
            Some(way) => Ok(way),
            None => {
                let known = [Way::Native, Way::CachingSha2, Way::Clear].map(Way::name).join(", ");
                let name = if name.is_empty() { "one of servers before 4.1" } else { name };
                Err(down("login-unsupported", format!("expected one of the ways to log in {known}, got {name}")))
            }
        }
    }

    /// Without TLS servers want the password encrypted by a key that they send, which anybody on the way could replace.
    fn refuse_not_kept(self) -> Said<()> {
        if self.is_encrypted { Ok(()) } else { Err(unsafe_login("log the user in by another client first")) }
    }
}

fn unsafe_login(otherwise: &str) -> Wrong {
    let message = format!(
        "expected a way to log in that does not show the password, got asked for the password itself over a connection \
         without encryption; set `security` to \"starttls\", or {otherwise}"
    );
    down("login-unsafe", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_itself_is_shown_only_where_it_may_be() {
        let code = |said: Said<Way>| match said {
            Ok(way) => way.name(),
            Err(Wrong::Found(_, code, _)) => code,
            Err(_) => "another",
        };
        for (is_encrypted, is_allowed, name, expected) in [
            (false, false, "mysql_native_password", "mysql_native_password"),
            (false, false, "caching_sha2_password", "caching_sha2_password"),
            (false, false, "mysql_clear_password", "login-unsafe"),
            (false, true, "mysql_clear_password", "mysql_clear_password"),
            (true, false, "mysql_clear_password", "mysql_clear_password"),
            (true, false, "client_ed25519", "login-unsupported"),
            (true, false, "", "login-unsupported"),
        ] {
            let showing = Showing { is_encrypted, is_allowed };
            assert_eq!(code(showing.way(name)), expected, "{is_encrypted} {is_allowed} {name}");
        }
        let refuses = |is_encrypted| Showing { is_encrypted, is_allowed: true }.refuse_not_kept().is_err();
        assert!(refuses(false) && !refuses(true));
    }
}
