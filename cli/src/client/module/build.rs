//! `farwatch module build`: has the language's own tools make the component of a project, and says what came of it.
//!
//! What is built is judged here as it will be when it is pushed: by the gate of the sandbox, by what the module says of
//! itself, and by the rules for that. It asks no Farwatch, and it runs no check.

mod javascript;
mod python;
mod rust;
mod tools;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use farwatch_proto::id::ModuleHash;
use farwatch_sandbox::{admit, imports};
use serde_json::{Value, json};

use super::super::fields::text;
use super::described;
use super::project::{Lang, Project};
use crate::exit::{CANNOT_CREATE, Failure, OrFail, REFUSED};
use crate::output::{self, Cell, Look, facts};

/// The project that is built, by paths that hold in whatever folder a tool runs.
struct Work {
    folder: PathBuf,
    /// Where the tool puts the component. It becomes the project's own once it is whole.
    output: PathBuf,
}

/// Builds the project in this folder, and says what its component is, in the words of the API and some more.
pub(super) fn build(folder: &Path) -> Result<Value, Failure> {
    let project = Project::read(folder)?;
    let component = std::path::absolute(&project.component).or_fail(CANNOT_CREATE)?;
    let work = Work {
        folder: std::path::absolute(folder).or_fail(CANNOT_CREATE)?,
        output: component.with_extension("wasm.partial"),
    };
    if let Some(parent) = component.parent() {
        fs::create_dir_all(parent)
            .with_context(|| format!("cannot make {}", parent.display()))
            .or_fail(CANNOT_CREATE)?;
    }
    match project.lang {
        Lang::Rust => rust::build(&work)?,
        Lang::Javascript => javascript::build(&work)?,
        Lang::Python => python::build(&work)?,
    }
    fs::rename(&work.output, &component)
        .with_context(|| format!("cannot write {}", component.display()))
        .or_fail(CANNOT_CREATE)?;
    tools::say("judging it as Farwatch will");
    judged(&project.component)
}

fn judged(component: &Path) -> Result<Value, Failure> {
    let bytes = fs::read(component).with_context(|| format!("cannot read {}", component.display())).or_fail(REFUSED)?;
    let tier = admit(&bytes).or_fail(REFUSED)?;
    let imports = imports(&bytes).or_fail(REFUSED)?;
    let (hash, size) = (ModuleHash::of(&bytes), bytes.len());
    let mut built = described::brought(&component.display().to_string(), bytes)?;
    built["file"] = json!(component);
    built["bytes"] = json!(size);
    built["hash"] = json!(hash);
    built["tier"] = json!(tier.as_str());
    built["imports"] = json!(imports);
    Ok(built)
}

/// What was built, for a person.
pub(super) fn shown(built: &Value, look: Look) -> String {
    let imports: Vec<&str> = built["imports"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let size = built["bytes"].as_u64().unwrap_or_default();
    let kilobytes = format!("{} KB, in the {} tier", size.div_ceil(1 << 10), text(built, "tier"));
    let lines = [
        ("module", format!("{}@{}", text(built, "name"), text(built, "version"))),
        ("summary", text(built, "summary")),
        ("file", text(built, "file")),
        ("size", kilobytes),
        ("sha256", text(built, "hash")),
        ("imports", grouped(&imports)),
    ];
    facts(&lines.map(|(name, value)| (name, Cell::plain(value))), look)
}

/// Imports by the package they are of, without their versions.
fn grouped(imports: &[&str]) -> String {
    let mut packages: Vec<(&str, Vec<&str>)> = Vec::new();
    for import in imports {
        let (package, interface) = import.split('@').next().unwrap_or(import).split_once('/').unwrap_or((import, ""));
        match packages.iter_mut().find(|(known, _)| *known == package) {
            Some((_, interfaces)) => interfaces.push(interface),
            None => packages.push((package, vec![interface])),
        }
    }
    let said = packages.into_iter().map(|(package, interfaces)| format!("{package} ({})", interfaces.join(", ")));
    said.collect::<Vec<_>>().join(", ")
}

/// Says it as was asked for.
pub(super) fn print(built: &Value, is_json: bool) -> Result<(), Failure> {
    output::print(&if is_json { output::json(built) } else { shown(built, Look::of_stdout()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_built_is_said_in_a_few_lines() {
        let built = json!({
            "name": "page", "version": "0.1.0", "summary": "Fetches a page.", "file": "build/page.wasm", "bytes": 90_000,
            "hash": "mod_1", "tier": "small",
            "imports": ["farwatch:check/types@0.1.0", "farwatch:check/http@0.1.0", "wasi:cli/stdin@0.2.9"],
        });
        let shown = shown(&built, Look::PLAIN);
        for line in ["page@0.1.0", "88 KB, in the small tier", "farwatch:check (types, http), wasi:cli (stdin)"] {
            assert!(shown.contains(line), "{shown}");
        }
    }
}
