//! What host a config sends runs to, as far as that can be known without running its module: so that none is watched more
//! closely than anybody needs.
//!
//! A module may connect elsewhere than its config says, which the caps of hosts answer for. Hosts that are no third
//! party's have no name here: addresses that are not public, and names that nobody can have on the public network.

use std::net::{IpAddr, SocketAddr};

use axum::http::Uri;
use farwatch_core::egress::Policy;
use farwatch_core::target::TargetHost;
use serde_json::Value;

/// Where configs say it, by the fields of the built-in modules. The first that is there counts.
const FIELDS: [&str; 4] = ["url", "host", "server", "target"];
/// Endings of names that are nobody's on the public network (RFC 6761, RFC 6762, and what ICANN keeps for private use).
const PRIVATE: [&str; 5] = ["localhost", "test", "local", "internal", "invalid"];

/// The host, in lower case.
pub(crate) fn watched_host(config: &Value) -> Option<String> {
    let first_step = || config.get("steps")?.get(0)?.get("url");
    let said = FIELDS.iter().find_map(|field| config.get(field)).or_else(first_step)?.as_str()?;
    match host_of(said)? {
        TargetHost::Address(address) => is_public(address).then(|| address.to_canonical().to_string()),
        TargetHost::Name(name) => {
            let ending = name.rsplit('.').next().unwrap_or_default();
            (name.contains('.') && !PRIVATE.contains(&ending)).then_some(name)
        }
    }
}

/// Reads a URL of any scheme, a name or an address, each with a port or without.
fn host_of(said: &str) -> Option<TargetHost> {
    if let Ok(address) = said.parse() {
        return Some(TargetHost::Address(address));
    }
    TargetHost::of_text(said.parse::<Uri>().ok()?.host()?).ok()
}

fn is_public(address: IpAddr) -> bool {
    Policy::default().judge(SocketAddr::new(address, 1)).is_ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_host_is_read_from_where_configs_say_it() {
        for (config, expected) in [
            (json!({"url": "https://Shop.Example.com:8443/cart?x=1"}), Some("shop.example.com")),
            (json!({"url": "wss://a.example.com"}), Some("a.example.com")),
            (json!({"host": "mail.example.com", "port": 25}), Some("mail.example.com")),
            (json!({"host": "mail.example.com:25"}), Some("mail.example.com")),
            (json!({"host": "192.31.196.1"}), Some("192.31.196.1")),
            (json!({"host": "2606:4700::1"}), Some("2606:4700::1")),
            (json!({"url": "http://[::ffff:192.31.196.1]/"}), Some("192.31.196.1")),
            (json!({"name": "a.example.com", "server": "1.1.1.1"}), Some("1.1.1.1")),
            (
                json!({"steps": [{"url": "https://a.example.com/login"}, {"url": "https://b.example.com"}]}),
                Some("a.example.com"),
            ),
            (json!({"url": "http://127.0.0.1:80/"}), None),
            (json!({"host": "10.0.0.7"}), None),
            (json!({"host": "::1"}), None),
            (json!({"url": "http://gateway.internal/"}), None),
            (json!({"host": "db"}), None),
            (json!({"url": {"secret": "where"}}), None),
            (json!({"url": "not a url"}), None),
            (json!({}), None),
        ] {
            assert_eq!(watched_host(&config).as_deref(), expected, "{config}");
        }
    }
}
