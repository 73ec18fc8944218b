//! `farwatch channel`: how to reach a contact. A webhook's secret is shown here once.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::edit::Changes;
use super::fields::{moment, text};
use super::reference::{CONTACT, id_of};
use super::{Client, ClientArgs};
use crate::exit::{Failure, USAGE};
use crate::output::{self, Cell, Look};

/// How to reach a contact
#[derive(Args, Debug)]
pub(crate) struct ChannelArgs {
    #[command(flatten)]
    client: ClientArgs,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// Add a way to reach a contact
    #[command(after_help = "Examples:
  farwatch channel add ops --email ops@example.com
  farwatch channel add ops --webhook https://hooks.example.com/farwatch")]
    Add {
        /// The contact, by name or id
        #[arg(value_name = "CONTACT")]
        contact: String,
        #[command(flatten)]
        channel: ChannelFlags,
    },
    /// Change a way to reach a contact
    #[command(after_help = "Examples:
  farwatch channel edit chn_… address=night@example.com
  farwatch channel edit chn_… secret=          # a new secret for a webhook, shown this once")]
    Edit {
        /// Its id, as `farwatch channel add` showed it
        #[arg(value_name = "CHANNEL")]
        channel: String,
        #[command(flatten)]
        changes: Changes,
    },
    /// Show a way to reach a contact
    #[command(after_help = "Example:\n  farwatch channel show chn_…")]
    Show(Named),
    /// Remove a way to reach a contact
    #[command(after_help = "Example:\n  farwatch channel delete chn_…")]
    Delete(Named),
}

#[derive(Args, Debug)]
struct Named {
    /// Its id, as `farwatch channel add` showed it
    #[arg(value_name = "CHANNEL")]
    channel: String,
}

/// One way to reach somebody.
#[derive(Args, Debug)]
#[group(multiple = false)]
pub(super) struct ChannelFlags {
    /// By mail to this address
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,
    /// By a signed request to this URL
    #[arg(long, value_name = "URL")]
    webhook: Option<String>,
}

impl ChannelFlags {
    pub(super) const fn names_one(&self) -> bool {
        self.email.is_some() || self.webhook.is_some()
    }
}

impl ChannelArgs {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let client = Client::open(&self.client)?;
        match &self.verb {
            Verb::Add { contact, channel } => {
                let id = id_of(&client.connection, CONTACT, contact)?;
                add(&client, &id, channel)
            }
            Verb::Edit { channel, changes } => {
                client.show(&changes.make(&client, &format!("/v1/channels/{channel}"))?, shown)
            }
            Verb::Show(Named { channel }) => {
                client.show(&client.connection.get(&format!("/v1/channels/{channel}"))?, shown)
            }
            Verb::Delete(Named { channel }) => {
                let answer = client.connection.delete(&format!("/v1/channels/{channel}"))?;
                client.show(&answer, |_, _| format!("{channel} reaches nobody any more\n"))
            }
        }
    }
}

/// Adds a channel to the contact of this id and shows it.
pub(super) fn add(client: &Client, contact: &str, channel: &ChannelFlags) -> Result<(), Failure> {
    let body = match (&channel.email, &channel.webhook) {
        (Some(address), _) => json!({ "kind": "email", "address": address }),
        (None, Some(url)) => json!({ "kind": "webhook", "url": url }),
        (None, None) => return Err(Failure::new(USAGE, "say how to reach the contact: --email or --webhook")),
    };
    let answer = client.connection.post(&format!("/v1/contacts/{contact}/channels"), &body)?;
    client.show(&answer, shown)
}

/// Where a message over this channel goes: an address or a URL, whichever it has.
pub(super) fn reaches(channel: &Value) -> String {
    let disabled = if channel["disabled"].is_null() { "" } else { " (disabled)" };
    text(channel, "address") + &text(channel, "url") + disabled
}

fn shown(channel: &Value, look: Look) -> String {
    let mut facts = vec![
        ("channel", text(channel, "id").into()),
        ("contact", text(channel, "contact").into()),
        ("reaches", reaches(channel).into()),
        ("secret", text(channel, "secret").into()),
        ("disabled", moment(channel, "disabled").into()),
        ("because", text(channel, "disabled_because").into()),
    ];
    facts.retain(|(_, cell): &(&str, Cell)| *cell != Cell::plain(""));
    let once =
        if channel["secret"].is_null() { "" } else { "The secret signs every request and is shown this once.\n" };
    format!("{}{once}", output::facts(&facts, look))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_shown_with_a_warning_that_it_is_the_only_time() {
        let webhook = json!({"id": "chn_1", "contact": "con_1", "url": "https://a", "secret": "whsec_1"});
        assert!(
            shown(&webhook, Look::PLAIN)
                .ends_with("secret   whsec_1\nThe secret signs every request and is shown this once.\n")
        );
        let email = json!({"id": "chn_1", "contact": "con_1", "address": "a@b.org"});
        assert!(!shown(&email, Look::PLAIN).contains("secret"));
        let gone = json!({"id": "chn_1", "url": "https://a", "disabled": 0, "disabled_because": "410 Gone"});
        assert!(shown(&gone, Look::PLAIN).contains("because   410 Gone"));
    }
}
