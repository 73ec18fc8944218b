//! What a module that somebody brings must say of itself to be taken in: its name, version, summary, capabilities and the
//! schema of its config.
//!
//! Plain functions of what it says and what it imports. Whether its bytes are acceptable and whether it answers at all is
//! the sandbox's judgment, made before; whether the name and version are free is the store's, made after.

pub mod config;
mod schema;

use farwatch_sandbox::Description;
use semver::Version;

use crate::builtin::{self, ModuleDescription};

/// The longest name: it stands in one column of a list, and before the `@` of a version.
const NAME_MAX: usize = 40;
/// The longest version: three numbers and a word or two of a pre-release.
const VERSION_MAX: usize = 40;
/// The longest summary, in characters: one line of a list.
const SUMMARY_MAX: usize = 200;
/// The interface beside the probes that a module says it needs.
const SECRETS: &str = "secrets";

/// A rule that a module breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {detail}")]
pub struct BrokenRule {
    /// A stable word: `module-name-bad`, `module-name-taken`, `module-version-bad`, `module-summary-bad`,
    /// `module-capabilities-bad`, `module-schema-bad`.
    pub code: &'static str,
    /// What was found, and what to do about it.
    pub detail: String,
}

impl BrokenRule {
    fn new(code: &'static str, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }
}

/// Judges what a module says of itself, by the probes that it imports.
///
/// # Errors
/// The first rule that it breaks.
pub fn judge<'i>(told: &Description, imports: impl Iterator<Item = &'i str>) -> Result<ModuleDescription, BrokenRule> {
    check_name(&told.name)?;
    check_version(&told.version)?;
    check_summary(&told.summary)?;
    check_capabilities(&told.capabilities, &imports.collect::<Vec<_>>())?;
    let config_schema =
        schema::judge(&told.config_schema).map_err(|detail| BrokenRule::new("module-schema-bad", detail))?;
    let Description { name, version, summary, capabilities, .. } = told.clone();
    Ok(ModuleDescription { name, version, summary, config_schema, capabilities, is_called: false })
}

fn check_name(name: &str) -> Result<(), BrokenRule> {
    let sign = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let begins_well = name.as_bytes().first().is_some_and(u8::is_ascii_lowercase);
    if name.len() > NAME_MAX || !begins_well || name.ends_with('-') || !name.bytes().all(sign) {
        let detail = format!(
            "the module calls itself {name:?}; a name is 1 to {NAME_MAX} of a-z, 0-9 and hyphens, begins with a letter and \
             ends with no hyphen, such as `shop-login`"
        );
        return Err(BrokenRule::new("module-name-bad", detail));
    }
    if builtin::is_name(name) {
        let detail = format!("the module calls itself `{name}`, as one that comes with Farwatch; choose another name");
        return Err(BrokenRule::new("module-name-taken", detail));
    }
    Ok(())
}

/// Versions that differ in their build alone stand in no order, so a module has none.
fn check_version(version: &str) -> Result<(), BrokenRule> {
    let wrong = match Version::parse(version) {
        _ if version.len() > VERSION_MAX => format!("it has more than {VERSION_MAX} signs"),
        Ok(parsed) if parsed.build.is_empty() => return Ok(()),
        Ok(_) => "what follows the `+` is no part of an order; leave it away".to_owned(),
        Err(error) => error.to_string(),
    };
    let detail = format!(
        "the module calls its version {version:?}: {wrong}; a version is three numbers (https://semver.org), such as `1.2.0`"
    );
    Err(BrokenRule::new("module-version-bad", detail))
}

fn check_summary(summary: &str) -> Result<(), BrokenRule> {
    let length = summary.chars().count();
    let wrong = if summary.trim().is_empty() {
        "is empty".to_owned()
    } else if length > SUMMARY_MAX {
        format!("has {length} characters; at most {SUMMARY_MAX} are shown in a line")
    } else if summary.chars().any(is_unseen) {
        "has control characters or a line break".to_owned()
    } else {
        return Ok(());
    };
    let detail = format!("the summary of the module {wrong}; say in one line what it checks");
    Err(BrokenRule::new("module-summary-bad", detail))
}

/// What a module says it needs is what its owner is shown that it can do, so nothing is missing from it and nothing too much.
fn check_capabilities(named: &[String], imports: &[&str]) -> Result<(), BrokenRule> {
    let known: Vec<&str> = farwatch_sandbox::probe_names().chain([SECRETS]).collect();
    let refused = |detail: String| Err(BrokenRule::new("module-capabilities-bad", detail));
    if let Some(unknown) = named.iter().find(|named| !known.contains(&named.as_str())) {
        return refused(format!("the module needs {unknown:?}, which no host has; hosts have {}", known.join(", ")));
    }
    if let Some(unnamed) = imports.iter().find(|import| !named.iter().any(|named| named == *import)) {
        return refused(format!(
            "the module imports `{unnamed}` without naming it among its capabilities; name it, or leave it away"
        ));
    }
    let is_unused = |named: &&String| named.as_str() != SECRETS && !imports.contains(&named.as_str());
    if let Some(unused) = named.iter().find(is_unused) {
        return refused(format!(
            "the module names `{unused}` among its capabilities and does not import it; take it out"
        ));
    }
    Ok(())
}

/// Whether a character is not seen as what it is: control characters, line ends of Unicode, and what turns the direction
/// in which the rest is read.
fn is_unseen(sign: char) -> bool {
    sign.is_control() || matches!(sign, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Description {
        Description {
            name: "shop-login".to_owned(),
            version: "1.2.0".to_owned(),
            summary: "Logs in to the shop.".to_owned(),
            config_schema: r#"{"type": "object"}"#.to_owned(),
            capabilities: vec!["http".to_owned(), "secrets".to_owned()],
        }
    }

    fn code(told: &Description, imports: &[&str]) -> &'static str {
        judge(told, imports.iter().copied()).expect_err("a rule is broken").code
    }

    #[test]
    fn what_keeps_the_rules_is_taken_as_it_is() {
        let taken = judge(&good(), ["http"].into_iter()).expect("it keeps the rules");
        assert_eq!((taken.name.as_str(), taken.version.as_str()), ("shop-login", "1.2.0"));
        assert_eq!(taken.config_schema["type"], "object");
        let early = Description { version: "1.0.0-rc.1".to_owned(), ..good() };
        assert!(judge(&early, ["http"].into_iter()).is_ok());
    }

    #[test]
    fn a_name_is_a_short_word_that_no_built_in_module_has() {
        for name in ["", "Shop", "shop login", "1shop", "shop-", "-shop", "shöp", "shop\n", "a/b", &"x".repeat(41)] {
            assert_eq!(
                code(&Description { name: name.to_owned(), ..good() }, &["http"]),
                "module-name-bad",
                "{name:?}"
            );
        }
        for name in ["http", "heartbeat", "tls"] {
            assert_eq!(
                code(&Description { name: name.to_owned(), ..good() }, &["http"]),
                "module-name-taken",
                "{name}"
            );
        }
    }

    #[test]
    fn a_version_stands_in_an_order() {
        for version in
            ["", "1", "1.2", "v1.2.0", "01.2.0", "1.2.0+build", "latest", &format!("1.2.0-{}", "x".repeat(40))]
        {
            let told = Description { version: version.to_owned(), ..good() };
            assert_eq!(code(&told, &["http"]), "module-version-bad", "{version:?}");
        }
    }

    #[test]
    fn a_summary_is_one_line_that_shows_all_of_itself() {
        for summary in ["", "  ", "a\nb", "a\u{1b}[2Jb", "a\u{202e}b", "a\u{2028}b", &"x".repeat(201)] {
            let told = Description { summary: summary.to_owned(), ..good() };
            assert_eq!(code(&told, &["http"]), "module-summary-bad", "{summary:?}");
        }
    }

    #[test]
    fn capabilities_are_the_probes_that_are_imported() {
        let naming =
            |named: &[&str]| Description { capabilities: named.iter().map(ToString::to_string).collect(), ..good() };
        for (named, imports) in [
            (&["http"][..], &["http", "tcp"][..]),
            (&["http", "tcp"], &["http"]),
            (&["quic"], &[]),
            (&["http\u{7}"], &["http"]),
            (&[], &["udp"]),
        ] {
            assert_eq!(code(&naming(named), imports), "module-capabilities-bad", "{named:?} {imports:?}");
        }
        assert!(judge(&naming(&[]), std::iter::empty()).is_ok());
    }

    #[test]
    fn a_schema_that_is_none_is_refused() {
        for schema in ["", "{", "[]", r#"{"type": "objekt"}"#] {
            let told = Description { config_schema: schema.to_owned(), ..good() };
            assert_eq!(code(&told, &["http"]), "module-schema-bad", "{schema}");
        }
    }
}
