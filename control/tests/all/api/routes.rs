//! Every route of the API, as the code itself lists them, for tests that walk them all.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use farwatch_control::api::{Route, routes};

#[test]
fn every_route_is_listed_once() {
    let all = routes();
    let each: BTreeSet<Route> = all.iter().copied().collect();
    assert_eq!(each.len(), all.len());
    assert!(all.len() > 30, "the routes were not found");
    let doors = ["/v1/", "/heartbeat/", "/metrics"];
    assert!(all.iter().all(|route| doors.iter().any(|door| route.path.starts_with(door))), "{all:?}");
}

#[test]
fn nothing_is_served_beside_the_list() {
    let mut sources = Vec::new();
    // Where this was compiled may be another checkout, which shares what it builds with this one.
    let root = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo says where the crate lies");
    collect(&PathBuf::from(root).join("src/api"), &mut sources);
    assert!(sources.len() > 15, "the sources were not found");
    let beside: Vec<&PathBuf> =
        sources.iter().filter(|path| !path.ends_with("api/routes.rs") && routes_by_hand(path)).collect();
    assert!(beside.is_empty(), "only routes.rs makes routes, so that all of them are listed: {beside:?}");
}

fn collect(folder: &Path, sources: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { collect(&path, sources) } else { sources.push(path) }
    }
}

fn routes_by_hand(source: &Path) -> bool {
    let text = fs::read_to_string(source).unwrap();
    [".route(", ".route_service(", ".nest(", ".nest_service("].iter().any(|way| text.contains(way))
}
