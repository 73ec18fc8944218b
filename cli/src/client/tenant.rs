//! `farwatch tenant`: the customers of a fleet. Only operators may.

mod quota;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::edit::Changes;
use super::fields::{items, moment, text};
use super::reference::{TENANT, id_of};
use super::{Client, ClientArgs};
use crate::exit::Failure;
use crate::output::{Look, Table};

/// The customers of the fleet
#[derive(Args, Debug)]
pub(crate) struct TenantArgs {
    #[command(flatten)]
    client: ClientArgs,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// Make a tenant
    #[command(after_help = "Example:\n  farwatch tenant create acme")]
    Create {
        /// What to call it
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Change a tenant
    #[command(after_help = "Example:\n  farwatch tenant edit acme name=corp")]
    Edit {
        /// Its name or id
        #[arg(value_name = "CUSTOMER")]
        named: String,
        #[command(flatten)]
        changes: Changes,
    },
    /// List tenants
    #[command(after_help = "Example:\n  farwatch tenant list")]
    List,
    /// Show a tenant
    #[command(after_help = "Example:\n  farwatch tenant show acme")]
    Show {
        /// Its name or id
        #[arg(value_name = "CUSTOMER")]
        named: String,
    },
    /// Show what a tenant may have and how much of it there is, or say what it may have
    #[command(after_help = quota::EXAMPLES)]
    Quota(quota::QuotaArgs),
}

impl TenantArgs {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let client = Client::open(&self.client)?;
        match &self.verb {
            Verb::Create { name } => {
                let tenant = client.connection.post("/v1/tenants", &json!({ "name": name }))?;
                client.show(&tenant, |tenant, _| format!("{name} is {}\n", text(tenant, "id")))
            }
            Verb::Edit { named, changes } => {
                let path = format!("/v1/tenants/{}", id_of(&client.connection, TENANT, named)?);
                let tenant = changes.make(&client, &path)?;
                client.show(&tenant, |tenant, _| format!("{} is {}\n", text(tenant, "name"), text(tenant, "id")))
            }
            Verb::List => client.show(&client.connection.list("/v1/tenants")?, listed),
            Verb::Show { named } => {
                let id = id_of(&client.connection, TENANT, named)?;
                let tenant = client.connection.get(&format!("/v1/tenants/{id}"))?;
                let quota = client.connection.get(&format!("/v1/tenants/{id}/quota"))?;
                client
                    .show(&tenant, |tenant, look| listed(&json!({ "items": [tenant] }), look) + &quota::warning(&quota))
            }
            Verb::Quota(args) => quota::run(&client, args),
        }
    }
}

fn listed(tenants: &Value, look: Look) -> String {
    let mut table = Table::new(&["name", "made", "id"]);
    for tenant in items(tenants) {
        table.row(vec![text(tenant, "name").into(), moment(tenant, "created").into(), text(tenant, "id").into()]);
    }
    table.shown(look, "no tenants; `farwatch tenant create` makes one")
}
