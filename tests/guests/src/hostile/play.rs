//! Plays an attack as far as it gets: the gate of control, the compiler, what it says of itself, a config, and a run with
//! the real probes of a host.

use anyhow::{anyhow, ensure};
use farwatch_control::module_rules;
use farwatch_core::egress::Policy;
use farwatch_host::clock::Clock;
use farwatch_host::probe::{ProbeSettings, Prober};
use farwatch_host::secrets::Secrets;
use farwatch_host::tryout::{Found, run_once};
use farwatch_sandbox::{Module, ModuleError, RunContext, Stop, admit};

use super::attack::{At, Attack};
use super::{apart, servers};
use crate::stage::Stage;

/// Where attacks are played.
pub struct Arena<'a> {
    stage: &'a Stage,
    /// The probes of a host that may reach nothing but what is public: none of the exceptions of the stage.
    strict: Prober,
    is_apart: bool,
}

/// How an attack ended.
#[derive(Debug)]
pub struct End {
    /// Where.
    pub at: At,
    /// By which code.
    pub code: String,
    /// What was said about it.
    pub message: String,
}

impl End {
    fn new(at: At, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { at, code: code.into(), message: message.into() }
    }

    fn stopped(at: At, stop: &Stop) -> Self {
        Self::new(at, stop.code.as_str(), &stop.message)
    }
}

impl<'a> Arena<'a> {
    /// Beside the stage of the good cases.
    ///
    /// # Errors
    /// When the probes cannot be made.
    pub fn new(stage: &'a Stage) -> anyhow::Result<Self> {
        let policy = Policy::new(Vec::new(), Vec::new());
        let strict = Prober::new(Clock::default(), policy, &ProbeSettings::default())?;
        Ok(Self { stage, strict, is_apart: false })
    }

    /// The same in a process that has a network to itself.
    ///
    /// # Errors
    /// When the probes cannot be made.
    pub fn apart(stage: &'a Stage) -> anyhow::Result<Self> {
        Ok(Self { is_apart: true, ..Self::new(stage)? })
    }

    /// Plays an attack, and holds its end against what it expects.
    ///
    /// # Errors
    /// When it ends otherwise.
    pub fn play(&self, attack: &Attack) -> anyhow::Result<End> {
        if attack.apart && !self.is_apart {
            apart::play(attack)?;
            return Ok(End::new(attack.at, &attack.code, ""));
        }
        let end = self.end(attack)?;
        let found = format!("{} {}: {}", end.at.as_str(), end.code, end.message);
        let expected = format!("{} {}", attack.at.as_str(), attack.code);
        ensure!(
            (end.at, end.code.as_str()) == (attack.at, attack.code.as_str()),
            "{}\nexpected: {expected}\nfound:    {found}",
            attack.says
        );
        for words in &attack.message {
            ensure!(end.message.contains(words), "{}\nexpected: `{words}`\nfound:    {found}", attack.says);
        }
        Ok(end)
    }

    /// The component of an attack.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn bytes(&self, attack: &Attack) -> anyhow::Result<Vec<u8>> {
        match &attack.guest {
            Some(guest) => self.stage.bytes(guest),
            None => attack.build(),
        }
    }

    /// Whether a guest is one that comes with the product, and so needs not be taken in.
    pub fn is_built_in(&self, guest: &str) -> bool {
        self.stage.modules().is_ok_and(|modules| modules.iter().any(|module| module == guest))
    }

    fn end(&self, attack: &Attack) -> anyhow::Result<End> {
        let bytes = self.bytes(attack)?;
        if let Err(refusal) = admit(&bytes) {
            return Ok(End::new(At::Gate, refusal.code, refusal.message));
        }
        let module = match self.load(attack, bytes) {
            Ok(module) => module,
            Err(ModuleError::Refused(refusal)) => return Ok(End::new(At::Compile, refusal.code, refusal.message)),
            Err(error) => return Err(error.into()),
        };
        let is_presented = attack.guest.as_ref().is_some_and(|guest| self.is_built_in(guest));
        if let Some(end) = (!is_presented).then(|| self.presented(&module)).flatten() {
            return Ok(end);
        }
        let url = attack.server.as_deref().map(servers::url).transpose()?.unwrap_or_default();
        let sandbox = &self.stage.sandbox;
        match self.stage.runtime.block_on(sandbox.validate(&module, &attack.config(&url)?)) {
            Err(stop) => Ok(End::stopped(At::Validate, &stop)),
            Ok(Err(problems)) => {
                let first = problems.first().ok_or_else(|| anyhow!("the config is refused without a problem"))?;
                Ok(End::new(At::Validate, &first.code, &first.message))
            }
            Ok(Ok(prepared)) => self.run(attack, &module, prepared.config),
        }
    }

    /// Guests that several attacks share are compiled once, and WAT as an upload is.
    fn load(&self, attack: &Attack, bytes: Vec<u8>) -> Result<Module, ModuleError> {
        match &attack.guest {
            Some(guest) => self.stage.load(guest).map_err(|error| ModuleError::Host(format!("{error:#}"))),
            None => Ok(self.stage.runtime.block_on(self.stage.sandbox.on_trial(bytes))?.module),
        }
    }

    /// The end of a module that does not present itself as it must.
    fn presented(&self, module: &Module) -> Option<End> {
        let told = match self.stage.runtime.block_on(self.stage.sandbox.describe(module)) {
            Ok(told) => told,
            Err(stop) => return Some(End::stopped(At::Describe, &stop)),
        };
        let broken = module_rules::judge(&told, module.imports()).err()?;
        Some(End::new(At::Rules, broken.code, broken.detail))
    }

    fn run(&self, attack: &Attack, module: &Module, config: Vec<u8>) -> anyhow::Result<End> {
        let now_ms = u64::try_from(farwatch_tests::clock::now().0)?;
        let context = RunContext {
            check_id: attack.name.clone(),
            slot_ms: now_ms,
            now_ms,
            attempt: 0,
            timeout_ms: attack.timeout_ms,
            config,
        };
        let prober = if attack.server.is_some() { &self.stage.prober } else { &self.strict };
        let none = Secrets::default();
        let run = run_once(&self.stage.sandbox, prober, module, &context, &none, |_| true);
        let Found { outcome, .. } = self.stage.runtime.block_on(run);
        let message = outcome.detail.as_deref().map_or("", |detail| detail.message.as_str());
        // A plainly good run says no more than that.
        let code = if outcome.detail.is_none() { "ok" } else { outcome.code() };
        Ok(End::new(At::Run, code, message))
    }
}
