//! Modules in JavaScript: npm fetches `componentize-js` once, and that makes a component with an interpreter in it.

use std::process::Command;

use super::Work;
use super::tools::{Step, run};
use crate::exit::Failure;

const MISSING: &str = "install Node.js 20.19 or later from https://nodejs.org; Debian has it as `nodejs` and `npm`";
/// What is fetched, by which it is seen that it was.
const FETCHED: &str = "node_modules/@bytecodealliance/componentize-js/package.json";

pub(super) fn build(work: &Work) -> Result<(), Failure> {
    if !work.folder.join(FETCHED).exists() {
        let fetch = Step { what: "fetching componentize-js by npm, once", missing: MISSING, failed: "" };
        let npm = ["ci", "--no-audit", "--no-fund"];
        run(&fetch, Command::new("npm").args(npm).current_dir(&work.folder))?;
    }
    let make = Step { what: "building it by componentize-js", missing: MISSING, failed: "" };
    run(&make, Command::new("node").arg("farwatch/build.js").arg(&work.output).current_dir(&work.folder))
}
