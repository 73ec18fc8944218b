//! Typed ids: 16 bytes, shown as a prefix and 32 hex digits.
//!
//! Ids of things people make are UUIDv7 (RFC 9562), so that they sort by age; ids that follow from a
//! natural key are UUIDv8 over its SHA-256, so that a replay makes the same ones. Nothing here draws
//! randomness: the caller brings it.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid};

use crate::time::UnixMs;

/// A text that is not an id of the kind asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an id of the form {prefix}_ followed by {digits} hex digits")]
pub struct NotAnId {
    prefix: &'static str,
    digits: usize,
}

macro_rules! typed_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// The prefix it is shown with.
            pub const PREFIX: &'static str = $prefix;

            /// A UUIDv7 of this moment and these random bytes.
            pub fn new(now: UnixMs, random: [u8; 10]) -> Self {
                let since_epoch_ms = u64::try_from(now.0).unwrap_or(0);
                Self(Builder::from_unix_timestamp_millis(since_epoch_ms, &random).into_uuid())
            }

            /// The id that follows from a natural key, the same for every replay.
            pub fn of_key(parts: &[&[u8]]) -> Self {
                Self(uuid_of_key($prefix, parts))
            }

            /// The id whose bytes these are.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }

            /// The 16 bytes it is stored as.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "_{}"), self.0.simple())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;

            fn from_str(text: &str) -> Result<Self, NotAnId> {
                parse_uuid($prefix, text).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({"type": "string", "pattern": concat!("^", $prefix, "_[0-9a-f]{32}$")})
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = Cow::<str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

typed_id!(
    /// A customer. Every row but the fleet's own belongs to one.
    TenantId, "ten");
typed_id!(
    /// A token that opens the API.
    TokenId, "tok");
typed_id!(
    /// What a customer wants watched.
    CheckId, "chk");
typed_id!(
    /// One edge machine that runs checks.
    HostId, "hst");
typed_id!(
    /// What lets one machine join the fleet.
    JoinTokenId, "jtk");
typed_id!(
    /// One start of a host's process.
    BootId, "boo");
impl BootId {
    /// When it was made, by the clock of whoever made it.
    pub fn made_at(&self) -> UnixMs {
        let ms = self.as_bytes()[..6].iter().fold(0_i64, |ms, byte| ms << 8 | i64::from(*byte));
        UnixMs(ms)
    }
}

typed_id!(
    /// One outage of one check; follows from the check and its first failed slot.
    IncidentId, "inc");
typed_id!(
    /// One message of one incident; follows from incident, step, contact and channel.
    DeliveryId, "dlv");
typed_id!(
    /// Somebody to be told.
    ContactId, "con");
typed_id!(
    /// One way to tell a contact.
    ChannelId, "chn");
typed_id!(
    /// A run ordered outside the schedule; follows from check, round and host.
    OrderId, "ord");
typed_id!(
    /// One start of a control process.
    ProcessId, "prc");

fn uuid_of_key(prefix: &str, parts: &[&[u8]]) -> Uuid {
    let mut hasher = Sha256::new();
    hasher.update(prefix.as_bytes());
    for part in parts {
        // The length keeps neighbours apart: ("ab", "c") is not ("a", "bc").
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    let digest: [u8; 32] = hasher.finalize().into();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    Builder::from_custom_bytes(bytes).into_uuid()
}

fn parse_uuid(prefix: &'static str, text: &str) -> Result<Uuid, NotAnId> {
    let wrong = NotAnId { prefix, digits: 32 };
    let digits = text.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('_'));
    // One id has one text: capitals and hyphens are not taken.
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    match digits {
        Some(digits) if digits.len() == 32 && digits.bytes().all(is_digit) => {
            Uuid::try_parse(digits).map_err(|_| wrong)
        }
        _ => Err(wrong),
    }
}

macro_rules! typed_hash {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; 32]);

        impl $name {
            /// The hash of these bytes.
            pub fn of(bytes: &[u8]) -> Self {
                Self(Sha256::digest(bytes).into())
            }

            /// The 64 hex digits without the prefix, as file names use them.
            pub fn hex(&self) -> String {
                hex_of(&self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "_{}"), self.hex())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;

            fn from_str(text: &str) -> Result<Self, NotAnId> {
                parse_hash($prefix, text).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({"type": "string", "pattern": concat!("^", $prefix, "_[0-9a-f]{64}$")})
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = Cow::<str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

typed_hash!(
    /// The SHA-256 of a module's bytes, its only name that counts.
    ModuleHash, "mod");
typed_hash!(
    /// The SHA-256 of a program: a release that hosts may run.
    ReleaseHash, "rel");

fn hex_of(bytes: &[u8; 32]) -> String {
    use fmt::Write;
    bytes.iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn parse_hash(prefix: &'static str, text: &str) -> Result<[u8; 32], NotAnId> {
    let wrong = NotAnId { prefix, digits: 64 };
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let digits = text.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('_'));
    let digits = digits.filter(|digits| digits.len() == 64 && digits.bytes().all(is_digit));
    let digits = digits.ok_or(wrong.clone())?;
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(0..) {
        *byte = u8::from_str_radix(&digits[pair * 2..pair * 2 + 2], 16).map_err(|_| wrong.clone())?;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_what_it_writes() {
        let id = CheckId::new(UnixMs(1_700_000_000_000), [7; 10]);
        assert!(id.to_string().starts_with("chk_018bcfe56800"));
        assert_eq!(id.to_string().parse(), Ok(id));
    }

    #[test]
    fn an_id_of_another_kind_is_refused_with_the_form_it_should_have() {
        let host = HostId::new(UnixMs(1), [0; 10]).to_string();
        let refused = host.parse::<CheckId>().unwrap_err();
        assert_eq!(refused.to_string(), "not an id of the form chk_ followed by 32 hex digits");
        assert!("mod_é".parse::<ModuleHash>().is_err());
    }

    #[test]
    fn a_key_makes_one_id_and_its_parts_do_not_run_together() {
        assert_eq!(IncidentId::of_key(&[b"ab", b"c"]), IncidentId::of_key(&[b"ab", b"c"]));
        assert_ne!(IncidentId::of_key(&[b"ab", b"c"]), IncidentId::of_key(&[b"a", b"bc"]));
        assert_ne!(IncidentId::of_key(&[b"ab"]).as_bytes(), DeliveryId::of_key(&[b"ab"]).as_bytes());
    }

    #[test]
    fn a_module_hash_reads_what_it_writes() {
        let hash = ModuleHash::of(b"");
        assert_eq!(hash.hex(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(hash.to_string(), format!("mod_{}", hash.hex()));
        assert_eq!(hash.to_string().parse(), Ok(hash));
        for bad in ["", "e3", &"E".repeat(64), &"+f".repeat(32), &"g".repeat(64), &"0".repeat(65), &"ä".repeat(32)] {
            assert!(format!("mod_{bad}").parse::<ModuleHash>().is_err(), "{bad}");
        }
    }
}
