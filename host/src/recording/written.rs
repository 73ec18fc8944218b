//! The records of `wit/` as JSON that a person can read, and back.
//!
//! The members whose values are bytes are told by their names, which no member with other numbers has; a test goes through
//! the records that have any. It knows no secret: whoever writes says what is taken out.

use serde::Serialize;
use serde::de::{DeserializeOwned, Error};
use serde_json::Value;

use super::bytes;
use super::hidden::Hidden;

/// The members that are bytes.
const BYTES: [&str; 6] = ["body", "bytes", "datagram", "Delimiter", "ocsp_response", "chain"];

/// A record as it is written, without the values of secrets.
pub(super) fn written(record: &impl Serialize, hidden: &Hidden) -> Value {
    let value = serde_json::to_value(record).expect("the records of the treaty are plain data");
    of_member("", value, hidden)
}

fn of_member(member: &str, value: Value, hidden: &Hidden) -> Value {
    let is_bytes = BYTES.contains(&member);
    match value {
        Value::String(text) => Value::String(hidden.taken_out_of_text(&text)),
        Value::Array(items) if is_bytes && member != "chain" => bytes::written(&hidden.taken_out_of(&octets(&items))),
        // A chain is a list of bytes.
        Value::Array(items) if is_bytes => {
            let certificate = |item: Value| match item {
                Value::Array(octet) => bytes::written(&octets(&octet)),
                other => other,
            };
            items.into_iter().map(certificate).collect()
        }
        Value::Array(items) => items.into_iter().map(|item| of_member("", item, hidden)).collect(),
        Value::Object(fields) => {
            let field = |(key, value): (String, Value)| {
                let value = of_member(&key, value, hidden);
                (key, value)
            };
            fields.into_iter().map(field).collect()
        }
        other => other,
    }
}

fn octets(items: &[Value]) -> Vec<u8> {
    items.iter().filter_map(Value::as_u64).filter_map(|octet| u8::try_from(octet).ok()).collect()
}

/// The record that was written so.
///
/// # Errors
/// When it is none of this kind.
pub(super) fn read<T: DeserializeOwned>(value: Value) -> serde_json::Result<T> {
    serde_json::from_value(to_member("", value)?)
}

fn to_member(member: &str, value: Value) -> serde_json::Result<Value> {
    let of_bytes = |value: &Value| {
        let no_bytes = || serde_json::Error::custom(format_args!("`{member}` is not bytes: {value}"));
        bytes::read(value).map(Value::from).ok_or_else(no_bytes)
    };
    match value {
        Value::Null => Ok(Value::Null),
        Value::Array(items) if member == "chain" => items.iter().map(of_bytes).collect(),
        value if BYTES.contains(&member) => of_bytes(&value),
        Value::Array(items) => items.into_iter().map(|item| to_member("", item)).collect(),
        Value::Object(fields) => {
            let field = |(key, value): (String, Value)| {
                let value = to_member(&key, value)?;
                Ok((key, value))
            };
            fields.into_iter().map(field).collect()
        }
        other => Ok(other),
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use farwatch_sandbox::types::{Failure, Phase, PhaseTimes, TlsInfo};
    use farwatch_sandbox::{http, icmp, tcp, tls, udp};
    use serde_json::json;

    use super::*;

    const TIMES: PhaseTimes =
        PhaseTimes { resolve: None, connect: Some(1), tls: None, first_byte: None, transfer: None, total: 300 };

    /// Writes a record and reads it back.
    fn there_and_back<T: Serialize + DeserializeOwned + Debug>(record: &T) -> Value {
        let value = written(record, &Hidden::default());
        let back: T = read(value.clone()).unwrap();
        assert_eq!(format!("{back:?}"), format!("{record:?}"));
        value
    }

    #[test]
    fn every_record_with_bytes_or_numbers_in_it_reads_back() {
        let info = TlsInfo {
            version: "TLSv1.3".to_owned(),
            cipher: String::new(),
            alpn: None,
            verified: true,
            verify_error: None,
            certificate_not_after_ms: Some(7),
            chain: vec![vec![0x30, 0x82, 1, 255], vec![]],
        };
        let response = http::Response {
            status: 200,
            version: http::Version::Http2,
            location: None,
            headers: vec![("a".to_owned(), "b".to_owned())],
            trailers: vec![],
            body: b"<h1>".to_vec(),
            body_bytes: 4,
            body_truncated: false,
            remote: String::new(),
            times: TIMES,
            tls: Some(info.clone()),
        };
        let value = there_and_back(&response);
        assert_eq!((&value["body"], &value["body_bytes"]), (&json!("<h1>"), &json!(4)));
        assert_eq!(value["tls"]["chain"][0], json!({"base64": "MIIB/w=="}));
        there_and_back(&http::Response { body: vec![], tls: None, ..response });
        let handshake = |ocsp_response| tls::Handshake {
            remote: String::new(),
            times: TIMES,
            info: info.clone(),
            complaint: None,
            ocsp_response,
        };
        there_and_back(&handshake(Some(vec![1, 2])));
        there_and_back(&handshake(None));
        there_and_back(&tls::Offer { version: tls::OldVersion::Tls10, ciphers: vec![5, 300] });
        there_and_back(&tls::Reply::Refused(Some(40)));
        there_and_back(&icmp::Response { remote: String::new(), sent: 2, round_trips_us: vec![9, 80], times: TIMES });
        there_and_back(&tcp::Until::Delimiter(b"\r\n".to_vec()));
        there_and_back(&tcp::Received { bytes: b"220".to_vec(), ended: tcp::Ended::Matched });
        there_and_back(&udp::Response {
            remote: String::new(),
            datagram: vec![0; 9],
            sent: 1,
            sent_at_us: u64::MAX,
            received_at_us: 0,
            times: TIMES,
        });
        there_and_back(&Failure {
            phase: Phase::FirstByte,
            code: "connection-reset".to_owned(),
            message: String::new(),
            remote: None,
            times: TIMES,
            tls: Some(info.clone()),
        });
    }

    #[test]
    fn a_request_says_what_it_wants_in_words() {
        let request = http::Request {
            method: "GET".to_owned(),
            url: "https://a.example".to_owned(),
            headers: vec![],
            body: Some(vec![255]),
            version: http::Version::Automatic,
            verify_tls: true,
            client: None,
            ip_version: None,
            max_body_bytes: 1,
            timeout_ms: 2,
            want: http::Want::HEADERS | http::Want::TRAILERS,
        };
        assert_eq!(there_and_back(&request)["want"], json!(["headers", "trailers"]));
        there_and_back(&http::Request { body: None, ..request });
        assert!(read::<http::Response>(json!({"body": 7})).is_err());
    }
}
