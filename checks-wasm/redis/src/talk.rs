//! The conversation: the login, the database, a ping, what the server says of itself, and the key.

use farwatch_guest::dialogue::{Dialogue, SHOWN_MAX, Said, Wrong, down};
use farwatch_guest::escapes::show;

use crate::config::Config;
use crate::info::{self, Info};
use crate::judge;
use crate::reply::{Begun, Reply, begun, command};
use crate::wit::farwatch::check::types::Attribute;

/// Holds it.
///
/// # Errors
/// The first thing that is wrong.
pub fn converse(config: &Config, dialogue: &Dialogue) -> Said<Vec<Attribute>> {
    if let Some(secret) = &config.password {
        let password = secret.reveal()?;
        let mut words = vec!["AUTH"];
        words.extend(config.username.as_deref());
        words.push(&password);
        word(dialogue, &words, "OK")?;
    }
    if config.database != 0 {
        word(dialogue, &["SELECT", &config.database.to_string()], "OK")?;
    }
    word(dialogue, &["PING"], "PONG")?;
    let info = ask_info(config, dialogue)?;
    judge::role(config.role, &info)?;
    if let Some(key) = &config.key {
        ask_key(dialogue, key)?;
    }
    Ok(info.attributes())
}

/// A user who may not ask this is let off, where no role is expected.
fn ask_info(config: &Config, dialogue: &Dialogue) -> Said<Info> {
    match ask(dialogue, &["INFO"])? {
        Reply::Text(said) => Ok(info::read(&said)),
        _ if config.role.is_none() => Ok(Info::default()),
        other => Err(another("what the server says of itself", &other)),
    }
}

fn ask_key(dialogue: &Dialogue, key: &str) -> Said<()> {
    match ask(dialogue, &["EXISTS", key])? {
        Reply::Number(1) => Ok(()),
        Reply::Number(0) => {
            let key = show(key.as_bytes(), SHOWN_MAX);
            Err(down("key-missing", format!("expected the key `{key}` to be there, got the answer that it is not")))
        }
        other => Err(another("whether a key is there", &other)),
    }
}

/// Says a command that is answered by this word when all is well.
fn word(dialogue: &Dialogue, words: &[&str], expected: &str) -> Said<()> {
    match ask(dialogue, words)? {
        Reply::Word(said) if said == expected => Ok(()),
        other => Err(another(&format!("`{expected}`"), &other)),
    }
}

fn ask(dialogue: &Dialogue, words: &[&str]) -> Said<Reply> {
    dialogue.send(&command(words))?;
    match begun(&dialogue.line()?)? {
        Begun::Whole(reply) => Ok(reply),
        Begun::Text(length) => {
            let mut bytes = dialogue.bytes(length + 2, "the end of a text")?;
            bytes.truncate(length as usize);
            Ok(Reply::Text(String::from_utf8_lossy(&bytes).into_owned()))
        }
    }
}

fn another(expected: &str, reply: &Reply) -> Wrong {
    match reply {
        Reply::Error(words) => judge::refused(expected, words),
        other => down("protocol-error", format!("expected {expected}, got {}", shown(other))),
    }
}

fn shown(reply: &Reply) -> String {
    match reply {
        Reply::Word(text) | Reply::Error(text) | Reply::Text(text) => format!("`{}`", show(text.as_bytes(), SHOWN_MAX)),
        Reply::Number(number) => format!("the number {number}"),
        Reply::Nothing => "nothing".to_owned(),
    }
}
