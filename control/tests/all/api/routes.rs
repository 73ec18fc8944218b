//! Every route of the API, for tests that walk them all; the source is asked whether one is missing.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// One method of one path.
pub(super) struct Route {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
}

const fn route(method: &'static str, path: &'static str) -> Route {
    Route { method, path }
}

pub(super) const ROUTES: [Route; 31] = [
    route("DELETE", "/v1/channels/{id}"),
    route("GET", "/v1/checks"),
    route("POST", "/v1/checks"),
    route("GET", "/v1/checks/{id}"),
    route("PATCH", "/v1/checks/{id}"),
    route("DELETE", "/v1/checks/{id}"),
    route("GET", "/v1/checks/{id}/explain"),
    route("GET", "/v1/checks/{id}/results"),
    route("POST", "/v1/checks/{id}/test"),
    route("GET", "/v1/checks/{id}/uptime"),
    route("GET", "/v1/contacts"),
    route("POST", "/v1/contacts"),
    route("GET", "/v1/contacts/{id}"),
    route("DELETE", "/v1/contacts/{id}"),
    route("POST", "/v1/contacts/{id}/channels"),
    route("GET", "/v1/deliveries"),
    route("GET", "/v1/health"),
    route("GET", "/v1/hosts"),
    route("POST", "/v1/hosts"),
    route("GET", "/v1/hosts/{id}"),
    route("GET", "/v1/incidents"),
    route("GET", "/v1/incidents/{id}"),
    route("GET", "/v1/ledger"),
    route("GET", "/v1/modules"),
    route("GET", "/v1/tasks"),
    route("GET", "/v1/tenants"),
    route("POST", "/v1/tenants"),
    route("GET", "/v1/tenants/{id}"),
    route("GET", "/v1/tokens"),
    route("POST", "/v1/tokens"),
    route("DELETE", "/v1/tokens/{id}"),
];

#[test]
fn the_source_has_no_path_that_is_not_walked() {
    let mut sources = Vec::new();
    collect(&PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/api"), &mut sources);
    let in_source: BTreeSet<String> = sources.iter().flat_map(|source| paths_in(source)).collect();
    let walked: BTreeSet<String> = ROUTES.iter().map(|route| route.path.to_owned()).collect();
    let missing: Vec<&String> = in_source.difference(&walked).collect();
    assert!(missing.is_empty(), "add these to ROUTES: {missing:?}");
    assert!(in_source.len() > 15, "the paths in the source were not found");
}

fn collect(folder: &Path, sources: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, sources);
        } else {
            sources.push(fs::read_to_string(path).unwrap());
        }
    }
}

fn paths_in(source: &str) -> Vec<String> {
    let after_route = source.split(".route(").skip(1).filter_map(|rest| rest.trim_start().strip_prefix('"'));
    after_route.filter_map(|rest| rest.split('"').next()).map(str::to_owned).collect()
}
