//! Small files of the identity: there whole or not at all, and read by nobody who may not.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::Context;

/// Writes a file whole or not at all. It stays on disk once this returns.
pub(crate) fn write_whole(path: &Path, bytes: &[u8], mode: u32) -> anyhow::Result<()> {
    let unfinished = path.with_extension("new");
    let written = || -> io::Result<()> {
        // One that was left behind may have another mode.
        match fs::remove_file(&unfinished) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&unfinished)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&unfinished, path)
    };
    written().with_context(|| format!("cannot write {}", path.display()))
}

/// What was made or renamed in a directory stays so once this returns.
pub(crate) fn sync_directory(path: &Path) -> anyhow::Result<()> {
    let synced = File::open(path).and_then(|directory| directory.sync_all());
    synced.with_context(|| format!("cannot write {}", path.display()))
}
