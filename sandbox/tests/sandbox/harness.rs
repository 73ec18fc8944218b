//! A sandbox, shared by the tests that only run guests; the guests; and probes that answer from a list.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use farwatch_proto::id::ModuleHash;
use farwatch_sandbox::http::{Request, Response, Version};
use farwatch_sandbox::types::{Failure, Outcome, PhaseTimes};
use farwatch_sandbox::{
    CompileCommand, Limits, Module, Probes, RunContext, RunEnd, RunReport, Sandbox, SandboxConfig, StopCode, Tier,
};
use tempfile::TempDir;

/// The time at which every run of these tests is made: 100 days after the epoch.
pub(crate) const NOW_MS: u64 = 100 * DAY_MS;
pub(crate) const DAY_MS: u64 = 86_400_000;

/// The sandbox of the tests that only run guests. What it has compiled it keeps from one run of the tests to the next.
static SHARED: LazyLock<Sandbox> = LazyLock::new(|| {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sandbox");
    Sandbox::new(config(&directory, |_| {})).expect("a sandbox")
});

/// Loads a guest into the shared sandbox.
pub(crate) async fn shared(guest: &str) -> (&'static Sandbox, Module) {
    (&SHARED, load(&SHARED, guest).await)
}

async fn load(sandbox: &Sandbox, guest: &str) -> Module {
    let hash = save(sandbox, guest).await;
    sandbox.load(hash).await.expect(guest)
}

async fn save(sandbox: &Sandbox, guest: &str) -> ModuleHash {
    let bytes = guest_bytes(guest);
    let hash = ModuleHash::of(&bytes);
    sandbox.save(hash, bytes).await.expect(guest);
    hash
}

/// A run with the config as it is, without a word by the module's `validate`.
pub(crate) async fn run_raw(
    (sandbox, module): &(&Sandbox, Module),
    config: &str,
    probes: &mut impl Probes,
    limits: &Limits,
) -> RunReport {
    let context = context(config.as_bytes().to_vec(), 1_000);
    sandbox.run(module, probes, &context, limits).await
}

/// A run with a config that the module's `validate` accepts.
pub(crate) async fn run((sandbox, module): &(&Sandbox, Module), config: &str, probes: &mut impl Probes) -> RunReport {
    let prepared = sandbox.validate(module, config).await.expect("validate ends").expect(config);
    let context = context(prepared.config, 10_000);
    sandbox.run(module, probes, &context, &patient()).await
}

/// A sandbox of a test's own, and the directory that it lives in.
pub(crate) struct Bench {
    pub(crate) sandbox: Sandbox,
    pub(crate) directory: TempDir,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    /// A sandbox whose config the test has changed.
    pub(crate) fn with(change: impl FnOnce(&mut SandboxConfig)) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let sandbox = Sandbox::new(config(directory.path(), change)).expect("a sandbox");
        Self { sandbox, directory }
    }

    /// Another sandbox on the same directory, as after a restart.
    pub(crate) fn restarted(self) -> Self {
        let Self { sandbox, directory } = self;
        drop(sandbox);
        let sandbox = Sandbox::new(config(directory.path(), |_| {})).expect("a sandbox");
        Self { sandbox, directory }
    }

    pub(crate) async fn load(&self, guest: &str) -> Module {
        load(&self.sandbox, guest).await
    }

    pub(crate) async fn save(&self, guest: &str) -> ModuleHash {
        save(&self.sandbox, guest).await
    }
}

fn config(directory: &Path, change: impl FnOnce(&mut SandboxConfig)) -> SandboxConfig {
    let mut config = SandboxConfig {
        directory: directory.to_owned(),
        run_places: 16,
        loaded_modules: 4,
        compile: CompileCommand {
            program: env!("CARGO_BIN_EXE_farwatch-compile-module").into(),
            arguments: Vec::new(),
            wall: CompileCommand::WALL,
        },
    };
    change(&mut config);
    config
}

/// The bytes of a guest, from the target directory that holds this test.
pub(crate) fn guest_bytes(name: &str) -> Vec<u8> {
    let program = std::env::current_exe().expect("this program has a path");
    let candidates = program.ancestors().map(|directory| directory.join("modules").join(name).with_extension("wasm"));
    let path = candidates.into_iter().find(|path: &PathBuf| path.exists());
    let path = path.unwrap_or_else(|| panic!("{name}.wasm is not built; run `make guests`"));
    std::fs::read(path).expect("the guest is readable")
}

/// Limits that a well-behaved guest never meets, however busy the machine is.
pub(crate) fn patient() -> Limits {
    Limits { wall: Duration::from_secs(60), ..Limits::for_run(Tier::Small, Duration::from_secs(60)) }
}

pub(crate) fn context(config: Vec<u8>, timeout_ms: u32) -> RunContext {
    RunContext { check_id: "chk_1".to_owned(), slot_ms: NOW_MS, now_ms: NOW_MS, attempt: 0, timeout_ms, config }
}

pub(crate) fn judged(report: RunReport) -> Outcome {
    match report.end {
        RunEnd::Judged(outcome) => outcome,
        other => panic!("not judged but {other:?}"),
    }
}

pub(crate) fn stopped(report: &RunReport) -> StopCode {
    match &report.end {
        RunEnd::Stopped(stop) => stop.code,
        other => panic!("not stopped but {other:?}"),
    }
}

/// Gives the answers in their order, and keeps the requests.
#[derive(Default)]
pub(crate) struct Answers {
    pub(crate) requests: Vec<Request>,
    answers: VecDeque<Result<Response, Failure>>,
}

impl Answers {
    pub(crate) fn new(answers: impl IntoIterator<Item = Result<Response, Failure>>) -> Self {
        Self { requests: Vec::new(), answers: answers.into_iter().collect() }
    }

    pub(crate) fn one(response: Response) -> Self {
        Self::new([Ok(response)])
    }
}

impl Probes for Answers {
    async fn fetch(&mut self, request: Request) -> Result<Response, Failure> {
        self.requests.push(request);
        self.answers.pop_front().expect("no more requests than answers")
    }
}

/// Answers every request with the same.
pub(crate) struct Always(pub(crate) Response);

impl Probes for Always {
    async fn fetch(&mut self, _request: Request) -> Result<Response, Failure> {
        tokio::task::yield_now().await;
        Ok(self.0.clone())
    }
}

/// Answers no request, ever.
pub(crate) struct Never;

impl Probes for Never {
    async fn fetch(&mut self, _request: Request) -> Result<Response, Failure> {
        std::future::pending().await
    }
}

pub(crate) fn times(total: u32) -> PhaseTimes {
    PhaseTimes { resolve: Some(100), connect: Some(200), tls: None, first_byte: Some(300), transfer: Some(400), total }
}

pub(crate) fn answer(status: u16) -> Response {
    Response {
        status,
        version: Version::Http1,
        location: None,
        headers: Vec::new(),
        trailers: Vec::new(),
        body: Vec::new(),
        body_bytes: 0,
        body_truncated: false,
        remote: "192.0.2.7:443".to_owned(),
        times: times(212_000),
        tls: None,
    }
}
