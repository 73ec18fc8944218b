//! How long and how hard: the short form that CI plays, and the full one.

use std::time::Duration;

use anyhow::Context;

/// What makes the same lab again.
const SEED: u64 = 1;

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
}

impl Form {
    /// The form of this name, with so many kills where that is said.
    pub fn named(name: &str, kills: Option<&str>) -> anyhow::Result<Self> {
        let mut form = match name {
            "short" => Self::short(),
            "full" => Self::full(),
            other => anyhow::bail!("{other} is no form of the lab: say short or full"),
        };
        if let Some(kills) = kills {
            form.kills = kills.parse().context("KILLS is no number")?;
        }
        Ok(form)
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
        }
    }
}
