//! The settings file below flags and environment, with the real program.
//!
//! What is in force shows in what the program complains about: each value here is one that it refuses.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

/// The program as if nothing else were set on this machine.
fn farwatch(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_farwatch"));
    command.args(words).env_clear();
    command
}

fn file(text: &str) -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("farwatch.toml");
    fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}

/// The one line of complaint, and the code.
fn complaint(output: &Output) -> (i32, String) {
    let text = String::from_utf8_lossy(&output.stderr);
    let told: Vec<&str> = text.lines().filter(|line| line.starts_with("farwatch: ")).collect();
    assert_eq!(told.len(), 1, "{text}");
    (output.status.code().unwrap(), told[0].to_owned())
}

/// What is refused with the file alone, with the environment besides, and with a flag besides both.
fn refused(word: &str, text: &str, (name, set): (&str, &str), flag: &str) -> [(i32, String); 3] {
    let (_folder, path) = file(text);
    let alone = farwatch(&[word]).env("FARWATCH_SETTINGS", &path).output().unwrap();
    let with_environment = farwatch(&[word, "--settings", &path]).env(name, set).output().unwrap();
    let with_both = farwatch(&[word, "--settings", &path, flag]).env(name, set).output().unwrap();
    [alone, with_environment, with_both].map(|output| complaint(&output))
}

#[test]
fn a_flag_comes_before_the_environment_and_the_environment_before_the_file() {
    let text = "[control]\napi-listen = '192.0.2.1:1'\n";
    let [file, environment, flag] =
        refused("control", text, ("FARWATCH_API_LISTEN", "192.0.2.2:2"), "--api-listen=192.0.2.3:3");
    assert!(file.0 == 64 && file.1.contains("farwatch.toml:2: [control] api-listen 192.0.2.1:1: "), "{file:?}");
    assert!(environment.0 == 64 && environment.1.contains("--api-listen 192.0.2.2:2: "), "{environment:?}");
    assert!(flag.0 == 64 && flag.1.contains("--api-listen 192.0.2.3:3: "), "{flag:?}");
}

#[test]
fn so_it_is_for_what_may_be_repeated_which_replaces_and_does_not_add() {
    for word in ["up", "control", "host"] {
        let text = format!("[{word}]\nallow-net = ['10.0.0.0/8', 'one']\n");
        let [file, environment, flag] =
            refused(word, &text, ("FARWATCH_ALLOW_NET", "10.0.0.0/8,two"), "--allow-net=three");
        assert!(file.0 == 64 && file.1.contains(&format!("farwatch.toml:2: [{word}] allow-net one: ")), "{file:?}");
        assert!(environment.0 == 64 && environment.1.contains("--allow-net two: "), "{environment:?}");
        assert!(flag.0 == 64 && flag.1.contains("--allow-net three: "), "{flag:?}");
    }
}

#[test]
fn so_it_is_for_the_words_that_ask_the_api() {
    // Nothing listens on port 1, and what cannot be reached is named.
    let token = ("FARWATCH_TOKEN", "fw_1");
    let (_folder, path) = file("[client]\napi = 'http://127.0.0.1:1/file'\n");
    let health = |words: &[&str], api: Option<&str>| {
        let mut command = farwatch(&["health", "--settings", &path]);
        command.args(words).env(token.0, token.1);
        complaint(&command.envs(api.map(|api| ("FARWATCH_API", api))).output().unwrap())
    };
    let environment = Some("http://127.0.0.1:1/environment");
    for (words, api, named) in [
        (&[][..], None, "http://127.0.0.1:1/file"),
        (&[], environment, "http://127.0.0.1:1/environment"),
        (&["--api", "http://127.0.0.1:1/flag"], environment, "http://127.0.0.1:1/flag"),
    ] {
        let told = health(words, api);
        assert!(told.0 == 69 && told.1.contains(named), "{told:?}");
    }
    let (_folder, path) = file("[client]\napi = 'http://127.0.0.1:1'\ntoken-file = 'of-the-file'\n");
    let with_file = complaint(&farwatch(&["health", "--settings", &path]).output().unwrap());
    assert!(with_file.0 == 66 && with_file.1.contains("of-the-file"), "{with_file:?}");
    for name in ["FARWATCH_TOKEN", "FARWATCH_TOKEN_FILE"] {
        let told = complaint(&farwatch(&["health", "--settings", &path]).env(name, "no-token").output().unwrap());
        assert!(told.1.contains("no-token") || told.1.contains("FARWATCH_TOKEN"), "{told:?}");
    }
}

#[test]
fn a_file_that_is_named_must_be_there_and_in_order_whatever_is_run() {
    let missing = complaint(&farwatch(&["health", "--settings", "/nonexistent/farwatch.toml"]).output().unwrap());
    assert!(missing.0 == 66 && missing.1.contains("/nonexistent/farwatch.toml"), "{missing:?}");
    let (_folder, path) = file("[host]\nrun-place = 1\n");
    for word in ["up", "control", "host", "health"] {
        let told = complaint(&farwatch(&[word, "--settings", &path]).output().unwrap());
        assert!(told.0 == 64 && told.1.contains(&format!("{path}:2: [host] run-place: ")), "{told:?}");
    }
    assert!(farwatch(&["up", "--help", "--settings", &path]).output().unwrap().status.success());
    assert!(!Path::new("farwatch-data").exists(), "nothing was started");
}

#[test]
fn how_to_log_is_said_like_everything_else() {
    for word in ["up", "control", "host"] {
        let text = format!("[{word}]\nlog-format = 'xml'\n");
        let (_folder, path) = file(&text);
        let told = complaint(&farwatch(&[word, "--settings", &path]).output().unwrap());
        let place = format!("farwatch.toml:2: [{word}] log-format: ");
        assert!(told.0 == 64 && told.1.contains(&place) && told.1.contains("text or json"), "{told:?}");
        let command = &mut farwatch(&[word, "--settings", "/dev/null"]);
        let told = complaint(&command.env("FARWATCH_LOG", "farwatch=loud").output().unwrap());
        assert!(told.0 == 64 && told.1.contains("FARWATCH_LOG farwatch=loud: "), "{told:?}");
    }
}
