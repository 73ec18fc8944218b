//! Copies on disk: files that are appended to, each of one origin.
//!
//! A frame is its length, the batch as JSON, and the CRC-32C of that. What lies behind the first frame that is torn or
//! damaged does not count, and nothing is appended to a file of an earlier process. Nothing is synced: a copy is lost
//! only if both machines fail at once.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use farwatch_proto::id::{BootId, HostId};
use farwatch_proto::link::{FRAME_MAX_BYTES, Mark};
use farwatch_proto::signed::SignedBatch;
use farwatch_proto::time::BootMs;
use tracing::debug;

/// A file is not appended to beyond this, so that what the database holds can be deleted by the file.
const FILE_MAX_BYTES: u64 = 1 << 20;
const LENGTH_BYTES: usize = 4;
const CHECKSUM_BYTES: usize = 4;
/// The ending of the files' names.
const ENDING: &str = ".copies";

/// A file of one origin, and which of its batches are still wanted.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    origin: HostId,
    /// Its place among the files of that origin.
    pub(super) number: u64,
    /// The place in the origin's spool that each lies before, by the start of its process and the batch's number.
    pub(super) entries: BTreeMap<(BootId, u64), Mark>,
    pub(super) bytes: u64,
    /// When it was last appended to; when this process began, if an earlier one did.
    pub(super) last_at: BootMs,
    /// Whether this process may append to it.
    pub(super) is_ours: bool,
}

/// Where an origin's next batch is appended.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tail {
    pub(super) number: u64,
    pub(super) bytes: u64,
}

/// The directory.
#[derive(Debug)]
pub(super) struct Shelf {
    directory: PathBuf,
}

impl Stored {
    fn new(origin: HostId, Tail { number, bytes }: Tail, now: BootMs) -> Self {
        Self { origin, number, entries: BTreeMap::new(), bytes, last_at: now, is_ours: true }
    }

    fn enter(&mut self, batch: &SignedBatch) {
        self.entries.insert((batch.before.boot, batch.number), batch.before);
    }

    /// The same file, after more was appended.
    pub(super) fn grow(&mut self, appended: Self) {
        self.entries.extend(appended.entries);
        self.bytes = appended.bytes;
        self.last_at = appended.last_at;
        self.is_ours &= appended.is_ours;
    }
}

impl Shelf {
    pub(super) fn open(directory: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&directory)?;
        Ok(Self { directory })
    }

    fn path(&self, origin: HostId, number: u64) -> PathBuf {
        self.directory.join(format!("{number}-{origin}{ENDING}"))
    }

    /// What earlier processes left, oldest first.
    pub(super) fn find(&self, now: BootMs) -> io::Result<Vec<(HostId, Stored)>> {
        let paths = fs::read_dir(&self.directory)?.filter_map(|entry| Some(entry.ok()?.path()));
        let mut names: Vec<(u64, HostId)> = paths.filter_map(|path| name_of(&path)).collect();
        names.sort_unstable();
        let mut found = Vec::with_capacity(names.len());
        for (number, origin) in names {
            let content = fs::read(self.path(origin, number))?;
            let mut stored = Stored::new(origin, Tail { number, bytes: content.len() as u64 }, now);
            stored.is_ours = false;
            frames(&content).for_each(|batch| stored.enter(&batch));
            found.push((origin, stored));
        }
        Ok(found)
    }

    /// Appends these of one origin where its tail is, and to new files as each is full: the files it came to, and how it
    /// ended.
    pub(super) fn append(
        &self,
        origin: HostId,
        tail: Tail,
        batches: &[SignedBatch],
        now: BootMs,
    ) -> (Vec<Stored>, io::Result<()>) {
        let mut files = vec![Stored::new(origin, tail, now)];
        for batch in batches {
            if let Some(full) = files.last().filter(|file| file.bytes >= FILE_MAX_BYTES) {
                files.push(Stored::new(origin, Tail { number: full.number + 1, bytes: 0 }, now));
            }
            let file = files.last_mut().expect("there is always one");
            if let Err(error) = self.append_one(file, batch) {
                // What was torn ends what can be read of the file.
                file.is_ours = false;
                return (files, Err(error));
            }
        }
        (files, Ok(()))
    }

    fn append_one(&self, file: &mut Stored, batch: &SignedBatch) -> io::Result<()> {
        let frame = frame(batch);
        let path = self.path(file.origin, file.number);
        OpenOptions::new().create(true).append(true).open(path).and_then(|mut file: File| file.write_all(&frame))?;
        file.bytes += frame.len() as u64;
        file.enter(batch);
        Ok(())
    }

    /// The batches of a file that are still wanted.
    pub(super) fn read(&self, file: &Stored) -> io::Result<Vec<SignedBatch>> {
        let content = match fs::read(self.path(file.origin, file.number)) {
            // Nothing of it was wanted any more.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            read => read?,
        };
        let is_wanted = |batch: &SignedBatch| file.entries.contains_key(&(batch.before.boot, batch.number));
        Ok(frames(&content).filter(is_wanted).collect())
    }

    pub(super) fn remove(&self, file: &Stored) {
        let path = self.path(file.origin, file.number);
        if let Err(error) = fs::remove_file(&path)
            && error.kind() != io::ErrorKind::NotFound
        {
            debug!(path = %path.display(), %error, "copies could not be deleted");
        }
    }
}

/// The number and the origin in a file's name.
fn name_of(path: &Path) -> Option<(u64, HostId)> {
    let (number, origin) = path.file_name()?.to_str()?.strip_suffix(ENDING)?.split_once('-')?;
    Some((number.parse().ok()?, origin.parse().ok()?))
}

fn frame(batch: &SignedBatch) -> Vec<u8> {
    let json = serde_json::to_vec(batch).expect("a batch is plain data, so it always serialises");
    let length = u32::try_from(json.len()).expect("a batch fits a link's frame");
    [&length.to_le_bytes()[..], &json, &crc32c::crc32c(&json).to_le_bytes()].concat()
}

/// The whole frames of a file, up to the first that is not.
fn frames(mut rest: &[u8]) -> impl Iterator<Item = SignedBatch> {
    std::iter::from_fn(move || {
        let (length, after) = rest.split_first_chunk::<LENGTH_BYTES>()?;
        let length = u32::from_le_bytes(*length) as usize;
        if length > FRAME_MAX_BYTES {
            return None;
        }
        let (json, after) = after.split_at_checked(length)?;
        let (checksum, after) = after.split_first_chunk::<CHECKSUM_BYTES>()?;
        let is_whole = crc32c::crc32c(json) == u32::from_le_bytes(*checksum);
        rest = after;
        is_whole.then(|| serde_json::from_slice(json).ok()).flatten()
    })
}
