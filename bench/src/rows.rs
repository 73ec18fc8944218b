//! The table of figures, for people and for machines.

use std::fs;

use serde::Serialize;

/// Tells whoever waits what is being done.
#[allow(clippy::print_stderr, reason = "the figures alone go to standard output")]
pub(crate) fn progress(what: &str) {
    eprintln!("bench: {what}");
}

/// What a figure is held against.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bar {
    /// It should not be more.
    AtMost(f64),
    /// It should not be less.
    AtLeast(f64),
}

/// One figure.
#[derive(Clone, Debug, Serialize)]
struct Row {
    name: String,
    value: f64,
    unit: String,
    bar: Option<f64>,
    holds: Option<bool>,
}

/// All figures of one run.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<Row>,
}

impl Table {
    /// Adds a figure.
    pub(crate) fn add(&mut self, name: &str, value: f64, unit: &str, bar: Option<Bar>) {
        let holds = bar.map(|bar| match bar {
            Bar::AtMost(most) => value <= most,
            Bar::AtLeast(least) => value >= least,
        });
        let bar = bar.map(|(Bar::AtMost(bar) | Bar::AtLeast(bar))| bar);
        self.rows.push(Row { name: name.to_owned(), value, unit: unit.to_owned(), bar, holds });
    }

    /// Prints all of them.
    #[allow(clippy::print_stdout, reason = "this is what the program is for")]
    pub(crate) fn print(&self) {
        for Row { name, value, unit, bar, holds } in &self.rows {
            let bar = bar.map_or_else(String::new, |bar| format!("bar {bar:.3}"));
            let holds = holds.map_or("", |holds| if holds { "holds" } else { "MISSED" });
            println!("{name:52} {value:12.3} {unit:6} {bar:14} {holds}");
        }
    }

    /// The figures that miss their bars.
    pub(crate) fn missed(&self) -> Vec<&str> {
        self.rows.iter().filter(|row| row.holds == Some(false)).map(|row| row.name.as_str()).collect()
    }

    /// Keeps them in `bench/out/latest.json`.
    pub(crate) fn save(&self) -> anyhow::Result<()> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/out");
        fs::create_dir_all(folder)?;
        fs::write(format!("{folder}/latest.json"), serde_json::to_string_pretty(&self.rows)?)?;
        Ok(())
    }
}
