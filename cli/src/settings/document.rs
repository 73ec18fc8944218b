//! The settings file as text: tables, keys and plain values, each with the line it stands on.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

/// A table of the file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) name: String,
    pub(super) line: usize,
    pub(super) entries: Vec<Entry>,
}

/// `key = value` in a table.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) value: Given,
    pub(super) line: usize,
}

/// A value as it was written.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Given {
    Text(String),
    Number(String),
    Truth(bool),
    List(Vec<Given>),
    /// What no setting takes: a fraction, a date, a table.
    Other,
}

/// What is wrong with the file, and where.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) line: usize,
    pub(super) what: String,
}

/// All tables and their entries, in the order of the file.
pub(super) fn tables(text: &str) -> Result<Vec<Table>, Wrong> {
    let parsed = DeTable::parse(text).map_err(|error| Wrong {
        line: line_of(text, &error.span().unwrap_or_default()),
        what: error.message().replace('\n', ", "),
    })?;
    let mut tables = Vec::new();
    for (name, table) in parsed.get_ref() {
        let (name, line) = (name.get_ref().to_string(), line_of(text, &name.span()));
        let DeValue::Table(table) = table.get_ref() else {
            return Err(Wrong { line, what: format!("{name}: put it into the table of a role, such as [up]") });
        };
        let entry = |(key, value): (&toml::Spanned<_>, &toml::Spanned<_>)| entry_of(text, key, value);
        let mut entries: Vec<Entry> = table.iter().map(entry).collect();
        entries.sort_by_key(|entry| entry.line);
        tables.push(Table { name, line, entries });
    }
    tables.sort_by_key(|table| table.line);
    Ok(tables)
}

fn entry_of(text: &str, key: &toml::Spanned<toml::de::DeString<'_>>, value: &toml::Spanned<DeValue<'_>>) -> Entry {
    Entry { key: key.get_ref().to_string(), value: given(value.get_ref()), line: line_of(text, &key.span()) }
}

fn given(value: &DeValue<'_>) -> Given {
    match value {
        DeValue::String(text) => Given::Text(text.to_string()),
        DeValue::Integer(number) if number.radix() == 10 => Given::Number(number.as_str().to_owned()),
        DeValue::Boolean(truth) => Given::Truth(*truth),
        DeValue::Array(items) => Given::List(items.iter().map(|item| given(item.get_ref())).collect()),
        _ => Given::Other,
    }
}

fn line_of(text: &str, span: &Range<usize>) -> usize {
    let before = text.as_bytes().get(..span.start).unwrap_or(text.as_bytes());
    1 + before.iter().filter(|byte| **byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_with_their_lines_and_in_their_order() {
        let read = tables("# the fleet\n[up]\nhosts = 3\nallow-net = [\n  '10.0.0.0/8',\n]\n\n[client]\njson = true\n")
            .unwrap();
        assert_eq!(
            read.iter().map(|table| (table.name.as_str(), table.line)).collect::<Vec<_>>(),
            [("up", 2), ("client", 8)]
        );
        let networks = Given::List(vec![Given::Text("10.0.0.0/8".to_owned())]);
        assert_eq!(
            read[0].entries[0],
            Entry { key: "hosts".to_owned(), value: Given::Number("3".to_owned()), line: 3 }
        );
        assert_eq!(read[0].entries[1], Entry { key: "allow-net".to_owned(), value: networks, line: 4 });
        assert_eq!(read[1].entries[0], Entry { key: "json".to_owned(), value: Given::Truth(true), line: 9 });
        assert_eq!(tables(""), Ok(Vec::new()));
    }

    #[test]
    fn what_is_no_toml_and_what_stands_in_no_table_is_refused_with_its_line() {
        for (text, line) in
            [("[up]\nhosts = \n", 2), ("[up]\nhosts = 1\nhosts = 2\n", 3), ("\ndata = 'x'\n", 2), ("[[up]]\n", 1)]
        {
            let wrong = tables(text).unwrap_err();
            assert_eq!(wrong.line, line, "{text}: {wrong:?}");
            assert!(!wrong.what.is_empty() && !wrong.what.contains('\n'), "{wrong:?}");
        }
    }
}
