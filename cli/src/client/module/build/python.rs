//! Modules in Python: pip fetches `componentize-py` once, and that makes a component with an interpreter in it.

use std::process::Command;

use super::Work;
use super::tools::{Step, run};
use crate::exit::Failure;

const MISSING: &str = "install Python 3.10 or later; Debian has it as `python3` and `python3-venv`";
/// The environment of the project, and in it the tool, by which it is seen that it was fetched.
const ENVIRONMENT: &str = ".venv";
const TOOL: &str = "bin/componentize-py";
/// The world of `wit/world.wit`.
const WORLD: &str = "module";
/// The module that holds what is exported: `component.py`.
const APP: &str = "component";

pub(super) fn build(work: &Work) -> Result<(), Failure> {
    let environment = work.folder.join(ENVIRONMENT);
    let tool = environment.join(TOOL);
    if !tool.exists() {
        let failed = "; Debian needs `python3-venv` for it";
        let step = Step { what: "making the environment .venv, once", missing: MISSING, failed };
        run(&step, Command::new("python3").args(["-m", "venv"]).arg(&environment))?;
        let step = Step { what: "fetching componentize-py by pip, once", missing: MISSING, failed: "" };
        let asked =
            ["-m", "pip", "--quiet", "--disable-pip-version-check", "install", "--requirement", "requirements.txt"];
        run(&step, Command::new(environment.join("bin/python")).args(asked).current_dir(&work.folder))?;
    }
    let missing = "delete .venv and build again";
    let step = Step { what: "building it by componentize-py", missing, failed: "" };
    let mut command = Command::new(tool);
    command.args(["--wit-path", "wit", "--world", WORLD, "componentize", APP, "--output"]).arg(&work.output);
    // Packages of the environment are the module's, too.
    run(&step, command.env("VIRTUAL_ENV", &environment).current_dir(&work.folder))
}
