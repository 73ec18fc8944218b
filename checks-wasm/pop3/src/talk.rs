//! The conversation: greeting, TLS where it is to be turned to, login, how much mail there is, and leave is taken.

use farwatch_guest::credentials::Credentials;
use farwatch_guest::dialogue::{Dialogue, Said, unexpected};
use farwatch_guest::service::{Heard, Security};

use crate::answer::Answer;
use crate::config::Config;
use crate::judge;

/// Holds it.
pub fn converse(config: &Config, credentials: &Credentials, password: &str, dialogue: &Dialogue) -> Said<Heard> {
    let greeting = Answer::read(&dialogue.line()?, "a greeting of POP3")?;
    wanted(greeting, "service-unavailable", "a greeting by +OK")?;
    if config.service.security == Security::StartTls {
        wanted(ask(dialogue, "STLS")?, "starttls-refused", "STLS to be taken")?;
        config.service.start_tls(dialogue)?;
    }
    for line in [format!("USER {}", credentials.username), format!("PASS {password}")] {
        let answer = ask(dialogue, &line)?;
        if !answer.is_ok {
            return Err(judge::login(&answer, &credentials.username));
        }
    }
    let stat = wanted(ask(dialogue, "STAT")?, "mailbox-unavailable", "how many messages there are")?;
    let (messages, bytes) = stat
        .counts()
        .ok_or_else(|| unexpected("protocol-error", "how many messages there are", stat.shown.as_bytes()))?;
    // What was asked is answered; how a server takes leave says nothing about it.
    dialogue.send(b"QUIT\r\n")?;
    Ok(judge::counts(config, messages, bytes))
}

fn ask(dialogue: &Dialogue, line: &str) -> Said<Answer> {
    dialogue.send(format!("{line}\r\n").as_bytes())?;
    Answer::read(&dialogue.line()?, "an answer of POP3")
}

/// The answer, if it is a good one.
fn wanted(answer: Answer, otherwise: &'static str, expected: &str) -> Said<Answer> {
    if answer.is_ok { Ok(answer) } else { Err(unexpected(otherwise, expected, answer.shown.as_bytes())) }
}
