//! The neighbours of this host: where they are, who of them is linked, and what waits to be said to them.
//!
//! Addresses come from control and are kept on disk with who was ever linked, so that a host that starts without control
//! finds its neighbours. Decides who is to be dialled when; opens no socket.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use farwatch_proto::id::{BootId, HostId};
use farwatch_proto::peer::{PeerAddress, Statement};
use farwatch_proto::run::RunResult;
use farwatch_proto::time::BootMs;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::entropy;

/// Statements that wait for one link, or for the disk. Whoever is not told in time runs the slot itself.
pub(super) const STATEMENTS_WAITING_MAX: usize = 8_192;
/// The higher id dials only when the lower has not come for this long.
const OTHER_DIALS_MS: i64 = 3_000;
/// The wait before the next attempt, the first time and at most. A neighbour that comes back should be heard before a
/// standby has to decide without it.
const BACK_OFF_FIRST_MS: i64 = 250;
const BACK_OFF_MAX_MS: i64 = 5_000;

/// What waits to be said: a statement, and of a slot that was completed what it found.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Word {
    pub(crate) statement: Statement,
    pub(crate) result: Option<Arc<RunResult>>,
}

impl From<Statement> for Word {
    fn from(statement: Statement) -> Self {
        Self { statement, result: None }
    }
}

/// What is kept on disk.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
struct Kept {
    addresses: Vec<PeerAddress>,
    linked: BTreeSet<HostId>,
}

/// One neighbour's links and attempts.
#[derive(Debug)]
struct Neighbour {
    /// Open links by their number; what is said goes over the newest of each process.
    links: BTreeMap<u64, OpenLink>,
    is_dialling: bool,
    /// Not before then.
    dial_at: BootMs,
    back_off_ms: i64,
}

/// One open link.
#[derive(Debug)]
struct OpenLink {
    /// The process at the other end, once it has said so: two while one hands over to the other.
    boot: Option<BootId>,
    to_say: mpsc::Sender<Word>,
}

#[derive(Debug, Default)]
struct State {
    kept: Kept,
    /// Neighbours are linked to another process of this host, and dial this one no more.
    dials_all: bool,
    companions: BTreeSet<HostId>,
    neighbours: BTreeMap<HostId, Neighbour>,
    next_link: u64,
    /// Said only once the results kept before are on disk.
    unwritten: Vec<(Vec<HostId>, Word)>,
}

/// All neighbours.
#[derive(Debug)]
pub(crate) struct Book {
    file: PathBuf,
    state: Mutex<State>,
}

impl Book {
    /// What is remembered in this file; nothing where nothing readable is there.
    pub(crate) fn open(file: PathBuf) -> Self {
        let kept = serde_json::from_slice(&fs::read(&file).unwrap_or_default()).unwrap_or_default();
        Self { file, state: Mutex::new(State { kept, ..State::default() }) }
    }

    /// The same for a process that takes over from another: it dials every neighbour itself, at once.
    #[must_use]
    pub(crate) fn of_a_successor(self) -> Self {
        self.state().dials_all = true;
        self
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of this lock panics")
    }

    /// Everybody with whom a heartbeat was ever exchanged.
    pub(crate) fn linked(&self) -> BTreeSet<HostId> {
        self.state().kept.linked.clone()
    }

    /// Where neighbours are, as control says; those it does not name stay where they were.
    pub(crate) fn learn(&self, peers: Vec<PeerAddress>) -> io::Result<()> {
        self.change(|kept| {
            let named: BTreeSet<HostId> = peers.iter().map(|peer| peer.host).collect();
            kept.addresses.retain(|known| !named.contains(&known.host));
            kept.addresses.extend(peers);
            kept.addresses.sort_by_key(|known| known.host);
        })
    }

    /// All addresses that are known.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        self.state().kept.addresses.iter().map(|known| known.address).collect()
    }

    /// Keeps who was ever linked.
    pub(super) fn remember_linked(&self, linked: impl IntoIterator<Item = HostId>) -> io::Result<()> {
        self.change(|kept| kept.linked.extend(linked))
    }

    fn change(&self, change: impl FnOnce(&mut Kept)) -> io::Result<()> {
        let mut state = self.state();
        let before = state.kept.clone();
        change(&mut state.kept);
        if state.kept == before {
            return Ok(());
        }
        let unfinished = self.file.with_extension("new");
        fs::write(&unfinished, serde_json::to_vec(&state.kept)?)?;
        fs::rename(&unfinished, &self.file)
    }

    /// With whom links are to be kept.
    pub(super) fn set_companions(&self, companions: BTreeSet<HostId>) {
        self.state().companions = companions;
    }

    /// Whom to dial now; each is taken to be dialled until [`Book::dialled`].
    pub(super) fn to_dial(&self, me: HostId, now: BootMs) -> Vec<(HostId, SocketAddr)> {
        let state = &mut *self.state();
        let mut to_dial = Vec::new();
        for known in state.kept.addresses.iter().filter(|known| state.companions.contains(&known.host)) {
            let dials_first = state.dials_all || me < known.host;
            let dial_at = if dials_first { now } else { now + OTHER_DIALS_MS };
            let neighbour = state.neighbours.entry(known.host).or_insert_with(|| Neighbour::new(dial_at));
            if neighbour.links.is_empty() && !neighbour.is_dialling && neighbour.dial_at <= now {
                neighbour.is_dialling = true;
                to_dial.push((known.host, known.address));
            }
        }
        to_dial
    }

    /// An attempt is over, or the link that came of it.
    pub(super) fn dialled(&self, host: HostId, was_linked: bool, now: BootMs) {
        let mut state = self.state();
        let Some(neighbour) = state.neighbours.get_mut(&host) else { return };
        neighbour.is_dialling = false;
        neighbour.back_off_ms =
            if was_linked { BACK_OFF_FIRST_MS } else { (neighbour.back_off_ms * 2).min(BACK_OFF_MAX_MS) };
        let jitter_ms = entropy::below(neighbour.back_off_ms.unsigned_abs()).cast_signed();
        neighbour.dial_at = now + (neighbour.back_off_ms / 2 + jitter_ms);
    }

    /// A link to this neighbour is open: its number, and what is to be said on it.
    pub(super) fn open_link(&self, me: HostId, host: HostId, now: BootMs) -> (u64, mpsc::Receiver<Word>) {
        let mut state = self.state();
        let number = state.next_link;
        state.next_link += 1;
        let (sender, receiver) = mpsc::channel(STATEMENTS_WAITING_MAX);
        let neighbour = state.neighbours.entry(host).or_insert_with(|| Neighbour::new(first_dial(me, host, now)));
        neighbour.links.insert(number, OpenLink { boot: None, to_say: sender });
        (number, receiver)
    }

    /// The process at the other end of that link has said which it is.
    pub(super) fn greeted(&self, host: HostId, number: u64, boot: BootId) {
        let mut state = self.state();
        let link = state.neighbours.get_mut(&host).and_then(|neighbour| neighbour.links.get_mut(&number));
        if let Some(link) = link {
            link.boot = Some(boot);
        }
    }

    /// That link is gone.
    pub(super) fn close_link(&self, me: HostId, host: HostId, number: u64, now: BootMs) {
        let mut state = self.state();
        let Some(neighbour) = state.neighbours.get_mut(&host) else { return };
        neighbour.links.remove(&number);
        if neighbour.links.is_empty() {
            neighbour.dial_at = neighbour.dial_at.max(first_dial(me, host, now));
        }
    }

    /// Says this once the results that were kept before are on disk: what nobody else runs any more must outlive a crash.
    pub(crate) fn tell_once_written(&self, neighbours: Vec<HostId>, word: Word) {
        let mut state = self.state();
        if !neighbours.is_empty() && state.unwritten.len() < STATEMENTS_WAITING_MAX {
            state.unwritten.push((neighbours, word));
        }
    }

    /// What waits for results to be written; whoever takes it says it, or leaves the slots to the others.
    pub(crate) fn take_unwritten(&self) -> Vec<(Vec<HostId>, Word)> {
        std::mem::take(&mut self.state().unwritten)
    }

    /// Says this to those neighbours that are linked. Who is not learns of it when it comes back, or from silence.
    pub(crate) fn tell(&self, neighbours: &[HostId], word: &Word) {
        let state = self.state();
        for neighbour in neighbours.iter().filter_map(|host| state.neighbours.get(host)) {
            for link in neighbour.newest_links() {
                // A link whose queue is full is as good as none.
                let _ = link.try_send(word.clone());
            }
        }
    }
}

impl Neighbour {
    const fn new(dial_at: BootMs) -> Self {
        Self { links: BTreeMap::new(), is_dialling: false, dial_at, back_off_ms: BACK_OFF_FIRST_MS }
    }

    /// The newest link to each of its processes: each has slots of its own while one hands over to the other.
    fn newest_links(&self) -> Vec<&mpsc::Sender<Word>> {
        let mut boots = BTreeSet::new();
        let newest_first = self.links.values().rev();
        newest_first.filter(|link| boots.insert(link.boot)).map(|link| &link.to_say).collect()
    }
}

/// The lower id dials at once; the other leaves it some time.
fn first_dial(me: HostId, host: HostId, now: BootMs) -> BootMs {
    if me < host { now } else { now + OTHER_DIALS_MS }
}

#[cfg(test)]
mod tests {
    use farwatch_proto::check::StreamId;
    use farwatch_proto::id::CheckId;
    use farwatch_proto::peer::Said;
    use farwatch_proto::time::UnixMs;

    use super::*;

    const ME: HostId = HostId::from_bytes([5; 16]);
    const LOW: HostId = HostId::from_bytes([1; 16]);
    const HIGH: HostId = HostId::from_bytes([9; 16]);

    fn book() -> (Book, tempfile::TempDir) {
        let directory = tempfile::tempdir().unwrap();
        let book = Book::open(directory.path().join("peers.json"));
        let peers = [LOW, HIGH].map(|host| PeerAddress { host, address: "127.0.0.1:8402".parse().unwrap() });
        book.learn(peers.to_vec()).unwrap();
        book.set_companions([LOW, HIGH].into());
        (book, directory)
    }

    fn dialled(book: &Book, now: i64) -> Vec<HostId> {
        book.to_dial(ME, BootMs(now)).into_iter().map(|(host, _)| host).collect()
    }

    #[test]
    fn the_lower_id_dials_and_the_other_where_that_fails() {
        let (book, _directory) = book();
        assert_eq!(dialled(&book, 0), [HIGH]);
        assert!(dialled(&book, 2_999).is_empty(), "one attempt at a time");
        book.dialled(HIGH, false, BootMs(2_999));
        assert_eq!(dialled(&book, 3_000 + OTHER_DIALS_MS), [LOW, HIGH]);
        let (number, _statements) = book.open_link(ME, LOW, BootMs(9_000));
        book.dialled(LOW, true, BootMs(9_000));
        assert!(dialled(&book, 20_000).is_empty(), "it is linked");
        book.close_link(ME, LOW, number, BootMs(20_000));
        assert!(dialled(&book, 22_999).is_empty());
        assert_eq!(dialled(&book, 23_000), [LOW]);
    }

    #[test]
    fn whom_this_host_shares_no_stream_with_is_not_dialled() {
        let (book, _directory) = book();
        book.set_companions([LOW].into());
        assert!(dialled(&book, 0).is_empty());
        assert_eq!(dialled(&book, OTHER_DIALS_MS), [LOW]);
    }

    #[test]
    fn what_is_said_goes_over_the_newest_link_that_is_open() {
        let (book, _directory) = book();
        let stream = StreamId { check: CheckId::from_bytes([1; 16]), number: 0 };
        let word = Word::from(Statement { stream, slot: UnixMs(7), said: Said::Done });
        book.tell(&[HIGH], &word);
        let (_, mut first) = book.open_link(ME, HIGH, BootMs(0));
        let (second_number, mut second) = book.open_link(ME, HIGH, BootMs(0));
        book.tell(&[HIGH, LOW], &word);
        assert_eq!((first.try_recv().ok(), second.try_recv().ok()), (None, Some(word.clone())));
        book.close_link(ME, HIGH, second_number, BootMs(0));
        book.tell(&[HIGH], &word);
        assert_eq!(first.try_recv(), Ok(word));
    }

    #[test]
    fn each_process_of_a_neighbour_that_hands_over_is_told() {
        let (book, _directory) = book();
        let stream = StreamId { check: CheckId::from_bytes([1; 16]), number: 0 };
        let word = Word::from(Statement { stream, slot: UnixMs(7), said: Said::Done });
        let (old, mut to_old) = book.open_link(ME, HIGH, BootMs(0));
        book.greeted(HIGH, old, BootId::from_bytes([1; 16]));
        let (new, mut to_new) = book.open_link(ME, HIGH, BootMs(0));
        book.greeted(HIGH, new, BootId::from_bytes([2; 16]));
        book.tell(&[HIGH], &word);
        assert_eq!((to_old.try_recv().ok(), to_new.try_recv().ok()), (Some(word.clone()), Some(word.clone())));
        let (again, mut to_new_again) = book.open_link(ME, HIGH, BootMs(0));
        book.greeted(HIGH, again, BootId::from_bytes([2; 16]));
        book.tell(&[HIGH], &word);
        assert_eq!((to_new.try_recv().ok(), to_new_again.try_recv().ok()), (None, Some(word)));
    }

    #[test]
    fn a_successor_dials_everybody_at_once() {
        let directory = tempfile::tempdir().unwrap();
        let book = Book::open(directory.path().join("peers.json")).of_a_successor();
        let peers = [LOW, HIGH].map(|host| PeerAddress { host, address: "127.0.0.1:8402".parse().unwrap() });
        book.learn(peers.to_vec()).unwrap();
        book.set_companions([LOW, HIGH].into());
        assert_eq!(dialled(&book, 0), [LOW, HIGH]);
    }

    #[test]
    fn addresses_and_links_outlive_the_process_and_damage_is_as_good_as_nothing() {
        let (book, directory) = book();
        book.remember_linked([HIGH]).unwrap();
        let file = directory.path().join("peers.json");
        let again = Book::open(file.clone());
        assert_eq!((again.linked(), again.addresses().len()), ([HIGH].into(), 2));
        fs::write(&file, "{").unwrap();
        assert!(Book::open(file).linked().is_empty());
    }
}
