//! The file of a backup: gzip around lines of JSON, so that `zcat` shows what is in it.
//!
//! The first line is the header, then comes a line for each table with a line for each of its rows after it, and the
//! last line counts the rows and has the SHA-256 of all lines before it. Bytes are base64. It knows no database.

use std::io::{self, BufRead, BufReader, Read, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use farwatch_proto::time::UnixMs;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::store::{COLUMN_KINDS, Cell, Column, ColumnKind, StoreError, Table};

/// The form of the file. It goes up when a reader of the form before could not read it.
const FORM: u32 = 1;
/// The longest line: the largest module there can be, in base64, and some room.
const LINE_MAX_BYTES: u64 = 32 << 20;
/// Progress is told after so many rows.
pub const PROGRESS_ROWS: u64 = 1_000;

/// What went wrong between a database and a file.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// On the side of the database.
    #[error(transparent)]
    Database(#[from] StoreError),
    /// On the side of the file.
    #[error(transparent)]
    File(#[from] io::Error),
}

/// What a backup says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// When it was made.
    pub made: UnixMs,
    /// The migrations of the schema it was made of.
    pub versions: Vec<i64>,
    /// Whether what was measured is in it.
    pub history: bool,
}

/// The first line.
#[derive(Serialize, Deserialize)]
struct HeaderLine {
    farwatch_backup: u32,
    made_ms: i64,
    version: String,
    schema: Vec<i64>,
    history: bool,
}

/// The line before the rows of a table.
#[derive(Serialize, Deserialize)]
struct TableLine {
    table: String,
    /// Name and kind.
    columns: Vec<(String, String)>,
}

/// The last line.
#[derive(Serialize, Deserialize)]
struct EndLine {
    rows: u64,
    sha256: String,
}

/// Writes a backup from front to back.
pub struct Writer<W: Write> {
    out: GzEncoder<W>,
    digest: Sha256,
    rows: u64,
}

impl<W: Write> Writer<W> {
    /// Begins with the header.
    pub fn begin(out: W, header: &Header) -> io::Result<Self> {
        let mut writer = Self { out: GzEncoder::new(out, Compression::default()), digest: Sha256::new(), rows: 0 };
        let version = farwatch_proto::VERSION.to_owned();
        let Header { made, versions, history } = header.clone();
        writer.line(&HeaderLine { farwatch_backup: FORM, made_ms: made.0, version, schema: versions, history })?;
        Ok(writer)
    }

    /// Begins a table.
    pub fn table(&mut self, table: &Table) -> io::Result<()> {
        let columns = table.columns.iter().map(|column| (column.name.clone(), word(column.kind).to_owned())).collect();
        self.line(&TableLine { table: table.name.clone(), columns })
    }

    /// Writes a row of the table.
    pub fn row(&mut self, row: &[Cell]) -> io::Result<()> {
        self.rows += 1;
        self.line(&row.iter().map(value_of).collect::<Vec<Value>>())
    }

    /// How many rows were written.
    pub const fn rows(&self) -> u64 {
        self.rows
    }

    /// Ends it.
    pub fn finish(mut self) -> io::Result<W> {
        let sha256 = hex(self.digest.clone());
        let rows = self.rows;
        self.line(&EndLine { rows, sha256 })?;
        self.out.finish()
    }

    fn line(&mut self, line: &impl Serialize) -> io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        self.digest.update(&text);
        self.out.write_all(&text)
    }
}

/// What stands in a backup after its header.
#[derive(Debug, PartialEq, Eq)]
pub enum Item {
    /// A table begins.
    Table(Table),
    /// A row of it.
    Row(Vec<Cell>),
}

/// Reads a backup from front to back. Nothing it gave may be trusted before it has given its end.
pub struct Reader<R: Read> {
    input: BufReader<GzDecoder<R>>,
    digest: Sha256,
    rows: u64,
    columns: Vec<Column>,
    /// What the backup says of itself.
    pub header: Header,
}

impl<R: Read> Reader<R> {
    /// Reads the header.
    pub fn begin(input: R) -> io::Result<Self> {
        let header = Header { made: UnixMs(0), versions: Vec::new(), history: false };
        let input = BufReader::new(GzDecoder::new(input));
        let mut reader = Self { input, digest: Sha256::new(), rows: 0, columns: Vec::new(), header };
        let foreign = |_| damaged("it is no backup of Farwatch");
        let line = reader.line().map_err(foreign)?;
        reader.digest.update(&line);
        let line: HeaderLine = serde_json::from_slice(&line).map_err(|_| damaged("it is no backup of Farwatch"))?;
        if line.farwatch_backup > FORM {
            let message = format!("it was made by version {}, in a form that this version cannot read", line.version);
            return Err(damaged(&message));
        }
        reader.header = Header { made: UnixMs(line.made_ms), versions: line.schema, history: line.history };
        Ok(reader)
    }

    /// The next item; none at an end that is as it should be.
    pub fn item(&mut self) -> io::Result<Option<Item>> {
        let line = self.line()?;
        let value: Value = serde_json::from_slice(&line).map_err(|_| damaged("a line of it is no JSON"))?;
        if value.get("sha256").is_some() {
            let end: EndLine = serde_json::from_value(value).map_err(|_| damaged("its last line is malformed"))?;
            if end.rows != self.rows || end.sha256 != hex(self.digest.clone()) {
                return Err(damaged("its checksum is not that of its rows"));
            }
            // The end of the gzip stream has a checksum, too, and nothing may follow it.
            return if self.input.read(&mut [0])? == 0 { Ok(None) } else { Err(damaged("it goes on after its end")) };
        }
        self.digest.update(&line);
        if let Value::Array(cells) = value {
            self.rows += 1;
            return self.row(cells).map(|row| Some(Item::Row(row)));
        }
        let line: TableLine = serde_json::from_value(value).map_err(|_| damaged("a line of it is malformed"))?;
        let column = |(name, kind): (String, String)| {
            is_name(&name).then_some(())?;
            COLUMN_KINDS.iter().find(|(_, word, _)| *word == kind).map(|(kind, _, _)| Column { name, kind: *kind })
        };
        let columns = line.columns.into_iter().map(column).collect::<Option<Vec<Column>>>();
        let columns = columns.filter(|_| is_name(&line.table)).ok_or_else(|| damaged("it names no columns of ours"))?;
        self.columns.clone_from(&columns);
        Ok(Some(Item::Table(Table { name: line.table, columns })))
    }

    fn row(&self, cells: Vec<Value>) -> io::Result<Vec<Cell>> {
        if self.columns.is_empty() || cells.len() != self.columns.len() {
            return Err(damaged("a row has another number of columns than its table"));
        }
        let cells = cells.into_iter().zip(&self.columns).map(|(value, column)| cell_of(value, column.kind));
        cells
            .collect::<Option<Vec<Cell>>>()
            .ok_or_else(|| damaged("a row holds a value of another kind than its column"))
    }

    fn line(&mut self) -> io::Result<Vec<u8>> {
        let mut line = Vec::new();
        (&mut self.input).take(LINE_MAX_BYTES).read_until(b'\n', &mut line)?;
        if line.last() == Some(&b'\n') { Ok(line) } else { Err(damaged("it ends too early")) }
    }
}

fn damaged(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

/// Names are put into statements, so only what can be a name of ours is one.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

fn word(kind: ColumnKind) -> &'static str {
    COLUMN_KINDS.iter().find(|(known, _, _)| *known == kind).map_or("", |(_, word, _)| word)
}

fn hex(digest: Sha256) -> String {
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn value_of(cell: &Cell) -> Value {
    match cell {
        Cell::Int(number) => json!(number),
        Cell::Text(text) => json!(text),
        Cell::Bytes(bytes) => json!(bytes.as_ref().map(|bytes| STANDARD.encode(bytes))),
    }
}

fn cell_of(value: Value, kind: ColumnKind) -> Option<Cell> {
    Some(match (kind, value) {
        (ColumnKind::Int, Value::Null) => Cell::Int(None),
        (ColumnKind::Text, Value::Null) => Cell::Text(None),
        (ColumnKind::Bytes, Value::Null) => Cell::Bytes(None),
        (ColumnKind::Int, Value::Number(number)) => Cell::Int(Some(number.as_i64()?)),
        (ColumnKind::Text, Value::String(text)) => Cell::Text(Some(text)),
        (ColumnKind::Bytes, Value::String(text)) => Cell::Bytes(Some(STANDARD.decode(text).ok()?)),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let column = |name: &str, kind| Column { name: name.to_owned(), kind };
        let columns = vec![column("n", ColumnKind::Int), column("t", ColumnKind::Text), column("b", ColumnKind::Bytes)];
        Table { name: "of_test".to_owned(), columns }
    }

    fn rows() -> [Vec<Cell>; 2] {
        [
            vec![Cell::Int(Some(i64::MIN)), Cell::Text(Some("ä\n\"".to_owned())), Cell::Bytes(Some(vec![0, 255]))],
            vec![Cell::Int(None), Cell::Text(None), Cell::Bytes(None)],
        ]
    }

    fn written() -> Vec<u8> {
        let header = Header { made: UnixMs(7), versions: vec![1, 2], history: true };
        let mut writer = Writer::begin(Vec::new(), &header).unwrap();
        writer.table(&table()).unwrap();
        rows().iter().for_each(|row| writer.row(row).unwrap());
        writer.finish().unwrap()
    }

    fn read(bytes: &[u8]) -> io::Result<Vec<Item>> {
        let mut reader = Reader::begin(bytes)?;
        let mut items = Vec::new();
        while let Some(item) = reader.item()? {
            items.push(item);
        }
        Ok(items)
    }

    #[test]
    fn what_is_written_is_read() {
        let bytes = written();
        let header = Reader::begin(bytes.as_slice()).unwrap().header;
        assert_eq!(header, Header { made: UnixMs(7), versions: vec![1, 2], history: true });
        let [first, second] = rows();
        assert_eq!(read(&bytes).unwrap(), [Item::Table(table()), Item::Row(first), Item::Row(second)]);
    }

    #[test]
    fn a_backup_that_was_cut_or_changed_is_refused() {
        let bytes = written();
        for len in 0..bytes.len() {
            assert!(read(&bytes[..len]).is_err(), "cut to {len} bytes");
        }
        for at in 10..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(read(&changed).is_err(), "changed at {at}");
        }
        assert!(read(b"SQLite format 3\0").unwrap_err().to_string().contains("no backup"));
    }

    #[test]
    fn names_that_could_be_statements_are_refused() {
        let mut table = table();
        table.name = "tenant; drop table tenant".to_owned();
        let header = Header { made: UnixMs(0), versions: Vec::new(), history: false };
        let mut writer = Writer::begin(Vec::new(), &header).unwrap();
        writer.table(&table).unwrap();
        assert!(read(&writer.finish().unwrap()).unwrap_err().to_string().contains("names no columns"));
    }
}
