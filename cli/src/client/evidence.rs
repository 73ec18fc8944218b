//! What failed runs brought, in lines: of a check and of an outage alike.

use serde_json::Value;

use super::fields::{moment, text};
use crate::output::{Cell, Look, Table};

/// These pieces as lines; `none` when there are none.
pub(super) fn shown<'v>(pieces: impl Iterator<Item = &'v Value>, look: Look, none: &str) -> String {
    let mut table = Table::new(&["slot", "found", "kept as", "host", "code", "evidence"]);
    let mut pieces_shown = Vec::new();
    for piece in pieces {
        pieces_shown.push(came(piece));
        table.row(vec![
            moment(piece, "slot").into(),
            Cell::word(piece["status"].as_str().unwrap_or_default()),
            text(piece, "kept_as").into(),
            text(piece, "host_name").into(),
            text(piece, "code").into(),
            said(piece).into(),
        ]);
    }
    let lines = table.shown(look, none);
    let came = pieces_shown.concat();
    if came.is_empty() { lines } else { format!("{lines}\n{came}") }
}

/// What came from the target, below a line that says of which run it is.
fn came(piece: &Value) -> String {
    let mut came = String::new();
    for shown in piece["shown"].as_array().into_iter().flatten() {
        let head = format!("{} at {}, {}:", text(piece, "host_name"), moment(piece, "slot"), text(shown, "what"));
        let indented: String = text(shown, "text").lines().map(|line| format!("    {}\n", printable(line))).collect();
        came.push_str(&format!("{head}\n{indented}"));
    }
    came
}

/// A line that a terminal shows and does not obey.
pub(super) fn printable(line: &str) -> String {
    line.chars().map(|sign| if sign.is_control() && sign != '\t' { '\u{fffd}' } else { sign }).collect()
}

/// The sentence and what was seen, in one line.
fn said(piece: &Value) -> String {
    let attributes = piece["attributes"].as_array().into_iter().flatten();
    let seen: Vec<String> =
        attributes.map(|attribute| format!("{}={}", text(attribute, "key"), text(attribute, "value"))).collect();
    let cut = if piece["is_cut"] == true { "(cut)" } else { "" };
    let parts = [text(piece, "message"), seen.join(" "), cut.to_owned()];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("  ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_came_from_the_target_stands_below_and_moves_no_cursor() {
        let piece = json!({
            "slot": 10_000, "host_name": "fra",
            "shown": [{"what": "response-body", "text": "<h1>\u{1b}[2J\nout of memory"}],
        });
        let lines = shown([&piece].into_iter(), Look::PLAIN, "none");
        let came = "fra at 1970-01-01 00:00:10Z, response-body:\n    <h1>\u{fffd}[2J\n    out of memory\n";
        assert!(lines.ends_with(came), "{lines}");
    }

    #[test]
    fn a_piece_is_a_line_with_its_sentence_and_what_was_seen() {
        let piece = json!({
            "slot": 10_000, "status": "down", "kept_as": "vote", "host_name": "fra", "code": "status-unexpected",
            "message": "503 instead of 200", "is_cut": true,
            "attributes": [{"key": "http.status", "value": 503}, {"key": "net.remote", "value": "192.0.2.7:443"}],
        });
        let lines = shown([&piece].into_iter(), Look::PLAIN, "none");
        assert_eq!(
            lines.lines().nth(1).unwrap(),
            "1970-01-01 00:00:10Z  down   vote     fra   status-unexpected  \
             503 instead of 200  http.status=503 net.remote=192.0.2.7:443  (cut)"
        );
        assert_eq!(shown(std::iter::empty(), Look::PLAIN, "nothing is kept"), "nothing is kept\n");
    }
}
