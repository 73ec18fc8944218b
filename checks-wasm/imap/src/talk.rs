//! The conversation: greeting, TLS where it is to be turned to, login, the mailbox, and leave is taken.
//!
//! The mailbox is opened by EXAMINE, which changes nothing: not even what is new in it.

use farwatch_guest::credentials::Credentials;
use farwatch_guest::dialogue::{Dialogue, Said, down, protocol_error, unexpected};
use farwatch_guest::outcome::text;
use farwatch_guest::service::{Heard, Security, Service};

use crate::answer::{Answer, Condition, Source, Word, capabilities};
use crate::config::Config;
use crate::judge;
use crate::mailbox::{encoded, quoted};

/// Holds it.
pub fn converse(config: &Config, credentials: &Credentials, password: &str, dialogue: &Dialogue) -> Said<Heard> {
    let mut session = Session::greeted(dialogue)?;
    if config.service.security == Security::StartTls {
        session.start_tls(&config.service)?;
    }
    if !session.is_logged_in {
        session.log_in(credentials, password)?;
    }
    let (messages, unseen) = session.look_into(&config.mailbox)?;
    // What was asked is answered; how a server takes leave says nothing about it.
    session.say("LOGOUT")?;
    let mut heard = judge::counts(config, messages, unseen);
    heard.attributes.push(text("imap.server", session.server));
    Ok(heard)
}

struct Session<'a> {
    dialogue: &'a Dialogue,
    /// What it calls itself.
    server: String,
    /// How many commands were said.
    commands: u32,
    is_logged_in: bool,
    /// None where the server has not said them for the connection as it is.
    capabilities: Option<Vec<String>>,
}

impl<'a> Session<'a> {
    fn greeted(dialogue: &'a Dialogue) -> Said<Self> {
        let line = dialogue.line()?;
        let greeting = line.strip_prefix("* ").and_then(Condition::read);
        let greeting = greeting.ok_or_else(|| protocol_error("a greeting of IMAP", line.as_bytes()))?;
        match greeting.word {
            Word::Ok | Word::Preauth => {}
            Word::Bye => return Err(unexpected("service-unavailable", "a greeting", greeting.shown.as_bytes())),
            Word::No | Word::Bad => return Err(protocol_error("a greeting of IMAP", line.as_bytes())),
        }
        let is_logged_in = greeting.word == Word::Preauth;
        let capabilities = capabilities(&greeting.code);
        Ok(Self { dialogue, server: greeting.text, commands: 0, is_logged_in, capabilities })
    }

    /// Says a command, and returns its tag.
    fn say(&mut self, words: &str) -> Said<String> {
        self.commands += 1;
        let tag = format!("f{}", self.commands);
        self.dialogue.send(format!("{tag} {words}\r\n").as_bytes())?;
        Ok(tag)
    }

    fn command(&mut self, words: &str) -> Said<Answer> {
        let tag = self.say(words)?;
        Answer::read(&tag, &mut Wire(self.dialogue))
    }

    fn can(&mut self, capability: &str) -> Said<bool> {
        if self.capabilities.is_none() {
            let answer = self.command("CAPABILITY")?;
            self.capabilities = Some(answer.capabilities().unwrap_or_default());
        }
        Ok(self.capabilities.iter().flatten().any(|found| found == capability))
    }

    fn start_tls(&mut self, service: &Service) -> Said<()> {
        if !self.can("STARTTLS")? {
            return Err(down("starttls-refused", "expected STARTTLS to be offered, and it was not in the answer"));
        }
        let ending = self.command("STARTTLS")?.ending;
        if ending.word != Word::Ok {
            return Err(unexpected("starttls-refused", "STARTTLS to be taken", ending.shown.as_bytes()));
        }
        // What was said in plain text may have been said by somebody else.
        self.capabilities = None;
        service.start_tls(self.dialogue)
    }

    fn log_in(&mut self, credentials: &Credentials, password: &str) -> Said<()> {
        let ending = if self.can("AUTH=PLAIN")? {
            self.authenticate(&credentials.plain(password))?
        } else if self.can("LOGINDISABLED")? {
            let message = "expected a way to log in, got only LOGINDISABLED without AUTH=PLAIN";
            return Err(down("login-unavailable", message));
        } else {
            let words = format!("LOGIN {} {}", quoted(&credentials.username), quoted(password));
            self.command(&words)?.ending
        };
        match ending.word {
            Word::Ok => Ok(()),
            _ => Err(judge::login(&ending, &credentials.username)),
        }
    }

    fn authenticate(&mut self, proof: &str) -> Said<Condition> {
        if self.can("SASL-IR")? {
            return Ok(self.command(&format!("AUTHENTICATE PLAIN {proof}"))?.ending);
        }
        let tag = self.say("AUTHENTICATE PLAIN")?;
        let line = self.dialogue.line()?;
        if line.starts_with('+') {
            self.dialogue.send(format!("{proof}\r\n").as_bytes())?;
            return Ok(Answer::read(&tag, &mut Wire(self.dialogue))?.ending);
        }
        let ending = line.strip_prefix(&tag).and_then(|rest| Condition::read(rest.trim_start()));
        ending.ok_or_else(|| protocol_error("to be asked for the password", line.as_bytes()))
    }

    /// How many messages are in a mailbox, and how many of them nobody has read.
    fn look_into(&mut self, name: &str) -> Said<(u32, u32)> {
        let mailbox = quoted(&encoded(name));
        // Asked before it is opened: servers need not answer it for what is open.
        let status = self.opened(name, &format!("STATUS {mailbox} (UNSEEN)"))?;
        let examined = self.opened(name, &format!("EXAMINE {mailbox}"))?;
        examined
            .number_before("EXISTS")
            .zip(status.status("UNSEEN"))
            .ok_or_else(|| protocol_error("how many messages there are", examined.data.join(" ").as_bytes()))
    }

    fn opened(&mut self, name: &str, words: &str) -> Said<Answer> {
        let answer = self.command(words)?;
        if answer.ending.word == Word::Ok { Ok(answer) } else { Err(judge::mailbox(&answer.ending, name)) }
    }
}

/// Answers that come over the connection.
struct Wire<'a>(&'a Dialogue);

impl Source for Wire<'_> {
    fn line(&mut self) -> Said<String> {
        self.0.line()
    }

    fn pass_over(&mut self, count: u32) -> Said<()> {
        self.0.bytes(count, "the end of a literal").map(drop)
    }
}
