//! Hands one mail to the operator's relay once, and says what came back.
//!
//! The relay is the operator's choice and not a customer's, so egress does not judge it: opening a private network
//! for the relay's sake would open it to every check. Whatever is wrong between us and the relay (no connection,
//! no TLS, a bad password, a sender it does not take) is the operator's to mend and waits; only what it says of
//! the receiver or of the message can be final. lettre's `tracing` feature must stay off: it logs what is
//! written, passwords included.

use std::time::{Duration, SystemTime};

use farwatch_core::delivery::{Acceptance, acceptance_of_smtp};
use lettre::Address;
use lettre::address::Envelope;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Message, SinglePart};
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::Mechanism;
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail as MailFrom, Rcpt};
use lettre::transport::smtp::response::Response;
use tokio::time::timeout;

use super::config::MailConfig;
use super::relay::Encryption;
use super::render::mail::Mail;
use super::reply::Reply;

/// From the first lookup until the relay knows sender and receiver.
const GREETING_LIMIT: Duration = Duration::from_secs(15);
/// From the first byte of the message to the relay's word on it. Relays look for malice before they answer, and
/// whoever hangs up in that moment sends twice.
const MESSAGE_LIMIT: Duration = Duration::from_secs(25);
/// A polite farewell is not waited for longer.
const FAREWELL_LIMIT: Duration = Duration::from_secs(1);
/// The longest that sending a mail takes.
pub(super) const LIMIT: Duration = Duration::from_secs(15 + 25 + 1);

/// The relay.
pub(super) struct Mailer {
    config: MailConfig,
    tls: Option<TlsParameters>,
}

/// Where in the conversation something went wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Session,
    Sender,
    Message,
}

struct Trouble {
    phase: Phase,
    code: Option<u16>,
    what: String,
}

impl Mailer {
    /// Fails where the trusted certificates make no TLS.
    pub(super) fn new(config: MailConfig) -> anyhow::Result<Self> {
        let tls = match config.relay.encryption {
            Encryption::None => None,
            Encryption::Implicit | Encryption::StartTls => {
                let mut tls = TlsParameters::builder(config.relay.host.clone());
                if let Some(pem) = &config.roots {
                    tls = tls.add_root_certificate(Certificate::from_pem(pem)?);
                }
                Some(tls.build_rustls()?)
            }
        };
        Ok(Self { config, tls })
    }

    /// The domain of the ids of our mails.
    pub(super) fn domain(&self) -> &str {
        self.config.from.email.domain()
    }

    /// Sends it.
    pub(super) async fn send(&self, to: &Address, mail: &Mail) -> Reply {
        let (envelope, bytes) = match self.message(to, mail) {
            Ok(message) => (message.envelope().clone(), message.formatted()),
            Err(error) => return Reply::never(&format!("no mail can be made of it: {error}")),
        };
        match self.hand_over(&envelope, &bytes).await {
            Ok(response) => {
                let said = response.message().collect::<Vec<_>>().join(" ");
                Reply::new(Acceptance::Taken, &self.redact(&format!("{} {said}", response.code())))
            }
            Err(trouble) => self.reply(&trouble),
        }
    }

    fn reply(&self, trouble: &Trouble) -> Reply {
        let relay = &self.config.relay;
        let (acceptance, what) = match trouble.phase {
            Phase::Session => (Acceptance::Later, format!("the mail relay {relay} cannot be used: {}", trouble.what)),
            Phase::Sender => {
                let from = &self.config.from.email;
                (Acceptance::Later, format!("the mail relay {relay} does not take mail from {from}: {}", trouble.what))
            }
            Phase::Message => (
                trouble.code.map_or(Acceptance::Later, acceptance_of_message),
                format!("the mail relay {relay} did not take it: {}", trouble.what),
            ),
        };
        Reply::new(acceptance, &self.redact(&what))
    }

    fn redact(&self, text: &str) -> String {
        self.config.relay.login.as_ref().map_or_else(|| text.to_owned(), |login| login.redact(text))
    }

    fn message(&self, to: &Address, mail: &Mail) -> Result<Message, lettre::error::Error> {
        let since_epoch = Duration::from_millis(mail.date.0.try_into().unwrap_or(0));
        let mut builder = Message::builder()
            .from(self.config.from.clone())
            .to(to.clone().into())
            .subject(mail.subject.as_str())
            .date(SystemTime::UNIX_EPOCH + since_epoch)
            .message_id(Some(mail.message_id.clone()));
        if let Some(opening) = &mail.in_reply_to {
            builder = builder.in_reply_to(opening.clone()).references(opening.clone());
        }
        // RFC 3834: no vacation notice answers this.
        let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
        builder
            .raw_header(HeaderValue::new(automatic, "auto-generated".to_owned()))
            .singlepart(SinglePart::plain(mail.text.clone()))
    }

    async fn hand_over(&self, envelope: &Envelope, bytes: &[u8]) -> Result<Response, Trouble> {
        let slow = |phase, limit: Duration| Trouble {
            phase,
            code: None,
            what: format!("it did not answer within {} s", limit.as_secs()),
        };
        let greeted = timeout(GREETING_LIMIT, self.greet(envelope)).await;
        let mut connection = greeted.map_err(|_| slow(Phase::Session, GREETING_LIMIT))??;
        let taken = timeout(MESSAGE_LIMIT, connection.message(bytes)).await;
        let taken = taken.map_err(|_| slow(Phase::Message, MESSAGE_LIMIT))?;
        // It is taken or not; what becomes of the connection does not change that.
        let _ = timeout(FAREWELL_LIMIT, connection.quit()).await;
        taken.map_err(in_phase(Phase::Message))
    }

    /// Everything up to the point where the message itself is expected.
    async fn greet(&self, envelope: &Envelope) -> Result<AsyncSmtpConnection, Trouble> {
        let mut connection = self.session().await.map_err(in_phase(Phase::Session))?;
        let sender = MailFrom::new(envelope.from().cloned(), Vec::new());
        connection.command(sender).await.map_err(in_phase(Phase::Sender))?;
        for to in envelope.to() {
            connection.command(Rcpt::new(to.clone(), Vec::new())).await.map_err(in_phase(Phase::Message))?;
        }
        connection.command(Data).await.map_err(in_phase(Phase::Message))?;
        Ok(connection)
    }

    /// A connection that is encrypted as it must be and knows us.
    async fn session(&self) -> Result<AsyncSmtpConnection, Error> {
        let MailConfig { relay, hello, .. } = &self.config;
        let address = (relay.host.as_str(), relay.port);
        let implicit = self.tls.clone().filter(|_| relay.encryption == Encryption::Implicit);
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(address, Some(GREETING_LIMIT), hello, implicit, None).await?;
        if let (Encryption::StartTls, Some(tls)) = (relay.encryption, &self.tls) {
            connection.starttls(tls.clone(), hello).await?;
        }
        if let Some(login) = &relay.login {
            connection.auth(&[Mechanism::Plain, Mechanism::Login], &login.credentials()).await?;
        }
        Ok(connection)
    }
}

fn in_phase(phase: Phase) -> impl Fn(Error) -> Trouble {
    move |error| Trouble { phase, code: error.status().map(u16::from), what: error.to_string() }
}

/// What a relay says of us rather than of the message is the operator's to mend: authentication required (530),
/// too weak (534), failed (535), encryption required (538).
fn acceptance_of_message(code: u16) -> Acceptance {
    match code {
        530 | 534 | 535 | 538 => Acceptance::Later,
        code => acceptance_of_smtp(code),
    }
}

#[cfg(test)]
mod tests {
    use farwatch_proto::time::UnixMs;

    use super::*;
    use crate::tell::config::{TellConfig, TellFlags};

    fn mailer() -> Mailer {
        let flags = TellFlags {
            smtp_url: Some("smtp://user:s3cret@127.0.0.1:25?tls=none".to_owned()),
            mail_from: Some("Farwatch <farwatch@example.com>".to_owned()),
            ..TellFlags::default()
        };
        Mailer::new(TellConfig::try_new(&flags).unwrap().mail.unwrap()).unwrap()
    }

    #[test]
    fn a_mail_carries_the_headers_of_its_thread() {
        let mail = Mail {
            subject: "DOWN: Café".to_owned(),
            text: "Café is DOWN.\n".to_owned(),
            message_id: "<b@example.com>".to_owned(),
            in_reply_to: Some("<a@example.com>".to_owned()),
            date: UnixMs(1_793_000_002_250),
        };
        let message = mailer().message(&"ops@example.org".parse().unwrap(), &mail).unwrap();
        assert_eq!(
            String::from_utf8(message.formatted()).unwrap(),
            "From: Farwatch <farwatch@example.com>\r\n\
             To: ops@example.org\r\n\
             Subject: DOWN: =?utf-8?b?Q2Fmw6k=?=\r\n\
             Date: Mon, 26 Oct 2026 07:33:22 +0000\r\n\
             Message-ID: <b@example.com>\r\n\
             In-Reply-To: <a@example.com>\r\n\
             References: <a@example.com>\r\n\
             Auto-Submitted: auto-generated\r\n\
             MIME-Version: 1.0\r\n\
             Content-Type: text/plain; charset=utf-8\r\n\
             Content-Transfer-Encoding: quoted-printable\r\n\
             \r\n\
             Caf=C3=A9 is DOWN.\r\n\r\n"
        );
    }

    #[test]
    fn only_words_about_receiver_and_message_are_final() {
        let told = |phase, code| {
            let trouble = Trouble { phase, code, what: "no, s3cret".to_owned() };
            mailer().reply(&trouble)
        };
        assert_eq!(told(Phase::Session, Some(535)).acceptance, Acceptance::Later);
        assert_eq!(told(Phase::Sender, Some(553)).acceptance, Acceptance::Later);
        assert_eq!(told(Phase::Message, Some(550)).acceptance, Acceptance::Never);
        assert_eq!(told(Phase::Message, Some(451)).acceptance, Acceptance::Later);
        assert_eq!(told(Phase::Message, Some(530)).acceptance, Acceptance::Later);
        assert_eq!(told(Phase::Message, None).acceptance, Acceptance::Later);
        assert_eq!(told(Phase::Session, Some(535)).text, "the mail relay 127.0.0.1:25 cannot be used: no, (password)");
    }
}
