//! Regular expressions of configs: compiled where a config is judged, so that a run may take them to be good.

use regex_lite::{Regex, RegexBuilder};

/// Groups within groups. The library follows each with calls, and the stack of a guest is small; no pattern that a person
/// reads is nested deeper.
const NEST_MAX: u32 = 16;

/// Compiles a pattern.
///
/// # Errors
/// What is wrong with it, in words.
pub fn compile(pattern: &str) -> Result<Regex, String> {
    RegexBuilder::new(pattern).nest_limit(NEST_MAX).build().map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_nested_up_to_a_limit() {
        let nested = |depth: usize| format!("{}a{}", "(".repeat(depth), ")".repeat(depth));
        assert!(compile(&nested(10)).is_ok_and(|pattern| pattern.is_match("a")));
        for depth in [20, 50, 5_000] {
            assert!(compile(&nested(depth)).is_err(), "{depth}");
        }
        assert!(compile("(").is_err());
    }
}
