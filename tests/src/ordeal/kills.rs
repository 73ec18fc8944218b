//! Control is killed, at random instants and where it hurts most, and starts again each time.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::ensure;
use farwatch_proto::time::UnixMs;
use rustix::process::Signal;
use serde_json::json;
use tempfile::TempDir;

use super::instants::Instants;
use super::{Account, Ordeal};
use crate::clock::now;
use crate::system::SystemBuilder;
use crate::wait::{eventually, leave_alone};

/// The file that says where control is to die, and the one that says how far its clock is off.
const POINT: &str = "point";
const SHIFT: &str = "shift";
/// Where control may be told to die; see `crash.rs` of control.
pub const CRASH_POINTS: [&str; 6] = ["claim", "send", "commit", "acknowledge", "takeover", "fold"];
/// The last is passed only by who makes blocks of an hour, which is hourly: it has an act of its own.
const FOLD: usize = CRASH_POINTS.len() - 1;
/// The first so many are passed only while somebody is to be told.
const TELLING_POINTS: usize = 2;
/// A point that is not passed within a slot and a round is not on the way now; then control is killed where it is.
const POINT_LIMIT: Duration = Duration::from_secs(15);
/// Control leads again by then: on PostgreSQL its own lease must stand still first.
const LEAD_LIMIT: Duration = Duration::from_secs(60);

/// How far in the past the ordeal has its first act, so that its hour is over and folds when the second begins.
const LONG_AGO_MS: i64 = 2 * 3_600_000;
/// Two slots of every site.
const FIRST_ACT_MS: i64 = 20_000;
/// The hour of the first act is folded by then: hours are looked for once a minute by whoever leads, and on PostgreSQL
/// that is nobody at the start.
const FOLD_LIMIT: Duration = Duration::from_secs(150);

/// An ordeal by kills.
pub struct Kills {
    ordeal: Ordeal,
    folder: TempDir,
    /// When the first act was played.
    long_ago: (UnixMs, UnixMs),
    /// How often control died at each point; the last is no point in particular.
    pub died_at: [usize; CRASH_POINTS.len() + 1],
    instants: Instants,
}

impl Kills {
    /// Starts Farwatch so that it can be killed. `seed` chooses the instants.
    pub fn begin(system: SystemBuilder, seed: u64) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("farwatch-crash-").tempdir()?;
        let file = |name: &str| folder.path().join(name);
        std::fs::write(file(SHIFT), (-LONG_AGO_MS).to_string())?;
        let system = system
            .flag("--restart-after=100ms")
            .flag("--restart-at-most=100ms")
            .environment("FARWATCH_CRASH_FILE", file(POINT).display().to_string())
            .environment("FARWATCH_CLOCK_SHIFT_FILE", file(SHIFT).display().to_string());
        let ordeal = Ordeal::begin(system)?;
        let began = now() + -LONG_AGO_MS;
        let long_ago = (began, began + FIRST_ACT_MS);
        ordeal.await_slots_after(long_ago.1)?;
        let died_at = [0; CRASH_POINTS.len() + 1];
        Ok(Self { ordeal, folder, long_ago, died_at, instants: Instants::of(seed) })
    }

    /// Lets two hours pass, and has control die so often while it makes the blocks of the first act.
    pub fn strike_folding(&mut self, times: usize) -> anyhow::Result<()> {
        std::fs::write(self.file(SHIFT), "0")?;
        let system = &self.ordeal.scene().system;
        for time in 0..times {
            std::fs::write(self.file(POINT), CRASH_POINTS[FOLD])?;
            if time == 0 {
                system.signal(system.control_pid()?, Signal::KILL)?;
            }
            let point = self.file(POINT);
            eventually("control to die while it folds", FOLD_LIMIT, || Ok((!point.exists()).then_some(())))?;
            self.died_at[FOLD] += 1;
        }
        self.must_agree()?;
        self.ordeal.begin_anew()
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
        leave_alone(self.instants.alone());
        let point = self.choose_point();
        let died_at = if self.die_at(point)? { point } else { CRASH_POINTS.len() };
        self.died_at[died_at] += 1;
        self.must_agree()
    }

    /// Where control dies next. While somebody is to be told it dies where that is decided and done; otherwise as often
    /// at no point in particular as at one.
    fn choose_point(&mut self) -> usize {
        let draw = self.instants.draw() as usize;
        if self.ordeal.is_told() {
            TELLING_POINTS + draw % (2 * (FOLD - TELLING_POINTS))
        } else {
            draw % (2 * TELLING_POINTS)
        }
    }

    /// The account of it all.
    pub fn account(self) -> anyhow::Result<Account> {
        let (from, to) = self.long_ago;
        let ledger = self.ordeal.scene().ledger(from, to)?;
        let folded = ledger["due"].as_u64().is_some_and(|due| due > 0) && ledger["pending"] == 0;
        ensure!(folded && ledger["missed"] == 0, "the blocks of the first act do not hold what was run: {ledger}");
        self.ordeal.account()
    }

    /// Kills control at this point if it comes to it, and where it is otherwise; whether it came to it.
    fn die_at(&self, point: usize) -> anyhow::Result<bool> {
        let file = self.file(POINT);
        let system = &self.ordeal.scene().system;
        let before = system.control_pid()?;
        let Some(word) = CRASH_POINTS[..FOLD].get(point) else {
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

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}
