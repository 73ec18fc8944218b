//! Rows and what stands in them: ids, moments, stamps and numbers, each checked as it is read.
//!
//! The driver knows integers, texts and bytes; everything else is made here, and what cannot be made is reported
//! as corrupt, with the name of its column.

use farwatch_proto::id::ModuleHash;
use farwatch_proto::time::{Stamp, UnixMs};
use serde::de::DeserializeOwned;
use sqlx::Row;
use sqlx::any::AnyRow;

use super::StoreError;

/// Reads typed values out of a row.
pub(super) trait Columns {
    fn int(&self, column: &str) -> Result<i64, StoreError>;
    fn maybe_int(&self, column: &str) -> Result<Option<i64>, StoreError>;
    fn text(&self, column: &str) -> Result<String, StoreError>;
    fn maybe_text(&self, column: &str) -> Result<Option<String>, StoreError>;
    fn bytes(&self, column: &str) -> Result<Vec<u8>, StoreError>;
    fn maybe_bytes(&self, column: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// An id, by the constructor of its type.
    fn id<T>(&self, column: &str, make: fn([u8; 16]) -> T) -> Result<T, StoreError> {
        exactly(column, &self.bytes(column)?).map(make)
    }

    fn maybe_id<T>(&self, column: &str, make: fn([u8; 16]) -> T) -> Result<Option<T>, StoreError> {
        self.maybe_bytes(column)?.map(|bytes| exactly(column, &bytes).map(make)).transpose()
    }

    fn hash(&self, column: &str) -> Result<ModuleHash, StoreError> {
        self.hash_of(column, ModuleHash)
    }

    /// A hash, by the constructor of its type.
    fn hash_of<T>(&self, column: &str, make: fn([u8; 32]) -> T) -> Result<T, StoreError> {
        exactly(column, &self.bytes(column)?).map(make)
    }

    fn moment(&self, column: &str) -> Result<UnixMs, StoreError> {
        self.int(column).map(UnixMs)
    }

    fn maybe_moment(&self, column: &str) -> Result<Option<UnixMs>, StoreError> {
        Ok(self.maybe_int(column)?.map(UnixMs))
    }

    /// A number of a type narrower than the column.
    fn number<T: TryFrom<i64>>(&self, column: &str) -> Result<T, StoreError> {
        self.int(column)?.try_into().map_err(|_| out_of_range(column))
    }

    fn flag(&self, column: &str) -> Result<bool, StoreError> {
        Ok(self.int(column)? != 0)
    }

    fn stamp(&self, era: &str, n: &str) -> Result<Stamp, StoreError> {
        Ok(Stamp { era: self.number(era)?, n: self.number(n)? })
    }

    /// One of a closed set of words.
    fn word<T>(&self, column: &str, known: &[(T, &str)]) -> Result<T, StoreError>
    where
        T: Copy,
    {
        let text = self.text(column)?;
        let entry = known.iter().find(|(_, word)| *word == text);
        entry
            .map(|(value, _)| *value)
            .ok_or_else(|| StoreError::Corrupt(format!("{column} is the unknown word {text}")))
    }

    /// A document whose type the vocabulary knows.
    fn document<T: DeserializeOwned>(&self, column: &str) -> Result<T, StoreError> {
        serde_json::from_str(&self.text(column)?).map_err(|why| StoreError::Corrupt(format!("{column}: {why}")))
    }
}

impl Columns for AnyRow {
    fn int(&self, column: &str) -> Result<i64, StoreError> {
        Ok(self.try_get(column)?)
    }

    fn maybe_int(&self, column: &str) -> Result<Option<i64>, StoreError> {
        Ok(self.try_get(column)?)
    }

    fn text(&self, column: &str) -> Result<String, StoreError> {
        Ok(self.try_get(column)?)
    }

    fn maybe_text(&self, column: &str) -> Result<Option<String>, StoreError> {
        Ok(self.try_get(column)?)
    }

    fn bytes(&self, column: &str) -> Result<Vec<u8>, StoreError> {
        Ok(self.try_get(column)?)
    }

    fn maybe_bytes(&self, column: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.try_get(column)?)
    }
}

/// The word a value is stored as; every value stands in its own list.
pub(super) fn word_of<T: PartialEq>(value: &T, known: &[(T, &'static str)]) -> &'static str {
    known.iter().find(|(entry, _)| entry == value).map_or("", |(_, word)| word)
}

/// The document of a value of the vocabulary, all of which have one.
pub(super) fn document_of(value: &impl serde::Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|why| StoreError::Corrupt(why.to_string()))
}

/// A number as the database holds it; those of the house stay below 2^63 by far.
pub(super) fn stored(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn exactly<const N: usize>(column: &str, bytes: &[u8]) -> Result<[u8; N], StoreError> {
    bytes.try_into().map_err(|_| StoreError::Corrupt(format!("{column} has {} bytes instead of {N}", bytes.len())))
}

fn out_of_range(column: &str) -> StoreError {
    StoreError::Corrupt(format!("{column} is out of range"))
}
