//! A whole module in its sandbox, whose network gives it the bytes: all that it reads of its peer is read there.
//!
//! Its configs are the examples of its own schema, so a new module is struck as soon as it is there.

use anyhow::{Context, anyhow, bail, ensure};
use farwatch_sandbox::{Limits, Module, RunContext, RunEnd};
use serde_json::Value;

use super::Target;
use super::scripted::Scripted;
use crate::stage::Stage;

/// The time of every run, in Unix milliseconds, for what is judged by it.
const NOW_MS: u64 = 1_800_000_000_000;
/// More than any run takes whose network answers at once.
const TIMEOUT_MS: u32 = 1_000;

/// See the file's documentation.
pub struct ModuleTarget<'a> {
    stage: &'a Stage,
    name: String,
    module: Module,
    contexts: Vec<RunContext>,
}

impl<'a> ModuleTarget<'a> {
    /// A module by its name.
    ///
    /// # Errors
    /// When it cannot be loaded, or its schema has no example that it takes.
    pub fn new(stage: &'a Stage, name: &str) -> anyhow::Result<Self> {
        let module = stage.load(name)?;
        let described = stage.runtime.block_on(stage.sandbox.describe(&module)).map_err(|stop| anyhow!("{stop:?}"))?;
        let schema: Value = serde_json::from_str(&described.config_schema)?;
        let examples = schema["examples"].as_array().context("its schema has no examples")?;
        let contexts: Result<Vec<_>, _> = examples.iter().map(|config| context(stage, &module, config)).collect();
        let contexts = contexts.with_context(|| format!("in the examples of {name}"))?;
        ensure!(!contexts.is_empty(), "the schema of {name} has no examples");
        Ok(Self { stage, name: name.to_owned(), module, contexts })
    }
}

fn context(stage: &Stage, module: &Module, config: &Value) -> anyhow::Result<RunContext> {
    let judged = stage.runtime.block_on(stage.sandbox.validate(module, &config.to_string()));
    let prepared = judged.map_err(|stop| anyhow!("{stop:?}"))?.map_err(|problems| anyhow!("{problems:?}"))?;
    Ok(RunContext {
        check_id: "struck".to_owned(),
        slot_ms: NOW_MS,
        now_ms: NOW_MS,
        attempt: 0,
        timeout_ms: TIMEOUT_MS,
        config: prepared.config,
    })
}

impl Target for ModuleTarget<'_> {
    fn name(&self) -> &str {
        &self.name
    }

    fn read(&mut self, bytes: &[u8]) -> anyhow::Result<String> {
        let mut end = String::new();
        for context in &self.contexts {
            let timeout = std::time::Duration::from_millis(TIMEOUT_MS.into());
            let limits = Limits::for_run(self.module.tier(), timeout);
            let mut probes = Scripted::new(bytes);
            let run = self.stage.sandbox.run(&self.module, &mut probes, context, &limits);
            match self.stage.runtime.block_on(run).end {
                RunEnd::Judged(outcome) => end.push_str(&outcome.code),
                RunEnd::Problem(problem) => end.push_str(&problem.code),
                RunEnd::Stopped(stop) => bail!("the run was stopped as {:?}: {}", stop.code, stop.message),
            }
            end.push(' ');
        }
        Ok(end)
    }
}
