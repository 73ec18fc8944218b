//! Tables of AMQP 0-9-1 (with the types that brokers have for them), as far as their texts and truths go.
//!
//! What lies deeper is passed over by its length, so that no table can nest a reader to death.

/// A value that matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A text.
    Text(String),
    /// True or false.
    Boolean(bool),
    /// A table within.
    Table(Vec<u8>),
    /// Anything else.
    Other,
}

/// Bytes that are read from front to back; none wherever they end too early.
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    /// So many bytes.
    pub fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    /// One byte.
    pub fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    /// Two bytes.
    pub fn short(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    /// Four bytes.
    pub fn long(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    /// A text of at most 255 bytes.
    pub fn short_text(&mut self) -> Option<String> {
        let length = self.byte()?;
        self.take(length.into()).map(text)
    }

    /// Bytes whose length takes four bytes.
    pub fn long_bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.long()?;
        self.take(usize::try_from(length).ok()?)
    }

    fn value(&mut self) -> Option<Value> {
        let width = match self.byte()? {
            b'S' => return self.long_bytes().map(|bytes| Value::Text(text(bytes))),
            b'F' => return self.long_bytes().map(|bytes| Value::Table(bytes.to_vec())),
            b't' => return self.byte().map(|byte| Value::Boolean(byte != 0)),
            b'A' | b'x' => return self.long_bytes().map(|_| Value::Other),
            b'V' => 0,
            b'b' | b'B' => 1,
            b's' | b'u' | b'U' => 2,
            b'I' | b'i' | b'f' => 4,
            b'D' => 5,
            b'l' | b'L' | b'd' | b'T' => 8,
            _ => return None,
        };
        self.take(width).map(|_| Value::Other)
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The value of a table that has this name. A table that is damaged before it has none.
pub fn find(table: &[u8], name: &str) -> Option<Value> {
    let mut reader = Reader(table);
    while !reader.0.is_empty() {
        let found = reader.short_text()?;
        let value = reader.value()?;
        if found == name {
            return Some(value);
        }
    }
    None
}

/// Writes a text of at most 255 bytes. Configs hold no longer one.
pub fn put_short(bytes: &mut Vec<u8>, text: &str) {
    let text = &text.as_bytes()[..text.len().min(255)];
    bytes.push(text.len() as u8);
    bytes.extend_from_slice(text);
}

/// Writes bytes with their length before them.
pub fn put_long(bytes: &mut Vec<u8>, value: &[u8]) {
    bytes.extend((value.len() as u32).to_be_bytes());
    bytes.extend_from_slice(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[u8] =
        b"\x01aF\0\0\0\x04\x01bt\x01\x01cA\0\0\0\x03xyz\x01dI\0\0\0\x07\x01eD\x02\0\0\0\x07\x01fl12345678\
        \x01gV\x01ht\0\x01iS\0\0\0\x02hi";

    #[test]
    fn values_are_found_behind_all_others() {
        for (name, value) in [
            ("i", Some(Value::Text("hi".to_owned()))),
            ("h", Some(Value::Boolean(false))),
            ("a", Some(Value::Table(b"\x01bt\x01".to_vec()))),
            ("c", Some(Value::Other)),
            ("b", None),
        ] {
            assert_eq!(find(TABLE, name), value, "{name}");
        }
    }

    #[test]
    fn damaged_tables_have_what_stands_before_the_damage_and_nothing_else() {
        for length in 0..TABLE.len() {
            assert_eq!(find(&TABLE[..length], "i"), None, "{length}");
        }
        assert_eq!(find(b"\x01aS\xff\xff\xff\xffhi", "a"), None);
        assert_eq!(find(b"\x01a?\x01bt\x01", "b"), None);
    }
}
