//! The host process as a second wall around guests: what the kernel says of it, and what people are shown.

use std::fs;

use farwatch_tests::scene::Scene;
use farwatch_tests::system::System;

/// What the kernel says of a process under this name.
fn told(status: &str, name: &str) -> String {
    let found = status.lines().filter_map(|line| line.split_once(':')).find(|(key, _)| *key == name);
    found.map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
}

#[test]
fn a_running_host_has_given_up_what_it_does_not_need_and_still_does_its_work() {
    let scene = Scene::set(&["shop"], System::builder()).unwrap();
    for host in scene.system.api().get("/v1/hosts").unwrap()["items"].as_array().unwrap() {
        assert_eq!(host["wall"], "on", "{host}");
        let pid = scene.system.host_pid(host["name"].as_str().unwrap()).unwrap();
        for thread in fs::read_dir(format!("/proc/{}/task", pid.as_raw_nonzero())).unwrap() {
            let status = fs::read_to_string(thread.unwrap().path().join("status")).unwrap();
            assert_eq!(
                (told(&status, "Seccomp").as_str(), told(&status, "NoNewPrivs").as_str()),
                ("2", "1"),
                "{status}"
            );
        }
    }
    let shown = scene.system.client(&["host", "show", &scene.runner_of("shop").unwrap()]).unwrap();
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.lines().any(|line| line.starts_with("wall") && line.ends_with("on")), "{shown}");
}
