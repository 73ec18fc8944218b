//! A bare machine becomes a host by one line, runs checks, and goes on under a new certificate without a restart. What is
//! not as it should be is refused, in words and by its exit code.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use farwatch_proto::join::{AuthorityDigest, JoinToken};
use farwatch_tests::nginx::{Nginx, Server};
use farwatch_tests::ports::free_address;
use farwatch_tests::scene::text;
use farwatch_tests::system::{System, farwatch};
use farwatch_tests::wait::eventually;
use serde_json::{Value, json};
use tempfile::TempDir;

const LIMIT: Duration = Duration::from_secs(60);

/// A machine of somebody else's, with nothing of Farwatch on it but the program.
struct Machine {
    folder: TempDir,
    host: Option<Child>,
}

impl Machine {
    fn bare() -> Self {
        Self { folder: TempDir::new().unwrap(), host: None }
    }

    fn data(&self) -> String {
        self.folder.path().join("data").display().to_string()
    }

    /// Types a line that was printed.
    fn types(&self, line: &str) -> Output {
        let mut words = line.split(' ');
        assert_eq!(words.next(), Some("farwatch"), "{line}");
        let mut command = Command::new(farwatch().unwrap());
        command.args(words).args(["--data", &self.data()]).env("FARWATCH_SETTINGS", "/dev/null");
        command.output().unwrap()
    }

    /// Runs what it is told to run next.
    fn runs(&mut self, line: &str) {
        let mut command = Command::new(farwatch().unwrap());
        let log = fs::File::create(self.folder.path().join("host.log")).unwrap();
        command.args(line.split(' ').skip(1)).arg("--allow-net=127.0.0.0/8");
        command.arg(format!("--peer-listen={}", free_address().unwrap())).env("FARWATCH_SETTINGS", "/dev/null");
        self.host = Some(command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap());
    }

    fn certificate(&self) -> String {
        fs::read_to_string(Path::new(&self.data()).join("identity/host.pem")).unwrap()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("host.log")).unwrap_or_default()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if let Some(mut host) = self.host.take() {
            // It may have ended by itself, which the test has noticed by then.
            let _ = host.kill();
            let _ = host.wait();
        }
    }
}

const NORTH: [&str; 4] = ["--provider=polar", "--region=eu-north", "--country=SE", "--continent=EU"];

/// Asks for a token as an operator does, and returns the line that is printed.
fn invited(system: &System) -> String {
    let output = system.client(&[&["host", "invite"][..], &NORTH].concat()).unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let line = printed.lines().map(str::trim).find(|line| line.starts_with("farwatch host join "));
    line.unwrap_or_else(|| panic!("{printed}{}", String::from_utf8_lossy(&output.stderr))).to_owned()
}

fn complaint(output: &Output) -> (Option<i32>, String) {
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// What the audit log tells of this action, oldest first.
fn told(system: &System, action: &str) -> Vec<Value> {
    let listed = system.api().get(&format!("/v1/audit?action={action}")).unwrap();
    listed["items"].as_array().unwrap().iter().rev().cloned().collect()
}

fn host_of(system: &System, id: &str) -> anyhow::Result<Value> {
    system.api().get(&format!("/v1/hosts/{id}"))
}

#[test]
fn a_bare_machine_joins_by_the_printed_line_runs_checks_and_renews_its_certificate() {
    let nginx = Nginx::start(&[Server::http("location / { return 200 fine; }")]).unwrap();
    let builder = System::builder().hosts(2).flag("--warmup=1s");
    let system = builder.environment("FARWATCH_HOST_CERTIFICATE_LIFE", "40s").start().unwrap();
    let mut machine = Machine::bare();
    let joined = machine.types(&format!("{} --name north-1 --json", invited(&system)));
    assert!(joined.status.success(), "{:?}", complaint(&joined));
    let joined: Value = serde_json::from_slice(&joined.stdout).unwrap();
    let (host, name) = (text(&joined["host"]), text(&joined["name"]));
    assert_eq!(name, "north-1");
    let key = fs::metadata(Path::new(&machine.data()).join("identity/host.key")).unwrap();
    assert_eq!(key.permissions().mode() & 0o777, 0o600);
    assert_eq!(told(&system, "host.join")[0]["entity"], host.as_str());
    let first = machine.certificate();

    machine.runs(&text(&joined["run"]));
    eventually("the machine to own checks", LIMIT, || {
        Ok((host_of(&system, &host)?["standing"] == "active").then_some(()))
    })
    .unwrap_or_else(|error| panic!("{error}: {}", machine.log()));
    let check = json!({
        "name": "site", "module": "http", "interval": 10, "location": "eu-north",
        "config": { "url": nginx.url(0, "/") },
    });
    let check = text(&system.api().post("/v1/checks", &check).unwrap()["id"]);
    let runs_after = |slot: i64| {
        let page = system.api().get(&format!("/v1/checks/{check}/results?limit=200"))?;
        let results = page["items"].as_array().cloned().unwrap_or_default();
        let is_its = |result: &&Value| {
            result["host_name"] == "north-1" && result["status"] == "up" && result["slot"].as_i64() > Some(slot)
        };
        Ok(results.iter().find(is_its).and_then(|result| result["slot"].as_i64()))
    };
    let ran = eventually("the machine to run the check", LIMIT, || runs_after(0)).unwrap();

    eventually("a new certificate", LIMIT, || Ok((machine.certificate() != first).then_some(())))
        .unwrap_or_else(|error| panic!("{error}: {}", machine.log()));
    eventually("runs under it", LIMIT, || runs_after(ran + 10_000)).unwrap();
    assert!(machine.host.as_mut().unwrap().try_wait().unwrap().is_none(), "it was not started again");
    assert!(machine.log().contains("certificate renewed"), "{}", machine.log());
}

#[test]
fn a_token_lets_one_machine_in_and_only_the_one_it_was_made_for() {
    let system = System::builder().hosts(1).start().unwrap();
    let line = invited(&system);
    let (machine, thief) = (Machine::bare(), Machine::bare());
    for other in ["--provider elsewhere --region eu-north", "--provider polar --region elsewhere"] {
        let stolen = line.replace("--provider polar --region eu-north", other);
        let (code, said) = complaint(&thief.types(&stolen));
        assert!(code == Some(77) && said.contains("another provider or region"), "{code:?} {said}");
    }
    let joined = machine.types(&line);
    assert!(joined.status.success(), "{:?}", complaint(&joined));
    assert!(String::from_utf8_lossy(&joined.stdout).contains(&format!("farwatch host --data {}", machine.data())));
    let (code, said) = complaint(&thief.types(&line));
    assert!(code == Some(77) && said.contains("has been used"), "{code:?} {said}");
    let (code, said) = complaint(&machine.types(&line));
    assert!(code == Some(73) && said.contains("a host already"), "{code:?} {said}");
    let reasons: Vec<String> = eventually("the refusals to be told", LIMIT, || {
        let told = told(&system, "refused.join");
        Ok((told.len() == 3).then(|| told.iter().map(|entry| text(&entry["detail"]["why"])).collect()))
    })
    .unwrap();
    assert_eq!(reasons, ["elsewhere", "elsewhere", "used"]);
    assert!(!Path::new(&thief.data()).join("identity").exists());
}

#[test]
fn a_machine_gives_its_token_to_nobody_but_control_of_the_right_authority() {
    let system = System::builder().hosts(1).start().unwrap();
    let line = invited(&system);
    let (before, token) = line.rsplit_once(' ').unwrap();
    let token: JoinToken = token.parse().unwrap();
    let impostor = JoinToken { authority: AuthorityDigest([7; 32]), ..token.clone() };
    let machine = Machine::bare();
    let (code, said) = complaint(&machine.types(&format!("{before} {impostor}")));
    assert!(code == Some(69) && said.contains("not the control of this token"), "{code:?} {said}");
    let nowhere = JoinToken { controls: vec![free_address().unwrap().to_string()], ..token };
    let (code, said) = complaint(&machine.types(&format!("{before} {nowhere}")));
    assert!(code == Some(69) && said.contains("the same line may be typed again"), "{code:?} {said}");
    let (code, said) = complaint(&machine.types(&line[..line.len() - 3]));
    assert!(code == Some(64) && said.contains("cut or mistyped"), "{code:?} {said}");
    assert!(machine.types(&line).status.success(), "and by the right line it joins");
    assert!(told(&system, "refused.join").is_empty(), "nobody else saw the secret");
}
