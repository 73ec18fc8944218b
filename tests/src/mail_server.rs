//! A private mail server on loopback: takes mail with STARTTLS and a password, and keeps it in a maildir.
//!
//! It is Debian's aiosmtpd, and what it delivered is read back by Python's own mail parser, so that nothing of ours
//! judges our mails. It ends with its test, however that ends.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::Mutex;

use anyhow::{Context, bail};
use serde::Deserialize;
use serde_json::json;
use tempfile::TempDir;

use crate::certificate::{Authority, Validity};
use crate::python::python;

const PROGRAM: &str = include_str!("mail_server.py");
/// The account that may send.
pub const USER: &str = "farwatch";
/// Its password, with characters that a URL must escape.
pub const PASSWORD: &str = "s3cret/pass:word@x";
/// The password as it stands in a URL.
const PASSWORD_IN_URL: &str = "s3cret%2Fpass%3Aword%40x";

/// How a server encrypts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailEncryption {
    /// After STARTTLS, which it demands.
    StartTls,
    /// From the first byte.
    Implicit,
    /// Not at all, and it offers nothing.
    None,
}

/// What a command is about, for refusals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailStage {
    /// The sender.
    Sender,
    /// A receiver.
    Receiver,
    /// The message itself.
    Message,
}

/// One delivered mail.
#[derive(Clone, Debug, Deserialize)]
pub struct ReceivedMail {
    /// The addresses it was handed over for.
    pub receivers: Vec<String>,
    /// Its headers, decoded, by their names in lower case.
    pub headers: BTreeMap<String, String>,
    /// Its text, decoded.
    pub body: String,
}

impl ReceivedMail {
    /// A header, empty when it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// Its subject.
    pub fn subject(&self) -> &str {
        self.header("subject")
    }

    /// Its id with angle brackets.
    pub fn message_id(&self) -> &str {
        self.header("message-id")
    }
}

/// A running server. It ends when this value is dropped.
#[derive(Debug)]
pub struct MailServer {
    child: Child,
    ears: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
    directory: TempDir,
    encryption: MailEncryption,
    port: u16,
}

impl MailServer {
    /// Starts one that takes PLAIN and LOGIN.
    pub fn start(encryption: MailEncryption) -> anyhow::Result<Self> {
        Self::start_without(encryption, None)
    }

    /// Starts one without this way to log in.
    pub fn start_without(encryption: MailEncryption, mechanism: Option<&str>) -> anyhow::Result<Self> {
        let directory = TempDir::with_prefix("farwatch-mail-")?;
        let authority = Authority::new()?;
        let certificate = authority.certificate(&["127.0.0.1", "localhost"], Validity::Good)?;
        let file = |name: &str| directory.path().join(name);
        std::fs::write(file("ca.pem"), authority.pem())?;
        std::fs::write(file("chain.pem"), certificate.chain_pem)?;
        std::fs::write(file("key.pem"), certificate.key_pem)?;
        let settings = json!({
            "encryption": match encryption {
                MailEncryption::StartTls => "starttls",
                MailEncryption::Implicit => "implicit",
                MailEncryption::None => "none",
            },
            "chain": file("chain.pem"), "key": file("key.pem"), "maildir": file("mails"),
            "user": USER, "password": PASSWORD, "exclude": mechanism,
        });
        let log = std::fs::File::create(file("log"))?;
        let mut child = python(PROGRAM)?
            .args(["serve", &settings.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()?;
        let stdin = child.stdin.take().context("no standard input")?;
        let mut stdout = BufReader::new(child.stdout.take().context("no standard output")?);
        let mut line = String::new();
        stdout.read_line(&mut line)?;
        let Ok(port) = line.trim().parse() else {
            bail!("the mail server did not start; its log says:\n{}", std::fs::read_to_string(file("log"))?)
        };
        Ok(Self { child, ears: Mutex::new((stdin, stdout)), directory, encryption, port })
    }

    /// How to reach it, with its account.
    pub fn url(&self) -> String {
        self.url_with_password(PASSWORD_IN_URL)
    }

    /// How to reach it with another password.
    pub fn url_with_password(&self, password: &str) -> String {
        let scheme = if self.encryption == MailEncryption::Implicit { "smtps" } else { "smtp" };
        format!("{scheme}://{USER}:{password}@127.0.0.1:{}", self.port)
    }

    /// The PEM file that vouches for its certificate.
    pub fn ca_file(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    /// Answers the next `count` commands of a stage with this code.
    pub fn refuse(&self, stage: MailStage, code: u16, count: u32) -> anyhow::Result<()> {
        let stage = match stage {
            MailStage::Sender => "mail",
            MailStage::Receiver => "rcpt",
            MailStage::Message => "data",
        };
        self.say(&format!("refuse {stage} {code} {count}"))
    }

    /// From now on mails are delivered, and whoever sent them is not told so.
    pub fn stall(&self) -> anyhow::Result<()> {
        self.say("stall")
    }

    /// Tells everybody who waits that his mail was delivered.
    pub fn release(&self) -> anyhow::Result<()> {
        self.say("release")
    }

    /// What was delivered, in order of arrival.
    pub fn mails(&self) -> anyhow::Result<Vec<ReceivedMail>> {
        let output = python(PROGRAM)?.arg("read").arg(self.directory.path().join("mails")).output()?;
        if !output.status.success() {
            bail!("{}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    /// Everything that was said to it, passwords blanked.
    pub fn log(&self) -> anyhow::Result<String> {
        Ok(std::fs::read_to_string(self.directory.path().join("log"))?)
    }

    fn say(&self, words: &str) -> anyhow::Result<()> {
        let Ok(mut ears) = self.ears.lock() else { bail!("the mail server was left in the middle of a word") };
        writeln!(ears.0, "{words}")?;
        let mut answer = String::new();
        ears.1.read_line(&mut answer)?;
        if answer.trim() == "obeyed" { Ok(()) } else { bail!("the mail server does not obey {words:?}") }
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        // It holds nothing that an orderly end would save.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
