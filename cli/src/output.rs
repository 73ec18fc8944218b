//! How the client's answers look: aligned tables of words for people, JSON for machines.
//!
//! Colour only underlines what a word says already, and only on a terminal. This is the one place that
//! prints results.

use std::env;
use std::io::{ErrorKind, IsTerminal, Write, stderr, stdout};

use serde_json::Value;

use crate::exit::Failure;

/// A result could not be written.
const IO_ERROR: u8 = 74;
/// Columns are this far apart.
const GAP: &str = "  ";

/// Whether to colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    colours: bool,
}

impl Look {
    /// Without any.
    #[cfg(test)]
    pub(crate) const PLAIN: Self = Self { colours: false };

    /// As fits the place where results go.
    pub(crate) fn of_stdout() -> Self {
        let wanted = env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { colours: wanted && stdout().is_terminal() }
    }
}

/// What a word means, for whoever reads fast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Nothing special.
    Plain,
    /// All is well.
    Good,
    /// It deserves a look.
    Doubtful,
    /// It is broken.
    Bad,
}

impl Tone {
    const fn code(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Good => Some("32"),
            Self::Doubtful => Some("33"),
            Self::Bad => Some("31"),
        }
    }

    /// The tone of a word of the API.
    pub(crate) fn of(word: &str) -> Self {
        match word {
            "up" | "in_force" | "active" | "ok" | "sent" | "resolved" | "on_time" | "good" => Self::Good,
            "degraded" | "suspect" | "recovering" | "unconfirmed" | "unknown" | "pending" | "warming" | "late"
            | "claimed" | "held" | "void" | "not_run" => Self::Doubtful,
            "down" | "open" | "away" | "dead" | "failing" | "missed" | "outside" | "bad" => Self::Bad,
            _ => Self::Plain,
        }
    }
}

/// One cell of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    /// A text that means nothing special.
    pub(crate) fn plain(text: impl Into<String>) -> Self {
        Self { text: text.into(), tone: Tone::Plain }
    }

    /// A text with a tone.
    pub(crate) fn toned(text: impl Into<String>, tone: Tone) -> Self {
        Self { text: text.into(), tone }
    }

    /// A word of the API, with its own tone and its underscores as spaces.
    pub(crate) fn word(word: &str) -> Self {
        Self { text: word.replace('_', " "), tone: Tone::of(word) }
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::plain(text)
    }
}

/// A table: a line of headings, and lines under it.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    headings: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// A table with these headings.
    pub(crate) fn new(headings: &[&'static str]) -> Self {
        Self { headings: headings.to_vec(), rows: Vec::new() }
    }

    /// Adds a line.
    pub(crate) fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    /// As lines of text; `none` when there is nothing in it.
    pub(crate) fn shown(&self, look: Look, none: &str) -> String {
        if self.rows.is_empty() {
            return format!("{none}\n");
        }
        let headings: Vec<Cell> = self.headings.iter().map(|heading| Cell::plain(heading.to_uppercase())).collect();
        let widths: Vec<usize> = (0..self.headings.len()).map(|column| self.width_of(column)).collect();
        let lines = std::iter::once(&headings).chain(&self.rows).map(|row| line(row, &widths, look));
        lines.collect()
    }

    fn width_of(&self, column: usize) -> usize {
        let cells = self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.text.chars().count());
        cells.chain([self.headings[column].chars().count()]).max().unwrap_or(0)
    }
}

fn line(cells: &[Cell], widths: &[usize], look: Look) -> String {
    let last = cells.len().saturating_sub(1);
    let mut text = String::new();
    for (column, (cell, width)) in cells.iter().zip(widths).enumerate() {
        text.push_str(&coloured(cell, look));
        if column < last {
            let missing = width.saturating_sub(cell.text.chars().count());
            text.push_str(&" ".repeat(missing));
            text.push_str(GAP);
        }
    }
    format!("{}\n", text.trim_end())
}

fn coloured(cell: &Cell, look: Look) -> String {
    // What other people wrote must not steer the terminal.
    let text: String = cell.text.chars().map(|sign| if sign.is_control() { ' ' } else { sign }).collect();
    match cell.tone.code() {
        Some(code) if look.colours => format!("\x1b[{code}m{text}\x1b[0m"),
        _ => text,
    }
}

/// Cells in one line, without those that say nothing.
pub(crate) fn line_of(cells: &[Cell], look: Look) -> String {
    let said = cells.iter().filter(|cell| !cell.text.is_empty()).map(|cell| coloured(cell, look));
    format!("{}\n", said.collect::<Vec<_>>().join(GAP))
}

/// Named values, one per line, the names aligned.
pub(crate) fn facts(facts: &[(&str, Cell)], look: Look) -> String {
    let width = facts.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let lines = facts.iter().map(|(name, value)| {
        let line = format!("{name:width$}{GAP}{}", coloured(value, look));
        format!("{}\n", line.trim_end())
    });
    lines.collect()
}

/// JSON as it is printed.
pub(crate) fn json(value: &Value) -> String {
    format!("{value:#}\n")
}

/// Prints a result. A reader that has gone away wants no more, and that is no failure.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::new(IO_ERROR, format_args!("cannot write the result: {error}")))
        }
        _ => Ok(()),
    }
}

/// Says how long work goes, on a terminal only: the line is written over by the next.
pub(crate) fn progress(text: &str) {
    let mut out = stderr().lock();
    if out.is_terminal() {
        // Progress that cannot be shown is not missed.
        let _ = write!(out, "\r\x1b[2K{text}").and_then(|()| out.flush());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(&["name", "state", "since"]);
        table.row(vec![Cell::plain("shop"), Cell::word("in_force"), Cell::plain("")]);
        table.row(vec![Cell::plain("Käse"), Cell::word("pending"), Cell::plain("3 s")]);
        table
    }

    #[test]
    fn columns_are_aligned_and_lines_have_no_trailing_spaces() {
        let shown = table().shown(Look::PLAIN, "none");
        assert_eq!(shown, "NAME  STATE     SINCE\nshop  in force\nKäse  pending   3 s\n");
    }

    #[test]
    fn colours_change_nothing_but_colours() {
        let shown = table().shown(Look { colours: true }, "none");
        assert!(shown.contains("\x1b[32min force\x1b[0m") && shown.contains("\x1b[33mpending\x1b[0m   3 s"));
        let plain = shown.replace("\x1b[32m", "").replace("\x1b[33m", "").replace("\x1b[0m", "");
        assert_eq!(plain, table().shown(Look::PLAIN, "none"));
    }

    #[test]
    fn an_empty_table_says_so() {
        assert_eq!(Table::new(&["name"]).shown(Look::PLAIN, "no checks"), "no checks\n");
    }

    #[test]
    fn what_others_wrote_does_not_steer_the_terminal() {
        let shown = facts(&[("name", Cell::plain("a\x1b[2Jb")), ("x", Cell::plain("1\n2"))], Look::PLAIN);
        assert_eq!(shown, "name  a [2Jb\nx     1 2\n");
    }
}
