//! Small files that are there whole or not at all, for whoever reads them meanwhile.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::Context;

/// Writes a file whole or not at all. It stays on disk once this returns.
pub fn write_whole(path: &Path, text: &str, mode: u32) -> anyhow::Result<()> {
    let unfinished = path.with_extension("new");
    let written = || -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&unfinished)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&unfinished, path)
    };
    written().with_context(|| format!("cannot write {}", path.display()))
}
