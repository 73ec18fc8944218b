//! Texts that lie squeezed in a module until somebody asks for them.
//!
//! All that a module holds is in the memory of every run and is cleaned after each, and a run never reads the schema of
//! its config: a few KiB that are told once, when the module is described.

#[doc(hidden)]
pub use farwatch_guest_squeeze::squeezed;

/// The text of a file of the crate at hand, by its path in there: as `include_str!`, but held squeezed and owned.
#[macro_export]
macro_rules! squeezed_text {
    ($path:literal) => {{
        // Has it built anew when the file changes; nothing of it gets into the module.
        const _: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/", $path));
        $crate::squeezed::expanded($crate::squeezed::squeezed!($path))
    }};
}

/// The text that was squeezed.
#[doc(hidden)]
pub fn expanded(squeezed: &[u8]) -> String {
    let bytes = lz4_flex::block::decompress_size_prepended(squeezed).expect("the compiler squeezed it");
    String::from_utf8(bytes).expect("a text was squeezed")
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_text_comes_out_as_it_went_in() {
        let text = include_str!("service.json");
        assert_eq!(squeezed_text!("src/service.json"), text);
        assert!(farwatch_guest_squeeze::squeezed!("src/service.json").len() < text.len() * 2 / 3);
    }
}
