//! How a customer names a module: `http`, `http@latest`, `http@0.1.0`, `http@^0.1` or `mod_<hash>`; and which release that
//! is, of those there are.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use farwatch_proto::id::ModuleHash;
use schemars::JsonSchema;
use semver::{Version, VersionReq};

/// The longest name; it is shown in one line.
const NAME_MAX: usize = 64;
/// The longest version or range, for the same reason.
const VERSION_MAX: usize = 64;
/// The word for the highest version.
const LATEST: &str = "latest";

/// The name of a module, whatever its version.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(transparent)]
pub struct ModuleWord(#[schemars(length(min = 1, max = NAME_MAX), pattern(r"^[A-Za-z0-9._+-]+$"))] String);

/// A text that is no name of a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no name of a module; see `farwatch module list`")]
pub struct BadModuleWord;

impl FromStr for ModuleWord {
    type Err = BadModuleWord;

    fn from_str(text: &str) -> Result<Self, BadModuleWord> {
        let sign = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.+".contains(&byte);
        let is_word = (1..=NAME_MAX).contains(&text.len()) && text.bytes().all(sign);
        if is_word { Ok(Self(text.to_owned())) } else { Err(BadModuleWord) }
    }
}

impl ModuleWord {
    /// It as a text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A module as a customer names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModuleName {
    /// The highest version under this name.
    Latest(String),
    /// This version.
    Version(String, Version),
    /// The highest version in this range.
    Range(String, VersionReq),
    /// These very bytes.
    Exactly(ModuleHash),
}

/// A text that names no module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "write a module as `http`, `http@0.1.0`, `http@latest`, a range such as `http@^0.1` or `http@>=0.1, <0.3`, or `mod_` and \
     the 64 hex digits of its hash"
)]
pub struct BadModuleName;

impl FromStr for ModuleName {
    type Err = BadModuleName;

    fn from_str(text: &str) -> Result<Self, BadModuleName> {
        if text.starts_with("mod_") {
            return text.parse().map(Self::Exactly).map_err(|_| BadModuleName);
        }
        let (name, version) = text.split_once('@').unwrap_or((text, LATEST));
        let ModuleWord(name) = name.parse().map_err(|_| BadModuleName)?;
        if version.len() > VERSION_MAX {
            return Err(BadModuleName);
        }
        if version == LATEST {
            return Ok(Self::Latest(name));
        }
        match (Version::parse(version), VersionReq::parse(version)) {
            (Ok(version), _) => Ok(Self::Version(name, version)),
            (Err(_), Ok(range)) => Ok(Self::Range(name, range)),
            (Err(_), Err(_)) => Err(BadModuleName),
        }
    }
}

impl fmt::Display for ModuleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latest(name) => f.write_str(name),
            Self::Version(name, version) => write!(f, "{name}@{version}"),
            Self::Range(name, range) => write!(f, "{name}@{range}"),
            Self::Exactly(hash) => hash.fmt(f),
        }
    }
}

impl ModuleName {
    /// The name without a version; bytes have none.
    pub fn word(&self) -> Option<&str> {
        match self {
            Self::Latest(word) | Self::Version(word, _) | Self::Range(word, _) => Some(word),
            Self::Exactly(_) => None,
        }
    }

    /// Whether it may mean another version tomorrow.
    pub const fn is_open(&self) -> bool {
        matches!(self, Self::Latest(_) | Self::Range(..))
    }

    /// The one that is meant of the versions under the name, which come newest first. Without a range, a version that is
    /// not finished is meant only where there is no other; of versions that stand at the same place in the order, the
    /// newest is.
    pub fn choose<'r, R>(&self, releases: &'r [R], version_of: impl Fn(&R) -> &str) -> Option<&'r R> {
        let versions = releases.iter().rev().filter_map(|release| {
            let version = Version::parse(version_of(release)).ok()?;
            self.fits(&version).then_some((version, release))
        });
        versions.max_by(|(one, _), (other, _)| self.order(one, other)).map(|(_, release)| release)
    }

    fn fits(&self, version: &Version) -> bool {
        match self {
            Self::Latest(_) => true,
            Self::Version(_, exactly) => exactly == version,
            Self::Range(_, range) => range.matches(version),
            Self::Exactly(_) => false,
        }
    }

    fn order(&self, one: &Version, other: &Version) -> Ordering {
        let is_finished = |version: &Version| matches!(self, Self::Latest(_)) && version.pre.is_empty();
        is_finished(one).cmp(&is_finished(other)).then(one.cmp_precedence(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_is_named_in_these_ways_and_no_other() {
        let hash = ModuleHash::of(b"x");
        for text in
            ["http", "http@0.1.0", "http@0.1.0+ab12", "http@^0.1", "http@>=0.1, <0.3", "http@*", &hash.to_string()]
        {
            assert_eq!(text.parse::<ModuleName>().unwrap().to_string(), text);
        }
        assert_eq!("http@latest".parse(), Ok(ModuleName::Latest("http".to_owned())));
        assert_eq!("http@1.2".parse::<ModuleName>().unwrap().to_string(), "http@^1.2");
        for text in ["", "a b", "http@", "@1", "mod_12", "http@1@2", "http@newest", "http@1.2.x.y", &"x".repeat(65)] {
            assert_eq!(text.parse::<ModuleName>(), Err(BadModuleName), "{text}");
        }
    }

    #[test]
    fn the_highest_version_that_fits_is_meant() {
        let releases = ["1.3.0-rc.1", "0.9.9", "1.2.0+b", "1.2.0+a", "1.10.0", "2.0.0-beta", "1.9.3"];
        for (said, meant) in [
            ("x", Some("1.10.0")),
            ("x@latest", Some("1.10.0")),
            ("x@1.9.3", Some("1.9.3")),
            ("x@1.2.0", None),
            ("x@=1.2.0", Some("1.2.0+b")),
            ("x@1.2.0+a", Some("1.2.0+a")),
            ("x@^1", Some("1.10.0")),
            ("x@~1.9", Some("1.9.3")),
            ("x@<1", Some("0.9.9")),
            ("x@>=1, <1.10", Some("1.9.3")),
            ("x@^2", None),
            ("x@^2.0.0-alpha", Some("2.0.0-beta")),
            ("x@2.0.0-beta", Some("2.0.0-beta")),
        ] {
            let name: ModuleName = said.parse().unwrap();
            assert_eq!(name.choose(&releases, |version| version).copied(), meant, "{said}");
        }
        let early: ModuleName = "x".parse().unwrap();
        assert_eq!(early.choose(&["1.0.0-a", "1.0.0-b"], |version| version), Some(&"1.0.0-b"));
    }
}
