//! The compile child: a process of its own that turns the bytes of a module into code.
//!
//! A compiler can be made to fail by what it compiles, so it runs where that hurts nobody: it limits its own memory,
//! time and output before it reads the first byte, and its parent kills it when it takes too long. It is given nothing
//! but its three standard streams. This is the only place that compiles: no other process has a path to the compiler for
//! the bytes of a module.

use std::io::{Read, Write};
use std::process::ExitCode;

use rustix::process::{Resource, Rlimit, setrlimit};

use crate::engine;
use crate::gate;
use crate::limits::{CODE_BYTES_MAX, MODULE_BYTES_MAX, Tier};

/// The compiler recurses into nested blocks, deeper than a main thread's stack allows for.
const STACK: usize = 64 << 20;

/// The module was refused; the reason is on standard error.
pub(crate) const EXIT_REFUSED: u8 = 65;
/// This host cannot compile; the reason is on standard error.
const EXIT_BROKEN: u8 = 71;

/// The child's `main`: a module on standard input, its code on standard output.
///
/// The product calls it when it is started with a word that is not in its help; see `CompileCommand`.
pub fn main() -> ExitCode {
    if let Err(error) = limit_self(Tier::Large) {
        return fail(EXIT_BROKEN, &format!("cannot limit the compile child: {error}"));
    }
    let compiler = std::thread::Builder::new().name("compile".to_owned()).stack_size(STACK).spawn(compile_stdin);
    match compiler.map(std::thread::JoinHandle::join) {
        Ok(Ok(Ok(()))) => ExitCode::SUCCESS,
        Ok(Ok(Err((code, message)))) => fail(code, &message),
        Ok(Err(_)) => fail(EXIT_REFUSED, "the compiler panicked"),
        Err(error) => fail(EXIT_BROKEN, &format!("cannot start a thread: {error}")),
    }
}

/// Limits this process to what compiling a module of a tier may take. It can be lowered, and never raised again.
fn limit_self(tier: Tier) -> rustix::io::Result<()> {
    let limits = tier.module();
    let both = |limit: u64| Rlimit { current: Some(limit), maximum: Some(limit) };
    setrlimit(Resource::Core, both(0))?;
    setrlimit(Resource::As, both(limits.compile_memory))?;
    setrlimit(Resource::Cpu, both(limits.compile_cpu_s))?;
    setrlimit(Resource::Fsize, both(CODE_BYTES_MAX))
}

fn compile_stdin() -> Result<(), (u8, String)> {
    let mut bytes = Vec::new();
    let mut input = std::io::stdin().take(MODULE_BYTES_MAX as u64 + 1);
    input.read_to_end(&mut bytes).map_err(|error| (EXIT_BROKEN, format!("cannot read the module: {error}")))?;
    let tier = gate::admit(&bytes).map_err(|refusal| (EXIT_REFUSED, refusal.message))?;
    limit_self(tier).map_err(|error| (EXIT_BROKEN, format!("cannot limit the compile child: {error}")))?;
    let engine = engine::for_compiling().map_err(|error| (EXIT_BROKEN, format!("{error:#}")))?;
    let code = engine.precompile_component(&bytes).map_err(|error| (EXIT_REFUSED, format!("{error:#}")))?;
    let mut output = std::io::stdout().lock();
    let written = output.write_all(&code).and_then(|()| output.flush());
    written.map_err(|error| (EXIT_BROKEN, format!("cannot write the code: {error}")))
}

fn fail(code: u8, message: &str) -> ExitCode {
    // Nobody is left to tell when standard error is gone, too.
    let _ = writeln!(std::io::stderr(), "{message}");
    ExitCode::from(code)
}
