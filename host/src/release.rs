//! Releases on this host's disk: programs by their hash.
//!
//! A program appears under its hash whole and verified, or not at all. What is there is verified again before it is run.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use farwatch_proto::id::ReleaseHash;
use farwatch_proto::link::RELEASE_MAX_BYTES;
use ring::digest;
use serde::{Deserialize, Serialize};

/// How much of a file is read at once while its hash is made.
const CHUNK_BYTES: usize = 1 << 20;
/// The program of this process, whatever its path has become.
const OWN_PROGRAM: &str = "/proc/self/exe";

/// The hash of this process's own program. It reads all of it.
pub(crate) fn own() -> io::Result<ReleaseHash> {
    hash_of(&mut File::open(OWN_PROGRAM)?)
}

fn hash_of(file: &mut File) -> io::Result<ReleaseHash> {
    let (mut context, mut chunk) = (digest::Context::new(&digest::SHA256), vec![0; CHUNK_BYTES]);
    loop {
        match file.read(&mut chunk)? {
            0 => return finished(context),
            length => context.update(&chunk[..length]),
        }
    }
}

fn finished(context: digest::Context) -> io::Result<ReleaseHash> {
    let hash = context.finish().as_ref().try_into();
    hash.map(ReleaseHash).map_err(|_| io::Error::other("a SHA-256 has 32 bytes"))
}

/// Names the program that is installed, in the environment of a release that is run instead of it.
pub const INSTALLED: &str = "FARWATCH_INSTALLED";

/// The program that is installed, where this process runs another in its place.
pub(crate) fn installed() -> Option<ReleaseHash> {
    std::env::var(INSTALLED).ok()?.parse().ok()
}

/// The release that this host is to run instead of this program, and this program's hash. There is one where a release
/// took over from just this program before: after a restart of the machine that release goes on. Whoever installs another
/// program means that one.
pub fn chosen(data: &Path) -> Option<(PathBuf, ReleaseHash)> {
    let releases = Releases::below(data);
    let choice: Choice = serde_json::from_slice(&fs::read(releases.choice()).ok()?).ok()?;
    // Whoever went back to what is installed is run as that, and not instead of itself.
    let own = own().ok().filter(|own| *own == choice.instead_of && *own != choice.release)?;
    Some((releases.verified(choice.release).ok()??, own))
}

/// A release that took over.
#[derive(Debug, Serialize, Deserialize)]
struct Choice {
    release: ReleaseHash,
    /// The program that is installed.
    instead_of: ReleaseHash,
}

/// The directory of releases.
#[derive(Clone, Debug)]
pub(crate) struct Releases {
    directory: PathBuf,
}

impl Releases {
    /// Those below a host's data.
    pub(crate) fn below(data: &Path) -> Self {
        Self { directory: data.join("releases") }
    }

    fn path(&self, hash: ReleaseHash) -> PathBuf {
        self.directory.join(hash.hex())
    }

    fn choice(&self) -> PathBuf {
        self.directory.join("chosen.json")
    }

    /// From now on this release is run where that program is started.
    pub(crate) fn choose(&self, release: ReleaseHash, instead_of: ReleaseHash) -> io::Result<()> {
        let unfinished = self.directory.join("chosen.partial");
        fs::write(&unfinished, serde_json::to_vec(&Choice { release, instead_of })?)?;
        File::open(&unfinished)?.sync_all()?;
        fs::rename(&unfinished, self.choice())?;
        File::open(&self.directory)?.sync_all()
    }

    /// The program of this hash, if it is there and whole.
    pub(crate) fn verified(&self, hash: ReleaseHash) -> io::Result<Option<PathBuf>> {
        let path = self.path(hash);
        let mut file = match File::open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        Ok((hash_of(&mut file)? == hash).then_some(path))
    }

    /// Makes room for a release of this length: only the program that runs now is kept beside it.
    pub(crate) fn begin(
        &self,
        hash: ReleaseHash,
        own: Option<ReleaseHash>,
        size_bytes: u64,
    ) -> anyhow::Result<Incoming> {
        ensure!((1..=RELEASE_MAX_BYTES).contains(&size_bytes), "a release of {size_bytes} bytes is none");
        DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)?;
        let kept = own.map(|own| own.hex());
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            let is_kept = kept.as_deref() == entry.file_name().to_str() || entry.path() == self.choice();
            if !is_kept {
                fs::remove_file(entry.path())?;
            }
        }
        let partial = self.directory.join(format!("{}.partial", hash.hex()));
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&partial)?;
        let (directory, context) = (self.directory.clone(), digest::Context::new(&digest::SHA256));
        Ok(Incoming { hash, path: self.path(hash), partial, directory, file, context, left_bytes: size_bytes })
    }
}

/// A release that is coming in.
pub(crate) struct Incoming {
    hash: ReleaseHash,
    path: PathBuf,
    partial: PathBuf,
    directory: PathBuf,
    file: File,
    context: digest::Context,
    left_bytes: u64,
}

impl Incoming {
    /// Takes the next piece in.
    pub(crate) fn take(&mut self, piece: &Bytes) -> anyhow::Result<()> {
        let left_bytes = self.left_bytes.checked_sub(piece.len() as u64);
        self.left_bytes = left_bytes.context("it is longer than it was said to be")?;
        self.context.update(piece);
        Ok(self.file.write_all(piece)?)
    }

    /// Verifies it and puts it in its place, where it stays; answers with its path.
    pub(crate) fn finish(self) -> anyhow::Result<PathBuf> {
        let Self { hash, path, partial, directory, file, context, left_bytes } = self;
        let came = finished(context)?;
        if left_bytes > 0 || came != hash {
            fs::remove_file(&partial)?;
            bail!("what came is not {hash} but {came}, and {left_bytes} bytes are missing");
        }
        file.set_permissions(Permissions::from_mode(0o755))?;
        file.sync_all()?;
        fs::rename(&partial, &path)?;
        File::open(directory)?.sync_all()?;
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_appears_whole_and_verified_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let releases = Releases::below(folder.path());
        let program = b"#!/bin/sh\nexit 0\n";
        let hash = ReleaseHash::of(program);
        assert_eq!(releases.verified(hash).unwrap(), None);
        let came = |pieces: &[&'static [u8]], size: u64| -> anyhow::Result<PathBuf> {
            let mut incoming = releases.begin(hash, None, size)?;
            pieces.iter().try_for_each(|piece| incoming.take(&Bytes::from_static(piece)))?;
            incoming.finish()
        };
        assert!(came(&[b"#!/bin/sh\n"], program.len() as u64).is_err(), "it was cut off");
        assert!(came(&[b"#!/bin/sh\nexit 1\n"], program.len() as u64).is_err(), "it is another");
        assert!(came(&[b"#!/bin/sh\n", b"exit 0\n", b"more"], program.len() as u64).is_err(), "it is too long");
        let path = came(&[b"#!/bin/sh\n", b"exit 0\n"], program.len() as u64).unwrap();
        assert_eq!(releases.verified(hash).unwrap(), Some(path.clone()));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o755);
        fs::write(&path, "#!/bin/sh\nexit 2\n").unwrap();
        assert_eq!(releases.verified(hash).unwrap(), None, "what was damaged is not run");
    }

    #[test]
    fn only_what_runs_is_kept_beside_a_new_one() {
        let folder = tempfile::tempdir().unwrap();
        let releases = Releases::below(folder.path());
        let put = |bytes: &'static [u8], own| {
            let hash = ReleaseHash::of(bytes);
            let mut incoming = releases.begin(hash, own, bytes.len() as u64).unwrap();
            incoming.take(&Bytes::from_static(bytes)).unwrap();
            incoming.finish().unwrap();
            hash
        };
        let first = put(b"first", None);
        let second = put(b"second", Some(first));
        let third = put(b"third", Some(second));
        let there = |hash| releases.verified(hash).unwrap().is_some();
        assert_eq!([there(first), there(second), there(third)], [false, true, true]);
        assert!(releases.begin(first, None, 0).is_err() && releases.begin(first, None, RELEASE_MAX_BYTES + 1).is_err());
    }

    #[test]
    fn a_release_that_took_over_from_this_program_is_run_instead_of_it_and_of_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let releases = Releases::below(folder.path());
        assert_eq!(chosen(folder.path()), None);
        let program = b"another";
        let release = ReleaseHash::of(program);
        let mut incoming = releases.begin(release, None, program.len() as u64).unwrap();
        incoming.take(&Bytes::from_static(program)).unwrap();
        let path = incoming.finish().unwrap();
        releases.choose(release, ReleaseHash::of(b"what was installed before")).unwrap();
        assert_eq!(chosen(folder.path()), None, "another program is installed now");
        releases.choose(release, own().unwrap()).unwrap();
        assert_eq!(chosen(folder.path()), Some((path.clone(), own().unwrap())));
        fs::write(path, "damaged").unwrap();
        assert_eq!(chosen(folder.path()), None);
        releases.choose(own().unwrap(), own().unwrap()).unwrap();
        assert_eq!(chosen(folder.path()), None, "it would become itself for ever");
        releases.begin(ReleaseHash::of(b"next"), Some(release), 4).unwrap();
        assert!(releases.choice().exists());
    }

    #[test]
    fn this_program_has_a_hash() {
        assert_eq!(own().unwrap(), ReleaseHash::of(&fs::read(OWN_PROGRAM).unwrap()));
    }
}
