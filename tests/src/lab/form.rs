//! How long and how hard: the short form that CI plays, and the full one.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, ensure};

/// What makes the same lab again.
const SEED: u64 = 1;

const SYNOPSIS: &str = "say `lab short` or `lab full`, then perhaps RELEASE, and then KILLS";

/// The sizes of one lab.
#[derive(Clone, Debug)]
pub struct Form {
    /// How many hosts.
    pub hosts: usize,
    /// How many providers they are spread over.
    pub providers: usize,
    /// How many checks watch the sites.
    pub checks: usize,
    /// How many hosts are killed one after the other.
    pub kills: usize,
    /// Which hosts, and when messages are held up, follows from it.
    pub seed: u64,
    /// How long nothing happens but delay and loss.
    pub lossy: Duration,
    /// How long nothing happens at all.
    pub calm: Duration,
    /// For how long a host is stopped, each in turn.
    pub pauses: Vec<Duration>,
    /// How long links stay cut.
    pub cut: Duration,
    /// How long control is away.
    pub control_away: Duration,
    /// The program of another version that hosts are upgraded to, where that is played.
    pub release: Option<PathBuf>,
}

impl Form {
    /// The form that these words ask for: `short` or `full`, the program of another version to upgrade hosts to, where
    /// that is to be played, and how many of them to kill, where that is not to be the usual number.
    pub fn of(words: &[&str]) -> anyhow::Result<Self> {
        let (form, options) = match words {
            ["short", options @ ..] => (Self::short(), options),
            ["full", options @ ..] => (Self::full(), options),
            _ => anyhow::bail!(SYNOPSIS),
        };
        let release = options.first().map(PathBuf::from);
        let kills = options.get(1).map(|kills| kills.parse().context("KILLS is no number"));
        ensure!(options.len() <= 2, SYNOPSIS);
        Ok(Self { release, kills: kills.transpose()?.unwrap_or(form.kills), ..form })
    }

    fn short() -> Self {
        Self {
            hosts: 6,
            providers: 3,
            checks: 60,
            kills: 2,
            seed: SEED,
            lossy: Duration::from_secs(40),
            calm: Duration::from_secs(40),
            pauses: [1, 5].map(Duration::from_secs).to_vec(),
            cut: Duration::from_secs(15),
            control_away: Duration::from_secs(40),
            release: None,
        }
    }

    fn full() -> Self {
        Self {
            hosts: 12,
            providers: 4,
            checks: 120,
            kills: 200,
            seed: SEED,
            lossy: Duration::from_secs(180),
            calm: Duration::from_secs(300),
            pauses: [1, 5, 30, 1, 5, 30].map(Duration::from_secs).to_vec(),
            cut: Duration::from_secs(60),
            control_away: Duration::from_secs(600),
            release: None,
        }
    }
}
