//! The table of log lines in the operator's guide is what the sources log: machines read those lines by their names.

use std::collections::{BTreeMap, BTreeSet};

use super::sources::{Source, file, sources};

/// The macros that make lines, by level.
const LEVELS: [&str; 3] = ["info", "warn", "error"];

/// A line: its message, and which fields it has.
type Line = (String, BTreeSet<String>);

/// Where each kind of process has its sources.
fn folder(process: &str) -> &'static str {
    match process {
        "control" => "control/src",
        "host" => "host/src",
        "up" => "cli/src/up",
        _ => panic!("the table knows no process {process}"),
    }
}

/// The lines that a source logs, with their levels.
fn logged(source: &Source) -> BTreeMap<Line, BTreeSet<String>> {
    let product = source.text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let mut lines: BTreeMap<Line, BTreeSet<String>> = BTreeMap::new();
    for level in LEVELS {
        for (begins, opening) in product.match_indices(&format!("{level}!(")) {
            let arguments = arguments(&product[begins + opening.len()..]);
            let Some((message, fields)) = arguments.split_last() else { continue };
            let message = message.trim_matches('"').to_owned();
            let fields = fields.iter().map(|field| name_of(field)).collect();
            lines.entry((message, fields)).or_default().insert(level.to_owned());
        }
    }
    lines
}

/// What stands between the commas of a call, up to the parenthesis that closes it.
fn arguments(call: &str) -> Vec<String> {
    let (mut depth, mut is_text, mut argument, mut found) = (0, false, String::new(), Vec::new());
    for letter in call.chars() {
        match letter {
            '"' => is_text = !is_text,
            _ if is_text => {}
            '(' | '[' | '{' => depth += 1,
            ')' if depth == 0 => break,
            ')' | ']' | '}' => depth -= 1,
            ',' if depth == 0 => {
                found.push(std::mem::take(&mut argument).trim().to_owned());
                continue;
            }
            _ => {}
        }
        argument.push(letter);
    }
    found.push(argument.trim().to_owned());
    found.retain(|argument| !argument.is_empty());
    found
}

/// The field that an argument such as `%check` or `to = verdict.word()` makes.
fn name_of(argument: &str) -> String {
    let name = argument.split('=').next().unwrap_or_default();
    name.trim().trim_start_matches(['%', '?']).to_owned()
}

/// A row of the table.
struct Row {
    line: Line,
    processes: Vec<String>,
    levels: BTreeSet<String>,
}

fn rows() -> Vec<Row> {
    let guide = file("docs/operating.md");
    let section = guide.split("\n## Log lines\n").nth(1).expect("the guide has the section");
    let section = section.split("\n## ").next().unwrap_or_default();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let inner = row.strip_prefix('|').and_then(|row| row.strip_suffix('|')).expect("a row ends with a bar");
        let cells: Vec<&str> = inner.split('|').map(str::trim).collect();
        let [message, by, levels, fields, _when] = cells[..] else { panic!("five cells, not {cells:?}") };
        let words = |cell: &str| cell.split(", ").map(str::to_owned).collect::<Vec<_>>();
        let fields = fields.split_whitespace().map(|field| field.trim_matches('`').to_owned()).collect();
        let line = (message.trim_matches('`').to_owned(), fields);
        Row { line, processes: words(by), levels: words(levels).into_iter().collect() }
    })
    .collect()
}

#[test]
fn every_line_of_the_table_is_logged_with_its_fields_and_levels() {
    let rows = rows();
    assert!(rows.len() > 20, "{} rows", rows.len());
    for Row { line, processes, levels } in rows {
        for process in processes {
            let all: Vec<_> = sources(folder(&process)).iter().flat_map(logged).collect();
            let same = all.iter().filter(|((message, _), _)| *message == line.0);
            let mut found = BTreeSet::new();
            for ((_, fields), logged_at) in same {
                assert_eq!(*fields, line.1, "the fields of {:?} by {process}", line.0);
                found.extend(logged_at.iter().cloned());
            }
            assert!(levels.is_subset(&found), "{:?} by {process} is logged at {found:?}, not at {levels:?}", line.0);
        }
    }
}

#[test]
fn every_transition_that_the_leader_logs_is_in_the_table() {
    let known: BTreeSet<Line> = rows().into_iter().map(|row| row.line).collect();
    for source in sources("control/src/leader").iter().filter(|source| !source.path.contains("tests")) {
        for (line, levels) in logged(source) {
            // A warning may be about anything; what changes as it should is told at this level.
            let is_transition = levels.contains("info");
            assert!(!is_transition || known.contains(&line), "{}: {line:?} is not in the table", source.path);
        }
    }
}

#[test]
fn a_call_is_read_as_the_compiler_reads_it() {
    let text = "info!(%check, name, at = f(a, b), ?late, \"done, at (last)\");".to_owned();
    let lines = logged(&Source { path: "x.rs".to_owned(), text });
    let fields = ["check", "name", "at", "late"].map(str::to_owned).into();
    assert_eq!(lines.into_keys().collect::<Vec<_>>(), [("done, at (last)".to_owned(), fields)]);
}
