//! `farwatch host join`: makes this machine a host of the fleet, by the token that `farwatch host invite` printed.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use farwatch_host::housekeeping_runtime;
use farwatch_host::join::{Joined, Joining, NotJoined, join};
use farwatch_proto::join::JoinToken;
use serde_json::json;

use crate::exit::{CANNOT_CREATE, Failure, NO_PERMISSION, OrFail, REFUSED, UNAVAILABLE, USAGE, code_of};
use crate::output;

/// The directory that `farwatch host` uses when none is named.
const USUAL_DATA: &str = "farwatch-host";

/// Make this machine a host of the fleet, by a token
#[derive(Args, Debug)]
#[command(after_help = "Example:
  farwatch host join --token fwj_… --provider hetzner --region eu-central --data /var/lib/farwatch-host")]
pub(super) struct JoinArgs {
    /// What `farwatch host invite` printed; it lets one machine join, within ten minutes
    #[arg(long, env = "FARWATCH_JOIN_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    token: String,
    /// Whose machine it is; the token is bound to it
    #[arg(long, value_name = "WORD")]
    provider: String,
    /// Where it stands; the token is bound to that, too
    #[arg(long, value_name = "WORD")]
    region: String,
    /// What to call it, where the token does not say; the name of the machine, when absent
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Where the host will keep its identity, spool and modules
    #[arg(long, env = "FARWATCH_HOST_DATA", default_value = USUAL_DATA, value_name = "DIR")]
    data: PathBuf,
    /// How other hosts reach this one, where it is another address than it is linked from
    #[arg(long, env = "FARWATCH_PEER_ADDRESS", value_name = "ADDR")]
    peer_address: Option<SocketAddr>,
    /// Show what became of it as JSON
    #[arg(long)]
    json: bool,
}

impl JoinArgs {
    /// Joins, and says what to do next.
    pub(super) fn run(self) -> Result<(), Failure> {
        let token = self.token.trim().parse::<JoinToken>();
        let joining = Joining {
            token: token.map_err(|why| Failure::new(USAGE, format_args!("--token: {why}")))?,
            provider: self.provider,
            region: self.region,
            name: self.name.unwrap_or_else(machine_name),
            data: self.data,
            peer_address: self.peer_address,
        };
        let runtime = housekeeping_runtime().or_fail(UNAVAILABLE)?;
        let joined = runtime.block_on(join(&joining)).map_err(|why| Failure::new(code_of_refusal(&why), why))?;
        output::print(&if self.json { as_json(&joining, &joined) } else { for_people(&joining, &joined) })
    }
}

fn code_of_refusal(why: &NotJoined) -> u8 {
    match why {
        NotJoined::IsHost(_) => CANNOT_CREATE,
        NotJoined::Refused(_) => NO_PERMISSION,
        NotJoined::InTheWay(_) => REFUSED,
        NotJoined::Unreachable(_) => UNAVAILABLE,
        NotJoined::Files(error) => code_of(error),
    }
}

fn run_line(joining: &Joining) -> String {
    format!("farwatch host --data {}", joining.data.display())
}

fn for_people(joining: &Joining, joined: &Joined) -> String {
    let Joined { host, name } = joined;
    format!(
        "This machine is the host {name} ({host}) now. Its key is in {} and never leaves it.\nRun it:\n\n  {}\n",
        joining.data.join("identity").display(),
        run_line(joining),
    )
}

fn as_json(joining: &Joining, joined: &Joined) -> String {
    let told = json!({ "host": joined.host, "name": joined.name, "data": joining.data, "run": run_line(joining) });
    output::json(&told)
}

/// What the machine calls itself.
fn machine_name() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.split('.').next().unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use farwatch_proto::id::{HostId, JoinTokenId};
    use farwatch_proto::join::{AuthorityDigest, JoinSecret};

    use super::*;

    #[test]
    fn whoever_joined_is_told_how_to_run_it() {
        let token = JoinToken {
            id: JoinTokenId::from_bytes([1; 16]),
            secret: JoinSecret::new([2; 32]),
            authority: AuthorityDigest([3; 32]),
            controls: vec!["c:1".to_owned()],
        };
        let (provider, region, name) = ("p".to_owned(), "r".to_owned(), "n".to_owned());
        let joining = Joining { data: "/d".into(), token, provider, region, name, peer_address: None };
        let joined = Joined { host: HostId::from_bytes([7; 16]), name: "fra-2".to_owned() };
        let shown = for_people(&joining, &joined);
        assert!(shown.contains("host fra-2") && shown.ends_with("\n\n  farwatch host --data /d\n"), "{shown}");
        assert!(as_json(&joining, &joined).contains("hst_0707"));
    }
}
