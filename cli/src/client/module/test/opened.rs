//! A component as its author brings it: through the gate, compiled in a child, and asked what it is.

use std::fs;
use std::path::Path;
use std::time::Duration;

use farwatch_control::module_rules::{self, BrokenRule};
use farwatch_host::clock::Clock;
use farwatch_sandbox::{CompileCommand, Description, Module, ModuleError, Sandbox, SandboxConfig, imports};
use serde::Serialize;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::compile::compile_command;
use crate::exit::{FAILED, Failure, NO_INPUT, OrFail, REFUSED};

/// One call is made after the other.
const PLACES: u32 = 1;

/// See the file's documentation.
pub(super) struct Opened {
    pub(super) sandbox: Sandbox,
    pub(super) module: Module,
    pub(super) description: Description,
    /// Its schema, where what it says of itself would be taken in; else why `module push` would refuse it.
    pub(super) schema: Result<Value, BrokenRule>,
    file: String,
    bytes: usize,
    imports: Vec<String>,
    opened_in: Duration,
    /// Gone with what is in it, once the module is not needed any more.
    _directory: TempDir,
}

/// Something wrong with a config.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct ConfigProblem {
    /// Who finds it wrong: the module, whose word counts, or its schema.
    by: &'static str,
    field: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    code: String,
    message: String,
}

impl Opened {
    /// The component in this file.
    pub(super) async fn of(path: &Path, clock: &Clock) -> Result<Self, Failure> {
        let file = path.display().to_string();
        let began = clock.instant();
        let bytes = fs::read(path).map_err(|error| Failure::new(NO_INPUT, format_args!("{file}: {error}")))?;
        let (length, imports) = (bytes.len(), imports(&bytes).unwrap_or_default());
        let directory = tempfile::tempdir().or_fail(FAILED)?;
        let sandbox = sandbox_in(directory.path())?;
        let trial = sandbox.on_trial(bytes).await.map_err(|error| unacceptable(&file, &error))?;
        let module = trial.module;
        let description = sandbox.describe(&module).await.map_err(|stop| {
            Failure::new(REFUSED, format_args!("{file}: the module does not say what it is: {stop}"))
        })?;
        let schema = module_rules::judge(&description, module.imports()).map(|told| told.config_schema);
        let opened_in = clock.instant().saturating_duration_since(began);
        Ok(Self {
            sandbox,
            module,
            description,
            schema,
            file,
            bytes: length,
            imports,
            opened_in,
            _directory: directory,
        })
    }

    /// The first example of its schema; what it is worth as a config is for the module to say.
    pub(super) fn example(&self) -> Option<Value> {
        let schema: Value = serde_json::from_str(&self.description.config_schema).ok()?;
        schema["examples"].get(0).filter(|example| example.is_object()).cloned()
    }

    /// The config as the module prepares it, where it takes it; and all that is wrong with it.
    pub(super) async fn judged(&self, config: &Value) -> Result<(Option<Vec<u8>>, Vec<ConfigProblem>), Failure> {
        let judged = self.sandbox.validate(&self.module, &config.to_string()).await;
        let judged = judged
            .map_err(|stop| Failure::new(REFUSED, format_args!("the module could not judge the config: {stop}")))?;
        let (prepared, by_module) = match judged {
            Ok(prepared) => (Some(prepared.config), Vec::new()),
            Err(problems) => (None, problems),
        };
        let told = |problem: farwatch_sandbox::types::Problem| ConfigProblem {
            by: "module",
            field: problem.field.unwrap_or_default(),
            code: problem.code,
            message: problem.message,
        };
        Ok((prepared, by_module.into_iter().map(told).chain(self.by_schema(config)).collect()))
    }

    fn by_schema(&self, config: &Value) -> Vec<ConfigProblem> {
        let Ok(schema) = &self.schema else { return Vec::new() };
        let problem = |field, message| ConfigProblem { by: "schema", field, code: String::new(), message };
        match module_rules::config::problems(schema, config) {
            Ok(found) => found.into_iter().map(|found| problem(found.pointer, found.detail)).collect(),
            Err(why) => vec![problem(String::new(), format!("the schema judges no config: {why}"))],
        }
    }

    /// What it is, in the words of the API.
    pub(super) fn shown(&self) -> Value {
        let Description { name, version, summary, .. } = &self.description;
        let mut shown = json!({
            "file": self.file,
            "module": {
                "name": name,
                "version": version,
                "summary": summary,
                "hash": self.module.hash(),
                "bytes": self.bytes,
                "tier": self.module.tier().as_str(),
                "imports": self.imports,
                "opened_us": self.opened_in.as_micros(),
            },
        });
        if let Err(BrokenRule { code, detail }) = &self.schema {
            shown["push_refuses"] = json!({ "code": code, "detail": detail });
        }
        shown
    }
}

fn sandbox_in(directory: &Path) -> Result<Sandbox, Failure> {
    let (program, arguments) = compile_command()?;
    let config = SandboxConfig {
        directory: directory.to_owned(),
        run_places: PLACES,
        loaded_modules: 1,
        compile: CompileCommand { program, arguments, wall: CompileCommand::WALL },
    };
    Sandbox::new(config).or_fail(FAILED)
}

fn unacceptable(file: &str, error: &ModuleError) -> Failure {
    let code = if matches!(error, ModuleError::Refused(_)) { REFUSED } else { FAILED };
    Failure::new(code, format_args!("{file}: {error}"))
}
