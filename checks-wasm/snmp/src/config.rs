//! The JSON config: which fields there are, and what they are when nothing is said.

use farwatch_guest::fields::{Fields, Form, FromFields, escape, kind};
use farwatch_guest::secret::Secret;
use farwatch_guest::written::WrittenNumber;
use serde_json::{Map, Value};

use crate::ber;
use crate::message::Version;
use crate::wit::farwatch::check::types::{IpVersion, Problem};
use crate::wit::farwatch::check::udp::Request;

/// Where agents listen.
const PORT: u16 = 161;
/// Their usual word.
const COMMUNITY: &str = "public";
/// A datagram that is lost is sent again after this: the timeout of a check is longer.
const RESEND_AFTER_MS: u32 = 1_000;
/// So many values and their names fit into one datagram, and their attributes into one outcome.
const VALUES_MAX: usize = 16;
/// Names of objects have at most 128 parts, and none that is in use comes near.
const OID_MAX: usize = 256;
/// What a value is compared with.
const TEXT_MAX: usize = 1_024;
/// The name of a value becomes part of the key of an attribute.
const NAME_MAX: usize = 32;
/// What is asked for when nothing is said: how long the agent has been running, and what its machine is called.
const USUAL: [(&str, &str); 2] = [("1.3.6.1.2.1.1.3.0", "uptime-hundredths"), ("1.3.6.1.2.1.1.5.0", "system-name")];

const VALUE_FIELDS: [&str; 6] = ["oid", "name", "equals", "minimum", "maximum", "regex"];

/// What a run asks and expects.
pub struct Config {
    host: String,
    port: u16,
    ip_version: Option<IpVersion>,
    /// The version that is spoken.
    pub version: Version,
    community: Option<Secret>,
    /// What is asked for.
    pub values: Vec<Wanted>,
    /// It is degraded when it takes longer.
    pub degraded_above_ms: Option<u32>,
}

/// A value that is asked for, and what it has to be.
#[derive(Debug, Default, PartialEq)]
pub struct Wanted {
    /// Its name, as the protocol has it.
    pub oid: Vec<u8>,
    /// The same, as it was written.
    pub written: String,
    /// What people call it. It is shown under that.
    pub name: Option<String>,
    /// The text that it has to be.
    pub equals: Option<String>,
    /// The least that it may be.
    pub minimum: Option<f64>,
    /// The most.
    pub maximum: Option<f64>,
    /// A pattern that has to match somewhere in it.
    pub regex: Option<String>,
}

impl FromFields for Config {
    const FORM: Form = Form {
        example: "{\"host\": \"switch.example.com\", \"community\": {\"secret\": \"snmp-community\"}}",
        fields: &[&["host", "port", "ip_version", "version", "community", "values", "degraded_above_ms"]],
    };

    fn read(fields: &mut Fields<'_>) -> Self {
        Self {
            host: fields.host("host").unwrap_or_default().to_owned(),
            port: fields.port().unwrap_or(PORT),
            ip_version: fields.ip_version(),
            version: fields.choice("version", &[("1", Version::V1), ("2c", Version::V2c)]).unwrap_or(Version::V2c),
            community: fields.secret("community"),
            values: values(fields),
            degraded_above_ms: fields.limit_ms("degraded_above_ms"),
        }
    }
}

fn values(fields: &mut Fields<'_>) -> Vec<Wanted> {
    let list = match fields.get("values") {
        None => return USUAL.iter().filter_map(|(oid, name)| usual(oid, name)).collect(),
        Some(Value::Array(list)) => list,
        Some(other) => {
            fields.wrong_type("values", "a list of objects", other);
            return Vec::new();
        }
    };
    if list.is_empty() || list.len() > VALUES_MAX {
        fields.bad("values", format!("`values` has {} entries; it must have 1 to {VALUES_MAX}", list.len()));
    }
    list.iter().enumerate().filter_map(|(index, entry)| value(fields, index, entry)).collect()
}

fn usual(oid: &str, name: &str) -> Option<Wanted> {
    let (written, name) = (oid.to_owned(), Some(name.to_owned()));
    Some(Wanted { oid: ber::oid(oid)?, written, name, ..Wanted::default() })
}

fn value<'a>(fields: &mut Fields<'a>, index: usize, entry: &'a Value) -> Option<Wanted> {
    let place = format!("values/{index}");
    let Value::Object(map) = entry else {
        fields.wrong_type(&place, "an object such as {\"oid\": \"1.3.6.1.2.1.1.3.0\"}", entry);
        return None;
    };
    let mut entry = Entry { fields, map, place };
    entry.refuse_unknown();
    let written = entry.text("oid", OID_MAX, identifier);
    let wanted = Wanted {
        oid: written.as_deref().and_then(ber::oid).unwrap_or_default(),
        written: written.unwrap_or_default(),
        name: entry.text("name", NAME_MAX, key),
        equals: entry.text("equals", TEXT_MAX, |_| Ok(())),
        minimum: entry.number("minimum"),
        maximum: entry.number("maximum"),
        regex: entry.text("regex", TEXT_MAX, pattern),
    };
    if entry.get("oid").is_none() {
        entry.add("config-missing-field", "oid", "`oid` is missing; say which value to ask for".to_owned());
    }
    if wanted.minimum.zip(wanted.maximum).is_some_and(|(minimum, maximum)| minimum > maximum) {
        entry.add("config-bad-value", "minimum", "`minimum` is more than `maximum`".to_owned());
    }
    Some(wanted)
}

/// One of the values, and where its problems go.
struct Entry<'f, 'a> {
    fields: &'f mut Fields<'a>,
    map: &'a Map<String, Value>,
    place: String,
}

impl<'a> Entry<'_, 'a> {
    fn get(&self, field: &str) -> Option<&'a Value> {
        self.map.get(field).filter(|value| !value.is_null())
    }

    fn add(&mut self, code: &str, field: &str, message: String) {
        self.fields.add(code, format!("/{}/{}", self.place, escape(field)), message);
    }

    fn refuse_unknown(&mut self) {
        for name in self.map.keys().filter(|name| !VALUE_FIELDS.contains(&name.as_str())) {
            let message = format!("`{name}` is no field of a value; the fields are {}", VALUE_FIELDS.join(", "));
            self.add("config-unknown-field", name, message);
        }
    }

    fn wrong_type(&mut self, field: &str, wanted: &str, found: &Value) {
        self.add("config-wrong-type", field, format!("`{field}` must be {wanted}, not {}", kind(found)));
    }

    /// A text, which this finds good. A number stands for the text that it is written as.
    fn text(&mut self, field: &str, max: usize, check: impl Fn(&str) -> Result<(), String>) -> Option<String> {
        let text = match self.get(field)? {
            Value::String(text) => text.clone(),
            Value::Number(number) => WrittenNumber(number).to_string(),
            other => {
                self.wrong_type(field, "a text", other);
                return None;
            }
        };
        let checked = if text.len() > max { Err(format!("it is longer than {max} bytes")) } else { check(&text) };
        match checked {
            Ok(()) => Some(text),
            Err(why) => {
                self.add("config-bad-value", field, format!("`{field}`: {why}"));
                None
            }
        }
    }

    fn number(&mut self, field: &str) -> Option<f64> {
        let value = self.get(field)?;
        if !value.is_number() {
            self.wrong_type(field, "a number", value);
        }
        value.as_f64()
    }
}

fn identifier(text: &str) -> Result<(), String> {
    let wrong = || format!("`{text}` is no object identifier; write its numbers, as in 1.3.6.1.2.1.1.3.0");
    ber::oid(text).map(drop).ok_or_else(wrong)
}

fn key(text: &str) -> Result<(), String> {
    let is_good =
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if is_good { Ok(()) } else { Err(format!("`{text}` must consist of a-z, 0-9 and hyphens")) }
}

fn pattern(text: &str) -> Result<(), String> {
    farwatch_guest::pattern::compile(text).map(drop).map_err(|error| format!("it is no regular expression: {error}"))
}

impl Config {
    /// The word that the agent knows.
    ///
    /// # Errors
    /// When the check has no such secret.
    pub fn community(&self) -> Result<String, Problem> {
        self.community.as_ref().map_or_else(|| Ok(COMMUNITY.to_owned()), Secret::reveal)
    }

    /// The probe.
    pub fn request<'a>(&'a self, datagram: &'a [u8], timeout_ms: u32) -> Request<'a> {
        let Self { host, port, ip_version, .. } = self;
        let (port, ip_version, resend_after_ms) = (*port, *ip_version, Some(RESEND_AFTER_MS));
        Request { host, port, ip_version, datagram, resend_after_ms, timeout_ms }
    }
}

#[cfg(test)]
mod tests {
    use farwatch_guest::fields::{judge, reread};

    use super::*;

    fn read(fields: &str) -> Config {
        let config = format!(r#"{{"host": "a.example"{fields}}}"#);
        reread::<Config>(&judge::<Config>(&config).unwrap()).unwrap()
    }

    #[test]
    fn a_host_is_all_that_is_needed_and_every_field_is_read() {
        let config = read("");
        let names: Vec<_> = config.values.iter().filter_map(|value| value.name.as_deref()).collect();
        assert_eq!((config.version, names), (Version::V2c, vec!["uptime-hundredths", "system-name"]));
        assert_eq!((config.request(&[], 900).port, config.community().unwrap()), (161, "public".to_owned()));
        let config = read(
            r#", "port": 1161, "ip_version": 6, "version": "1", "community": {"secret": "c"}, "degraded_above_ms": 50,
            "values": [{"oid": ".1.3.6.1", "name": "load-1", "equals": 5, "minimum": -1.5, "maximum": 7, "regex": "^5"}]"#,
        );
        let expected = Wanted {
            oid: vec![0x2b, 6, 1],
            written: ".1.3.6.1".to_owned(),
            name: Some("load-1".to_owned()),
            equals: Some("5".to_owned()),
            minimum: Some(-1.5),
            maximum: Some(7.0),
            regex: Some("^5".to_owned()),
        };
        assert_eq!((config.version, config.values, config.degraded_above_ms), (Version::V1, vec![expected], Some(50)));
    }

    #[test]
    fn every_mistake_is_named_with_its_place() {
        for (fields, field) in [
            (r#""port": 0"#, "/port"),
            (r#""version": "3""#, "/version"),
            (r#""community": "public""#, "/community"),
            (r#""values": []"#, "/values"),
            (r#""values": {}"#, "/values"),
            (r#""values": ["1.3"]"#, "/values/0"),
            (r#""values": [{}]"#, "/values/0/oid"),
            (r#""values": [{"oid": "1.3"}, {"oid": "sysName"}]"#, "/values/1/oid"),
            (r#""values": [{"oid": "1.3", "name": "A"}]"#, "/values/0/name"),
            (r#""values": [{"oid": "1.3", "equals": true}]"#, "/values/0/equals"),
            (r#""values": [{"oid": "1.3", "minimum": "1"}]"#, "/values/0/minimum"),
            (r#""values": [{"oid": "1.3", "minimum": 2, "maximum": 1}]"#, "/values/0/minimum"),
            (r#""values": [{"oid": "1.3", "regex": "("}]"#, "/values/0/regex"),
            (r#""values": [{"oid": "1.3", "more": 1}]"#, "/values/0/more"),
        ] {
            let problems = judge::<Config>(&format!(r#"{{"host": "a", {fields}}}"#)).err().unwrap();
            assert_eq!((problems.len(), problems[0].field.as_deref()), (1, Some(field)), "{fields}: {problems:?}");
        }
    }
}
