//! Control is killed, at random instants and where it hurts most, and starts again each time.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::ensure;
use rustix::process::Signal;
use serde_json::json;
use tempfile::TempDir;

use super::{Account, Ordeal};
use crate::system::SystemBuilder;
use crate::wait::{eventually, leave_alone};

/// Where control may be told to die; see `crash.rs` of control.
pub const CRASH_POINTS: [&str; 5] = ["claim", "send", "commit", "acknowledge", "takeover"];
/// The first so many are passed only while somebody is to be told.
const TELLING_POINTS: usize = 2;
/// A point that is not passed within a slot and a round is not on the way now; then control is killed where it is.
const POINT_LIMIT: Duration = Duration::from_secs(15);
/// Control leads again by then: on PostgreSQL its own lease must stand still first.
const LEAD_LIMIT: Duration = Duration::from_secs(60);
/// The longest while that control is left alone. Short enough that most kills meet work half done.
const ALONE_MAX_MS: u64 = 3_000;

/// An ordeal by kills.
pub struct Kills {
    ordeal: Ordeal,
    folder: TempDir,
    /// How often control died at each point; the last is no point in particular.
    pub died_at: [usize; CRASH_POINTS.len() + 1],
    random: u64,
}

impl Kills {
    /// Starts Farwatch so that it can be killed. `seed` chooses the instants.
    pub fn begin(system: SystemBuilder, seed: u64) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("farwatch-crash-").tempdir()?;
        let system = system
            .flag("--restart-after=100ms")
            .flag("--restart-at-most=100ms")
            .environment("FARWATCH_CRASH_FILE", folder.path().join("point").display().to_string());
        let died_at = [0; CRASH_POINTS.len() + 1];
        Ok(Self { ordeal: Ordeal::begin(system)?, folder, died_at, random: seed | 1 })
    }

    /// How often the site went down.
    pub const fn outages(&self) -> usize {
        self.ordeal.outages()
    }

    /// How often control died.
    pub fn count(&self) -> usize {
        self.died_at.iter().sum()
    }

    /// Leaves control alone for a while, kills it, and demands that the next one holds what the database does.
    pub fn strike(&mut self) -> anyhow::Result<()> {
        self.ordeal.keep_schedule()?;
        let alone_ms = self.draw() % ALONE_MAX_MS;
        leave_alone(Duration::from_millis(alone_ms));
        let point = self.choose_point();
        let died_at = if self.die_at(point)? { point } else { CRASH_POINTS.len() };
        self.died_at[died_at] += 1;
        self.must_agree()
    }

    /// Where control dies next. While somebody is to be told it dies where that is decided and done; otherwise as often
    /// at no point in particular as at one.
    fn choose_point(&mut self) -> usize {
        let draw = self.draw() as usize;
        if self.ordeal.is_told() {
            TELLING_POINTS + draw % (2 * (CRASH_POINTS.len() - TELLING_POINTS))
        } else {
            draw % (2 * TELLING_POINTS)
        }
    }

    /// The account of it all.
    pub fn account(self) -> anyhow::Result<Account> {
        self.ordeal.account()
    }

    /// Kills control at this point if it comes to it, and where it is otherwise; whether it came to it.
    fn die_at(&self, point: usize) -> anyhow::Result<bool> {
        let file = self.file();
        let system = &self.ordeal.scene().system;
        let before = system.control_pid()?;
        let Some(word) = CRASH_POINTS.get(point) else {
            system.signal(before, Signal::KILL)?;
            self.await_death(before)?;
            return Ok(false);
        };
        std::fs::write(&file, word)?;
        if *word == "takeover" {
            system.signal(before, Signal::KILL)?;
        }
        let came =
            eventually("control to come to the point", POINT_LIMIT, || Ok((!file.exists()).then_some(()))).is_ok();
        // Removed by whoever is first: if it is gone now, control died there after all.
        let came = came || std::fs::remove_file(&file).is_err();
        if !came {
            system.signal(before, Signal::KILL)?;
        }
        self.await_death(before)?;
        Ok(came)
    }

    /// Waits until the process of this id is gone, so that what is asked next is asked of another.
    fn await_death(&self, before: rustix::process::Pid) -> anyhow::Result<()> {
        let system = &self.ordeal.scene().system;
        eventually("control to start again", LEAD_LIMIT, || {
            Ok(system.control_pid().ok().filter(|pid| *pid != before).map(|_| ()))
        })
    }

    /// Waits until control leads, and compares its memory with the database.
    fn must_agree(&self) -> anyhow::Result<()> {
        let api = self.ordeal.scene().system.api();
        let found = eventually("control to lead again and look at itself", LEAD_LIMIT, || {
            Ok(Some(api.post("/v1/self-check", &json!({}))?))
        })?;
        ensure!(found["agrees"] == true, "what control holds is not what the database does: {found}");
        Ok(())
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("point")
    }

    /// The next number of a xorshift generator (Marsaglia, 2003): the same seed makes the same ordeal.
    fn draw(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }
}
