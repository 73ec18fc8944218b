//! How the check is let in: it proves its password in the way that the server asks for.
//!
//! The password itself is sent only over an encrypted connection, unless the config allows it otherwise.

use farwatch_guest::dialogue::{Said, Wrong, down, protocol_error};
use farwatch_guest::service::Security;
use md5::{Digest, Md5};

use crate::config::Config;
use crate::packet::{self, Asked};
use crate::scram::{self, Broken, Last, Scram};
use crate::talk::Session;
use crate::wit::farwatch::check::entropy;

/// As much randomness as usual clients take for a nonce.
const NONCE_BYTES: u32 = 18;
/// No way of being let in has more steps.
const STEPS_MAX: usize = 6;

/// Says who it is, proves it, and goes on until the server is ready.
///
/// # Errors
/// When it is not let in.
pub fn log_in(session: &mut Session<'_>, config: &Config) -> Said<()> {
    session.dialogue.send(&packet::startup(&config.login.username, &config.login.database))?;
    let mut way = Way::Open;
    for _ in 0..STEPS_MAX {
        let message = session.next()?;
        if message.kind != b'R' {
            return Err(protocol_error("a question for the login", &message.body));
        }
        let Some(asked) = packet::asked(&message.body) else {
            return Err(protocol_error("a question for the login", &message.body));
        };
        if asked == Asked::Nothing {
            way.may_end()?;
            return until_ready(session);
        }
        if let Some(answer) = way.answer(&asked, config)? {
            session.dialogue.send(&answer)?;
        }
    }
    Err(down("protocol-error", format!("expected an end of the login after at most {STEPS_MAX} steps, got none")))
}

fn until_ready(session: &mut Session<'_>) -> Said<()> {
    while session.next()?.kind != b'Z' {}
    Ok(())
}

/// How far a login has come.
enum Way {
    /// Anything may be asked for.
    Open,
    /// A mechanism has begun.
    Begun(Scram),
    /// The server is to prove itself now.
    Awaiting(Last),
    /// It has.
    Proven,
}

impl Way {
    /// Answers what is asked for; none where nothing is to be said.
    fn answer(&mut self, asked: &Asked<'_>, config: &Config) -> Said<Option<Vec<u8>>> {
        let (way, answer) = match (std::mem::replace(self, Self::Open), asked) {
            (Self::Open, Asked::Password) => {
                refuse_to_show(config)?;
                (Self::Open, Some(packet::password(&password(config)?)))
            }
            (Self::Open, Asked::Md5(salt)) => {
                (Self::Open, Some(packet::password(&hashed(&config.login.username, &password(config)?, salt))))
            }
            (Self::Open, Asked::Mechanism(names)) => {
                if !names.contains(&scram::NAME) {
                    let message = format!("expected to log in by {}, got `{}`", scram::NAME, names.join(" ").trim());
                    return Err(down("login-unsupported", message));
                }
                let scram = Scram::new(&entropy::get(NONCE_BYTES));
                let answer = packet::mechanism(scram::NAME, &scram.first());
                (Self::Begun(scram), Some(answer))
            }
            (Self::Begun(scram), Asked::Next(challenge)) => {
                let last =
                    scram.last(challenge, &password(config)?).map_err(|broken| unanswerable(&broken, challenge))?;
                let answer = packet::proof(last.message.as_bytes());
                (Self::Awaiting(last), Some(answer))
            }
            (Self::Awaiting(last), Asked::Last(proof)) => {
                if !last.accepts(proof) {
                    return Err(unproven());
                }
                (Self::Proven, None)
            }
            (_, Asked::Other(number)) => {
                let message = format!("expected to log in by a password, got a way of number {number}");
                return Err(down("login-unsupported", message));
            }
            _ => return Err(down("protocol-error", "expected the next step of the login, got another")),
        };
        *self = way;
        Ok(answer)
    }

    /// A server that lets in whoever asks may do so at once, but not in the middle of a mechanism: then it has not proven
    /// that it knows the password.
    fn may_end(&self) -> Said<()> {
        match self {
            Self::Open | Self::Proven => Ok(()),
            Self::Begun(_) | Self::Awaiting(_) => Err(unproven()),
        }
    }
}

fn unproven() -> Wrong {
    down("server-unproven", "expected the server to prove that it knows the password, got no proof")
}

fn unanswerable(broken: &Broken, challenge: &[u8]) -> Wrong {
    match broken {
        Broken::Malformed => protocol_error("a challenge of SCRAM", challenge),
        Broken::TooManyIterations(iterations) => {
            let max = scram::ITERATIONS_MAX;
            down("login-unsupported", format!("expected at most {max} iterations of SCRAM, got {iterations}"))
        }
    }
}

fn password(config: &Config) -> Said<String> {
    let Some(secret) = &config.login.password else {
        return Err(down("login-refused", "expected to be let in without a password, got asked for one"));
    };
    Ok(secret.reveal()?)
}

fn refuse_to_show(config: &Config) -> Said<()> {
    if config.service.security != Security::None || config.login.is_plaintext_allowed {
        return Ok(());
    }
    let message = "expected a way to log in that does not show the password, got asked for the password itself over a \
                   connection without encryption; set `security`, or `allow_plaintext_login`";
    Err(down("login-unsafe", message))
}

/// What MD5 makes of a password for this once.
fn hashed(user: &str, password: &str, salt: &[u8]) -> String {
    let kept = hex(&Md5::new().chain_update(password).chain_update(user).finalize());
    let shown = hex(&Md5::new().chain_update(kept).chain_update(salt).finalize());
    format!("md5{shown}")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use farwatch_guest::fields::{judge, reread};

    use super::*;

    fn config(security: &str) -> Config {
        let config = format!(r#"{{"host": "a", "username": "me", "security": "{security}"}}"#);
        reread::<Config>(&judge::<Config>(&config).unwrap()).unwrap()
    }

    fn refused(way: &mut Way, asked: &Asked<'_>, security: &str) -> &'static str {
        match way.answer(asked, &config(security)) {
            Err(Wrong::Found(_, code, _)) => code,
            _ => "ok",
        }
    }

    #[test]
    fn what_cannot_be_answered_is_refused() {
        let begun = || Way::Begun(Scram::new(&[0; 3]));
        for (mut way, asked, security, code) in [
            (Way::Open, Asked::Password, "none", "login-unsafe"),
            (Way::Open, Asked::Password, "tls", "login-refused"),
            (Way::Open, Asked::Md5([0; 4]), "none", "login-refused"),
            (Way::Open, Asked::Mechanism(vec!["OTHER"]), "tls", "login-unsupported"),
            (Way::Open, Asked::Other(9), "tls", "login-unsupported"),
            (Way::Open, Asked::Next(b"r="), "tls", "protocol-error"),
            (begun(), Asked::Password, "tls", "protocol-error"),
            (begun(), Asked::Last(b"v="), "tls", "protocol-error"),
        ] {
            assert_eq!(refused(&mut way, &asked, security), code, "{asked:?}");
        }
    }

    #[test]
    fn a_server_must_prove_itself_before_it_lets_in() {
        let awaiting = || {
            let scram = Scram::new(&[0; 3]);
            Way::Awaiting(scram.last(b"r=AAAA1,s=AAAA,i=1", "x").unwrap())
        };
        assert!(Way::Open.may_end().is_ok() && Way::Proven.may_end().is_ok());
        assert!(Way::Begun(Scram::new(&[0; 3])).may_end().is_err() && awaiting().may_end().is_err());
        assert_eq!(refused(&mut awaiting(), &Asked::Last(b"v=AAAA"), "tls"), "server-unproven");
        assert_eq!(refused(&mut awaiting(), &Asked::Next(b"v=AAAA"), "tls"), "protocol-error");
    }

    #[test]
    fn md5_is_as_servers_reckon_it() {
        assert_eq!(hashed("me", "secret", b"\x01\x02\x03\x04"), "md58322d584bf59f0253d58346307bb6ba3");
    }
}
