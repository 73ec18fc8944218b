//! The panel of references: dialled every few seconds by one task, the same way as what checks watch.
//!
//! Control names them, and they are kept on disk, so that a host knows them before it is linked. They are the operator's own
//! choice and no customer's, so `core/egress` is not asked. What their answers mean is decided in `core/sanity`; a connection
//! that opens is an answer, and nothing is said on it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use farwatch_core::sanity::{Fate, READ_LIMIT_MS, Ran, Reading, Sanity, Turn};
use farwatch_proto::id::HostId;
use farwatch_proto::panel::{PanelCount, PanelWord, REFERENCES_MAX};
use farwatch_proto::time::BootMs;
use futures_util::future::join_all;
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};
use tracing::{debug, info, warn};

use crate::clock::Clock;
use crate::health::PAUSE_MS;
use crate::probe::Prober;
use crate::spawn::Stopping;

/// How long one reading may take.
const READ_LIMIT: Duration = Duration::from_millis(READ_LIMIT_MS.unsigned_abs());
/// Time is told to pass this often, as often as peers say how they are.
const STEP_MS: i64 = 500;

/// What is known of the panel, with all that is decided by it.
#[derive(Debug)]
struct State {
    references: Arc<[String]>,
    sanity: Sanity,
    /// When the last failure was over that waits for a reading.
    asked: Option<BootMs>,
}

/// The panel of one host.
#[derive(Debug)]
pub(crate) struct Panel {
    file: PathBuf,
    clock: Clock,
    state: Mutex<State>,
    /// Wakes the task that reads.
    wake: Notify,
    /// Counts what may have changed the fate of a failure.
    changes: watch::Sender<u64>,
}

impl Panel {
    /// The references that control named last; none where nothing readable is there.
    pub(crate) fn open(file: PathBuf, clock: Clock) -> Self {
        let references: Vec<String> = serde_json::from_slice(&fs::read(&file).unwrap_or_default()).unwrap_or_default();
        let mut sanity = Sanity::default();
        sanity.replace_panel(!references.is_empty());
        let state = Mutex::new(State { references: references.into(), sanity, asked: None });
        Self { file, clock, state, wake: Notify::new(), changes: watch::channel(0).0 }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of this lock panics")
    }

    /// Control says what the panel is, and how it looks to the fleet.
    pub(crate) fn learn(&self, mut references: Vec<String>, fleet: PanelCount) {
        references.truncate(REFERENCES_MAX);
        let mut state = self.state();
        state.sanity.hear_of_fleet(fleet, self.clock.boot());
        if *state.references == *references {
            return;
        }
        if let Err(error) = keep(&self.file, &references) {
            warn!(%error, "the references cannot be remembered; after a restart control has to name them");
        }
        info!(references = references.join(" "), "the panel of references has changed");
        state.sanity.replace_panel(!references.is_empty());
        state.references = references.into();
        drop(state);
        self.wake.notify_one();
    }

    /// A neighbour says how its panel is.
    pub(crate) fn hear(&self, peer: HostId, word: PanelWord) {
        self.state().sanity.hear(peer, word, self.clock.boot());
    }

    /// What this host says of its own.
    pub(crate) fn word(&self) -> Option<PanelWord> {
        self.state().sanity.word()
    }

    /// Whether what this host sees is not to be believed.
    pub(crate) fn is_insane(&self) -> bool {
        self.state().sanity.is_insane()
    }

    /// What becomes of a failure as things stand. One that waits for a reading gets it soon.
    pub(crate) fn judge(&self, ran: Ran) -> Fate {
        let mut state = self.state();
        let fate = state.sanity.judge(ran, self.clock.boot());
        if fate == Fate::AwaitsReading && state.asked < Some(ran.ended) {
            state.asked = Some(ran.ended);
            drop(state);
            self.wake.notify_one();
        }
        fate
    }

    /// Hears of whatever may change a fate.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Reads the panel until the host stops.
    pub(crate) async fn serve(&self, prober: &Prober, stopping: Stopping) {
        loop {
            let now = self.clock.boot();
            let (is_on, next) = {
                let state = self.state();
                (state.sanity.is_on(), state.sanity.reads_next(state.asked, now))
            };
            if is_on && next <= now {
                tokio::select! {
                    () = stopping.requested() => return,
                    () = self.read(prober) => continue,
                }
            }
            let wait_ms = if is_on { next.since(now).clamp(1, STEP_MS) } else { STEP_MS };
            tokio::select! {
                () = stopping.requested() => return,
                () = self.wake.notified() => {}
                () = sleep(Duration::from_millis(wait_ms.unsigned_abs())) => {}
            }
            self.step(None);
        }
    }

    /// Dials all references at once.
    async fn read(&self, prober: &Prober) {
        let references = self.state().references.clone();
        let begun = self.clock.boot();
        let answers = join_all(references.iter().map(|reference| answers(prober, reference))).await;
        let took_ms = self.clock.boot().since(begun);
        let good = answers.into_iter().filter(|answered| *answered).count();
        let reading = Reading { begun, good: narrow(good), of: narrow(references.len()) };
        debug!(good, of = references.len(), took_ms, "references read");
        // One by a host that was paused meanwhile says nothing, nor one of another panel.
        self.step((took_ms <= READ_LIMIT_MS + PAUSE_MS).then_some((references, reading)));
    }

    /// Takes in a reading, and that time has passed; nobody judges by the one without the other.
    fn step(&self, read: Option<(Arc<[String]>, Reading)>) {
        let mut state = self.state();
        if let Some((_, reading)) = read.filter(|(references, _)| *state.references == **references) {
            state.sanity.read(reading);
        }
        let turn = state.sanity.step(self.clock.boot());
        drop(state);
        match turn {
            Some(Turn::Insane(PanelCount { passing, failing })) => {
                warn!(passing, failing, "this host has lost its references and runs no slots");
            }
            Some(Turn::Sane) => info!("this host is sane again and runs its slots"),
            None => {}
        }
        self.changes.send_modify(|changes| *changes += 1);
    }
}

async fn answers(prober: &Prober, reference: &str) -> bool {
    let reached = timeout(READ_LIMIT, prober.reach(reference)).await;
    let reached = reached.unwrap_or_else(|_| Err("it does not answer in time".to_owned()));
    if let Err(why) = &reached {
        debug!(reference, why, "a reference does not answer");
    }
    reached.is_ok()
}

fn keep(file: &Path, references: &[String]) -> io::Result<()> {
    let unfinished = file.with_extension("new");
    fs::write(&unfinished, serde_json::to_vec(references)?)?;
    fs::rename(&unfinished, file)
}

fn narrow(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
