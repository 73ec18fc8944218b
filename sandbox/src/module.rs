//! A module that is ready to run, and its name.

use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::{Component, Linker};

use crate::bindings::CheckModulePre;
use crate::state::GuestState;

/// The name of a module: the SHA-256 of its bytes. Written as 64 lower case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ModuleHash([u8; 32]);

impl ModuleHash {
    /// The name of the module that has these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The 32 bytes of the name.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<[u8; 32]> for ModuleHash {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for ModuleHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for ModuleHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// A text is not the name of a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a module is named by 64 lower case hexadecimal digits")]
pub struct BadModuleHash;

impl FromStr for ModuleHash {
    type Err = BadModuleHash;

    fn from_str(text: &str) -> Result<Self, BadModuleHash> {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() != 64 || !text.bytes().all(is_digit) {
            return Err(BadModuleHash);
        }
        let mut bytes = [0; 32];
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * index..2 * index + 2], 16).map_err(|_| BadModuleHash)?;
        }
        Ok(Self(bytes))
    }
}

/// A module that is ready to run. Cheap to clone; it keeps its code loaded for as long as a clone is held.
#[derive(Clone)]
pub struct Module {
    hash: ModuleHash,
    pre: Arc<CheckModulePre<GuestState>>,
}

impl Module {
    /// The name of the module.
    pub fn hash(&self) -> ModuleHash {
        self.hash
    }

    pub(crate) fn pre(&self) -> &CheckModulePre<GuestState> {
        &self.pre
    }

    /// Loads compiled code that this host made itself, and checks its imports and exports against the treaty, types
    /// included.
    ///
    /// # Errors
    /// When the code is not for this engine, or the types of the module are not those of the treaty.
    pub(crate) fn load(
        engine: &Engine,
        linker: &Linker<GuestState>,
        hash: ModuleHash,
        path: &Path,
    ) -> Result<Self, LoadError> {
        // SAFETY: the file was written by this host's own compile child into a directory that only this user may
        // write, its name holds the key of this very engine, and its checksum was verified just before.
        #[allow(unsafe_code)]
        let component = unsafe { Component::deserialize_file(engine, path) };
        let component = component.map_err(LoadError::Code)?;
        component.initialize_copy_on_write_image().map_err(LoadError::Code)?;
        let pre = linker.instantiate_pre(&component).map_err(LoadError::Types)?;
        let pre = CheckModulePre::new(pre).map_err(LoadError::Types)?;
        Ok(Self { hash, pre: Arc::new(pre) })
    }
}

impl fmt::Debug for Module {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Module").field("hash", &self.hash).finish_non_exhaustive()
    }
}

/// Why compiled code could not be loaded.
pub(crate) enum LoadError {
    /// It is not for this engine, or it asks for more than the engine's pool has.
    Code(wasmtime::Error),
    /// Its imports or exports have other types than the treaty says.
    Types(wasmtime::Error),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_survives_its_text() {
        let hash = ModuleHash::of(b"");
        assert_eq!(hash.to_string(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(hash.to_string().parse(), Ok(hash));
        for bad in ["", "e3", &"E".repeat(64), &"g".repeat(64), &"0".repeat(65), &"ä".repeat(32)] {
            assert_eq!(bad.parse::<ModuleHash>(), Err(BadModuleHash), "{bad}");
        }
    }
}
