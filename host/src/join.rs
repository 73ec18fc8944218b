//! A bare machine joins the fleet by a token: it makes its key, proves to control that it holds it, and keeps the
//! certificate that it gets.
//!
//! The key is made here and never leaves the machine. It is kept on disk before control hears of it, so that a machine
//! whose answer was lost asks again as the same one. The identity directory is there whole or not at all.

mod ask;
mod pinned;

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use farwatch_proto::id::HostId;
use farwatch_proto::join::{AuthorityDigest, JoinAnswer, JoinRequest, JoinToken};
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde::{Deserialize, Serialize};

use crate::identity::Identity;
use crate::private_file::{sync_directory, write_whole};

/// Where the identity is kept in a host's data directory.
const IDENTITY: &str = "identity";
/// Where it is made.
const UNFINISHED: &str = "identity.joining";
/// What is kept beside the certificate: where control is, and what else was said when it joined.
const REMEMBERED: &str = "joined.json";

/// How a machine joins.
#[derive(Clone, Debug)]
pub struct Joining {
    /// The host's data directory.
    pub data: PathBuf,
    /// What lets it in.
    pub token: JoinToken,
    /// Whose machine it is.
    pub provider: String,
    /// Where it stands.
    pub region: String,
    /// What it is to be called, where the token does not say.
    pub name: String,
    /// How other hosts reach it, where that is another address than it is linked from.
    pub peer_address: Option<SocketAddr>,
}

/// A machine that has joined.
#[derive(Clone, Debug)]
pub struct Joined {
    /// Who it is from now on.
    pub host: HostId,
    /// What it is called.
    pub name: String,
}

/// What a host remembers of how it joined, so that it can be run without saying it again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remembered {
    /// Where control listens for hosts.
    pub controls: Vec<String>,
    /// How other hosts reach this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer_address: Option<SocketAddr>,
}

/// Why a machine did not join.
#[derive(Debug, thiserror::Error)]
pub enum NotJoined {
    /// It is a host already.
    #[error("{} holds the identity of a host already; run it with farwatch host, or name another directory", .0.display())]
    IsHost(PathBuf),
    /// The token does not let it in.
    #[error("control refused: {0}")]
    Refused(String),
    /// Something else stands in the way; the token is as good as before.
    #[error("control says: {0}")]
    InTheWay(String),
    /// No control could be asked, or none that could let it in just now. The same line may be typed again.
    #[error("{0}; nothing is lost, and the same line may be typed again")]
    Unreachable(String),
    /// A file cannot be read or written.
    #[error("{0:#}")]
    Files(anyhow::Error),
}

/// What was remembered when the host of this identity joined; nothing where it did not join by a token.
pub fn remembered(identity: &Path) -> Option<Remembered> {
    serde_json::from_slice(&fs::read(identity.join(REMEMBERED)).ok()?).ok()
}

/// Joins, and leaves the identity where the host looks for it.
pub async fn join(joining: &Joining) -> Result<Joined, NotJoined> {
    let (finished, unfinished) = (joining.data.join(IDENTITY), joining.data.join(UNFINISHED));
    if finished.exists() {
        return Err(NotJoined::IsHost(finished));
    }
    let request = prepare(joining, &unfinished).map_err(NotJoined::Files)?;
    let answer = ask::any_of(&joining.token, &request).await?;
    keep(joining, &answer, &unfinished, &finished).map_err(NotJoined::Files)?;
    Ok(Joined { host: answer.host, name: answer.name })
}

/// Makes the key, or takes the one that an earlier attempt made.
fn prepare(joining: &Joining, unfinished: &Path) -> anyhow::Result<JoinRequest> {
    fs::create_dir_all(unfinished).with_context(|| format!("cannot make {}", unfinished.display()))?;
    let file = unfinished.join("host.key");
    let key = match fs::read_to_string(&file) {
        Ok(text) => KeyPair::from_pem(&text).with_context(|| format!("{} is no key; remove it", file.display()))?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let key = KeyPair::generate()?;
            write_whole(&file, key.serialize_pem().as_bytes(), 0o600)?;
            key
        }
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", file.display())),
    };
    Ok(JoinRequest {
        token: joining.token.id,
        secret: joining.token.secret.clone(),
        provider: joining.provider.clone(),
        region: joining.region.clone(),
        name: joining.name.clone(),
        request: CertificateParams::default().serialize_request(&key)?.der().to_vec(),
    })
}

fn keep(joining: &Joining, answer: &JoinAnswer, unfinished: &Path, finished: &Path) -> anyhow::Result<()> {
    let authority = CertificateDer::from_pem_slice(answer.authority.as_bytes()).context("control sent no authority")?;
    let is_its = AuthorityDigest::of(&authority) == joining.token.authority;
    ensure!(is_its, "control sent another authority than the token names");
    let remembered = Remembered { controls: joining.token.controls.clone(), peer_address: joining.peer_address };
    write_whole(&unfinished.join("ca.pem"), answer.authority.as_bytes(), 0o644)?;
    write_whole(&unfinished.join("host.pem"), answer.certificate.as_bytes(), 0o644)?;
    write_whole(&unfinished.join(REMEMBERED), &serde_json::to_vec(&remembered)?, 0o644)?;
    let identity = Identity::from_directory(unfinished).context("control sent what is no identity")?;
    ensure!(identity.host == answer.host, "control sent the certificate of another host");
    fs::rename(unfinished, finished).with_context(|| format!("cannot make {}", finished.display()))?;
    sync_directory(&joining.data)
}
