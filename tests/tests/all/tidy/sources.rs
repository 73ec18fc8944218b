//! The sources of this repository, as the rules read them.

use std::fs;
use std::path::{Path, PathBuf};

/// One source file.
pub(crate) struct Source {
    /// Its path from the repository's root.
    pub(crate) path: String,
    /// All of it.
    pub(crate) text: String,
}

impl Source {
    /// Lines of the product, not of its tests, that hold one of these words; comments do not count.
    pub(crate) fn product_lines_with(&self, words: &[&str]) -> Vec<String> {
        if self.path.ends_with("tests.rs") || self.path.contains("/tests/") {
            return Vec::new();
        }
        let product = self.text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        lines_with(product, words)
    }

    /// Lines that hold one of these words; comments do not count.
    pub(crate) fn lines_with(&self, words: &[&str]) -> Vec<String> {
        lines_with(&self.text, words)
    }
}

fn lines_with(text: &str, words: &[&str]) -> Vec<String> {
    let code = text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//"));
    let found = code.filter(|(_, line)| words.iter().any(|word| line.contains(word)));
    found.map(|(index, line)| format!("{}: {}", index + 1, line.trim())).collect()
}

/// The repository that this runs in. What is known when this is compiled may be another one, since checkouts may share
/// what they build.
pub(crate) fn root() -> PathBuf {
    let crate_folder = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo says where the crate lies");
    Path::new(&crate_folder).parent().expect("the crate lies in the repository").to_owned()
}

/// One file of the repository.
pub(crate) fn file(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every Rust file under a folder of the repository, but what was built.
pub(crate) fn sources(folder: &str) -> Vec<Source> {
    let root = root();
    let mut folders = vec![root.join(folder)];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("target") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let path = path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
                found.push(Source { path, text });
            }
        }
    }
    found
}

/// The manifests of the workspace's crates, by folder.
pub(crate) fn manifests() -> Vec<(String, String)> {
    ["proto", "core", "sandbox", "host", "control", "cli", "tests", "bench"]
        .into_iter()
        .map(|name| (name.to_owned(), file(&format!("{name}/Cargo.toml"))))
        .collect()
}
