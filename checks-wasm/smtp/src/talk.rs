//! The conversation: greeting, TLS where it is to be turned to, login, a message that is begun and taken back, and leave.
//!
//! DATA is never said.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use farwatch_guest::credentials::Credentials;
use farwatch_guest::dialogue::{Dialogue, Said, down};
use farwatch_guest::outcome::{Finding, integer, text};
use farwatch_guest::reply::Reply;
use farwatch_guest::service::{Heard, Security};

use crate::config::{Config, Message};
use crate::extensions::Extensions;
use crate::judge;

/// Holds it.
pub fn converse(config: &Config, password: Option<&str>, dialogue: &Dialogue) -> Said<Heard> {
    let greeting = judge::greeting(dialogue.reply("a greeting of SMTP")?)?;
    let mut extensions = greet(config, dialogue)?;
    if config.service.security == Security::StartTls {
        start_tls(config, dialogue, &extensions)?;
        extensions = greet(config, dialogue)?;
    }
    if let Some((credentials, password)) = config.credentials.as_ref().zip(password) {
        log_in(credentials, password, dialogue, &extensions)?;
    }
    let finding = match &config.message {
        Some(message) => begin(message, dialogue)?,
        None => None,
    };
    judge::wanted(dialogue.command("NOOP", "the reply to NOOP")?, 250, "protocol-error", "NOOP to be done")?;
    // What was asked is answered; how a server takes leave says nothing about it.
    dialogue.send(b"QUIT\r\n")?;
    let mut attributes = vec![text("smtp.server", greeting.lines.join(" "))];
    attributes.extend(extensions.size_max().map(|bytes| integer("smtp.message-max-bytes", bytes)));
    Ok(Heard { finding, attributes })
}

fn greet(config: &Config, dialogue: &Dialogue) -> Said<Extensions> {
    let reply = dialogue.command(&format!("EHLO {}", config.ehlo_name), "the reply to EHLO")?;
    judge::wanted(reply, 250, "ehlo-refused", "EHLO to be answered by 250").map(Extensions::of)
}

fn start_tls(config: &Config, dialogue: &Dialogue, extensions: &Extensions) -> Said<()> {
    if !extensions.has_start_tls() {
        return Err(down("starttls-refused", "expected STARTTLS to be offered, and it was not in the answer"));
    }
    let reply = dialogue.command("STARTTLS", "the reply to STARTTLS")?;
    judge::wanted(reply, 220, "starttls-refused", "STARTTLS to be taken")?;
    config.service.start_tls(dialogue)
}

fn log_in(credentials: &Credentials, password: &str, dialogue: &Dialogue, extensions: &Extensions) -> Said<()> {
    let what = "the reply to AUTH";
    let reply = if extensions.has_login_by("PLAIN") {
        dialogue.command(&format!("AUTH PLAIN {}", credentials.plain(password)), what)?
    } else if extensions.has_login_by("LOGIN") {
        let mut reply = dialogue.command("AUTH LOGIN", what)?;
        for said in [&credentials.username, password] {
            // Whatever it asks for, it is the name first, and then the password.
            if reply.code == 334 {
                reply = dialogue.command(&STANDARD.encode(said), what)?;
            }
        }
        reply
    } else {
        let message = "expected a login by PLAIN or LOGIN to be offered, and it was not in the answer";
        return Err(down("login-unavailable", message));
    };
    if reply.code == 235 { Ok(()) } else { Err(judge::login(&reply, &credentials.username)) }
}

/// Begins a message, and takes it back.
fn begin(message: &Message, dialogue: &Dialogue) -> Said<Finding> {
    let ask = |line: String| -> Said<Reply> { dialogue.command(&line, "the reply to MAIL or RCPT") };
    let sender = ask(format!("MAIL FROM:<{}>", message.from))?;
    judge::sender(&sender, message)?;
    // Without a sender the recipient is refused for want of one, which says nothing of it.
    let finding = if sender.is_positive() {
        judge::recipient(&ask(format!("RCPT TO:<{}>", message.to))?, message)?
    } else {
        None
    };
    judge::wanted(dialogue.command("RSET", "the reply to RSET")?, 250, "protocol-error", "RSET to be done")?;
    Ok(finding)
}
