//! `farwatch release push`, `list` and `delete`: programs that hosts may be upgraded to.

use std::fs::File;
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::{Args, Subcommand};
use farwatch_proto::id::ReleaseHash;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::fields::{items, moment, text};
use super::reference::encoded;
use super::{Client, ClientArgs};
use crate::exit::{Failure, NO_INPUT, OrFail, USAGE};
use crate::output::{self, Look, Table};

/// How much of a file is read at once while its hash is made.
const CHUNK_BYTES: usize = 1 << 20;

/// Programs that hosts may be upgraded to
#[derive(Args, Debug)]
pub(crate) struct ReleaseArgs {
    #[command(flatten)]
    client: ClientArgs,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// Hand a program to control, so that hosts may be upgraded to it
    #[command(after_help = "Examples:
  farwatch release push ./farwatch
  farwatch release push farwatch-aarch64 --as 1.4.0

A program that does not run on this machine cannot be asked for its version: name it.")]
    Push {
        /// The program
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Its version; what it says itself when absent
        #[arg(long = "as", value_name = "VERSION")]
        version: Option<String>,
    },
    /// List the programs that hosts may be upgraded to, newest first
    #[command(after_help = "Example:\n  farwatch release list")]
    List,
    /// Forget a program; hosts that run it go on
    #[command(after_help = "Example:\n  farwatch release delete rel_…")]
    Delete {
        /// Its hash, as `farwatch release list` shows it
        #[arg(value_name = "HASH")]
        hash: String,
    },
}

impl ReleaseArgs {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let client = Client::open(&self.client)?;
        match &self.verb {
            Verb::Push { file, version } => push(&client, file, version.as_deref()),
            Verb::List => client.show(&client.connection.get("/v1/releases")?, listed),
            Verb::Delete { hash } => {
                client.connection.delete(&format!("/v1/releases/{hash}"))?;
                client.show(&json!({ "deleted": hash }), |_, _| format!("{hash} is forgotten\n"))
            }
        }
    }
}

fn push(client: &Client, path: &Path, version: Option<&str>) -> Result<(), Failure> {
    let unreadable = |error| Failure::new(NO_INPUT, format_args!("{}: {error}", path.display()));
    let version = version.map_or_else(|| version_of(path), |said| Ok(said.to_owned()))?;
    let mut file = File::open(path).map_err(unreadable)?;
    let hash = hash_of(&mut file).map_err(unreadable)?;
    let query = format!("/v1/releases?version={}&hash={hash}", encoded(&version));
    let progress = format!("pushing {}, {} MB …", path.display(), file.metadata().map_err(unreadable)?.len() >> 20);
    output::progress(&progress);
    let pushed = client.connection.upload(&query, "application/octet-stream", file);
    output::progress("");
    client.show(&pushed?, |release, look| listed(&json!({ "items": [release] }), look))
}

fn hash_of(file: &mut File) -> std::io::Result<ReleaseHash> {
    let (mut digest, mut chunk) = (Sha256::new(), vec![0; CHUNK_BYTES]);
    loop {
        let length = file.read(&mut chunk)?;
        if length == 0 {
            file.rewind()?;
            return Ok(ReleaseHash(digest.finalize().into()));
        }
        digest.update(&chunk[..length]);
    }
}

/// What the program says of itself, as `farwatch --version` does.
fn version_of(path: &Path) -> Result<String, Failure> {
    let advice = || {
        let path = path.display();
        Failure::new(USAGE, format_args!("{path} does not say its version; name it with --as, such as --as 1.4.0"))
    };
    let program = path.canonicalize().or_fail(NO_INPUT)?;
    let asked = Command::new(program).arg("--version").stdin(Stdio::null()).stderr(Stdio::null()).output();
    let said = asked.ok().filter(|output| output.status.success()).ok_or_else(advice)?;
    let line = String::from_utf8_lossy(&said.stdout).into_owned();
    let version = line.trim().strip_prefix("farwatch ").map(str::to_owned);
    version.filter(|version| !version.is_empty()).ok_or_else(advice)
}

fn listed(releases: &Value, look: Look) -> String {
    let mut table = Table::new(&["version", "size", "pushed", "hash"]);
    for release in items(releases) {
        let size = release["size_bytes"].as_u64().map_or_else(String::new, |bytes| format!("{} MB", bytes >> 20));
        let cells = [text(release, "version"), size, moment(release, "pushed"), text(release, "hash")];
        table.row(cells.map(Into::into).to_vec());
    }
    table.shown(look, "no releases")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_is_a_line_with_its_size() {
        let releases = json!({"items": [{"version": "1.4.0", "size_bytes": 52_428_800, "pushed": 0, "hash": "rel_1"}]});
        let shown = listed(&releases, Look::PLAIN);
        assert_eq!(shown.lines().nth(1), Some("1.4.0    50 MB  1970-01-01 00:00:00Z  rel_1"));
        assert_eq!(listed(&json!({"items": []}), Look::PLAIN), "no releases\n");
    }

    #[test]
    fn a_program_that_does_not_say_its_version_has_to_be_named() {
        let told = format!("{:?}", version_of(Path::new("/dev/null")).unwrap_err());
        assert!(told.contains("--as 1.4.0"), "{told}");
    }
}
