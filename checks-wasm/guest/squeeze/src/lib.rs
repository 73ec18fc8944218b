//! Squeezes texts that a module holds and a run never reads.
//!
//! What a module holds lies in the memory of every run, and is cleaned after each. It runs in the compiler; the guest's
//! side is `farwatch_guest::squeezed`.

use std::fs;
use std::path::Path;

use proc_macro::{Literal, TokenStream, TokenTree};

/// The text of a file of the crate at hand, by its path in there, as LZ4 behind its length: a `&'static [u8]`.
#[proc_macro]
pub fn squeezed(path: TokenStream) -> TokenStream {
    match squeeze(&path.to_string()) {
        Ok(bytes) => TokenTree::Literal(Literal::byte_string(&bytes)).into(),
        Err(complaint) => format!("compile_error!({complaint:?})").parse().expect("a quoted text is a literal"),
    }
}

fn squeeze(literal: &str) -> Result<Vec<u8>, String> {
    let path = literal.strip_prefix('"').and_then(|path| path.strip_suffix('"'));
    let path = path.ok_or_else(|| format!("{literal} is not the path of a file in quotes"))?;
    let root = std::env::var("CARGO_MANIFEST_DIR").map_err(|error| format!("CARGO_MANIFEST_DIR: {error}"))?;
    let text = fs::read(Path::new(&root).join(path)).map_err(|error| format!("{path}: {error}"))?;
    Ok(lz4_flex::block::compress_prepend_size(&text))
}
