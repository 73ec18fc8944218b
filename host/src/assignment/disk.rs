//! What this host holds, on its disk, so that a restart without control carries on.
//!
//! Definitions are a log of changes, rewritten whole when it has outgrown what it describes; views are
//! one small file. A torn last line was never acknowledged, and is dropped.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use farwatch_proto::check::Definition;
use farwatch_proto::fleet::View;
use farwatch_proto::id::CheckId;
use farwatch_proto::time::Stamp;
use serde::{Deserialize, Serialize};

/// The log is rewritten when it is this many times as long as it was when it was last whole.
const REWRITE_AT_TIMES: u64 = 4;
/// Shorter logs are left alone: rewriting them would win nothing.
const REWRITE_FROM_BYTES: u64 = 1 << 20;

/// One change, or the whole, with definitions that are owned or only shown.
#[derive(Debug, Serialize, Deserialize)]
struct Record<D> {
    whole: bool,
    to: Stamp,
    put: Vec<D>,
    forget: Vec<CheckId>,
}

/// The views as they are kept.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct KeptViews {
    pub(super) in_force: Vec<View>,
    pub(super) plans: Vec<View>,
}

/// Definitions by check, as they came.
pub(super) type Definitions = HashMap<CheckId, Vec<Definition>>;

/// The files.
#[derive(Debug)]
pub(super) struct Disk {
    directory: PathBuf,
    /// The length of the log when it was last whole.
    whole_bytes: u64,
}

impl Disk {
    /// Opens the directory and reads what is there.
    pub(super) fn open(directory: PathBuf) -> io::Result<(Self, Option<Stamp>, Definitions, KeptViews)> {
        fs::create_dir_all(&directory)?;
        let mut disk = Self { directory, whole_bytes: 0 };
        let (mut definitions, mut assignment) = (Definitions::new(), None);
        let text = read_if_there(&disk.log())?;
        for line in text.split(|byte| *byte == b'\n') {
            let Ok(record) = serde_json::from_slice::<Record<Definition>>(line) else { break };
            assignment = Some(record.to);
            if record.whole {
                definitions.clear();
            }
            for check in record.forget.iter().chain(record.put.iter().map(|definition| &definition.check)) {
                definitions.remove(check);
            }
            for definition in record.put {
                definitions.entry(definition.check).or_default().push(definition);
            }
        }
        if let Some(to) = assignment {
            disk.write_whole(to, definitions.values().flatten())?;
        }
        let views = serde_json::from_slice(&read_if_there(&disk.views())?).unwrap_or_default();
        Ok((disk, assignment, definitions, views))
    }

    /// Keeps a change; returns once it stays kept. `all` is what there is with it.
    pub(super) fn write_change<'d>(
        &mut self,
        to: Stamp,
        put: Vec<&'d Definition>,
        forget: &[CheckId],
        all: impl Iterator<Item = &'d Definition>,
    ) -> io::Result<()> {
        let mut line = serde_json::to_vec(&Record { whole: false, to, put, forget: forget.to_vec() })?;
        line.push(b'\n');
        let mut file = OpenOptions::new().append(true).create(true).open(self.log())?;
        file.write_all(&line)?;
        file.sync_data()?;
        let length = file.metadata()?.len();
        if length > REWRITE_FROM_BYTES && length > REWRITE_AT_TIMES * self.whole_bytes {
            self.write_whole(to, all)?;
        }
        Ok(())
    }

    /// Keeps the whole in place of what was there.
    pub(super) fn write_whole<'d>(&mut self, to: Stamp, all: impl Iterator<Item = &'d Definition>) -> io::Result<()> {
        self.whole_bytes = replace(&self.log(), &Record { whole: true, to, put: all.collect(), forget: Vec::new() })?;
        Ok(())
    }

    /// Keeps the views.
    pub(super) fn write_views(&self, views: &KeptViews) -> io::Result<()> {
        replace(&self.views(), views).map(|_| ())
    }

    fn log(&self) -> PathBuf {
        self.directory.join("assignment.jsonl")
    }

    fn views(&self) -> PathBuf {
        self.directory.join("views.json")
    }
}

fn read_if_there(path: &Path) -> io::Result<Vec<u8>> {
    match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        read => read,
    }
}

/// Writes a file of one line whole or not at all, and says how long it is.
fn replace(path: &Path, content: &impl Serialize) -> io::Result<u64> {
    let unfinished = path.with_extension("new");
    let mut writer = BufWriter::new(File::create(&unfinished)?);
    serde_json::to_writer(&mut writer, content)?;
    writer.write_all(b"\n")?;
    let file = writer.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_data()?;
    fs::rename(&unfinished, path)?;
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()?;
    Ok(file.metadata()?.len())
}

#[cfg(test)]
mod tests {
    use farwatch_proto::check::{Activity, PlacementWish, Repeat};
    use farwatch_proto::id::{ModuleHash, TenantId};
    use farwatch_proto::interval::Interval;

    use super::*;

    fn definition(check: u8, revision: u32) -> Definition {
        Definition {
            check: CheckId::from_bytes([check; 16]),
            tenant: TenantId::from_bytes([1; 16]),
            revision,
            activity: Activity::Active,
            module: ModuleHash([2; 32]),
            prepared: vec![0; 200],
            interval: Interval::from_seconds(10).unwrap(),
            timeout_ms: 1000,
            placement: PlacementWish { streams: 1, ..PlacementWish::default() },
            repeat: Repeat::Safe,
            secrets: Vec::new(),
            in_force_from: None,
        }
    }

    fn stamp(n: u64) -> Stamp {
        Stamp { era: 1, n }
    }

    fn change(disk: &mut Disk, n: u64, put: &[Definition], forget: &[CheckId]) {
        disk.write_change(stamp(n), put.iter().collect(), forget, put.iter()).unwrap();
    }

    #[test]
    fn a_restart_holds_what_was_acknowledged_and_not_what_was_torn() {
        let directory = tempfile::tempdir().unwrap();
        let (mut disk, assignment, all, _) = Disk::open(directory.path().to_owned()).unwrap();
        assert!(assignment.is_none() && all.is_empty());
        change(&mut disk, 1, &[definition(1, 1), definition(2, 1)], &[]);
        change(&mut disk, 2, &[definition(1, 1), definition(1, 2)], &[CheckId::from_bytes([2; 16])]);
        let before = fs::read(disk.log()).unwrap();
        change(&mut disk, 3, &[definition(3, 1)], &[]);
        let torn = &fs::read(disk.log()).unwrap()[..before.len() + 40];
        fs::write(disk.log(), torn).unwrap();
        let (_, assignment, read, _) = Disk::open(directory.path().to_owned()).unwrap();
        assert_eq!(assignment, Some(stamp(2)));
        assert_eq!(read, HashMap::from([(CheckId::from_bytes([1; 16]), vec![definition(1, 1), definition(1, 2)])]));
    }

    #[test]
    fn a_log_of_many_changes_does_not_grow_without_end() {
        let directory = tempfile::tempdir().unwrap();
        let (mut disk, _, _, _) = Disk::open(directory.path().to_owned()).unwrap();
        let many: Vec<Definition> = (0..100).map(|check| definition(check, 1)).collect();
        for n in 1..60 {
            change(&mut disk, n, &many, &[]);
        }
        assert!(fs::metadata(disk.log()).unwrap().len() < 2 * REWRITE_FROM_BYTES);
        let (_, assignment, read, _) = Disk::open(directory.path().to_owned()).unwrap();
        assert_eq!((assignment, read.len()), (Some(stamp(59)), 100));
    }

    #[test]
    fn a_damaged_file_of_views_is_as_good_as_none() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("views.json"), "{").unwrap();
        assert!(Disk::open(directory.path().to_owned()).unwrap().3.in_force.is_empty());
    }
}
