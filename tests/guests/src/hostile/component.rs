//! Components from WAT: guests that no compiler makes.
//!
//! A text that is a whole `(component …)` or `(module …)` is taken as it is. Any other is the fields of a core module of the
//! world of `tests/hostile-wasi/wit`; what it does not export is added, and well-behaved, so an attack is no longer than what
//! is bad about it. A line `;; N times: …` stands for N of what follows.

use std::fmt::Write;

use anyhow::Context;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use super::attack::Told;
use crate::case;

/// Where the well-behaved description lies, for attacks that change it: pointers and lengths of name, version, summary,
/// config schema and capabilities.
const DESCRIPTION_AT: usize = 1_024;
/// The answer of `validate`: a prepared config without any bytes.
const PREPARED_AT: usize = 1_536;
/// The answer of `run`: up, `ok`.
const OUTCOME_AT: usize = 1_600;
/// The code of that answer.
const CODE_AT: usize = 1_700;
/// Texts of the description.
const TEXTS_AT: usize = 2_048;

/// The exports that a module must have, each with what is well-behaved.
const EXPORTS: [(&str, &str); 5] = [
    (
        "\"farwatch:check/check@0.1.0#describe\"",
        r#"(func (export "farwatch:check/check@0.1.0#describe") (result i32) (i32.const 1024))"#,
    ),
    (
        "\"farwatch:check/check@0.1.0#validate\"",
        r#"(func (export "farwatch:check/check@0.1.0#validate") (param i32 i32) (result i32) (i32.const 1536))"#,
    ),
    (
        "\"farwatch:check/check@0.1.0#run\"",
        r#"(func (export "farwatch:check/check@0.1.0#run")
            (param i32 i32 i64 i64 i32 i32 i32 i32) (result i32) (i32.const 1600))"#,
    ),
    ("(export \"memory\")", r#"(memory (export "memory") 1)"#),
    ("\"cabi_realloc\"", r#"(func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 16384))"#),
];

/// The bytes of an attack in WAT.
///
/// # Errors
/// When the text is malformed, or no module of the world.
pub fn build(name: &str, text: &str, told: &Told) -> anyhow::Result<Vec<u8>> {
    let text = repeated(text)?;
    let code = text.lines().map(str::trim_start).find(|line| !line.is_empty() && !line.starts_with(";;"));
    if code.is_some_and(|code| code.starts_with("(component") || code.starts_with("(module")) {
        return wat::parse_str(&text).context("malformed WAT");
    }
    let missing = EXPORTS.iter().filter(|(sign, _)| !text.contains(sign));
    let added: String = missing.map(|(_, field)| format!("{field}\n")).collect();
    let core = wat::parse_str(format!("(module\n{text}\n{added}{})", description(name, told)))?;
    encode(core)
}

/// The component that has this core module, which imports and exports what the world has.
///
/// # Errors
/// When it does not.
pub fn encode(mut core: Vec<u8>) -> anyhow::Result<Vec<u8>> {
    let root = case::folder().join("../../..");
    let mut resolve = Resolve::default();
    resolve.push_dir(root.join("wit")).context("the treaty")?;
    let (package, _) = resolve.push_dir(root.join("tests/hostile-wasi/wit")).context("the world")?;
    let world = resolve.select_world(&[package], Some("hostile-wasi"))?;
    embed_component_metadata(&mut core, &resolve, world, StringEncoding::UTF8)?;
    ComponentEncoder::default().module(&core)?.encode()
}

/// A component with so many bytes more, which mean nothing.
pub fn padded(mut component: Vec<u8>, bytes: usize) -> Vec<u8> {
    let mut section = b"\x07padding".to_vec();
    section.resize(section.len() + bytes, 0);
    // A custom section, and its length by groups of seven bits.
    component.push(0);
    let mut rest = section.len();
    while rest > 0x7f {
        component.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    component.push(rest as u8);
    component.extend(section);
    component
}

/// The text with its repetitions written out.
fn repeated(text: &str) -> anyhow::Result<String> {
    let mut whole = String::with_capacity(text.len());
    for line in text.lines() {
        let counted = line.trim_start().strip_prefix(";; ").and_then(|rest| rest.split_once(" times: "));
        match counted {
            Some((count, piece)) => {
                whole.push_str(&piece.repeat(count.parse().with_context(|| format!("`{count}` is no number"))?));
            }
            None => whole.push_str(line),
        }
        whole.push('\n');
    }
    Ok(whole)
}

/// The data of the well-behaved answers.
fn description(name: &str, told: &Told) -> String {
    let texts = [
        told.name.clone().unwrap_or_else(|| name.to_owned()),
        told.version.clone().unwrap_or_else(|| "1.0.0".to_owned()),
        told.summary.clone().unwrap_or_else(|| "Attacks.".to_owned()),
        told.config_schema.clone().unwrap_or_else(|| r#"{"type": "object"}"#.to_owned()),
    ];
    let mut data = Vec::new();
    let place = |data: &mut Vec<u8>, bytes: &[u8]| {
        let at = TEXTS_AT + data.len();
        data.extend_from_slice(bytes);
        (at, bytes.len())
    };
    let mut record: Vec<_> = texts.iter().map(|text| place(&mut data, text.as_bytes())).collect();
    let named: Vec<_> = told.capabilities.iter().map(|name| place(&mut data, name.as_bytes())).collect();
    data.resize(data.len().next_multiple_of(4), 0);
    record.push((place(&mut data, &words(&named)).0, named.len()));
    let mut outcome = vec![0; 48];
    outcome[12..20].copy_from_slice(&words(&[(CODE_AT, 2)]));
    let parts = [(DESCRIPTION_AT, words(&record)), (PREPARED_AT, vec![0; 12]), (OUTCOME_AT, outcome)];
    let parts = parts.into_iter().chain([(CODE_AT, b"ok".to_vec()), (TEXTS_AT, data)]);
    parts.map(|(at, bytes)| segment(at, &bytes)).collect()
}

/// Pointers and lengths, as they lie in memory.
fn words(pairs: &[(usize, usize)]) -> Vec<u8> {
    let numbers = pairs.iter().flat_map(|(at, length)| [*at, *length]);
    numbers.flat_map(|number| u32::try_from(number).expect("it lies in one page").to_le_bytes()).collect()
}

fn segment(at: usize, bytes: &[u8]) -> String {
    let mut text = format!("(data (i32.const {at}) \"");
    for byte in bytes {
        write!(text, "\\{byte:02x}").expect("a text takes everything");
    }
    text + "\")\n"
}
