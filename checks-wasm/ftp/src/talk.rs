//! The conversation: greeting, TLS where it is to be turned to, login, the directory and the file, and leave is taken.
//!
//! All of it goes over the connection for commands, which is why nothing need be said about the protection of data.

use farwatch_guest::dialogue::{Dialogue, Said};
use farwatch_guest::outcome::{Finding, integer, text};
use farwatch_guest::service::{Heard, Security};
use farwatch_guest::wit::farwatch::check::types::Attribute;

use crate::config::Config;
use crate::judge;

/// Who logs in where nobody is named, and what is said for a password (RFC 1635).
const ANYBODY: (&str, &str) = ("anonymous", "guest");

/// Holds it.
pub fn converse(config: &Config, password: Option<&str>, dialogue: &Dialogue) -> Said<Heard> {
    let greeting = judge::greeting(dialogue.reply("a greeting of FTP")?)?;
    if config.service.security == Security::StartTls {
        let reply = dialogue.command("AUTH TLS", "the reply to AUTH")?;
        judge::wanted(reply, &[234], "starttls-refused", "AUTH TLS to be taken")?;
        config.service.start_tls(dialogue)?;
    }
    let named = config.credentials.as_ref().zip(password);
    log_in(named.map_or(ANYBODY, |(credentials, password)| (&credentials.username, password)), dialogue)?;
    let mut attributes = vec![text("ftp.server", greeting.lines.join(" "))];
    if let Some(directory) = &config.directory {
        let reply = dialogue.command(&format!("CWD {directory}"), "the reply to CWD")?;
        judge::wanted(reply, &[200, 250], "directory-missing", &format!("to enter `{directory}`"))?;
    }
    let reply = dialogue.command("PWD", "the reply to PWD")?;
    let reply = judge::wanted(reply, &[257], "directory-unavailable", "to be told the directory")?;
    attributes.push(text("ftp.directory", judge::place(&reply)?));
    let finding = file(config, dialogue, &mut attributes)?;
    // What was asked is answered; how a server takes leave says nothing about it.
    dialogue.send(b"QUIT\r\n")?;
    Ok(Heard { finding, attributes })
}

fn log_in((username, password): (&str, &str), dialogue: &Dialogue) -> Said<()> {
    let reply = dialogue.command(&format!("USER {username}"), "the reply to USER")?;
    if judge::name(&reply, username)?.is_some() {
        return Ok(());
    }
    let reply = dialogue.command(&format!("PASS {password}"), "the reply to PASS")?;
    if matches!(reply.code, 202 | 230 | 232) { Ok(()) } else { Err(judge::login(&reply, username)) }
}

/// Looks for the file, in the directory that was entered.
fn file(config: &Config, dialogue: &Dialogue, attributes: &mut Vec<Attribute>) -> Said<Finding> {
    let Some(file) = &config.file else { return Ok(None) };
    // A size in bytes is one of the file as it is, not as lines of text.
    let reply = dialogue.command("TYPE I", "the reply to TYPE")?;
    judge::wanted(reply, &[200], "size-unsupported", "TYPE I to be taken")?;
    let bytes = judge::size(dialogue.command(&format!("SIZE {file}"), "the reply to SIZE")?, file)?;
    attributes.push(integer("ftp.file-bytes", bytes));
    Ok(judge::smallness(file, bytes, config.file_bytes_min))
}
