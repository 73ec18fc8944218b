//! The files of modules: what was received, and what was compiled from it.
//!
//! `modules/<sha256>.wasm` is the truth, and is verified whenever it is read. `compiled/<sha256>.<key>.cwasm` is only a
//! cache, and has its own checksum beside it, since damaged code must never run, with the tier of its module. Files appear whole or not at all.
//! Nothing here knows what the bytes mean.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use farwatch_proto::id::ModuleHash;
use sha2::{Digest, Sha256};

use crate::limits::Tier;

/// How much of a file is read at once while its checksum is made, in bytes.
const CHUNK: usize = 64 << 10;

/// The directories of one sandbox.
#[derive(Debug)]
pub(crate) struct Disk {
    modules: PathBuf,
    compiled: PathBuf,
    key: String,
}

/// Numbers the files that this process is writing.
static NEXT_PARTIAL: AtomicU64 = AtomicU64::new(0);

/// What is on disk under the name of a module.
pub(crate) enum Stored {
    Bytes(Vec<u8>),
    Missing,
    /// The bytes do not have the hash they are named by. They were removed.
    Corrupt,
}

/// Compiled code that is whole.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Code {
    pub(crate) path: PathBuf,
    pub(crate) tier: Tier,
}

impl Disk {
    /// Opens the directories below `root`, making them where they are missing, for nobody else to look into.
    pub(crate) fn open(root: &Path, key: String) -> std::io::Result<Self> {
        let disk = Self { modules: root.join("modules"), compiled: root.join("compiled"), key };
        for directory in [&disk.modules, &disk.compiled] {
            DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        }
        disk.sweep()?;
        Ok(disk)
    }

    /// Removes what an interrupted write or another engine has left behind.
    fn sweep(&self) -> std::io::Result<()> {
        let own = format!(".{}.cwasm", self.key);
        for entry in fs::read_dir(&self.modules)?.chain(fs::read_dir(&self.compiled)?) {
            let name = entry?.path();
            let text = name.to_string_lossy();
            let is_foreign = text.contains(".cwasm") && !text.contains(&own);
            if is_foreign || text.ends_with(".partial") {
                fs::remove_file(&name)?;
            }
        }
        Ok(())
    }

    /// Whether the bytes of a module are there. They are not verified.
    pub(crate) fn has(&self, hash: &ModuleHash) -> bool {
        self.module_path(hash).exists()
    }

    /// Keeps the bytes of a module. The caller has verified their hash.
    pub(crate) fn write_module(&self, hash: &ModuleHash, bytes: &[u8]) -> std::io::Result<()> {
        let mut partial = Partial::new(&self.modules)?;
        partial.file.write_all(bytes)?;
        partial.publish(self.module_path(hash))
    }

    /// Reads the bytes of a module and verifies their hash.
    pub(crate) fn read_module(&self, hash: &ModuleHash) -> std::io::Result<Stored> {
        let path = self.module_path(hash);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Stored::Missing),
            Err(error) => return Err(error),
        };
        if ModuleHash::of(&bytes) == *hash {
            return Ok(Stored::Bytes(bytes));
        }
        fs::remove_file(&path)?;
        Ok(Stored::Corrupt)
    }

    /// A new file to write code into.
    pub(crate) fn new_code(&self) -> std::io::Result<Partial> {
        Partial::new(&self.compiled)
    }

    /// Makes written code the code of a module. The checksum goes first: code without one is never used.
    pub(crate) fn publish_code(&self, hash: &ModuleHash, tier: Tier, code: Partial) -> std::io::Result<()> {
        let mut sum = Partial::new(&self.compiled)?;
        sum.file.write_all(&sealed(&checksum(&File::open(&code.path)?)?, tier))?;
        sum.publish(self.sum_path(hash))?;
        code.publish(self.code_path(hash))
    }

    /// The compiled code of a module, if there is any and it is whole.
    pub(crate) fn verified_code(&self, hash: &ModuleHash) -> std::io::Result<Option<Code>> {
        let path = self.code_path(hash);
        let (code, sum) = match (File::open(&path), fs::read(self.sum_path(hash))) {
            (Ok(code), Ok(sum)) => (code, sum),
            (Err(error), _) | (_, Err(error)) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => return Ok(None),
        };
        let checksum = checksum(&code)?;
        Ok(Tier::ALL.into_iter().find(|tier| sealed(&checksum, *tier) == sum).map(|tier| Code { path, tier }))
    }

    fn module_path(&self, hash: &ModuleHash) -> PathBuf {
        self.modules.join(format!("{}.wasm", hash.hex()))
    }

    fn code_path(&self, hash: &ModuleHash) -> PathBuf {
        self.compiled.join(format!("{}.{}.cwasm", hash.hex(), self.key))
    }

    fn sum_path(&self, hash: &ModuleHash) -> PathBuf {
        self.compiled.join(format!("{}.{}.cwasm.sum", hash.hex(), self.key))
    }
}

/// A file that is being written. It vanishes unless it is published.
pub(crate) struct Partial {
    path: PathBuf,
    file: File,
}

impl Partial {
    fn new(directory: &Path) -> std::io::Result<Self> {
        let number = NEXT_PARTIAL.fetch_add(1, Ordering::Relaxed);
        let path = directory.join(format!("{}-{number}.partial", std::process::id()));
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path)?;
        Ok(Self { path, file })
    }

    /// Where it is until it is published.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The file, for another process to write to.
    pub(crate) fn file(&self) -> std::io::Result<File> {
        self.file.try_clone()
    }

    fn publish(self, path: PathBuf) -> std::io::Result<()> {
        self.file.sync_data()?;
        fs::rename(&self.path, path)
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // Once published it has another name and nothing is found. What cannot be removed is swept at the next start.
        let _ = fs::remove_file(&self.path);
    }
}

/// What stands beside code: its checksum, and the tier of its module.
fn sealed(checksum: &[u8], tier: Tier) -> Vec<u8> {
    [checksum, tier.as_str().as_bytes()].concat()
}

fn checksum(mut file: &File) -> std::io::Result<Vec<u8>> {
    let mut hasher = Sha256::new();
    let mut chunk = vec![0; CHUNK];
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(hasher.finalize().to_vec()),
            len => hasher.update(&chunk[..len]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(root: &Path, key: &str) -> Disk {
        Disk::open(root, key.to_owned()).expect("a fresh directory can be opened")
    }

    fn publish_code(disk: &Disk, hash: &ModuleHash, code: &[u8]) {
        let mut partial = disk.new_code().expect("a file");
        partial.file.write_all(code).expect("written");
        disk.publish_code(hash, Tier::Large, partial).expect("published");
    }

    #[test]
    fn damaged_bytes_are_found_and_removed() {
        let root = tempfile::tempdir().expect("a directory");
        let disk = disk(root.path(), "k");
        let hash = ModuleHash::of(b"abc");
        disk.write_module(&hash, b"abc").expect("written");
        assert!(matches!(disk.read_module(&hash), Ok(Stored::Bytes(bytes)) if bytes == b"abc"));
        fs::write(disk.module_path(&hash), b"abd").expect("damaged");
        assert!(matches!(disk.read_module(&hash), Ok(Stored::Corrupt)));
        assert!(matches!(disk.read_module(&hash), Ok(Stored::Missing)));
    }

    #[test]
    fn damaged_code_is_not_used() {
        let root = tempfile::tempdir().expect("a directory");
        let disk = disk(root.path(), "k");
        let hash = ModuleHash::of(b"abc");
        assert_eq!(disk.verified_code(&hash).expect("readable"), None);
        publish_code(&disk, &hash, b"code");
        let Code { path, tier } = disk.verified_code(&hash).expect("readable").expect("it is there");
        assert_eq!(tier, Tier::Large);
        fs::write(&path, b"cod").expect("damaged");
        assert_eq!(disk.verified_code(&hash).expect("readable"), None);
        publish_code(&disk, &hash, b"code");
        fs::remove_file(disk.sum_path(&hash)).expect("removed");
        assert_eq!(disk.verified_code(&hash).expect("readable"), None);
    }

    #[test]
    fn code_of_another_engine_and_half_files_are_swept() {
        let root = tempfile::tempdir().expect("a directory");
        let old = disk(root.path(), "old");
        let hash = ModuleHash::of(b"abc");
        publish_code(&old, &hash, b"code");
        old.write_module(&hash, b"abc").expect("written");
        let half = old.compiled.join("1-0.partial");
        fs::write(&half, b"half").expect("written");
        let new = disk(root.path(), "new");
        assert!(!old.code_path(&hash).exists() && !old.sum_path(&hash).exists() && !half.exists());
        assert!(new.has(&hash));
    }

    #[test]
    fn what_is_not_published_vanishes() {
        let root = tempfile::tempdir().expect("a directory");
        let disk = disk(root.path(), "k");
        let partial = disk.new_code().expect("a file");
        let path = partial.path.clone();
        assert!(path.exists());
        drop(partial);
        assert!(!path.exists());
    }
}
