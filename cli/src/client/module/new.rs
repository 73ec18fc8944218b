//! `farwatch module new`: writes a project whose module builds as it stands, with its own test and manual.
//!
//! Everything that the project needs of ours is written into it: the treaty, and what modules of its language are made
//! with, as source that its author can read. So a project goes on building whatever becomes of this program, and
//! nothing of ours has to be fetched. It overwrites nothing.

use std::fs;
use std::path::Path;

use super::project::{self, FILE, Lang};
use crate::exit::{CANNOT_CREATE, Failure, OrFail, USAGE};

/// The name that templates have, which the project's own takes the place of.
const TEMPLATE_NAME: &str = "my-check";

/// A file by its path in its folder, and its text.
type Embedded = (&'static str, &'static str);

/// The files of a folder of the repository.
macro_rules! embedded {
    ($folder:literal: $($path:literal),+ $(,)?) => {
        &[$(($path, include_str!(concat!("../../../../", $folder, "/", $path)))),+]
    };
}

/// The treaty.
const TREATY: &[Embedded] = embedded!("wit":
    "check.wit", "dns.wit", "entropy.wit", "http.wit", "icmp.wit", "log.wit", "secrets.wit", "tcp.wit", "tls.wit",
    "types.wit", "udp.wit", "world.wit",
);
/// What modules in Rust are made with.
const RUST_CRATE: &[Embedded] = embedded!("sdk/rust":
    "Cargo.toml", "src/allocator.rs", "src/check.rs", "src/config.rs", "src/http.rs", "src/lib.rs", "src/outcome.rs",
);
/// What makes a component of what cargo makes of them.
const COMPONENTIZE: &[Embedded] = embedded!("setup/componentize": "Cargo.lock", "Cargo.toml", "src/main.rs");
const RUST: &[Embedded] = embedded!("sdk/rust/template":
    ".gitignore", "Cargo.lock", "Cargo.toml", "README.md", "src/lib.rs",
);
const JAVASCRIPT: &[Embedded] = embedded!("sdk/javascript":
    ".gitignore", "README.md", "farwatch/build.js", "farwatch/http.js", "farwatch/module.js", "package-lock.json", "package.json",
    "src/check.js", "test/check.test.js", "wit/world.wit",
);
const PYTHON: &[Embedded] = embedded!("sdk/python":
    ".gitignore", "README.md", "check.py", "component.py", "farwatch/__init__.py", "farwatch/component.py",
    "farwatch/http.py", "requirements.txt", "test_check.py", "wit/world.wit",
);

/// What a project of a language holds: folders of it, and what is written there.
const fn parts(lang: Lang) -> &'static [(&'static str, &'static [Embedded])] {
    match lang {
        // The crate lies as deep as in the repository, so that it finds the treaty where it does there.
        Lang::Rust => &[("", RUST), ("sdk/rust", RUST_CRATE), ("sdk/componentize", COMPONENTIZE), ("wit", TREATY)],
        Lang::Javascript => &[("", JAVASCRIPT), ("wit/deps/farwatch-check", TREATY)],
        Lang::Python => &[("", PYTHON), ("wit/deps/farwatch-check", TREATY)],
    }
}

/// Writes a project into a folder, which must be empty where there is one.
pub(super) fn create(name: &str, lang: Lang, folder: &Path) -> Result<(), Failure> {
    project::check_name(name).map_err(|wrong| Failure::new(USAGE, wrong))?;
    if fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) {
        let message = format!("{} is there and not empty; name another folder by --path", folder.display());
        return Err(Failure::new(CANNOT_CREATE, message));
    }
    for (part, files) in parts(lang) {
        for (path, text) in *files {
            write(&folder.join(part).join(path), &named(text, name))?;
        }
    }
    write(&folder.join(FILE), &project::text_of(name, lang))
}

fn named(text: &str, name: &str) -> String {
    text.replace(TEMPLATE_NAME, name)
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let parent = path.parent().unwrap_or(path);
    fs::create_dir_all(parent).and_then(|()| fs::write(path, text)).map_err(|error| {
        let message = format!("cannot write {}: {error}", path.display());
        Failure::new(CANNOT_CREATE, message)
    })
}

/// What to do next, for whoever has just made one.
pub(super) fn next(name: &str, lang: Lang, folder: &Path) -> String {
    let (lang, folder) = (lang.as_str(), folder.display());
    format!(
        "{name}, a check module in {lang}, is in {folder}; its README.md says where to begin.\n\n  farwatch module build \
         --path {folder}\n  farwatch module push --path {folder}\n"
    )
}

/// The folder where there is none named: one of the module's name, here.
pub(super) fn folder_of(name: &str, said: Option<&Path>) -> Result<std::path::PathBuf, Failure> {
    said.map_or_else(
        || std::env::current_dir().map(|here| here.join(name)).or_fail(CANNOT_CREATE),
        |said| Ok(said.to_owned()),
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::PathBuf;

    use super::*;
    use crate::client::module::project::Project;

    /// What is in these folders and belongs to the repository alone.
    const NOT_WRITTEN: [&str; 3] = ["Cargo.lock", "template", "target"];

    fn files_below(folder: &Path, found: &mut BTreeSet<PathBuf>, skip: &[&str]) {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let name = entry.file_name().to_string_lossy().into_owned();
            let made = [".venv", "node_modules", "build", "__pycache__"];
            if skip.contains(&name.as_str()) || made.contains(&name.as_str()) {
                continue;
            }
            if entry.path().is_dir() {
                files_below(&entry.path(), found, skip);
            } else {
                found.insert(entry.path());
            }
        }
    }

    #[test]
    fn every_file_of_a_template_is_written() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        for (folder, embedded, skip) in [
            ("wit", TREATY, &[][..]),
            ("sdk/rust", RUST_CRATE, &NOT_WRITTEN),
            ("setup/componentize", COMPONENTIZE, &[]),
            ("sdk/rust/template", RUST, &["target"]),
            ("sdk/javascript", JAVASCRIPT, &[]),
            ("sdk/python", PYTHON, &[]),
        ] {
            let mut there = BTreeSet::new();
            files_below(&root.join(folder), &mut there, skip);
            let known = embedded.iter().map(|(path, _)| root.join(folder).join(path)).collect();
            assert_eq!(there, known, "{folder}");
        }
    }

    #[test]
    fn a_project_has_its_own_name_everywhere_and_overwrites_nothing() {
        let above = tempfile::tempdir().unwrap();
        for lang in [Lang::Rust, Lang::Javascript, Lang::Python] {
            let folder = above.path().join(lang.as_str());
            create("shop-login", lang, &folder).unwrap();
            let project = Project::read(&folder).unwrap();
            assert_eq!((project.name.as_str(), project.lang), ("shop-login", lang));
            assert_eq!(project.component, folder.join("build/shop-login.wasm"));
            let mut files = BTreeSet::new();
            files_below(&folder, &mut files, &[]);
            for file in files {
                assert!(!fs::read_to_string(&file).unwrap().contains(TEMPLATE_NAME), "{}", file.display());
            }
            assert!(create("shop-login", lang, &folder).is_err(), "it is there already");
        }
        assert!(create("Shop", Lang::Rust, &above.path().join("other")).is_err());
    }
}
