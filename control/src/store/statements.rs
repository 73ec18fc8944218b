//! Statements over many rows at once, in pieces that both engines take.
//!
//! A mass failure changes thousands of rows in one transaction; one statement per row would spend its limit on
//! round trips alone. Only placeholders are ever put together here, never a value.

use std::fmt::Write;

/// Rows of one statement: with our widest table it stays far below SQLite's 32,766 parameters, and only few
/// different statements have to be kept prepared.
pub(super) const ROWS_PER_STATEMENT: usize = 250;

/// `($1, $2), ($3, $4)` and so on.
pub(super) fn tuples(rows: usize, columns: usize) -> String {
    let mut text = String::new();
    for row in 0..rows {
        text.push_str(if row == 0 { "(" } else { ", (" });
        push_placeholders(&mut text, row * columns, columns);
        text.push(')');
    }
    text
}

/// `$3, $4, $5` for three placeholders after two.
pub(super) fn placeholders(after: usize, count: usize) -> String {
    let mut text = String::new();
    push_placeholders(&mut text, after, count);
    text
}

fn push_placeholders(text: &mut String, after: usize, count: usize) {
    for number in 0..count {
        let comma = if number == 0 { "" } else { ", " };
        let _ = write!(text, "{comma}${}", after + number + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_count_on_from_tuple_to_tuple() {
        assert_eq!(tuples(2, 3), "($1, $2, $3), ($4, $5, $6)");
        assert_eq!(placeholders(2, 3), "$3, $4, $5");
    }
}
