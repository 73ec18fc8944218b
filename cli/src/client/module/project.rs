//! The folder of a check module as its author keeps it: what its `farwatch.toml` says.
//!
//! It reads that one file and no other: what is in the folder beside it is the business of the language's own tools.

use std::fs;
use std::path::{Component, Path, PathBuf};

use toml::de::{DeTable, DeValue};

use crate::exit::{Failure, NO_INPUT};

/// The file that makes a folder a project.
pub(super) const FILE: &str = "farwatch.toml";
/// Its one table.
const TABLE: &str = "module";
/// The longest name that the API takes.
const NAME_MAX: usize = 40;

/// The language that a module is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Lang {
    /// Compiled, and so small and quick.
    Rust,
    /// With an interpreter of its own.
    #[value(alias = "js")]
    Javascript,
    /// With an interpreter of its own.
    Python,
}

impl Lang {
    /// All of them.
    const ALL: [Self; 3] = [Self::Rust, Self::Javascript, Self::Python];

    /// The word for it.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Javascript => "javascript",
            Self::Python => "python",
        }
    }
}

/// A module under work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Project {
    /// The name of the module.
    pub(super) name: String,
    /// What it is written in.
    pub(super) lang: Lang,
    /// Where its component is once it was built, below the folder of the project.
    pub(super) component: PathBuf,
}

impl Project {
    /// The project in this folder. Its component is named as seen from where this program runs.
    pub(super) fn read(folder: &Path) -> Result<Self, Failure> {
        let path = folder.join(FILE);
        let wrong = |what: &str| Failure::new(NO_INPUT, format_args!("{}: {what}", path.display()));
        let text = fs::read_to_string(&path).map_err(|error| {
            wrong(&format!("{error}; make a project by `farwatch module new NAME --lang rust`, or say where it is"))
        })?;
        let mut project = Self::parse(&text).map_err(|what| wrong(&what))?;
        project.component = folder.join(project.component);
        Ok(project)
    }

    fn parse(text: &str) -> Result<Self, String> {
        let parsed = DeTable::parse(text).map_err(|error| error.message().replace('\n', ", "))?;
        let Some(DeValue::Table(module)) = parsed.get_ref().get(TABLE).map(toml::Spanned::get_ref) else {
            return Err(format!("the table [{TABLE}] is missing"));
        };
        let field = |name: &str| match module.get(name).map(toml::Spanned::get_ref) {
            Some(DeValue::String(text)) => Ok(text.to_string()),
            Some(_) => Err(format!("`{name}` must be a text")),
            None => Err(format!("`{name}` is missing from [{TABLE}]")),
        };
        let (name, lang, component) = (field("name")?, field("lang")?, PathBuf::from(field("component")?));
        check_name(&name)?;
        let Some(lang) = Lang::ALL.into_iter().find(|known| known.as_str() == lang) else {
            return Err(format!("`lang` is {lang}; it must be {}", Lang::ALL.map(Lang::as_str).join(", or ")));
        };
        if !component.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
            return Err("`component` must be a path inside the project".to_owned());
        }
        Ok(Self { name, lang, component })
    }
}

/// What the file of a new project says.
pub(super) fn text_of(name: &str, lang: Lang) -> String {
    format!(
        "[{TABLE}]\nname = \"{name}\"\nlang = \"{}\"\n# Where `farwatch module build` puts the component.\ncomponent = \
         \"build/{name}.wasm\"\n",
        lang.as_str()
    )
}

/// Whether a module may have this name: the rule of the API, which the tools of all three languages can live with.
pub(super) fn check_name(name: &str) -> Result<(), String> {
    let is_word = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let begins = name.bytes().next().is_some_and(|first| first.is_ascii_lowercase());
    if begins && name.len() <= NAME_MAX && name.split('-').all(is_word) {
        return Ok(());
    }
    Err(format!(
        "`{name}` is no name of a module; write lower case letters and digits, words joined by hyphens, at most \
         {NAME_MAX} in all, such as `my-check`"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_is_read_from_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let said = "[module]\nname = \"my-check\"\nlang = \"python\"\ncomponent = \"build/my-check.wasm\"\n";
        fs::write(folder.path().join(FILE), said).unwrap();
        let project = Project::read(folder.path()).unwrap();
        let component = folder.path().join("build/my-check.wasm");
        assert_eq!(project, Project { name: "my-check".to_owned(), lang: Lang::Python, component });
        assert!(Project::read(&folder.path().join("elsewhere")).is_err());
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, why) in [
            ("", "[module]"),
            ("[module]\nlang = 'rust'\ncomponent = 'x'\n", "`name` is missing"),
            ("[module]\nname = 'My'\nlang = 'rust'\ncomponent = 'x'\n", "`My` is no name"),
            ("[module]\nname = 'a'\nlang = 'cobol'\ncomponent = 'x'\n", "`lang` is cobol"),
            ("[module]\nname = 'a'\nlang = 'rust'\ncomponent = '../x'\n", "inside the project"),
            ("[module]\nname = 1\nlang = 'rust'\ncomponent = 'x'\n", "`name` must be a text"),
        ] {
            let wrong = Project::parse(text).unwrap_err();
            assert!(wrong.contains(why), "{text}: {wrong}");
        }
    }
}
