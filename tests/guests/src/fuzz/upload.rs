//! The gate by which control takes modules in, struck with components that nobody compiled.
//!
//! Bytes that begin as WASM does are an upload as they are. Any others are a recipe: which attack of `tests/hostile/` is
//! changed, and where. Every other recipe changes bytes wherever they lie; the rest changes instructions of its core modules
//! within their kind, so that most of what comes out is valid and gets further. What is made breaks nothing when it is
//! judged alike each time, by a refusal with a code or by being taken; a few of those that are taken are compiled and
//! loaded.

use std::fs;

use anyhow::{Context, bail, ensure};
use farwatch_sandbox::{ModuleError, admit};
use wasmparser::{Operator, Parser, Payload};

use super::{Target, corpus};
use crate::hostile::attack;
use crate::stage::Stage;

/// The folder of its corpus.
const NAME: &str = "upload";
/// What all of WASM begins with.
const MAGIC: &[u8] = b"\0asm";
/// Bases that are larger would mostly be changed where nothing depends on it.
const BASE_MAX: usize = 8_192;
/// Of uploads that pass the gate one in so many is compiled, which takes a process for each.
const COMPILED_ONE_IN: u64 = 200;
/// Bytes of one change in a recipe: where, which, and what.
const CHANGE: usize = 4;
/// Uploads after which this process has all the memory that they need.
const WARM_AFTER: u64 = 500;
/// What it may have more later, in bytes: what allocators keep, and no leak of thousands of uploads.
const GROWTH_MAX: usize = 64 << 20;

/// A component to be changed, and where its instructions are.
struct Base {
    bytes: Vec<u8>,
    instructions: Vec<usize>,
}

/// See the file's documentation.
pub struct UploadTarget<'a> {
    stage: &'a Stage,
    bases: Vec<Base>,
    passed: u64,
    struck: u64,
    warm: usize,
}

impl<'a> UploadTarget<'a> {
    /// With all attacks in WAT for bases.
    ///
    /// # Errors
    /// When one of them is malformed.
    pub fn new(stage: &'a Stage) -> anyhow::Result<Self> {
        let mut bases = Vec::new();
        for attack in attack::all()?.iter().filter(|attack| attack.guest.is_none()) {
            let bytes = attack.build()?;
            if bytes.len() <= BASE_MAX {
                let instructions = instructions(&bytes);
                bases.push(Base { bytes, instructions });
            }
        }
        ensure!(!bases.is_empty(), "there is no attack in WAT");
        Ok(Self { stage, bases, passed: 0, struck: 0, warm: 0 })
    }

    /// The upload that a recipe makes.
    fn made(&self, recipe: &[u8]) -> Vec<u8> {
        if recipe.starts_with(MAGIC) {
            return recipe.to_vec();
        }
        let (which, changes) = recipe.split_first().unwrap_or((&0, &[]));
        let (way, changes) = changes.split_first().unwrap_or((&0, &[]));
        let base = &self.bases[usize::from(*which) % self.bases.len()];
        let mut bytes = base.bytes.clone();
        for change in changes.chunks_exact(CHANGE) {
            let at = usize::from(u16::from_be_bytes([change[0], change[1]]));
            match base.instructions.get(at % base.instructions.len().max(1)) {
                Some(at) if way % 2 == 1 => exchange(&mut bytes[*at..], change[2], change[3]),
                _ => {
                    let at = at % bytes.len();
                    bytes[at] = if change[2] % 2 == 0 { bytes[at] ^ 1 << (change[3] % 8) } else { change[3] };
                }
            }
        }
        bytes
    }

    /// Compiles what has passed the gate, and loads it.
    fn compile(&self, bytes: Vec<u8>) -> anyhow::Result<String> {
        match self.stage.runtime.block_on(self.stage.sandbox.on_trial(bytes)) {
            Ok(_) => Ok("compiled".to_owned()),
            Err(ModuleError::Refused(refusal)) => Ok(refusal.code.to_owned()),
            Err(error) => bail!("the host failed: {error}"),
        }
    }

    fn judge(&mut self, bytes: &[u8]) -> anyhow::Result<String> {
        let first = admit(bytes);
        ensure!(first == admit(bytes), "the same bytes are judged in two ways");
        if let Err(refusal) = first {
            return Ok(refusal.code.to_owned());
        }
        self.passed += 1;
        if self.passed % COMPILED_ONE_IN == 1 { self.compile(bytes.to_vec()) } else { Ok("passed".to_owned()) }
    }

    fn check_growth(&mut self) -> anyhow::Result<()> {
        self.struck += 1;
        if self.struck == WARM_AFTER {
            self.warm = resident()?;
        } else if self.struck.is_multiple_of(WARM_AFTER) {
            let now = resident()?;
            ensure!(now <= self.warm + GROWTH_MAX, "this process has grown from {} to {now} bytes", self.warm);
        }
        Ok(())
    }
}

impl Target for UploadTarget<'_> {
    fn name(&self) -> &str {
        NAME
    }

    fn read(&mut self, recipe: &[u8]) -> anyhow::Result<String> {
        let bytes = self.made(recipe);
        let judged = self.judge(&bytes);
        if judged.is_err() {
            // Recipes mean something else once there are other attacks.
            corpus::keep(NAME, &bytes)?;
        }
        self.check_growth()?;
        judged
    }
}

/// Where the instructions of all core modules of a component begin; none of what is no component.
fn instructions(bytes: &[u8]) -> Vec<usize> {
    let mut found = Vec::new();
    for payload in Parser::new(0).parse_all(bytes).map_while(Result::ok) {
        let Payload::CodeSectionEntry(body) = payload else { continue };
        let Ok(operators) = body.get_operators_reader() else { continue };
        let places = operators.into_iter_with_offsets().map_while(Result::ok);
        found.extend(places.filter(|(operator, _)| !matches!(operator, Operator::End)).map(|(_, at)| at));
    }
    found
}

/// Instructions that take and give the same, so that one in the place of another is as valid.
const KINDS: [std::ops::RangeInclusive<u8>; 10] = [
    // Comparisons of i32, i64, f32 and f64.
    0x46..=0x4f,
    0x51..=0x5a,
    0x5b..=0x60,
    0x61..=0x66,
    // What is made of one i32, and of two; the same of i64, f32 and f64.
    0x67..=0x69,
    0x6a..=0x78,
    0x7c..=0x8a,
    0x92..=0x98,
    0xa0..=0xa6,
    // Loads of an i32 by bytes.
    0x2c..=0x2d,
];

/// Exchanges an instruction for another of its kind, or the first byte of what it is about.
fn exchange(code: &mut [u8], which: u8, what: u8) {
    let Some(kind) = code.first().map(|first| KINDS.iter().find(|kind| kind.contains(first))) else { return };
    match kind {
        Some(kind) => code[0] = kind.start() + which % (kind.end() - kind.start() + 1),
        // A number that goes on in the next byte still does, and one that does not still does not.
        None => code.iter_mut().skip(1).take(1).for_each(|about| *about = (*about & 0x80) | (what & 0x7f)),
    }
}

/// The memory that this process has, in bytes.
fn resident() -> anyhow::Result<usize> {
    let status = fs::read_to_string("/proc/self/status")?;
    let told = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("the kernel does not say")?;
    let kilobytes: usize = told.trim().trim_end_matches(" kB").parse()?;
    Ok(kilobytes << 10)
}
