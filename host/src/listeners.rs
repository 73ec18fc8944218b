//! The fleet's own listeners, remembered on disk: after a restart checks run before control is linked,
//! and must not reach the fleet even then.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;

/// The listeners that control named last; none where nothing readable is there.
pub(crate) fn read(path: &Path) -> Vec<SocketAddr> {
    let bytes = fs::read(path).unwrap_or_default();
    serde_json::from_slice(&bytes).unwrap_or_default()
}

/// Remembers them, where they differ from what is remembered.
pub(crate) fn write(path: &Path, listeners: &[SocketAddr]) -> io::Result<()> {
    if read(path) == listeners {
        return Ok(());
    }
    let unfinished = path.with_extension("new");
    fs::write(&unfinished, serde_json::to_vec(listeners)?)?;
    fs::rename(&unfinished, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_damage_is_as_good_as_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("listeners.json");
        assert!(read(&path).is_empty());
        let listeners = ["127.0.0.1:8401".parse().unwrap()];
        write(&path, &listeners).unwrap();
        assert_eq!(read(&path), listeners);
        fs::write(&path, "[").unwrap();
        assert!(read(&path).is_empty());
    }
}
