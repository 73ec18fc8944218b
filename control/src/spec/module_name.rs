//! How a customer names a module: `http`, `http@0.1.0` or `mod_<hash>`.

use std::fmt;
use std::str::FromStr;

use farwatch_proto::id::ModuleHash;

/// The longest name or version; both are shown in one line.
const PART_MAX: usize = 64;

/// A module as a customer names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModuleName {
    /// Whatever was released last under this name.
    Latest(String),
    /// This version.
    Version(String, String),
    /// These very bytes.
    Exactly(ModuleHash),
}

/// A text that names no module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write a module as `http`, `http@0.1.0`, or `mod_` and the 64 hex digits of its hash")]
pub struct BadModuleName;

impl FromStr for ModuleName {
    type Err = BadModuleName;

    fn from_str(text: &str) -> Result<Self, BadModuleName> {
        if text.starts_with("mod_") {
            return text.parse().map(Self::Exactly).map_err(|_| BadModuleName);
        }
        let is_part = |part: &str| {
            let sign = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.+".contains(&byte);
            (1..=PART_MAX).contains(&part.len()) && part.bytes().all(sign)
        };
        match text.split_once('@') {
            None if is_part(text) => Ok(Self::Latest(text.to_owned())),
            Some((name, version)) if is_part(name) && is_part(version) => {
                Ok(Self::Version(name.to_owned(), version.to_owned()))
            }
            _ => Err(BadModuleName),
        }
    }
}

impl fmt::Display for ModuleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latest(name) => f.write_str(name),
            Self::Version(name, version) => write!(f, "{name}@{version}"),
            Self::Exactly(hash) => hash.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_is_named_in_three_ways_and_no_other() {
        let hash = ModuleHash::of(b"x");
        for text in ["http", "http@0.1.0", "http@0.1.0+ab12", &hash.to_string()] {
            assert_eq!(text.parse::<ModuleName>().unwrap().to_string(), text);
        }
        for text in ["", "a b", "http@", "@1", "mod_12", "http@1@2", &"x".repeat(65)] {
            assert_eq!(text.parse::<ModuleName>(), Err(BadModuleName), "{text}");
        }
    }
}
