//! One control process per embedded database, by a lock that ends with its process, however that ends.
//!
//! The lock is on a file beside the database and not on the database itself, whose own locks come and go with every
//! write. The file stays where it is: whoever removed it would let two processes lock two files of one name.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// What the name of the lock file adds to that of the database.
const SUFFIX: &str = ".lock";

/// No other control process uses the database while this lives.
#[derive(Debug)]
pub(crate) struct Sole {
    _locked: File,
}

/// Why a process is not alone on the database.
#[derive(Debug)]
pub(crate) enum NotSole {
    /// Another process has the lock.
    Taken,
    /// The lock file cannot be used.
    Unusable(PathBuf, io::Error),
}

impl Sole {
    /// Takes the lock of the database in this file, which need not exist yet. It never waits.
    pub(crate) fn on(database: &Path) -> Result<Self, NotSole> {
        // Links to one database are one database.
        let real = database.canonicalize().unwrap_or_else(|_| database.to_owned());
        let mut name = real.into_os_string();
        name.push(SUFFIX);
        let path = PathBuf::from(name);
        let opened = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
        let file = match opened {
            Ok(file) => file,
            Err(error) => return Err(NotSole::Unusable(path, error)),
        };
        match file.try_lock() {
            Ok(()) => Ok(Self { _locked: file }),
            Err(TryLockError::WouldBlock) => Err(NotSole::Taken),
            Err(TryLockError::Error(error)) => Err(NotSole::Unusable(path, error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_bears_one_process_by_whatever_name() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("farwatch.db");
        let link = folder.path().join("link.db");
        std::fs::write(&database, "").unwrap();
        std::os::unix::fs::symlink(&database, &link).unwrap();
        let sole = Sole::on(&database).unwrap();
        assert!(matches!(Sole::on(&database), Err(NotSole::Taken)));
        assert!(matches!(Sole::on(&link), Err(NotSole::Taken)));
        assert!(Sole::on(&folder.path().join("another.db")).is_ok());
        drop(sole);
        assert!(Sole::on(&link).is_ok(), "the lock ends with its holder and not with the file");
    }

    #[test]
    fn a_place_where_no_file_can_be_is_named() {
        let nowhere = Path::new("/proc/nowhere/farwatch.db");
        assert!(matches!(Sole::on(nowhere), Err(NotSole::Unusable(path, _)) if path.starts_with("/proc/nowhere")));
    }
}
