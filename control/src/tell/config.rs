//! What an operator sets about telling: the mail relay, the sender, and whom to trust.
//!
//! Complete and valid before anything starts: files are read here, and every error is one line that names its
//! flag. Telling works without a relay; mails then wait and say so.

use std::path::PathBuf;

use lettre::Address;
use lettre::message::Mailbox;
use lettre::transport::smtp::extension::ClientId;

use super::relay::Relay;
use crate::flag::{BadFlag, bad, pem_file};

/// The values of the flags, as they were given.
#[derive(Clone, Default)]
pub struct TellFlags {
    /// `--smtp-url`: the relay that takes our mail. None: mails wait.
    pub smtp_url: Option<String>,
    /// `--mail-from`: the sender, as `farwatch@example.com` or `Farwatch <farwatch@example.com>`.
    pub mail_from: Option<String>,
    /// `--smtp-ca-file`: PEM certificates that the relay's may be signed by, besides the system's.
    pub smtp_ca_file: Option<PathBuf>,
    /// `--smtp-hello-name`: how we greet the relay. None: the domain of the sender.
    pub smtp_hello_name: Option<String>,
    /// `--webhook-ca-file`: PEM certificates that a receiver's may be signed by, besides the system's.
    pub webhook_ca_file: Option<PathBuf>,
}

/// How to tell.
#[derive(Clone, Debug)]
pub struct TellConfig {
    pub(super) mail: Option<MailConfig>,
    pub(super) webhook_roots: Option<Vec<u8>>,
}

/// How to hand over mail.
#[derive(Clone, Debug)]
pub(super) struct MailConfig {
    pub(super) relay: Relay,
    pub(super) from: Mailbox,
    pub(super) hello: ClientId,
    pub(super) roots: Option<Vec<u8>>,
}

impl TellConfig {
    /// Reads the flags and the files they name.
    pub fn try_new(flags: &TellFlags) -> Result<Self, BadFlag> {
        let webhook_roots = pem_file("--webhook-ca-file", flags.webhook_ca_file.as_deref())?;
        let mail = match &flags.smtp_url {
            Some(url) => Some(mail_config(url, flags)?),
            None => None,
        };
        let useless = [
            ("--mail-from", flags.mail_from.is_some()),
            ("--smtp-ca-file", flags.smtp_ca_file.is_some()),
            ("--smtp-hello-name", flags.smtp_hello_name.is_some()),
        ];
        match useless.iter().find(|(_, is_given)| *is_given && mail.is_none()) {
            Some((flag, _)) => Err(bad(flag, "it says how to mail, and without --smtp-url there is no mail")),
            None => Ok(Self { mail, webhook_roots }),
        }
    }
}

fn mail_config(url: &str, flags: &TellFlags) -> Result<MailConfig, BadFlag> {
    let relay = Relay::of_url(url).map_err(|why| bad("--smtp-url", &why))?;
    let Some(from) = &flags.mail_from else {
        return Err(bad("--mail-from", "name the sender of our mail, such as farwatch@example.com"));
    };
    let from: Mailbox =
        from.parse().ok().filter(|_| from.is_ascii()).ok_or_else(|| {
            bad("--mail-from", &format!("{from:?} is not a mail address such as farwatch@example.com"))
        })?;
    let hello = hello_name(flags.smtp_hello_name.as_deref(), &from.email)?;
    let roots = pem_file("--smtp-ca-file", flags.smtp_ca_file.as_deref())?;
    Ok(MailConfig { relay, from, hello, roots })
}

fn hello_name(given: Option<&str>, from: &Address) -> Result<ClientId, BadFlag> {
    let name = given.unwrap_or(from.domain());
    let is_word = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic());
    if is_word {
        Ok(ClientId::Domain(name.to_owned()))
    } else {
        Err(bad("--smtp-hello-name", &format!("{name:?} is not a host name such as farwatch.example.com")))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn flags() -> TellFlags {
        TellFlags {
            smtp_url: Some("smtp://user:s3cret@mail.example.com".to_owned()),
            mail_from: Some("Farwatch <farwatch@example.com>".to_owned()),
            ..TellFlags::default()
        }
    }

    fn refused(flags: &TellFlags) -> String {
        TellConfig::try_new(flags).unwrap_err().to_string()
    }

    #[test]
    fn the_senders_domain_greets_unless_a_name_is_given() {
        let mail = TellConfig::try_new(&flags()).unwrap().mail.unwrap();
        assert_eq!(mail.hello, ClientId::Domain("example.com".to_owned()));
        let named = TellFlags { smtp_hello_name: Some("fw1.example.com".to_owned()), ..flags() };
        let mail = TellConfig::try_new(&named).unwrap().mail.unwrap();
        assert_eq!(mail.hello, ClientId::Domain("fw1.example.com".to_owned()));
        assert!(TellConfig::try_new(&TellFlags::default()).unwrap().mail.is_none());
    }

    #[test]
    fn every_bad_flag_is_named_in_one_line() {
        let missing = || Some(PathBuf::from("no-such-file.pem"));
        let empty = tempfile_with("no certificate");
        for (flags, flag) in [
            (TellFlags { smtp_url: Some("smtp://user:s3cret@".to_owned()), ..flags() }, "--smtp-url: "),
            (TellFlags { mail_from: None, ..flags() }, "--mail-from: "),
            (TellFlags { mail_from: Some("nobody".to_owned()), ..flags() }, "--mail-from: "),
            (TellFlags { mail_from: Some("a@b.de\r\nBcc: c@d.de".to_owned()), ..flags() }, "--mail-from: "),
            (TellFlags { smtp_hello_name: Some("a b".to_owned()), ..flags() }, "--smtp-hello-name: "),
            (TellFlags { smtp_ca_file: missing(), ..flags() }, "--smtp-ca-file: "),
            (TellFlags { smtp_ca_file: Some(empty.path().to_owned()), ..flags() }, "--smtp-ca-file: "),
            (TellFlags { webhook_ca_file: missing(), ..TellFlags::default() }, "--webhook-ca-file: "),
            (TellFlags { smtp_url: None, ..flags() }, "--mail-from: "),
        ] {
            let told = refused(&flags);
            assert!(told.starts_with(flag), "{told}");
            assert!(!told.contains('\n') && !told.contains("s3cret"), "{told}");
        }
        assert!(!format!("{:?}", TellConfig::try_new(&flags()).unwrap()).contains("s3cret"));
    }

    fn tempfile_with(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        file
    }
}
