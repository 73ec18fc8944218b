//! Modules on disk, in the compile child and in memory.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use farwatch_proto::id::ModuleHash;
use farwatch_sandbox::{Limits, MODULE_BYTES_MAX, ModuleError, SandboxConfig, Tier};
use farwatch_tests::wait::{eventually, eventually_async};

use crate::harness::{Bench, guest_bytes};

/// How long the system may take on a machine busy with other tests.
const PATIENCE: Duration = Duration::from_secs(10);

/// The bytes of `(component <sections>)`.
fn component(sections: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = b"\0asm\x0d\0\x01\0".to_vec();
    for (id, content) in sections {
        bytes.extend([*id, u8::try_from(content.len()).expect("a small section")]);
        bytes.extend(content);
    }
    bytes
}

fn name(text: &str) -> Vec<u8> {
    [&[0, u8::try_from(text.len()).expect("a short name")], text.as_bytes()].concat()
}

/// `(component (import "<name>" (instance)))`
fn importing(import: &str) -> Vec<u8> {
    let types = vec![1, 0x42, 0];
    let imports = [vec![1], name(import), vec![5, 0]].concat();
    component(&[(7, types), (10, imports)])
}

/// `(component (instance $nothing) (export "farwatch:check/check@0.1.0" (instance $nothing)))`
fn exporting_nothing() -> Vec<u8> {
    let instances = vec![1, 1, 0];
    let exports = [vec![1], name("farwatch:check/check@0.1.0"), vec![5, 0, 0]].concat();
    component(&[(5, instances), (11, exports)])
}

async fn refusal(bench: &Bench, bytes: &[u8]) -> farwatch_sandbox::Refusal {
    match bench.sandbox.save(ModuleHash::of(bytes), bytes.to_vec()).await {
        Err(ModuleError::Refused(refusal)) => refusal,
        other => panic!("not refused but {other:?}"),
    }
}

#[tokio::test]
async fn an_import_that_is_not_linked_is_refused_by_name() {
    let bench = Bench::new();
    for import in
        ["farwatch:check/quic@0.1.0", "farwatch:check/http@0.2.0", "wasi:cli/stdout@0.3.0", "wasi:keyvalue/store@0.2.0"]
    {
        let refusal = refusal(&bench, &importing(import)).await;
        assert_eq!(refusal.code, "module-import-unknown");
        assert!(refusal.message.contains(import), "{refusal}");
    }
}

#[tokio::test]
async fn what_is_no_module_is_refused() {
    let bench = Bench::new();
    assert_eq!(refusal(&bench, b"not a module").await.code, "module-invalid");
    assert_eq!(refusal(&bench, b"\0asm\x01\0\0\0").await.code, "module-invalid");
    assert_eq!(refusal(&bench, &component(&[])).await.code, "module-export-missing");
    assert_eq!(refusal(&bench, &vec![0; MODULE_BYTES_MAX + 1]).await.code, "module-too-large");
    let mut cut = guest_bytes("http");
    cut.truncate(cut.len() / 2);
    assert_eq!(refusal(&bench, &cut).await.code, "module-invalid");
}

/// A module with so many bytes more, which mean nothing.
fn padded(mut bytes: Vec<u8>, padding: usize) -> Vec<u8> {
    let mut section = b"\x07padding".to_vec();
    section.resize(section.len() + padding, 0);
    // A custom section, and its length in five groups of seven bits.
    bytes.push(0);
    for group in 0..5 {
        let bits = u8::try_from((section.len() >> (7 * group)) & 0x7f).expect("seven bits");
        bytes.push(if group < 4 { bits | 0x80 } else { bits });
    }
    bytes.extend(section);
    bytes
}

#[tokio::test]
async fn what_brings_an_interpreter_has_room_for_it() {
    let bench = Bench::new();
    for (guest, padding, tier) in [
        ("http", 8 << 20, Tier::Small),
        ("hostile-wasi", 1 << 20, Tier::Small),
        ("hostile-wasi", 17 << 20, Tier::Large),
    ] {
        let bytes = padded(guest_bytes(guest), padding);
        let hash = ModuleHash::of(&bytes);
        bench.sandbox.save(hash, bytes).await.expect("it is not too large for its tier");
        assert_eq!(bench.sandbox.load(hash).await.expect("it is acceptable").tier(), tier, "{guest}");
    }
    assert_eq!(refusal(&bench, &padded(guest_bytes("http"), 17 << 20)).await.code, "module-too-large");
    let [small, large] = Tier::ALL.map(|tier| Limits::for_run(tier, Duration::from_secs(1)));
    assert!(small.cpu < large.cpu && small.table_elements < large.table_elements && small.wall == large.wall);
}

#[tokio::test]
async fn other_types_than_the_treatys_are_refused() {
    let bench = Bench::new();
    let bytes = exporting_nothing();
    let hash = ModuleHash::of(&bytes);
    bench.sandbox.save(hash, bytes).await.expect("its names are good");
    let error = bench.sandbox.load(hash).await.expect_err("its types are not");
    assert!(matches!(&error, ModuleError::Refused(refusal) if refusal.code == "module-types-differ"), "{error}");
}

#[tokio::test]
async fn bytes_are_saved_under_their_own_name_only() {
    let bench = Bench::new();
    let bytes = guest_bytes("http");
    let other = ModuleHash::of(b"other");
    let error = bench.sandbox.save(other, bytes).await.expect_err("that is not its name");
    assert!(matches!(error, ModuleError::WrongHash { expected, .. } if expected == other), "{error}");
    assert!(!bench.sandbox.has(&other));
}

fn files(directory: &Path, suffix: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("it can be listed");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths.filter(|path| path.to_string_lossy().ends_with(suffix)).collect()
}

#[tokio::test]
async fn files_are_for_their_owner_only() {
    let bench = Bench::new();
    bench.load("http").await;
    for (directory, suffix) in [("modules", ".wasm"), ("compiled", ".cwasm"), ("compiled", ".sum")] {
        let directory = bench.directory.path().join(directory);
        let [file] = files(&directory, suffix).try_into().expect("one file");
        let mode = |path: &Path| fs::metadata(path).expect("it exists").permissions().mode() & 0o777;
        assert_eq!((mode(&directory), mode(&file)), (0o700, 0o600), "{}", file.display());
    }
}

#[tokio::test]
async fn damaged_bytes_are_found_and_can_be_brought_again() {
    let bench = Bench::new();
    let hash = bench.save("http").await;
    let [file] = files(&bench.directory.path().join("modules"), ".wasm").try_into().expect("one file");
    fs::write(&file, b"damaged").expect("written");
    let error = bench.sandbox.load(hash).await.expect_err("it is damaged");
    assert!(matches!(error, ModuleError::Corrupt(_)), "{error}");
    let error = bench.sandbox.load(hash).await.expect_err("it was removed");
    assert!(matches!(error, ModuleError::Missing(_)), "{error}");
    bench.load("http").await;
}

#[tokio::test]
async fn damaged_code_is_compiled_again() {
    let bench = Bench::new();
    bench.load("http").await;
    let [file] = files(&bench.directory.path().join("compiled"), ".cwasm").try_into().expect("one file");
    let mut code = fs::read(&file).expect("readable");
    let middle = code.len() / 2;
    code[middle] ^= 1;
    fs::write(&file, &code).expect("written");
    let bench = bench.restarted();
    bench.load("http").await;
    assert_ne!(fs::read(&file).expect("readable"), code);
}

#[tokio::test]
async fn code_is_kept_over_a_restart() {
    let bench = Bench::new();
    let hash = bench.load("http").await.hash();
    let directory = bench.directory.path().to_owned();
    let bench = Bench { directory: bench.directory, sandbox: sandbox_that_cannot_compile(&directory) };
    assert_eq!(bench.sandbox.load(hash).await.expect("no compiler is needed").hash(), hash);
}

fn sandbox_that_cannot_compile(directory: &Path) -> farwatch_sandbox::Sandbox {
    let mut config = None;
    Bench::with(|given| config = Some(given.clone()));
    let mut config = config.expect("it was given");
    config.directory = directory.to_owned();
    config.compile.program = "/bin/false".into();
    farwatch_sandbox::Sandbox::new(config).expect("a sandbox")
}

/// Makes the compile child a shell script.
fn script(config: &mut SandboxConfig, script: &str) {
    let compiler = config.compile.program.display().to_string();
    config.compile.program = "/bin/sh".into();
    config.compile.arguments =
        vec!["-c".to_owned(), script.to_owned(), config.directory.display().to_string(), compiler];
}

#[tokio::test]
async fn a_compile_child_that_takes_too_long_is_killed() {
    let bench = Bench::with(|config| {
        script(config, "echo $$ > $0/pid; exec /bin/sleep 1000");
        config.compile.wall = Duration::from_millis(300);
    });
    let hash = bench.save("http").await;
    let error = bench.sandbox.load(hash).await.expect_err("it is never done");
    assert!(matches!(&error, ModuleError::Host(reason) if reason.contains("busy")), "{error}");
    let pid = fs::read_to_string(bench.directory.path().join("pid")).expect("the child has started");
    let status = PathBuf::from(format!("/proc/{}/stat", pid.trim()));
    let is_gone = || fs::read_to_string(&status).map_or(true, |stat| stat.contains(") Z "));
    eventually("the child to be gone", PATIENCE, || Ok(is_gone().then_some(()))).unwrap();
    assert!(files(&bench.directory.path().join("compiled"), "").is_empty());
}

fn starts(bench: &Bench) -> usize {
    fs::read_to_string(bench.directory.path().join("starts")).map_or(0, |text| text.lines().count())
}

#[tokio::test]
async fn a_module_is_compiled_also_where_nobody_waits_for_it_any_more() {
    let wait = "echo >> $0/starts; until [ -e $0/go ]; do sleep 0.05; done; exec $1";
    let bench = Bench::with(|config| script(config, wait));
    let hash = bench.save("http").await;
    tokio::select! {
        _ = bench.sandbox.load(hash) => panic!("it cannot be compiled yet"),
        started = eventually_async("the child", PATIENCE, async || Ok((starts(&bench) == 1).then_some(()))) => {
            started.unwrap();
        }
    }
    fs::write(bench.directory.path().join("go"), "").expect("written");
    assert_eq!(bench.sandbox.load(hash).await.expect("it is compiled").hash(), hash);
    assert_eq!(starts(&bench), 1);
}

#[tokio::test]
async fn those_who_ask_at_once_share_one_compilation() {
    let bench = Bench::with(|config| script(config, "echo >> $0/starts; exec $1"));
    let hash = bench.save("http").await;
    let load = || bench.sandbox.load(hash);
    let loaded = tokio::join!(load(), load(), load(), load());
    assert!(loaded.0.is_ok() && loaded.1.is_ok() && loaded.2.is_ok() && loaded.3.is_ok());
    assert_eq!(starts(&bench), 1);
}

#[tokio::test]
async fn a_refusal_is_remembered_and_a_failure_is_not() {
    for (exit, starts_expected, code) in [(65, 1, Some("module-compile-failed")), (71, 2, None)] {
        let bench = Bench::with(|config| script(config, &format!("echo >> $0/starts; echo why >&2; exit {exit}")));
        let hash = bench.save("http").await;
        for _ in 0..2 {
            let error = bench.sandbox.load(hash).await.expect_err("it cannot be compiled");
            assert!(error.to_string().contains("why"), "{error}");
            let found = if let ModuleError::Refused(refusal) = &error { Some(refusal.code) } else { None };
            assert_eq!(found, code);
        }
        assert_eq!(starts(&bench), starts_expected, "exit {exit}");
    }
}

#[tokio::test]
async fn a_child_that_dies_of_its_limits_is_a_refusal() {
    let bench = Bench::with(|config| script(config, "kill -ABRT $$"));
    let hash = bench.save("http").await;
    let error = bench.sandbox.load(hash).await.expect_err("it cannot be compiled");
    assert!(matches!(&error, ModuleError::Refused(refusal) if refusal.code == "module-compile-limit"), "{error}");
}

#[tokio::test]
async fn the_compile_child_limits_itself_before_it_reads() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_farwatch-compile-module"))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let path = format!("/proc/{}/limits", child.id());
    let limit = |name: &str| {
        let limits = fs::read_to_string(&path).expect("it runs, waiting for its input");
        let line = limits.lines().find(|line| line.starts_with(name)).expect(name).to_owned();
        line[name.len()..].split_whitespace().next().map(str::to_owned)
    };
    let is_limited = || limit("Max file size").as_deref() == Some("268435456");
    eventually("its output to be limited", PATIENCE, || Ok(is_limited().then_some(()))).unwrap();
    assert_eq!(limit("Max address space").as_deref(), Some("4294967296"));
    assert_eq!(limit("Max cpu time").as_deref(), Some("100"));
    assert_eq!(limit("Max core file size").as_deref(), Some("0"));
    child.kill().expect("it can be killed");
    child.wait().expect("it ends");
}

#[tokio::test]
async fn the_module_that_was_not_asked_for_longest_makes_room() {
    let bench = Bench::with(|config| config.loaded_modules = 1);
    let http = bench.load("http").await;
    bench.load("hostile").await;
    assert_eq!(bench.sandbox.loaded_count(), 1);
    // Whoever still holds it can use it.
    assert_eq!(bench.sandbox.describe(&http).await.expect("it ends").name, "http");
    bench.load("http").await;
    assert_eq!(bench.sandbox.loaded_count(), 1);
}

#[tokio::test]
async fn of_a_module_on_trial_nothing_is_left_but_code_that_is_kept() {
    let bench = Bench::new();
    let left = || ["modules", "compiled"].map(|folder| files(&bench.directory.path().join(folder), "").len());
    let bytes = guest_bytes("hostile");
    let trial = bench.sandbox.on_trial(bytes.clone()).await.expect("it is acceptable");
    assert_eq!(bench.sandbox.describe(&trial.module).await.expect("it ends").name, "hostile");
    assert_eq!((trial.module.imports().collect::<Vec<_>>(), left()), (vec!["http"], [0, 1]));
    drop(trial);
    assert_eq!(left(), [0, 0]);
    let refused = bench.sandbox.on_trial(bytes[..bytes.len() / 2].to_vec()).await;
    assert!(matches!(refused, Err(ModuleError::Refused(_))));
    assert_eq!((left(), bench.sandbox.loaded_count()), ([0, 0], 0));

    let trial = bench.sandbox.on_trial(bytes).await.expect("it is acceptable");
    let hash = trial.module.hash();
    bench.sandbox.keep(trial.code).await.expect("there is room");
    assert_eq!(left(), [0, 2], "its code, and the checksum of that");
    bench.sandbox.load(hash).await.expect("it need not be compiled again");
}
