//! The flags about telling people, shared by `up` and `control`.

use std::path::PathBuf;

use clap::Args;
use farwatch_control::tell::config::TellFlags;

/// How people are told.
#[derive(Args, Clone)]
pub(crate) struct TellArgs {
    /// The relay that takes our mail: smtp://user:password@host:587, with STARTTLS, or smtps://.
    #[arg(long, env = "FARWATCH_SMTP_URL", hide_env_values = true, value_name = "URL")]
    smtp_url: Option<String>,
    /// The sender of our mail.
    #[arg(long, env = "FARWATCH_MAIL_FROM", value_name = "ADDRESS")]
    mail_from: Option<String>,
    /// PEM certificates that may sign the relay's, besides the system's.
    #[arg(long, env = "FARWATCH_SMTP_CA_FILE", value_name = "FILE")]
    smtp_ca_file: Option<PathBuf>,
    /// The name we greet the relay with; the sender's domain when absent.
    #[arg(long, env = "FARWATCH_SMTP_HELLO_NAME", value_name = "NAME")]
    smtp_hello_name: Option<String>,
    /// PEM certificates that may sign a webhook receiver's, besides the system's.
    #[arg(long, env = "FARWATCH_WEBHOOK_CA_FILE", value_name = "FILE")]
    webhook_ca_file: Option<PathBuf>,
}

impl TellArgs {
    /// The flags as control takes them.
    pub(crate) fn flags(&self) -> TellFlags {
        TellFlags {
            smtp_url: self.smtp_url.clone(),
            mail_from: self.mail_from.clone(),
            smtp_ca_file: self.smtp_ca_file.clone(),
            smtp_hello_name: self.smtp_hello_name.clone(),
            webhook_ca_file: self.webhook_ca_file.clone(),
        }
    }

    /// The same for a child process, by its environment: the URL holds a password, and arguments can
    /// be seen by everybody on the machine.
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
        let all = [
            ("FARWATCH_SMTP_URL", self.smtp_url.clone()),
            ("FARWATCH_MAIL_FROM", self.mail_from.clone()),
            ("FARWATCH_SMTP_CA_FILE", path(&self.smtp_ca_file)),
            ("FARWATCH_SMTP_HELLO_NAME", self.smtp_hello_name.clone()),
            ("FARWATCH_WEBHOOK_CA_FILE", path(&self.webhook_ca_file)),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }
}

impl std::fmt::Debug for TellArgs {
    /// The relay's URL may hold a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TellArgs").field("mail_from", &self.mail_from).finish_non_exhaustive()
    }
}
