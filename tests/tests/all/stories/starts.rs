//! A start that cannot succeed says so in one line that names the cause, with a code of sysexits.h.

use std::fs;
use std::net::TcpListener;
use std::process::{Command, Output};

use farwatch_tests::python::python;
use farwatch_tests::system::{System, farwatch};
use tempfile::TempDir;

fn run(args: &[&str]) -> Output {
    Command::new(farwatch().unwrap()).args(args).output().unwrap()
}

/// The one line on stderr that is meant for people.
fn complaint(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!text.contains("panicked") && !text.contains("stack backtrace"), "{text}");
    let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("farwatch: ")).collect();
    assert_eq!(lines.len(), 1, "{text}");
    lines[0].to_owned()
}

#[test]
fn a_bad_value_is_named() {
    let folder = TempDir::new().unwrap();
    let data = format!("--data={}", folder.path().display());
    let cases: [(&[&str], i32, &str); 5] = [
        (&["control", &data, "--database=mysql://somewhere"], 64, "--database"),
        (&["control", &data, "--api-listen=0.0.0.0:8400"], 64, "--api-listen"),
        (&["control", &data, "--allow-net=everything"], 64, "--allow-net"),
        (&["host", &data, "--control=nowhere"], 64, "--control"),
        (&["up", &data, "--hosts=99"], 64, "--hosts"),
    ];
    for (args, code, named) in cases {
        let output = run(args);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(complaint(&output).contains(named), "{args:?}: {}", complaint(&output));
    }
}

#[test]
fn a_database_that_is_none_is_refused() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("farwatch.db"), "this is no database, and never was one of ours").unwrap();
    let output = run(&[
        "up",
        &format!("--data={}", folder.path().display()),
        "--api-listen=127.0.0.1:0",
        "--link-listen=127.0.0.1:0",
    ]);
    assert_eq!(output.status.code(), Some(69), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(complaint(&output).contains("farwatch.db"), "{}", complaint(&output));
}

#[test]
fn a_second_control_on_the_same_file_is_refused_and_the_first_goes_on() {
    let system = System::builder().hosts(1).start().unwrap();
    let data = format!("--data={}", system.data().display());
    let output = run(&["control", &data, "--api-listen=127.0.0.1:0", "--link-listen=127.0.0.1:0"]);
    assert_eq!(output.status.code(), Some(69), "{}", String::from_utf8_lossy(&output.stderr));
    let complaint = complaint(&output);
    assert!(complaint.contains("another control process already uses"), "{complaint}");
    assert!(complaint.contains("farwatch.db"), "{complaint}");
    let health = system.api().get("/v1/health").unwrap();
    assert_eq!(health["leads"], true, "{health}");
}

#[test]
fn a_taken_port_is_named_with_its_flag() {
    let folder = TempDir::new().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let output = run(&[
        "up",
        &format!("--data={}", folder.path().display()),
        &format!("--api-listen={address}"),
        "--link-listen=127.0.0.1:0",
    ]);
    assert_eq!(output.status.code(), Some(69), "{}", String::from_utf8_lossy(&output.stderr));
    let complaint = complaint(&output);
    assert!(complaint.contains(&address.to_string()) && complaint.contains("--api-listen"), "{complaint}");
}

/// Makes a database whose schema a later version has changed.
const NEWER_DATABASE: &str = "
import sqlite3, sys
database = sqlite3.connect(sys.argv[1])
database.execute('create table schema_migration (version integer primary key, digest text not null) strict')
database.execute(\"insert into schema_migration values (999, 'of a later version')\")
database.commit()
";

#[test]
fn a_database_of_a_newer_version_is_refused() {
    let folder = TempDir::new().unwrap();
    let database = folder.path().join("farwatch.db");
    assert!(python(NEWER_DATABASE).unwrap().arg(&database).status().unwrap().success());
    let data = format!("--data={}", folder.path().display());
    let output = run(&["up", &data, "--api-listen=127.0.0.1:0", "--link-listen=127.0.0.1:0"]);
    assert_eq!(output.status.code(), Some(69), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(complaint(&output).contains("newer"), "{}", complaint(&output));
}

#[test]
fn a_bad_location_is_refused_with_the_ones_there_are() {
    let system = System::builder().hosts(1).start().unwrap();
    let create = ["check", "create", "http", "--name=shop", "--url=https://shop.example.com", "--location=mars"];
    let output = system.client(&create).unwrap();
    assert_eq!(output.status.code(), Some(65), "{}", String::from_utf8_lossy(&output.stderr));
    let complaint = complaint(&output);
    assert!(complaint.contains("\"mars\"") && complaint.contains("eu-central"), "{complaint}");
}

#[test]
fn a_bad_token_file_is_refused() {
    let system = System::builder().hosts(1).start().unwrap();
    let bad = system.data().join("bad.token");
    fs::write(&bad, "not a token\n").unwrap();
    let api = fs::read_to_string(system.data().join("api.url")).unwrap();
    let ask = |file: &str| {
        Command::new(farwatch().unwrap())
            .args(["check", "list", "--api", api.trim(), "--token-file", file])
            .output()
            .unwrap()
    };
    for file in [bad.to_str().unwrap(), "/nonexistent/token"] {
        let output = ask(file);
        assert!(matches!(output.status.code(), Some(64 | 66)), "{output:?}");
        complaint(&output);
    }
    let good = system.client(&["check", "list", "--json"]).unwrap();
    assert!(good.status.success(), "{good:?}");
    let listed: serde_json::Value = serde_json::from_slice(&good.stdout).unwrap();
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(0));
}
