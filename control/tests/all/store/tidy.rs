//! Every question the store answers is asked by a store test, and so on both engines.
//!
//! Reads the sources as text. A test may ask through the accessor, `store.hosts().list(`, or through a variable of
//! its name, `hosts.list(`.

use std::collections::BTreeMap;
use std::path::Path;

#[test]
fn every_public_function_of_the_store_is_tested() {
    // Where this was compiled may be another checkout, which shares what it builds with this one.
    let root = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo says where the crate lies");
    let root = Path::new(&root);
    let sources = all_text(&root.join("src/store"));
    let mut asked = all_text(&root.join("tests/all/store")).concat();
    asked.retain(|sign| !sign.is_whitespace());
    let accessors: BTreeMap<String, String> = sources.iter().flat_map(|text| accessors(text)).collect();
    assert!(accessors.len() > 10, "the accessors were not found: {accessors:?}");
    let mut untested = Vec::new();
    for (owner, name) in sources.iter().flat_map(|text| public_functions(text)) {
        let ways = match accessors.get(&owner) {
            Some(accessor) => [format!("{accessor}().{name}("), format!("{accessor}.{name}(")],
            None => [format!(".{name}("), format!("{owner}::{name}(")],
        };
        if !ways.iter().any(|way| asked.contains(way)) {
            untested.push(format!("{owner}::{name}"));
        }
    }
    assert!(untested.is_empty(), "no store test calls {untested:#?}");
}

/// The types that hold questions, with the function of the store that gives each.
fn accessors(text: &str) -> Vec<(String, String)> {
    let lines = text.lines().filter_map(|line| line.trim_start().strip_prefix("pub const fn "));
    let pairs = lines.filter_map(|rest| {
        let (name, result) = rest.split_once("(&self) -> ")?;
        Some((result.strip_suffix("<'_> {")?.to_owned(), name.to_owned()))
    });
    pairs.collect()
}

/// The functions that others may call, with the type they belong to.
fn public_functions(text: &str) -> Vec<(String, String)> {
    let mut owner = String::new();
    let mut found = Vec::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("impl ") {
            owner = rest.split(['<', ' ']).next().unwrap_or_default().to_owned();
        }
        let starts = ["    pub async fn ", "    pub const fn ", "    pub fn "];
        if let Some(rest) = starts.iter().find_map(|start| line.strip_prefix(start)) {
            found.push((owner.clone(), rest.split(['(', '<']).next().unwrap_or_default().to_owned()));
        }
    }
    found
}

/// The text of every Rust file below this directory.
fn all_text(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(all_text(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(std::fs::read_to_string(&path).unwrap());
        }
    }
    assert!(!found.is_empty(), "{} holds no source", directory.display());
    found
}
