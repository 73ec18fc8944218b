//! The table of all attacks, as `docs/sandbox.md` shows it between two marks.

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use anyhow::Context;
use farwatch_tests::lateness::Lateness;

use super::attack::{At, Attack};
use super::play::End;
use crate::case;

/// The marks.
const BEGIN: &str = "<!-- attacks: written by `make hostile` -->";
const END: &str = "<!-- attacks: end -->";

/// What is known of one attack.
#[derive(Debug)]
pub struct Row {
    attack: Attack,
    end: End,
    fared: Option<Lateness>,
}

impl Row {
    /// Of an attack that ended so, and of the crowd beside it where it was made to run there.
    pub const fn new(attack: Attack, end: End, fared: Option<Lateness>) -> Self {
        Self { attack, end, fared }
    }

    /// As one line of a terminal.
    pub fn line(&self) -> String {
        let Self { attack, end, fared } = self;
        let others = fared.map_or_else(String::new, |Lateness { due, late, p99_ms, worst_ms }| {
            format!("p99 {p99_ms:>4} ms  worst {worst_ms:>4} ms  late {late} of {due}")
        });
        format!("{:<36} {:<9} {:<24} {others}", attack.name, end.at.as_str(), end.code)
    }
}

/// The table.
pub fn table(alone: Lateness, rows: &[Row]) -> String {
    let mut text = format!(
        "Beside 500 good checks of 10 s on one host, {} slots of which were watched without anybody else: p99 of their \
         lateness {} ms, worst {} ms, late {}.\n\n\
         | attack | what it does | ends at | code | p99 of the others | more than alone | late |\n\
         |---|---|---|---|---|---|---|\n",
        alone.due, alone.p99_ms, alone.worst_ms, alone.late
    );
    for Row { attack, end, fared } in rows {
        let code = match (end.code.as_str(), end.at) {
            ("ok", At::Run) => "gets nothing by it".to_owned(),
            (code, _) => format!("`{code}`"),
        };
        let others = fared.map_or_else(
            || "never runs | | ".to_owned(),
            |fared| format!("{} ms | {} ms | {}", fared.p99_ms, (fared.p99_ms - alone.p99_ms).max(0), fared.late),
        );
        writeln!(text, "| `{}` | {} | {} | {code} | {others} |", attack.name, attack.says, end.at.as_str())
            .expect("a text takes everything");
    }
    text
}

/// Writes the table between the marks.
///
/// # Errors
/// When the page or its marks are not there.
pub fn write(table: &str) -> anyhow::Result<()> {
    let page: PathBuf = case::folder().join("../../../docs/sandbox.md");
    let text = fs::read_to_string(&page)?;
    let (before, rest) = text.split_once(BEGIN).context("the page has no mark where the table begins")?;
    let (_, after) = rest.split_once(END).context("the page has no mark where the table ends")?;
    Ok(fs::write(&page, format!("{before}{BEGIN}\n{table}{END}{after}"))?)
}
