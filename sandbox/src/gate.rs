//! What bytes may become a module: the checks that are made before anything is compiled, from cheap to dear.
//!
//! It reads bytes and compiles nothing. It is a pure function, so the same bytes are always answered alike.

use wasmparser::{Encoding, FunctionBody, Operator, Parser, Payload, Validator};

use crate::engine;
use crate::limits::{BLOCK_DEPTH_MAX, CORE_INSTANCES_MAX, FUNCTION_BYTES_MAX, FUNCTIONS_MAX, MODULE_BYTES_MAX, Tier};
use crate::state::LINKED;
use crate::wasi;

/// The interface that makes a component a module.
pub(crate) const EXPORT: &str = "farwatch:check/check@0.1.0";

/// What the names of all interfaces of WASI begin with.
const WASI: &str = "wasi:";

/// The least bytes of a block: its beginning, its type and its end.
const BLOCK_BYTES: usize = 3;

/// Why a module is not accepted. The same bytes are refused for the same reason everywhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Refusal {
    /// A stable word: `module-too-large`, `module-invalid`, `module-too-complex`, `module-import-unknown`,
    /// `module-export-missing`, `module-types-differ`, `module-compile-limit`, `module-compile-failed`.
    pub code: &'static str,
    /// What is wrong and what to do about it, as one sentence.
    pub message: String,
}

impl Refusal {
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

/// Checks the bytes of a module, and says in which tier it is.
///
/// # Errors
/// The first reason for which it is refused.
pub fn admit(bytes: &[u8]) -> Result<Tier, Refusal> {
    check_size(bytes.len(), MODULE_BYTES_MAX)?;
    let shape = Shape::read(bytes)?;
    let tier = Tier::of(bytes.len(), shape.imports.iter().any(|import| import.starts_with(WASI)));
    check_size(bytes.len(), tier.module().bytes)?;
    shape.check_counts()?;
    Validator::new_with_features(engine::features()).validate_all(bytes).map_err(|error| invalid(&error))?;
    shape.check_world()?;
    Ok(tier)
}

/// The interfaces that a component imports, for whoever is to be shown them.
///
/// # Errors
/// When the bytes are no component.
pub fn imports(bytes: &[u8]) -> Result<Vec<String>, Refusal> {
    Ok(Shape::read(bytes)?.imports)
}

fn check_size(bytes: usize, max: usize) -> Result<(), Refusal> {
    if bytes <= max {
        return Ok(());
    }
    let message = format!(
        "the module has {bytes} bytes; at most {max} are allowed: leave out what it does not use, for instance by \
         `wasm-tools strip`"
    );
    Err(Refusal::new("module-too-large", message))
}

fn invalid(error: &wasmparser::BinaryReaderError) -> Refusal {
    let message = format!("the bytes are no valid WASM component with the features that are allowed: {error}");
    Refusal::new("module-invalid", message)
}

/// What matters of a component before it is validated.
#[derive(Default)]
struct Shape {
    imports: Vec<String>,
    exports: Vec<String>,
    core_modules: u32,
    functions: u32,
    largest_function: usize,
    deepest_blocks: u32,
}

impl Shape {
    fn read(bytes: &[u8]) -> Result<Self, Refusal> {
        let mut shape = Self::default();
        let mut depth = 0_u32;
        for payload in Parser::new(0).parse_all(bytes) {
            let payload = payload.map_err(|error| invalid(&error))?;
            match payload {
                Payload::Version { encoding: Encoding::Module, .. } if depth == 0 => {
                    let message =
                        "this is a core module; make a component of it, for instance by `wasm-tools component new`";
                    return Err(Refusal::new("module-invalid", message));
                }
                Payload::Version { .. } => depth += 1,
                Payload::End(_) => depth = depth.saturating_sub(1),
                Payload::ModuleSection { .. } => shape.core_modules += 1,
                Payload::CodeSectionStart { count, .. } => shape.functions = shape.functions.saturating_add(count),
                Payload::CodeSectionEntry(body) => {
                    shape.largest_function = shape.largest_function.max(body.range().len());
                    shape.deepest_blocks = shape.deepest_blocks.max(depth_of_blocks(&body)?);
                }
                Payload::ComponentImportSection(imports) if depth == 1 => {
                    for import in imports {
                        shape.imports.push(import.map_err(|error| invalid(&error))?.name.name.to_owned());
                    }
                }
                Payload::ComponentExportSection(exports) if depth == 1 => {
                    for export in exports {
                        shape.exports.push(export.map_err(|error| invalid(&error))?.name.name.to_owned());
                    }
                }
                _ => {}
            }
        }
        Ok(shape)
    }

    fn check_counts(&self) -> Result<(), Refusal> {
        let message = if self.core_modules > CORE_INSTANCES_MAX {
            format!("the module has {} core modules; at most {} are allowed", self.core_modules, CORE_INSTANCES_MAX)
        } else if self.functions > FUNCTIONS_MAX {
            format!("the module has {} functions; at most {FUNCTIONS_MAX} are allowed", self.functions)
        } else if self.largest_function > FUNCTION_BYTES_MAX {
            format!("a function has {} bytes; at most {FUNCTION_BYTES_MAX} are allowed", self.largest_function)
        } else if self.deepest_blocks > BLOCK_DEPTH_MAX {
            format!(
                "a function has {} blocks within blocks; at most {BLOCK_DEPTH_MAX} are allowed",
                self.deepest_blocks
            )
        } else {
            return Ok(());
        };
        Err(Refusal::new("module-too-complex", message))
    }

    fn check_world(&self) -> Result<(), Refusal> {
        let is_linked = |import: &str| LINKED.contains(&import) || wasi::is_linked(import);
        if let Some(unknown) = self.imports.iter().find(|import| !is_linked(import)) {
            let message = format!(
                "the module imports `{unknown}`, which this host does not offer; it offers {}, and of version 0.2 {}",
                LINKED.join(", "),
                wasi::INTERFACES.join(", ")
            );
            return Err(Refusal::new("module-import-unknown", message));
        }
        if !self.exports.iter().any(|export| export == EXPORT) {
            let message = format!("the module does not export `{EXPORT}`; build it for the world `check-module`");
            return Err(Refusal::new("module-export-missing", message));
        }
        Ok(())
    }
}

/// How deep the blocks of a function lie within each other. One that has not the bytes for too many is not read.
fn depth_of_blocks(body: &FunctionBody<'_>) -> Result<u32, Refusal> {
    if body.range().len() < BLOCK_BYTES * BLOCK_DEPTH_MAX as usize {
        return Ok(0);
    }
    let (mut depth, mut deepest) = (0_u32, 0);
    for operator in body.get_operators_reader().map_err(|error| invalid(&error))? {
        match operator.map_err(|error| invalid(&error))? {
            Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } => depth += 1,
            // The last one ends the function itself.
            Operator::End => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    Ok(deepest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(bytes: &[u8]) -> &'static str {
        admit(bytes).expect_err("it is no module").code
    }

    #[test]
    fn what_is_no_component_is_refused() {
        assert_eq!(code(b""), "module-invalid");
        assert_eq!(code(b"#!/bin/sh"), "module-invalid");
        assert_eq!(code(b"\0asm\x01\0\0\0"), "module-invalid");
        assert_eq!(code(b"\0asm\x0d\0\x01\0\xff"), "module-invalid");
        assert_eq!(code(&vec![0; MODULE_BYTES_MAX + 1]), "module-too-large");
    }

    #[test]
    fn a_component_that_exports_nothing_is_refused() {
        assert_eq!(code(b"\0asm\x0d\0\x01\0"), "module-export-missing");
    }
}
