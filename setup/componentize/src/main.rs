//! Makes a component of a core module that was built with `wit-bindgen`: `componentize IN.wasm OUT.wasm`.
//!
//! A tool of the build, used by `setup/build-guests.sh`, and by `farwatch module build` in projects that are written in
//! Rust, of which it is a part. It adds nothing but what the core module says it needs.

use std::path::PathBuf;

use anyhow::Context;
use wit_component::ComponentEncoder;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(input), Some(output), None) = (arguments.next(), arguments.next(), arguments.next()) else {
        anyhow::bail!("usage: componentize IN.wasm OUT.wasm");
    };
    let module = std::fs::read(&input).with_context(|| format!("cannot read {}", input.display()))?;
    let component = ComponentEncoder::default()
        .module(&module)
        .and_then(|encoder| encoder.validate(true).encode())
        .map_err(|error| anyhow::anyhow!("{} is no guest module: {error:#}", input.display()))?;
    // Written aside first, so that an interrupted build leaves no half a component behind.
    let partial = output.with_extension("partial");
    std::fs::write(&partial, component).with_context(|| format!("cannot write {}", partial.display()))?;
    std::fs::rename(&partial, &output).with_context(|| format!("cannot write {}", output.display()))
}
