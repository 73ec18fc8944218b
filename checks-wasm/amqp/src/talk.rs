//! The conversation with a broker, from the greeting to the close.
//!
//! What methods look like stands in `method`, and what it means that a broker ends something in `judge`.

use farwatch_guest::credentials::Credentials;
use farwatch_guest::dialogue::{Dialogue, Said, Wrong, down, protocol_error};
use farwatch_guest::escapes::show;
use farwatch_guest::outcome::{integer, text, unreadable};
use farwatch_guest::service::Heard;

use crate::config::Config;
use crate::frame::{self, END, GREETING, HEAD, HEARTBEAT, Head, METHOD, PAYLOAD_MAX};
use crate::judge::{self, Asked};
use crate::method::{self, Counts, Method, Start};

/// How many frames are read while something is waited for. A broker sends one for each that it is asked.
const FRAMES_MAX: u32 = 64;
/// How much of what a broker says is shown, in characters.
const SHOWN_MAX: usize = 120;
/// The channel of the connection itself, and the one that is opened.
const CONNECTION: u16 = 0;
const CHANNEL: u16 = 1;
/// How one logs in by name and password.
const PLAIN: &str = "PLAIN";

/// Holds the conversation.
pub fn converse(config: &Config, dialogue: &Dialogue) -> Said<Heard> {
    let credentials = config.credentials.as_ref().ok_or_else(unreadable)?;
    let mut session = Session { dialogue, frames: 0 };
    let server = session.log_in(credentials)?;
    session.open(&config.vhost)?;
    let logged_in_us = dialogue.evidence().times.total;
    let mut heard = Heard { finding: None, attributes: vec![integer("amqp.login-us", logged_in_us.into())] };
    heard.attributes.extend(server.map(|server| text("amqp.server", server)));
    if let Some(exchange) = &config.exchange {
        session.exchange(exchange)?;
    }
    if let Some(queue) = &config.queue {
        let counts = session.queue(queue)?;
        heard.finding = judge::counts(&config.limits, queue, counts);
        heard.attributes.push(integer("amqp.messages", counts.messages.into()));
        heard.attributes.push(integer("amqp.consumers", counts.consumers.into()));
    }
    // The broker has shown what it was asked for; that it confirms the end is not worth the time of the run.
    session.say(CONNECTION, &method::close())?;
    Ok(heard)
}

/// A connection to a broker.
struct Session<'a> {
    dialogue: &'a Dialogue,
    frames: u32,
}

impl Session<'_> {
    /// Logs in, and returns what the broker calls itself.
    fn log_in(&mut self, credentials: &Credentials) -> Said<Option<String>> {
        self.dialogue.send(&GREETING)?;
        let Start { product, version, mechanisms } = match self.hear()? {
            Method::Start(start) => start,
            other => return Err(self.refused(Asked::Login, &other)),
        };
        if !mechanisms.split(' ').any(|mechanism| mechanism == PLAIN) {
            let offered = show(mechanisms.as_bytes(), SHOWN_MAX);
            return Err(down("mechanism-missing", format!("expected a login by {PLAIN}, got only `{offered}`")));
        }
        let login = method::start_ok(&credentials.username, &credentials.password()?);
        match self.ask(CONNECTION, &login)? {
            Method::Tune(tune) => self.say(CONNECTION, &method::tune_ok(tune))?,
            Method::Secure => {
                let message = "the broker asked for more than a name and a password".to_owned();
                return Err(down("login-refused", message));
            }
            other => return Err(self.refused(Asked::Login, &other)),
        }
        let server = product.map(|product| format!("{product} {}", version.unwrap_or_default()));
        Ok(server.map(|server| show(server.trim_end().as_bytes(), SHOWN_MAX)))
    }

    /// Opens the virtual host, and a channel in it.
    fn open(&mut self, vhost: &str) -> Said<()> {
        match self.ask(CONNECTION, &method::open(vhost))? {
            Method::OpenOk => {}
            other => return Err(self.refused(Asked::Vhost(vhost), &other)),
        }
        match self.ask(CHANNEL, &method::channel_open())? {
            Method::ChannelOpenOk => Ok(()),
            other => Err(self.refused(Asked::Channel, &other)),
        }
    }

    fn exchange(&mut self, exchange: &str) -> Said<()> {
        match self.ask(CHANNEL, &method::exchange_declare(exchange))? {
            Method::ExchangeDeclareOk => Ok(()),
            other => Err(self.refused(Asked::Exchange(exchange), &other)),
        }
    }

    fn queue(&mut self, queue: &str) -> Said<Counts> {
        match self.ask(CHANNEL, &method::queue_declare(queue))? {
            Method::QueueDeclareOk(counts) => Ok(counts),
            other => Err(self.refused(Asked::Queue(queue), &other)),
        }
    }

    /// What it means that something else came than what was asked for. Where the broker ends something, that is confirmed,
    /// so that its log does not tell of a client that vanished.
    fn refused(&self, asked: Asked<'_>, got: &Method) -> Wrong {
        let (reason, goodbye) = match got {
            Method::ChannelClose(reason) => {
                let confirmed = frame::method(CHANNEL, &method::channel_close_ok());
                (reason, [confirmed, frame::method(CONNECTION, &method::close())].concat())
            }
            Method::Close(reason) => (reason, frame::method(CONNECTION, &method::close_ok())),
            other => {
                let got = show(format!("{other:?}").as_bytes(), SHOWN_MAX);
                return down("protocol-error", format!("expected the answer to what was asked, got `{got}`"));
            }
        };
        // A broker that is gone already has been heard all the same.
        let _ = self.dialogue.send(&goodbye);
        let (code, message) = judge::ended(asked, reason);
        down(code, message)
    }

    fn say(&self, channel: u16, payload: &[u8]) -> Said<()> {
        self.dialogue.send(&frame::method(channel, payload))
    }

    fn ask(&mut self, channel: u16, payload: &[u8]) -> Said<Method> {
        self.say(channel, payload)?;
        self.hear()
    }

    /// The next method.
    fn hear(&mut self) -> Said<Method> {
        loop {
            self.frames += 1;
            if self.frames > FRAMES_MAX {
                let message = format!("{FRAMES_MAX} frames came, and not what was asked for");
                return Err(down("protocol-error", message));
            }
            let head = self.dialogue.bytes(HEAD, "the head of a frame")?;
            let read = Head::read(&head).ok_or_else(|| protocol_error("a frame of AMQP 0-9-1", &head))?;
            if read.length > PAYLOAD_MAX {
                let message = format!("a frame of {} bytes came; at most {PAYLOAD_MAX} are read", read.length);
                return Err(down("answer-too-large", message));
            }
            let mut payload = self.dialogue.more(read.length + 1, "the end of a frame")?;
            if payload.pop() != Some(END) {
                return Err(protocol_error("a frame that ends where it should", &payload));
            }
            match read.kind {
                METHOD => return method::read(&payload).ok_or_else(|| protocol_error("a method of AMQP", &payload)),
                HEARTBEAT => {}
                _ => return Err(protocol_error("a frame with a method", &head)),
            }
        }
    }
}
