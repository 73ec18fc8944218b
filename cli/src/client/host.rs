//! `farwatch host list`, `show`, `invite`, `register`, `edit` and the verbs that take hosts out and in: the machines
//! that run checks.

mod duty;
mod invite;
mod register;

use clap::Subcommand;
use serde_json::Value;

use self::duty::DrainArgs;
use self::invite::InviteArgs;
use self::register::RegisterArgs;
use super::edit::Changes;
use super::fields::{items, length, moment, text};
use super::reference::{HOST, id_of};
use super::{Client, ClientArgs};
use crate::exit::Failure;
use crate::output::{self, Cell, Look, Table, Tone};

/// What is asked about the machines that run checks.
#[derive(Subcommand, Debug)]
pub(crate) enum HostVerb {
    /// List hosts, and how each stands now
    #[command(after_help = "Example:\n  farwatch host list")]
    List {
        #[command(flatten)]
        client: ClientArgs,
    },
    /// Show a host
    #[command(after_help = "Example:\n  farwatch host show fra-1")]
    Show {
        #[command(flatten)]
        client: ClientArgs,
        /// Its name or id
        #[arg(value_name = "HOST")]
        host: String,
    },
    /// Make a token by which a machine joins the fleet, and print the line to type on it
    #[command(after_help = "Examples:
  farwatch host invite --provider hetzner --region eu-central --country DE --continent EU
  farwatch host invite --provider hetzner --region eu-central --name fra-2 --json")]
    Invite {
        #[command(flatten)]
        client: ClientArgs,
        #[command(flatten)]
        machine: InviteArgs,
    },
    /// Register a host that brings a certificate of its own
    #[command(after_help = "Example:
  farwatch host register fra-1 --provider hetzner --asn 24940 --country DE --continent EU --region eu-central")]
    Register {
        #[command(flatten)]
        client: ClientArgs,
        #[command(flatten)]
        host: RegisterArgs,
    },
    /// Change a host's name, labels or weight
    #[command(after_help = "Example:\n  farwatch host edit fra-1 weight=3 labels.disk=ssd")]
    Edit {
        #[command(flatten)]
        client: ClientArgs,
        /// Its name or id
        #[arg(value_name = "HOST")]
        host: String,
        #[command(flatten)]
        changes: Changes,
    },
    /// Take a host out of the fleet, and wait until others own what it owned
    #[command(after_help = "Examples:
  farwatch host drain fra-1
  farwatch host drain fra-1 --limit 10min
  farwatch host drain fra-1 --no-wait --json

It ends with 69 when the host still owns streams at the limit; it goes on being drained.")]
    Drain {
        #[command(flatten)]
        client: ClientArgs,
        #[command(flatten)]
        drain: DrainArgs,
    },
    /// Take a drained host back into the fleet
    #[command(after_help = "Example:\n  farwatch host undrain fra-1")]
    Undrain {
        #[command(flatten)]
        client: ClientArgs,
        /// Its name or id
        #[arg(value_name = "HOST")]
        host: String,
    },
    /// Take a host out of the fleet for good
    #[command(after_help = "Examples:
  farwatch host drain fra-1 && farwatch host retire fra-1
  farwatch host retire fra-1 --force    # it is gone and comes never back")]
    Retire {
        #[command(flatten)]
        client: ClientArgs,
        /// Its name or id
        #[arg(value_name = "HOST")]
        host: String,
        /// Also while it owns streams: it is as if it died
        #[arg(long)]
        force: bool,
    },
}

impl HostVerb {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        match self {
            Self::List { client } => {
                let client = Client::open(client)?;
                client.show(&client.connection.get("/v1/hosts")?, listed)
            }
            Self::Show { client, host } => {
                let client = Client::open(client)?;
                let id = id_of(&client.connection, HOST, host)?;
                client.show(&client.connection.get(&format!("/v1/hosts/{id}"))?, shown)
            }
            Self::Invite { client, machine } => {
                let client = Client::open(client)?;
                client.show(&client.connection.post("/v1/hosts/join-tokens", &machine.wish()?)?, invite::invited)
            }
            Self::Register { client, host } => {
                let client = Client::open(client)?;
                client.show(&client.connection.post("/v1/hosts", &host.wish()?)?, shown)
            }
            Self::Edit { client, host, changes } => {
                let client = Client::open(client)?;
                let id = id_of(&client.connection, HOST, host)?;
                client.show(&changes.make(&client, &format!("/v1/hosts/{id}"))?, shown)
            }
            Self::Drain { client, drain } => duty::drain(&Client::open(client)?, drain),
            Self::Undrain { client, host } => duty::undrain(&Client::open(client)?, host),
            Self::Retire { client, host, force } => duty::retire(&Client::open(client)?, host, *force),
        }
    }
}

fn listed(hosts: &Value, look: Look) -> String {
    let mut table = Table::new(&[
        "name",
        "standing",
        "link",
        "sanity",
        "version",
        "provider",
        "region",
        "country",
        "independent",
        "refuted",
        "id",
    ]);
    for host in items(hosts) {
        table.row(vec![
            text(host, "name").into(),
            standing(host),
            link(host),
            sanity(host),
            text(host, "version").into(),
            text(host, "provider").into(),
            text(host, "region").into(),
            text(host, "country").into(),
            independent(host),
            refuted(host),
            text(host, "id").into(),
        ]);
    }
    table.shown(look, "no hosts")
}

/// How it stands; one that an operator took out says so.
fn standing(host: &Value) -> Cell {
    match host["standing"].as_str() {
        _ if !host["retired"].is_null() => Cell::plain("retired"),
        Some("away") if host["drained"] == true => Cell::plain("drained"),
        Some(_) if host["drained"] == true => Cell::toned("draining", Tone::Doubtful),
        Some(word) => Cell::word(word),
        None => Cell::word("not_in_a_view_yet"),
    }
}

/// Whether it is heard, which only the leader knows.
fn link(host: &Value) -> Cell {
    let silent = host["silent_ms"].as_i64().map_or_else(String::new, length);
    match host["connected"].as_bool() {
        Some(true) => Cell::word("up"),
        Some(false) if host["contradicted"] == true => {
            Cell::toned(format!("silent {silent}, heard by neighbours"), Tone::Doubtful)
        }
        Some(false) => Cell::toned(format!("silent {silent}"), Tone::Bad),
        None => Cell::plain(""),
    }
}

/// Whether it sees the references that control names.
fn sanity(host: &Value) -> Cell {
    let word = host["sanity"].as_str().unwrap_or_default().replace('_', " ");
    let tone = match word.as_str() {
        "sane" => Tone::Good,
        "doubtful" => Tone::Doubtful,
        "insane" => Tone::Bad,
        _ => Tone::Plain,
    };
    Cell::toned(word, tone)
}

/// The run places that its own streams may take at worst.
fn load(host: &Value) -> Cell {
    let Some(places) = host["load_places"].as_f64() else { return Cell::plain("") };
    let tone = if host["beyond_capacity"] == true { Tone::Doubtful } else { Tone::Plain };
    Cell::toned(format!("{places:.1} of {} places at worst", text(host, "run_places")), tone)
}

fn independent(host: &Value) -> Cell {
    if host["independent"] == false { Cell::toned("no", Tone::Doubtful) } else { Cell::plain("yes") }
}

/// Of the outages it saw first, how many the others did not see.
fn refuted(host: &Value) -> Cell {
    match (host["rounds_refuted"].as_u64(), host["rounds_confirmed"].as_u64()) {
        (None, _) | (_, None) | (Some(0), Some(0)) => Cell::plain(""),
        (Some(0), Some(confirmed)) => Cell::plain(format!("0 of {confirmed}")),
        (Some(refuted), Some(confirmed)) => {
            Cell::toned(format!("{refuted} of {}", refuted + confirmed), Tone::Doubtful)
        }
    }
}

fn shown(host: &Value, look: Look) -> String {
    let mut facts = vec![
        ("name", text(host, "name").into()),
        ("id", text(host, "id").into()),
        ("standing", standing(host)),
        ("link", link(host)),
        ("version", text(host, "version").into()),
        ("sanity", sanity(host)),
        ("wall", text(host, "wall").into()),
        ("run places", text(host, "run_places").into()),
        ("load", load(host)),
        ("owns", text(host, "owns").into()),
        ("running", text(host, "running").into()),
        ("hears", host["hears"].as_array().map_or(0, Vec::len).to_string().into()),
        ("loop lag", host["loop_lag_ms"].as_i64().map_or_else(String::new, length).into()),
        ("disk", if host["disk_full"] == true { "takes no results" } else { "" }.to_owned().into()),
        ("given up", text(host, "dropped_results").into()),
        ("rate-capped", text(host, "rate_capped").into()),
        ("refused", text(host, "refused").into()),
        ("refuted", refuted(host)),
        ("provider", text(host, "provider").into()),
        ("asn", text(host, "asn").into()),
        ("region", text(host, "region").into()),
        ("country", text(host, "country").into()),
        ("continent", text(host, "continent").into()),
        ("weight", text(host, "weight").into()),
        ("independent", independent(host)),
        ("because", text(host, "not_independent_because").into()),
        ("registered", moment(host, "registered").into()),
    ];
    facts.retain(|(_, cell): &(&str, Cell)| *cell != Cell::plain(""));
    output::facts(&facts, look)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_host_that_shares_its_machine_is_shown_as_such() {
        let hosts = json!({"items": [{
            "name": "fra", "standing": "active", "connected": false, "silent_ms": 6100, "provider": "p", "version": "1.0.0",
            "region": "eu", "country": "DE", "independent": false, "id": "hst_1",
            "rounds_refuted": 3, "rounds_confirmed": 1, "sanity": "insane",
        }]});
        let shown = listed(&hosts, Look::PLAIN);
        let line = shown.lines().nth(1).unwrap();
        assert_eq!(
            line,
            "fra   active    silent 6.1 s  insane  1.0.0    p         eu      DE       no           3 of 4   hst_1"
        );
    }

    #[test]
    fn who_was_taken_out_is_shown_as_such() {
        let words = |host: Value| standing(&host);
        assert_eq!(words(json!({"standing": "active", "drained": true})), Cell::toned("draining", Tone::Doubtful));
        assert_eq!(words(json!({"standing": "away", "drained": true})), Cell::plain("drained"));
        assert_eq!(words(json!({"standing": "away", "drained": false})), Cell::word("away"));
        assert_eq!(words(json!({"standing": "away", "drained": true, "retired": 1})), Cell::plain("retired"));
    }
}
