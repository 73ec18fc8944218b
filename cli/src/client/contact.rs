//! `farwatch contact`: whom to tell.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::channel::{ChannelFlags, add, reaches};
use super::edit::Changes;
use super::fields::{items, text};
use super::reference::{CONTACT, id_of};
use super::{Client, ClientArgs};
use crate::exit::Failure;
use crate::output::{Look, Table};

/// Whom to tell
#[derive(Args, Debug)]
pub(crate) struct ContactArgs {
    #[command(flatten)]
    client: ClientArgs,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// Make a contact, and a channel to reach it where one is named
    #[command(after_help = "Examples:
  farwatch contact create ops --email ops@example.com
  farwatch contact create pager --webhook https://hooks.example.com/farwatch")]
    Create {
        /// What to call it
        #[arg(value_name = "NAME")]
        name: String,
        #[command(flatten)]
        channel: ChannelFlags,
    },
    /// Change a contact
    #[command(after_help = "Example:\n  farwatch contact edit ops name=night")]
    Edit {
        /// Its name or id
        #[arg(value_name = "CONTACT")]
        contact: String,
        #[command(flatten)]
        changes: Changes,
    },
    /// List contacts with their channels
    #[command(after_help = "Example:\n  farwatch contact list --json")]
    List,
    /// Show a contact with its channels
    #[command(after_help = "Example:\n  farwatch contact show ops")]
    Show(Named),
    /// Remove a contact and its channels; checks that name it must be changed before
    #[command(after_help = "Example:\n  farwatch contact delete ops")]
    Delete(Named),
}

#[derive(Args, Debug)]
struct Named {
    /// Its name or id
    #[arg(value_name = "CONTACT")]
    contact: String,
}

impl ContactArgs {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let client = Client::open(&self.client)?;
        match &self.verb {
            Verb::Create { name, channel } => create(&client, name, channel),
            Verb::Edit { contact, changes } => client.show(&changes.make(&client, &path(&client, contact)?)?, shown),
            Verb::List => client.show(&client.connection.list("/v1/contacts")?, listed),
            Verb::Show(named) => client.show(&client.connection.get(&path(&client, &named.contact)?)?, shown),
            Verb::Delete(named) => {
                let answer = client.connection.delete(&path(&client, &named.contact)?)?;
                client.show(&answer, |_, _| format!("{} is told nothing any more\n", named.contact))
            }
        }
    }
}

fn path(client: &Client, contact: &str) -> Result<String, Failure> {
    Ok(format!("/v1/contacts/{}", id_of(&client.connection, CONTACT, contact)?))
}

/// One contact, as it stands in the list.
fn shown(contact: &Value, look: Look) -> String {
    listed(&json!({ "items": [contact] }), look)
}

fn create(client: &Client, name: &str, channel: &ChannelFlags) -> Result<(), Failure> {
    let contact = client.connection.post("/v1/contacts", &json!({ "name": name }))?;
    let id = text(&contact, "id");
    if channel.names_one() {
        return add(client, &id, channel);
    }
    client.show(&contact, |_, _| format!("{name} is {id}; `farwatch channel add {name} …` says how to reach it\n"))
}

fn listed(contacts: &Value, look: Look) -> String {
    let mut table = Table::new(&["name", "channel", "reaches", "id"]);
    for contact in items(contacts) {
        let mut row = |kind: String, reaches: String| {
            table.row(vec![text(contact, "name").into(), kind.into(), reaches.into(), text(contact, "id").into()]);
        };
        match contact["channels"].as_array().filter(|channels| !channels.is_empty()) {
            None => row("none".to_owned(), String::new()),
            Some(channels) => channels.iter().for_each(|channel| row(text(channel, "kind"), reaches(channel))),
        }
    }
    table.shown(look, "no contacts; `farwatch contact create` makes one")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_channel_has_a_line_and_a_contact_without_one_too() {
        let contacts = json!({"items": [
            {"name": "ops", "id": "con_1", "channels": [{"kind": "email", "address": "a@b.org"}]},
            {"name": "new", "id": "con_2", "channels": []},
        ]});
        let shown = listed(&contacts, Look::PLAIN);
        assert_eq!(shown.lines().nth(1), Some("ops   email    a@b.org  con_1"));
        assert_eq!(shown.lines().nth(2), Some("new   none              con_2"));
    }
}
