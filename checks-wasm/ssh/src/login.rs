//! The login (RFC 4252): by password or by key, to its success and no further. No channel is opened and no command run.

use farwatch_guest::dialogue::{Said, down, protocol_error};

use crate::config::{Login, Proof};
use crate::identity::Identity;
use crate::packets::Packets;
use crate::wire::{Reader, Writer};
use crate::wit::farwatch::check::types::Problem;

const SERVICE_REQUEST: u8 = 5;
const SERVICE_ACCEPT: u8 = 6;
const REQUEST: u8 = 50;
const FAILURE: u8 = 51;
const SUCCESS: u8 = 52;
const BANNER: u8 = 53;
/// To a password: that it has run out and a new one is wanted.
const CHANGE: u8 = 60;
/// No server shows more banners before it answers.
const BANNERS_MAX: usize = 16;

const ANSWER: &str = "the answer to the login";

/// Logs in over sealed packets of this session.
pub fn log_in(packets: &mut Packets<'_>, login: &Login, session: &[u8]) -> Said<()> {
    let request = request(login, session)?;
    packets.send(Writer::message(SERVICE_REQUEST).string("ssh-userauth"))?;
    packets.expect(SERVICE_ACCEPT, "the word that logins are taken")?;
    packets.send(request)?;
    for _ in 0..BANNERS_MAX {
        let message = packets.receive(ANSWER)?;
        if message.first() != Some(&BANNER) {
            return judged(login, &message);
        }
    }
    Err(down("protocol-error", format!("{BANNERS_MAX} banners came before {ANSWER}")))
}

fn request(login: &Login, session: &[u8]) -> Result<Writer, Problem> {
    let begun = || Writer::message(REQUEST).string(&login.username).string("ssh-connection");
    match &login.proof {
        Proof::Password(secret) => {
            let password = secret.reveal()?;
            Ok(begun().string("password").byte(0).string(password))
        }
        Proof::Key(secret) => {
            let identity = Identity::read(&secret.reveal()?).map_err(unusable)?;
            let to_sign = begun().string("publickey").byte(1).string(identity.name()).string(&identity.public);
            let to_sign = to_sign.into_bytes();
            let signature = identity.sign(&Writer::default().string(session).raw(&to_sign).into_bytes());
            Ok(Writer::default().raw(&to_sign).string(signature))
        }
    }
}

fn unusable(why: &str) -> Problem {
    let message = format!("the secret that `private_key` names cannot be used: {why}");
    Problem { code: "secret-unusable".to_owned(), message, field: Some("/private_key".to_owned()) }
}

/// What the answer to a login means.
fn judged(login: &Login, message: &[u8]) -> Said<()> {
    let mut reader = Reader::new(message);
    let (user, what) = (&login.username, login.proof.name());
    match reader.byte() {
        Some(SUCCESS) => Ok(()),
        Some(CHANGE) if matches!(login.proof, Proof::Password(_)) => {
            Err(down("password-expired", format!("the password of {user} has run out, and a new one is wanted")))
        }
        Some(FAILURE) => {
            let others = reader.names().unwrap_or_default().join(", ");
            let is_part = reader.byte() == Some(1);
            let said = if is_part { "took" } else { "refused" };
            let next = if is_part { "asks for more" } else { "takes" };
            Err(down("login-refused", format!("the server {said} the {what} of {user}, and {next}: {others}")))
        }
        _ => Err(protocol_error(ANSWER, message)),
    }
}

#[cfg(test)]
mod tests {
    use farwatch_guest::dialogue::Wrong;
    use farwatch_guest::fields::{judge, reread};

    use super::*;
    use crate::config::Config;

    #[test]
    fn answers_are_judged() {
        let login = r#"{"host": "a", "username": "eve", "password": {"secret": "pw"}}"#;
        let login = reread::<Config>(&judge::<Config>(login).unwrap()).unwrap().login.unwrap();
        let failure = |methods: &[&str], part| Writer::message(FAILURE).names(methods).byte(part).into_bytes();
        for (message, code, words) in [
            (vec![SUCCESS], "", ""),
            (vec![CHANGE], "password-expired", "eve"),
            (failure(&["publickey"], 0), "login-refused", "refused the password of eve, and takes: publickey"),
            (failure(&["publickey"], 1), "login-refused", "took the password of eve, and asks for more: publickey"),
            (vec![FAILURE], "login-refused", "refused"),
            (vec![99], "protocol-error", "the answer to the login"),
        ] {
            match judged(&login, &message) {
                Ok(()) => assert_eq!(code, "", "{message:?}"),
                Err(Wrong::Found(_, found, said)) => assert!(found == code && said.contains(words), "{found} {said}"),
                Err(other) => panic!("{other:?}"),
            }
        }
    }
}
