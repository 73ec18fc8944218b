//! Every question the store answers is asked by a store test, and so on both engines.

use std::path::Path;

#[test]
fn every_public_function_of_the_store_is_tested() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tests = all_text(&root.join("tests/all/store"));
    let asked = tests.iter().map(|(_, text)| text.as_str()).collect::<String>();
    let mut untested = Vec::new();
    for (file, text) in all_text(&root.join("src/store")) {
        for name in public_functions(&text) {
            let called = asked.contains(&format!(".{name}(")) || asked.contains(&format!("::{name}("));
            if !called {
                untested.push(format!("{file}: {name}"));
            }
        }
    }
    assert!(untested.is_empty(), "no store test calls {untested:#?}");
}

/// The names of the functions that others may call.
fn public_functions(text: &str) -> Vec<String> {
    let starts = ["pub async fn ", "pub const fn ", "pub fn "];
    let names = text.lines().filter_map(|line| {
        let rest = starts.iter().find_map(|start| line.trim_start().strip_prefix(start))?;
        Some(rest.split(['(', '<']).next()?.to_owned())
    });
    names.collect()
}

/// Every Rust file below this directory, with its name.
fn all_text(directory: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(all_text(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push((path.display().to_string(), std::fs::read_to_string(&path).unwrap()));
        }
    }
    assert!(!found.is_empty(), "{} holds no source", directory.display());
    found
}
