//! What must be absent, and the shape of the house. Every rule reads the sources as they are.

mod log_lines;
mod manuals;
mod sources;

use std::collections::BTreeMap;

use sources::{Source, file, manifests, sources};

/// Lines a file may have; a longer one holds a second idea.
const FILE_MAX_LINES: usize = 400;

/// Asserts that no source fails a rule, and lists those that do.
fn all_keep(rule: &str, sources: &[Source], breaks: impl Fn(&Source) -> Vec<String>) {
    assert!(!sources.is_empty(), "{rule}: there is nothing to look at");
    let broken: Vec<String> = sources
        .iter()
        .flat_map(|source| breaks(source).into_iter().map(|line| format!("{}: {line}", source.path)))
        .collect();
    assert!(broken.is_empty(), "{rule}:\n{}", broken.join("\n"));
}

#[test]
fn core_never_awaits_and_knows_no_io() {
    let core = sources("core/src");
    let words =
        ["async ", ".await", "tokio", "sqlx", "hyper", "wasmtime", "axum", "std::net::TcpStream", "std::fs", "rand::"];
    all_keep("core is pure", &core, |source| source.product_lines_with(&words));
}

#[test]
fn the_clock_is_read_in_one_file_per_crate() {
    let words = ["Instant::now(", "SystemTime::now(", "clock_gettime("];
    for folder in ["proto/src", "core/src", "identity/src", "sandbox/src", "host/src", "control/src", "cli/src"] {
        let elsewhere: Vec<Source> =
            sources(folder).into_iter().filter(|source| !source.path.ends_with("/clock.rs")).collect();
        all_keep("the clock is read in clock.rs only", &elsewhere, |source| source.product_lines_with(&words));
    }
}

#[test]
fn tasks_are_started_in_one_file_per_crate_and_never_by_handlers() {
    let words = ["tokio::spawn(", "task::spawn(", "spawn_blocking("];
    for folder in ["sandbox/src", "host/src", "control/src"] {
        let elsewhere: Vec<Source> =
            sources(folder).into_iter().filter(|source| !source.path.ends_with("/spawn.rs")).collect();
        all_keep("tasks are started in spawn.rs only", &elsewhere, |source| source.product_lines_with(&words));
    }
    // What accepts connections is no handler.
    let mut handlers = sources("control/src/api");
    handlers.retain(|source| !source.path.ends_with("/serve.rs"));
    all_keep("handlers never spawn", &handlers, |source| source.product_lines_with(&[".spawn("]));
}

#[test]
fn sql_stands_in_the_store_only() {
    let words = ["\"select ", "\"insert into ", "\"update ", "\"delete from ", "sqlx::"];
    for folder in ["proto/src", "core/src", "identity/src", "sandbox/src", "host/src", "control/src", "cli/src"] {
        let outside: Vec<Source> =
            sources(folder).into_iter().filter(|source| !source.path.starts_with("control/src/store")).collect();
        all_keep("SQL stands in control/src/store only", &outside, |source| source.product_lines_with(&words));
    }
}

#[test]
fn only_the_compile_child_compiles() {
    let words = ["Component::new(", "Component::from_binary(", "Component::from_file(", "precompile_component("];
    let mut others = sources("sandbox/src");
    others.retain(|source| !source.path.ends_with("/compile_child.rs"));
    others.extend(["host/src", "control/src", "cli/src"].into_iter().flat_map(sources));
    all_keep("untrusted bytes are compiled in the child only", &others, |source| source.product_lines_with(&words));
}

#[test]
fn every_file_says_what_it_is_for_and_holds_one_idea() {
    let folders = [
        "proto",
        "core",
        "identity",
        "sandbox",
        "host",
        "control",
        "cli",
        "tests",
        "bench",
        "checks-wasm",
        "sdk",
        "setup",
    ];
    let mut all: Vec<Source> = folders.into_iter().flat_map(sources).collect();
    all.retain(|source| !source.path.contains("/target/"));
    all_keep("every file opens with its purpose", &all, |source| {
        let is_test_module = source.path.ends_with("tests.rs") || source.path.contains("/tests/all/");
        if is_test_module || source.text.starts_with("//!") {
            Vec::new()
        } else {
            vec!["no //! at its head".to_owned()]
        }
    });
    all_keep("files are short", &all, |source| {
        let lines = source.text.lines().count();
        if lines <= FILE_MAX_LINES { Vec::new() } else { vec![format!("{lines} lines")] }
    });
    all_keep("nothing is left for later", &all, |source| {
        let words = [["TO", "DO"].concat(), ["FIX", "ME"].concat(), ["dbg", "!("].concat(), ["todo", "!("].concat()];
        source.lines_with(&words.each_ref().map(String::as_str))
    });
}

#[test]
fn the_gate_reads_components_by_the_version_that_writes_them() {
    let versions = |lock: &str| -> Vec<String> {
        let text = file(lock);
        let blocks = text.split("[[package]]").filter(|block| block.contains("name = \"wasmparser\"\n"));
        blocks
            .filter_map(|block| block.lines().find(|line| line.starts_with("version = ")))
            .map(str::to_owned)
            .collect()
    };
    let gate = versions("Cargo.lock");
    assert_eq!(gate.len(), 1, "{gate:?}");
    assert_eq!(gate, versions("setup/componentize/Cargo.lock"));
}

#[test]
fn no_room_is_a_junk_room() {
    for folder in
        ["proto/src", "core/src", "identity/src", "sandbox/src", "host/src", "control/src", "cli/src", "tests/src"]
    {
        for source in sources(folder) {
            let name = source.path.rsplit('/').next().unwrap_or_default();
            assert!(
                !["utils.rs", "util.rs", "helpers.rs", "common.rs", "manager.rs", "misc.rs"].contains(&name),
                "{}",
                source.path
            );
        }
    }
}

#[test]
fn the_arrows_between_the_crates_never_turn() {
    let allowed: BTreeMap<&str, &[&str]> = [
        ("proto", &[][..]),
        ("core", &["proto"]),
        ("identity", &["proto", "core"]),
        ("sandbox", &["proto"]),
        ("host", &["proto", "core", "identity", "sandbox"]),
        ("control", &["proto", "core", "identity", "sandbox"]),
        ("tests", &["proto", "core"]),
    ]
    .into();
    for (name, manifest) in manifests() {
        let Some(allowed) = allowed.get(name.as_str()) else { continue };
        let dependencies = manifest.split("[dev-dependencies]").next().unwrap_or_default();
        for line in dependencies.lines().filter_map(|line| line.strip_prefix("farwatch-")) {
            let other = line.split(['.', ' ']).next().unwrap_or_default();
            assert!(allowed.contains(&other), "{name} must not know {other}");
        }
    }
}
