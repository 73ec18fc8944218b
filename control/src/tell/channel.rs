//! What each kind of channel needs to know, as it stands in the channel's row.
//!
//! The API reads a new channel with [`ChannelConfig::parse`] and refuses what it refuses; a worker reads the row
//! the same way. Secrets are not part of it: they are kept sealed beside it.

use farwatch_core::target::Target;
use lettre::Address;
use serde::{Deserialize, Serialize};

use crate::store::ChannelKind;

/// The longest config of a channel, in bytes.
const CONFIG_MAX_BYTES: usize = 16 * 1024;

/// Where a channel leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChannelConfig {
    /// To a mailbox.
    Email(Address),
    /// To a URL.
    Webhook(String),
}

/// A channel config that is refused. Its text says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadChannel {
    /// It is longer than any sensible one.
    #[error("the config of a channel may have {CONFIG_MAX_BYTES} bytes")]
    TooLong,
    /// It is no JSON object of its kind.
    #[error("{0}")]
    Shape(String),
    /// Its address is none.
    #[error("{0:?} is not a mail address such as ops@example.com")]
    Address(String),
    /// Its URL is none.
    #[error("{0}")]
    Url(String),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EmailJson {
    address: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WebhookJson {
    url: String,
}

impl ChannelConfig {
    /// Reads `{"address": "ops@example.com"}` or `{"url": "https://example.com/hook"}`.
    pub fn parse(kind: ChannelKind, json: &str) -> Result<Self, BadChannel> {
        if json.len() > CONFIG_MAX_BYTES {
            return Err(BadChannel::TooLong);
        }
        let shape = |error: serde_json::Error| BadChannel::Shape(error.to_string());
        match kind {
            ChannelKind::Email => {
                let EmailJson { address } = serde_json::from_str(json).map_err(shape)?;
                let parsed = address.parse().ok().filter(|_| address.is_ascii());
                parsed.map(Self::Email).ok_or(BadChannel::Address(address))
            }
            ChannelKind::Webhook => {
                let WebhookJson { url } = serde_json::from_str(json).map_err(shape)?;
                Target::of_url(&url).map_err(|bad| BadChannel::Url(bad.to_string()))?;
                Ok(Self::Webhook(url))
            }
        }
    }

    /// As it stands in the row.
    pub fn to_json(&self) -> String {
        let json = match self {
            Self::Email(address) => serde_json::to_string(&EmailJson { address: address.to_string() }),
            Self::Webhook(url) => serde_json::to_string(&WebhookJson { url: url.clone() }),
        };
        json.expect("a struct of one text has a JSON form")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_config_reads_back_as_it_was_stored() {
        for (kind, json) in [
            (ChannelKind::Email, r#"{"address":"ops@example.com"}"#),
            (ChannelKind::Webhook, r#"{"url":"https://example.com/hook?x=1"}"#),
        ] {
            assert_eq!(ChannelConfig::parse(kind, json).unwrap().to_json(), json);
        }
    }

    #[test]
    fn what_leads_nowhere_is_refused() {
        let refused = |kind, json: &str| ChannelConfig::parse(kind, json).unwrap_err().to_string();
        for json in ["", "{}", r#"{"address":"a@b.de","extra":1}"#, r#"{"url":"https://example.com"}"#] {
            assert!(matches!(ChannelConfig::parse(ChannelKind::Email, json), Err(BadChannel::Shape(_))), "{json}");
        }
        for address in ["", "ops", "ops@", "a b@c.de", "a@b.de\\nBcc: x@y.de", "ä@b.de", "a@bä.de"] {
            let json = format!(r#"{{"address":"{address}"}}"#);
            assert!(refused(ChannelKind::Email, &json).contains("is not a mail address"), "{address}");
        }
        assert!(refused(ChannelKind::Webhook, r#"{"url":"ftp://example.com"}"#).contains("http"));
        assert_eq!(
            ChannelConfig::parse(ChannelKind::Webhook, &" ".repeat(CONFIG_MAX_BYTES + 1)),
            Err(BadChannel::TooLong)
        );
    }
}
