//! The directory of segments: one file each, named by boot and number.
//!
//! A file whose results the database holds is renamed, so that a restart knows. Nothing here knows what
//! is in a segment beyond its header and where its last whole frame ends.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use farwatch_proto::id::BootId;

use super::segment::{SegmentKey, has_header, whole_end};

/// A segment whose results are still wanted.
const WANTED: &str = "segment";
/// A segment that the database holds.
const HELD: &str = "held";

/// A segment of an earlier boot, as it was found.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) key: SegmentKey,
    /// Where its last whole frame ends.
    pub(super) end: usize,
    pub(super) is_held: bool,
}

/// Bytes to be written behind what is on disk already.
#[derive(Debug)]
pub(super) struct WriteJob {
    pub(super) key: SegmentKey,
    pub(super) offset: usize,
    pub(super) bytes: Vec<u8>,
}

/// The directory.
#[derive(Clone, Debug)]
pub(super) struct Shelf {
    directory: PathBuf,
}

impl Shelf {
    /// Opens the directory, making it where it is missing.
    pub(super) fn open(directory: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&directory)?;
        Ok(Self { directory })
    }

    /// The segments of earlier boots. One that this version cannot read stays where it is.
    pub(super) fn find(&self) -> io::Result<Vec<Found>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let path = entry?.path();
            let Some((key, is_held)) = key_of(&path) else { continue };
            let bytes = fs::read(&path)?;
            if has_header(&bytes, key) {
                found.push(Found { key, end: whole_end(&bytes), is_held });
            }
        }
        found.sort_by_key(|found| found.key);
        Ok(found)
    }

    /// Writes and makes sure that it stays written.
    pub(super) fn write(&self, job: &WriteJob) -> io::Result<()> {
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(self.path(job.key, WANTED))?;
        file.write_all_at(&job.bytes, job.offset as u64)?;
        file.sync_data()?;
        if job.offset == 0 {
            // A new file is found after a crash only when its name is on disk, too.
            File::open(&self.directory)?.sync_all()?;
        }
        Ok(())
    }

    /// The bytes of a segment, whole frames or not.
    pub(super) fn read(&self, key: SegmentKey) -> io::Result<Vec<u8>> {
        match fs::read(self.path(key, WANTED)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => fs::read(self.path(key, HELD)),
            read => read,
        }
    }

    /// Remembers that the database holds it, or no longer does.
    pub(super) fn mark_held(&self, key: SegmentKey, is_held: bool) -> io::Result<()> {
        let (from, to) = if is_held { (WANTED, HELD) } else { (HELD, WANTED) };
        match fs::rename(self.path(key, from), self.path(key, to)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            renamed => renamed,
        }
    }

    /// Deletes it, under whichever name.
    pub(super) fn delete(&self, key: SegmentKey) -> io::Result<()> {
        for kind in [WANTED, HELD] {
            match fs::remove_file(self.path(key, kind)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// Where a segment is written.
    #[cfg(test)]
    pub(super) fn path_of(&self, key: SegmentKey) -> PathBuf {
        self.path(key, WANTED)
    }

    fn path(&self, key: SegmentKey, kind: &str) -> PathBuf {
        self.directory.join(format!("{}-{:08}.{kind}", key.boot, key.number))
    }
}

fn key_of(path: &Path) -> Option<(SegmentKey, bool)> {
    let is_held = match path.extension()?.to_str()? {
        WANTED => false,
        HELD => true,
        _ => return None,
    };
    let (boot, number) = path.file_stem()?.to_str()?.rsplit_once('-')?;
    let boot: BootId = boot.parse().ok()?;
    Some((SegmentKey { boot, number: number.parse().ok()? }, is_held))
}
