//! How a control process runs: complete and valid before the first port opens.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use farwatch_proto::join::is_endpoint;
use farwatch_proto::panel::REFERENCES_MAX;
use ipnet::IpNet;

use crate::otlp::{OtlpConfig, OtlpFlags};
use crate::store::DatabaseUrl;
use crate::tell::config::{TellConfig, TellFlags};

/// The values of the flags, as they were given.
#[derive(Clone)]
pub struct ControlFlags {
    /// `--data`: where the database, keys and caches are kept.
    pub data: PathBuf,
    /// `--database`: another database than the embedded one in `data`.
    pub database: Option<String>,
    /// `--api-listen`: where the API listens.
    pub api_listen: SocketAddr,
    /// `--link-listen`: where hosts dial.
    pub link_listen: SocketAddr,
    /// `--link-address`: how hosts reach that address; the address itself when absent.
    pub link_address: Option<String>,
    /// `--identity`: certificates; `data/identity` when absent.
    pub identity: Option<PathBuf>,
    /// `--master-key-file`: what secrets are sealed under; `data/master.key` when absent.
    pub master_key_file: Option<PathBuf>,
    /// `--allow-net`: private networks that webhooks may reach.
    pub allow_net: Vec<String>,
    /// `--reference`: where hosts connect to know whether they see the world.
    pub reference: Vec<String>,
    /// `--warmup`: how long a returning host proves itself.
    pub warmup: Duration,
    /// `--hold-down-max`: how long one that dies again and again does, at most.
    pub hold_down_max: Duration,
    /// `--host-certificate-life`: how long the certificate of a host is good.
    pub certificate_life: Duration,
    /// How people are told.
    pub tell: TellFlags,
    /// Where telemetry goes.
    pub otlp: OtlpFlags,
    /// The program that compiles modules in a process of its own, and its words.
    pub compiler: (PathBuf, Vec<String>),
}

/// A flag that cannot be obeyed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadConfig(String);

/// A valid configuration.
#[derive(Clone, Debug)]
pub struct ControlConfig {
    pub(crate) data: PathBuf,
    pub(crate) database: DatabaseUrl,
    pub(crate) api_listen: SocketAddr,
    pub(crate) link_listen: SocketAddr,
    pub(crate) link_address: Option<String>,
    pub(crate) identity: PathBuf,
    pub(crate) master_key_file: PathBuf,
    pub(crate) allow_nets: Vec<IpNet>,
    pub(crate) references: Vec<String>,
    pub(crate) warmup: Duration,
    pub(crate) hold_down_max: Duration,
    pub(crate) certificate_life: Duration,
    pub(crate) tell: TellConfig,
    pub(crate) otlp: Option<OtlpConfig>,
    pub(crate) compiler: (PathBuf, Vec<String>),
}

impl ControlConfig {
    /// Checks the flags and reads the files they name.
    pub fn try_new(flags: ControlFlags) -> Result<Self, BadConfig> {
        let data = flags.data;
        let database = database_of(flags.database.as_deref(), &data)?;
        if !flags.api_listen.ip().is_loopback() {
            let why = "the API speaks plain HTTP; listen on loopback and put a TLS proxy before it";
            return Err(BadConfig(format!("--api-listen {}: {why}", flags.api_listen)));
        }
        let allow_nets = networks(&flags.allow_net)?;
        let references = references(flags.reference)?;
        let tell = TellConfig::try_new(&flags.tell).map_err(|why| BadConfig(why.to_string()))?;
        let otlp = OtlpConfig::try_new(&flags.otlp).map_err(|why| BadConfig(why.to_string()))?;
        Ok(Self {
            database,
            api_listen: flags.api_listen,
            link_listen: flags.link_listen,
            link_address: flags.link_address,
            identity: flags.identity.unwrap_or_else(|| data.join("identity")),
            master_key_file: flags.master_key_file.unwrap_or_else(|| data.join("master.key")),
            allow_nets,
            references,
            warmup: flags.warmup,
            hold_down_max: flags.hold_down_max,
            certificate_life: flags.certificate_life,
            tell,
            otlp,
            compiler: flags.compiler,
            data,
        })
    }

    /// Whether anybody wants to be told of spans.
    pub const fn sends_telemetry(&self) -> bool {
        self.otlp.is_some()
    }
}

/// The database that `--database` names, or the embedded one in `--data`.
pub fn database_of(named: Option<&str>, data: &Path) -> Result<DatabaseUrl, BadConfig> {
    match named {
        Some(url) => url.parse().map_err(|why| BadConfig(format!("--database: {why}"))),
        None => Ok(DatabaseUrl::file(&data.join("farwatch.db"))),
    }
}

fn networks(given: &[String]) -> Result<Vec<IpNet>, BadConfig> {
    let parse = |text: &String| {
        text.parse().map_err(|_| BadConfig(format!("--allow-net {text}: write a network as 192.168.1.0/24")))
    };
    given.iter().map(parse).collect()
}

fn references(given: Vec<String>) -> Result<Vec<String>, BadConfig> {
    if given.len() > REFERENCES_MAX {
        return Err(BadConfig(format!("--reference: {} are too many; name {REFERENCES_MAX} at most", given.len())));
    }
    match given.iter().find(|reference| !is_endpoint(reference)) {
        Some(bad) => Err(BadConfig(format!("--reference {bad}: write name:port, such as 1.1.1.1:443"))),
        None => Ok(given),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags() -> ControlFlags {
        ControlFlags {
            data: "data".into(),
            database: None,
            api_listen: "127.0.0.1:0".parse().unwrap(),
            link_listen: "127.0.0.1:0".parse().unwrap(),
            link_address: None,
            identity: None,
            master_key_file: None,
            allow_net: Vec::new(),
            reference: vec!["one.one.one.one:443".into(), "[2606:4700::1111]:53".into()],
            warmup: Duration::from_secs(60),
            hold_down_max: Duration::from_secs(3600),
            certificate_life: Duration::from_secs(86_400),
            tell: TellFlags::default(),
            otlp: OtlpFlags::default(),
            compiler: ("farwatch".into(), Vec::new()),
        }
    }

    #[test]
    fn a_bad_value_is_one_line_that_names_its_flag() {
        let nowhere = OtlpFlags { endpoint: Some("nowhere".into()), ..OtlpFlags::default() };
        let wrong: [(&str, ControlFlags); 6] = [
            ("--database: ", ControlFlags { database: Some("mysql://x".into()), ..flags() }),
            ("--api-listen 0.0.0.0:80: ", ControlFlags { api_listen: "0.0.0.0:80".parse().unwrap(), ..flags() }),
            ("--otlp-endpoint: ", ControlFlags { otlp: nowhere, ..flags() }),
            ("--reference 1.1.1.1: ", ControlFlags { reference: vec!["1.1.1.1".into()], ..flags() }),
            ("--reference: 17 ", ControlFlags { reference: vec!["1.1.1.1:53".into(); 17], ..flags() }),
            ("--allow-net ten: ", ControlFlags { allow_net: vec!["ten".into()], ..flags() }),
        ];
        for (begins, flags) in wrong {
            let why = ControlConfig::try_new(flags).unwrap_err().to_string();
            assert!(why.starts_with(begins) && !why.contains('\n'), "{why}");
        }
        assert!(ControlConfig::try_new(flags()).is_ok());
    }
}
