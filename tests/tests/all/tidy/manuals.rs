//! The manual pages in `docs/checks/` are what the built-in modules say of themselves.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use farwatch_tests::system::farwatch;

use super::sources::root;

/// Where the components are: `modules` of the target directory, which is above this program.
fn modules() -> PathBuf {
    let me = std::env::current_exe().unwrap();
    let found = me.ancestors().map(|above| above.join("modules")).find(|modules| modules.join("checks").exists());
    found.expect("the modules are not built; run make guests")
}

#[test]
fn manual_pages_are_what_modules_say_of_themselves() {
    let modules = modules();
    let checks = fs::read_to_string(modules.join("checks")).unwrap();
    let pages = root().join("docs/checks");
    for check in checks.lines() {
        let file = modules.join(check).with_extension("wasm");
        assert_page(&pages, check, &[OsStr::new("--file"), file.as_os_str()]);
    }
    assert_page(&pages, "heartbeat", &["heartbeat", "--built-in"].map(OsStr::new));
    let known: BTreeSet<String> = checks.lines().chain(["heartbeat"]).map(|check| format!("{check}.md")).collect();
    let there: BTreeSet<String> =
        fs::read_dir(pages).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    assert_eq!(there, known, "a page for each module, and no other");
}

fn assert_page(pages: &Path, check: &str, asked: &[&OsStr]) {
    let shown = Command::new(farwatch().unwrap()).args(["module", "show"]).args(asked).output().unwrap();
    assert!(shown.status.success(), "{check}: {}", String::from_utf8_lossy(&shown.stderr));
    let page = fs::read_to_string(pages.join(check).with_extension("md")).unwrap_or_default();
    assert!(page == String::from_utf8_lossy(&shown.stdout), "docs/checks/{check}.md is out of date; run make docs");
}
