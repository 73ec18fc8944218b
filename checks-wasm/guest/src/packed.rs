//! Plans as bytes: what `validate` makes of a config, read from front to back in every run without a parser and without
//! copies.
//!
//! Numbers are LEB128, lengths stand before what they count, and an option is a 0 or a 1 and its value. The first byte is
//! the format. Nothing here knows what the values mean.

use crate::wit::farwatch::check::types::IpVersion;

/// Writes the bytes of a plan.
pub struct Writer(Vec<u8>);

impl Writer {
    /// Begins with the format of the plan.
    pub fn new(format: u8) -> Self {
        Self(vec![format])
    }

    /// All that was written.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// One byte.
    pub fn byte(&mut self, value: u8) {
        self.0.push(value);
    }

    /// A number.
    pub fn number(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.byte(value as u8 | 0x80);
            value >>= 7;
        }
        self.byte(value as u8);
    }

    /// Any bytes.
    pub fn bytes(&mut self, value: &[u8]) {
        self.number(value.len() as u32);
        self.0.extend_from_slice(value);
    }

    /// A text.
    pub fn text(&mut self, value: &str) {
        self.bytes(value.as_bytes());
    }

    /// Which addresses may be used.
    pub fn ip_version(&mut self, version: Option<IpVersion>) {
        self.byte(version.map_or(0, |version| version as u8 + 1));
    }

    /// What may be missing.
    pub fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        self.byte(u8::from(value.is_some()));
        if let Some(value) = value {
            write(self, value);
        }
    }
}

/// Reads them in the same order.
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Reads on after the format; none if it is another.
    pub fn new(bytes: &'a [u8], format: u8) -> Option<Self> {
        let mut reader = Self(bytes);
        (reader.byte()? == format).then_some(reader)
    }

    /// Whether everything was read, as it must have been.
    pub fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }

    /// One byte.
    pub fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// A number.
    pub fn number(&mut self) -> Option<u32> {
        let mut value = 0;
        for shift in (0..u32::BITS).step_by(7) {
            let byte = self.byte()?;
            value |= u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    /// Any bytes.
    pub fn bytes(&mut self) -> Option<&'a [u8]> {
        let len = self.number()? as usize;
        let (bytes, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(bytes)
    }

    /// A text.
    pub fn text(&mut self) -> Option<&'a str> {
        str::from_utf8(self.bytes()?).ok()
    }

    /// Which addresses may be used.
    pub fn ip_version(&mut self) -> Option<Option<IpVersion>> {
        match self.byte()? {
            0 => Some(None),
            1 => Some(Some(IpVersion::Ipv4)),
            2 => Some(Some(IpVersion::Ipv6)),
            _ => None,
        }
    }

    /// As many as their number says.
    pub fn list<T>(&mut self, read: impl Fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let len = self.number()?;
        (0..len).map(|_| read(self)).collect()
    }

    /// What may be missing.
    pub fn option<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        match self.byte()? {
            0 => Some(None),
            1 => Some(Some(read(self)?)),
            _ => None,
        }
    }
}
