//! What a server says of itself in answer to `INFO`: lines of a name, a colon and a value.

use farwatch_guest::outcome::{integer, text};

use crate::config::Role;
use crate::wit::farwatch::check::types::Attribute;

/// The part that a check reads.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Info {
    /// What it is in replication.
    pub role: Option<Role>,
    /// Whether a replica is connected to its primary.
    pub is_attached: Option<bool>,
    /// Its version.
    pub version: Option<String>,
    /// How many replicas a primary has.
    pub replicas: Option<i64>,
    /// For how many seconds a replica has not heard of its primary.
    pub unheard_s: Option<i64>,
    /// How much memory its data takes.
    pub memory_bytes: Option<i64>,
}

/// Reads it. What is missing is none.
pub fn read(said: &str) -> Info {
    let value = |name: &str| {
        said.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(|value| value.trim().to_owned())
    };
    let number = |name: &str| value(name).and_then(|value| value.parse().ok());
    let role = match value("role").as_deref() {
        Some("master") => Some(Role::Primary),
        Some("slave") => Some(Role::Replica),
        _ => None,
    };
    Info {
        role,
        is_attached: value("master_link_status").map(|status| status == "up"),
        version: value("redis_version"),
        replicas: number("connected_slaves").filter(|_| role == Some(Role::Primary)),
        // A replica that never heard of its primary says -1.
        unheard_s: number("master_last_io_seconds_ago").filter(|seconds| *seconds >= 0),
        memory_bytes: number("used_memory"),
    }
}

impl Info {
    /// What is told of it.
    pub fn attributes(&self) -> Vec<Attribute> {
        let role = self.role.map(|role| if role == Role::Primary { "primary" } else { "replica" });
        [
            self.version.clone().map(|version| text("redis.version", version)),
            role.map(|role| text("redis.role", role.to_owned())),
            self.replicas.map(|count| integer("redis.replicas", count)),
            self.unheard_s.map(|seconds| integer("redis.primary-unheard-s", seconds)),
            self.memory_bytes.map(|bytes| integer("redis.memory-bytes", bytes)),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn primaries_and_replicas_are_read() {
        let primary = "# Server\r\nredis_version:7.0.15\r\n# Memory\r\nused_memory:1024\r\n# Replication\r\nrole:master\r\n\
                       connected_slaves:2\r\nslave0:ip=192.0.2.7\r\n";
        let info = read(primary);
        let expected = Info {
            role: Some(Role::Primary),
            version: Some("7.0.15".to_owned()),
            replicas: Some(2),
            memory_bytes: Some(1_024),
            ..Info::default()
        };
        assert_eq!(info, expected);
        assert_eq!(info.attributes().len(), 4);
        let replica =
            "role:slave\r\nmaster_link_status:down\r\nmaster_last_io_seconds_ago:-1\r\nconnected_slaves:0\r\n";
        let expected = Info { role: Some(Role::Replica), is_attached: Some(false), ..Info::default() };
        assert_eq!(read(replica), expected);
        assert_eq!(read("master_link_status:up\nmaster_last_io_seconds_ago:3").unheard_s, Some(3));
        for nonsense in ["", "role", "role:", "\u{fffd}:\u{fffd}", "used_memory:many"] {
            assert_eq!(read(nonsense), Info::default(), "{nonsense}");
        }
    }
}
