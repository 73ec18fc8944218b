//! What modules say of themselves without a Farwatch to ask: components, in the sandbox, and the one that has no code.

use std::fs;
use std::path::Path;

use anyhow::Context;
use farwatch_control::builtin::{self, ModuleDescription};
use farwatch_control::{heartbeat, module_rules};
use farwatch_proto::id::ModuleHash;
use farwatch_sandbox::{CompileCommand, Description, Module, Sandbox, SandboxConfig};
use serde_json::{Value, json};
use tokio::runtime::Builder;

use crate::compile::compile_command;
use crate::exit::{Failure, OrFail, REFUSED};

/// One module is loaded.
const PLACES: u32 = 1;

/// What the component in this file is, in the words of the API.
pub(super) fn file(file: &Path) -> Result<Value, Failure> {
    let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display())).or_fail(REFUSED)?;
    component(&file.display().to_string(), bytes, |told, _| ModuleDescription::of(told))
}

/// What a component is that is to be pushed, once it keeps the rules for that.
pub(super) fn brought(name: &str, bytes: Vec<u8>) -> Result<Value, Failure> {
    component(name, bytes, |told, module| Ok(module_rules::judge(&told, module.imports())?))
}

/// What a module is that this program brings along.
pub(super) fn built_in(name: &str) -> Result<Value, Failure> {
    if name == heartbeat::NAME {
        return serde_json::to_value(heartbeat::description()).or_fail(REFUSED);
    }
    let missing = || Failure::new(REFUSED, format_args!("this program brings no module {name}"));
    let bytes = builtin::component(name).ok_or_else(missing)?.to_vec();
    component(name, bytes, |told, _| ModuleDescription::of(told))
}

fn component(
    name: &str,
    bytes: Vec<u8>,
    taken: impl FnOnce(Description, &Module) -> anyhow::Result<ModuleDescription>,
) -> Result<Value, Failure> {
    let hash = ModuleHash::of(&bytes);
    let runtime = Builder::new_current_thread().enable_all().build().or_fail(REFUSED)?;
    let (program, arguments) = compile_command()?;
    let description = runtime.block_on(async {
        let directory = tempfile::tempdir()?;
        let sandbox = Sandbox::new(SandboxConfig {
            directory: directory.path().to_owned(),
            run_places: PLACES,
            loaded_modules: 1,
            compile: CompileCommand { program, arguments, wall: CompileCommand::WALL },
        })?;
        sandbox.save(hash, bytes).await?;
        let module = sandbox.load(hash).await?;
        taken(sandbox.describe(&module).await?, &module)
    });
    let description = description.with_context(|| format!("{name} cannot be described")).or_fail(REFUSED)?;
    let mut described = serde_json::to_value(description).or_fail(REFUSED)?;
    described["hash"] = json!(hash);
    Ok(described)
}
