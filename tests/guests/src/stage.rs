//! Where cases are played: a sandbox and the probes of a host, which may reach loopback and trusts the cases' authority.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use anyhow::{Context, bail, ensure};
use farwatch_core::egress::Policy;
use farwatch_host::clock::Clock;
use farwatch_host::probe::{ProbeSettings, Prober};
use farwatch_host::secrets::Secrets;
use farwatch_host::tryout::{Found, run_once};
use farwatch_proto::id::ModuleHash;
use farwatch_proto::outcome::Status;
use farwatch_sandbox::{CompileCommand, Module, RunContext, Sandbox, SandboxConfig};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::case::Case;
use crate::{relay, server};

/// The word by which this program is a compiler for its sandbox.
pub const COMPILE: &str = "compile-module";

/// See the file's documentation.
pub struct Stage {
    pub(crate) runtime: Runtime,
    pub(crate) sandbox: Sandbox,
    pub(crate) prober: Prober,
    modules: PathBuf,
    _directory: TempDir,
}

/// A case whose server runs: its config and its secrets, with the facts that the server tells of itself.
#[derive(Debug)]
pub struct Standing {
    /// The config.
    pub config: serde_json::Value,
    secrets: BTreeMap<String, String>,
}

/// All that a host has at hand when a slot is due.
pub struct Due {
    module: Module,
    context: RunContext,
    secrets: Secrets,
}

impl Stage {
    /// Sets it up.
    ///
    /// # Errors
    /// When the modules are not built.
    pub fn new() -> anyhow::Result<Self> {
        let program = std::env::current_exe()?;
        let modules =
            program.ancestors().map(|above| above.join("modules")).find(|modules| modules.join("checks").exists());
        let directory = tempfile::tempdir()?;
        let authority = directory.path().join("authority.pem");
        fs::write(&authority, server::AUTHORITY.pem())?;
        let sandbox = Sandbox::new(SandboxConfig {
            directory: directory.path().join("sandbox"),
            run_places: 64,
            loaded_modules: SandboxConfig::LOADED_MODULES,
            compile: CompileCommand { program, arguments: vec![COMPILE.to_owned()], wall: CompileCommand::WALL },
        })?;
        let loopback = vec!["127.0.0.0/8".parse()?, "::1/128".parse()?];
        let settings = ProbeSettings { bind: None, extra_roots: Some(authority) };
        let prober = Prober::new(Clock::default(), Policy::new(loopback, Vec::new()), &settings)?;
        Ok(Self {
            runtime: Runtime::new()?,
            sandbox,
            prober,
            modules: modules.context("the modules are not built; run `make guests`")?,
            _directory: directory,
        })
    }

    /// The modules that are built.
    ///
    /// # Errors
    /// When their list cannot be read.
    pub fn modules(&self) -> anyhow::Result<Vec<String>> {
        Ok(fs::read_to_string(self.modules.join("checks"))?.split_whitespace().map(str::to_owned).collect())
    }

    /// Plays a case.
    ///
    /// # Errors
    /// When it cannot be played, or something else is found than it expects.
    pub fn play(&self, case: &Case) -> anyhow::Result<Found> {
        let standing = self.set(case)?;
        let found = self.look(case, &standing)?;
        compare(case, &standing, &found)?;
        Ok(found)
    }

    /// Has its server run, and what stands in the way, and returns what looks there.
    ///
    /// # Errors
    /// When they cannot be started.
    pub fn set(&self, case: &Case) -> anyhow::Result<Standing> {
        let server = server::get(&case.server)?;
        let address = match &case.way {
            Some(mishap) => relay::open(server.address, mishap.clone())?,
            None => server.address,
        };
        let mut facts = server.facts.clone();
        facts.insert("host".to_owned(), address.ip().to_string());
        facts.insert("port".to_owned(), address.port().to_string());
        let config = fill(&serde_json::to_value(&case.config)?, &facts);
        let secrets = case.secrets.iter().map(|(name, value)| (name.clone(), put_in(value, &facts))).collect();
        Ok(Standing { config, secrets })
    }

    /// Makes the run of a case that is set.
    ///
    /// # Errors
    /// When the module cannot be run, or refuses its config.
    pub fn look(&self, case: &Case, standing: &Standing) -> anyhow::Result<Found> {
        Ok(self.run(&self.prepare(case, standing)?))
    }

    /// Loads the module of a case that is set, and has it prepare the config.
    ///
    /// # Errors
    /// When the module cannot be loaded, or refuses its config.
    pub fn prepare(&self, case: &Case, standing: &Standing) -> anyhow::Result<Due> {
        let module = self.load(case.module())?;
        let prepared = match self.runtime.block_on(self.sandbox.validate(&module, &standing.config.to_string()))? {
            Ok(prepared) => prepared,
            Err(problems) => bail!("the config is refused: {problems:?}"),
        };
        let now_ms = u64::try_from(farwatch_tests::clock::now().0)?;
        let context = RunContext {
            check_id: case.name.clone(),
            slot_ms: now_ms,
            now_ms,
            attempt: 0,
            timeout_ms: case.timeout_ms,
            config: prepared.config,
        };
        Ok(Due { module, context, secrets: standing.secrets.clone().into_iter().collect() })
    }

    /// Makes a run, as often as it is asked to.
    pub fn run(&self, due: &Due) -> Found {
        let run = run_once(&self.sandbox, &self.prober, &due.module, &due.context, &due.secrets, |_| true);
        self.runtime.block_on(run)
    }

    /// Loads a module, which is compiled if it never was.
    ///
    /// # Errors
    /// When it is not built, or cannot be loaded.
    pub fn load(&self, name: &str) -> anyhow::Result<Module> {
        let bytes = self.bytes(name)?;
        let hash = ModuleHash::of(&bytes);
        self.runtime.block_on(async {
            self.sandbox.save(hash, bytes).await?;
            Ok(self.sandbox.load(hash).await?)
        })
    }

    /// The component of a module.
    ///
    /// # Errors
    /// When it is not built.
    pub fn bytes(&self, name: &str) -> anyhow::Result<Vec<u8>> {
        let path = self.modules.join(name).with_extension("wasm");
        fs::read(&path).with_context(|| format!("there is no module {}", path.display()))
    }
}

/// The stage that all cases share.
pub static STAGE: LazyLock<anyhow::Result<Stage>> = LazyLock::new(Stage::new);

/// A config with the facts in it.
fn fill(value: &serde_json::Value, facts: &BTreeMap<String, String>) -> serde_json::Value {
    use serde_json::Value;
    match value {
        Value::String(text) => {
            let filled = put_in(text, facts);
            let is_port = text.ends_with("port}") && text.starts_with('{');
            filled.parse::<u16>().ok().filter(|_| is_port).map_or(Value::String(filled), Value::from)
        }
        Value::Array(values) => values.iter().map(|value| fill(value, facts)).collect(),
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), fill(value, facts))).collect(),
        other => other.clone(),
    }
}

fn put_in(text: &str, facts: &BTreeMap<String, String>) -> String {
    facts.iter().fold(text.to_owned(), |text, (name, fact)| text.replace(&format!("{{{name}}}"), fact))
}

/// Holds what was found against what the case expects.
///
/// # Errors
/// When it is something else.
pub fn compare(case: &Case, standing: &Standing, Found { outcome, .. }: &Found) -> anyhow::Result<()> {
    let expect = &case.expect;
    let status = match outcome.status {
        Status::Up => "up",
        Status::Degraded => "degraded",
        Status::Down => "down",
        Status::Unknown(_) => "unknown",
    };
    let message = outcome.detail.as_deref().map_or("", |detail| detail.message.as_str());
    // A plainly good run says no more than that.
    let code = if outcome.detail.is_none() { "ok" } else { outcome.code() };
    let found = format!("{status} {code}: {message}");
    ensure!(
        (status, code) == (expect.status.as_str(), expect.code.as_str()),
        "{}\nexpected: {} {}\nfound:    {found}",
        case.says,
        expect.status,
        expect.code
    );
    for words in &expect.message {
        ensure!(message.contains(words), "{}\nexpected: a message with `{words}`\nfound:    {found}", case.says);
    }
    for words in &expect.message_lacks {
        ensure!(!message.contains(words), "{}\nexpected: a message without `{words}`\nfound:    {found}", case.says);
    }
    for secret in standing.secrets.values() {
        ensure!(!format!("{outcome:?}").contains(secret.as_str()), "{}\nthe secret is in what was found", case.says);
    }
    Ok(())
}
