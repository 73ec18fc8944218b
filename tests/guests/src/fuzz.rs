//! What reads the bytes of peers, against bytes that no peer sends: whoever plays a server must never end a host or trap a
//! module.
//!
//! A corpus is kept in `corpus/`, a folder for each target, and is always played first. Then its entries are changed at
//! random, by a seed that is told; what makes the target do something that it has not done before is changed further.
//! What breaks a target is written into its corpus, to be played for ever.

pub mod corpus;
pub mod host;
pub mod module;
pub mod mutate;
pub mod scripted;
pub mod upload;

use std::any::Any;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use anyhow::bail;
use farwatch_host::clock::Clock;

use self::mutate::Mutator;

/// No bytes may hold a target up for longer: it is what a slot costs at most when its target is down at once.
const INPUT_LIMIT: Duration = Duration::from_secs(2);
/// As many entries of a corpus are changed: beyond it none would be changed often enough.
const POOL_MAX: usize = 4_096;

/// Something that reads the bytes of a peer.
pub trait Target {
    /// The folder of its corpus.
    fn name(&self) -> &str;

    /// Reads these bytes, and says in a word what became of them.
    ///
    /// # Errors
    /// When they broke it.
    fn read(&mut self, bytes: &[u8]) -> anyhow::Result<String>;
}

/// What was done to a target.
#[derive(Debug, Default)]
pub struct Tally {
    /// Entries of the corpus that were played.
    pub replayed: usize,
    /// Changed entries that were played.
    pub changed: u64,
    /// Different things that became of them.
    pub ends: usize,
}

/// Plays its corpus, and then changed entries of it until the time is over.
///
/// # Errors
/// When any bytes break it. They are in its corpus then.
pub fn strike(target: &mut dyn Target, time: Duration, seed: u64) -> anyhow::Result<Tally> {
    let mut pool = corpus::read(target.name())?;
    let mut ends = BTreeSet::new();
    for bytes in &pool {
        ends.insert(judge(target, bytes)?);
    }
    let mut tally = Tally { replayed: pool.len(), ..Tally::default() };
    let mut mutator = Mutator::new(seed);
    let clock = Clock::default();
    let began = clock.instant();
    while clock.instant() - began < time {
        let bytes = mutator.change(&pool);
        tally.changed += 1;
        if ends.insert(judge(target, &bytes)?) && pool.len() < POOL_MAX {
            pool.push(bytes);
        }
    }
    tally.ends = ends.len();
    Ok(tally)
}

fn judge(target: &mut dyn Target, bytes: &[u8]) -> anyhow::Result<String> {
    let clock = Clock::default();
    let began = clock.instant();
    let read = catch_unwind(AssertUnwindSafe(|| target.read(bytes)));
    let took = clock.instant() - began;
    let why = match read {
        Ok(Ok(_)) if took > INPUT_LIMIT => format!("it took {} ms", took.as_millis()),
        Ok(Ok(end)) => return Ok(end),
        Ok(Err(error)) => format!("{error:#}"),
        Err(panic) => format!("it panicked: {}", said(panic.as_ref())),
    };
    let path = corpus::keep(target.name(), bytes)?;
    bail!("{} broke on {} bytes, which are in {}: {why}", target.name(), bytes.len(), path.display())
}

fn said(panic: &(dyn Any + Send)) -> &str {
    let owned = || panic.downcast_ref::<String>().map(String::as_str);
    panic.downcast_ref::<&str>().copied().or_else(owned).unwrap_or("without a word")
}
