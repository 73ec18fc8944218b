//! What an RDAP server says of a domain (RFC 9083).

use farwatch_guest::fields::nesting;
use serde_json::Value;

use crate::moment::Day;
use crate::record::{Record, Said};

/// No answer is nested deeper than a dozen times. The parser follows every nesting with a call, and the stack of an
/// instance is small.
const NESTING_MAX: usize = 24;

/// Reads the answer of this status.
pub fn read(status: u16, body: &[u8]) -> Said {
    match status {
        200 => str::from_utf8(body).ok().and_then(document).map_or(Said::Unreadable, Said::Registered),
        404 => Said::Unregistered,
        _ => Said::Unreadable,
    }
}

fn document(text: &str) -> Option<Record> {
    if nesting(text.as_bytes()) > NESTING_MAX {
        return None;
    }
    let document: Value = serde_json::from_str(text).ok()?;
    document.get("objectClassName")?.as_str().filter(|class| class.eq_ignore_ascii_case("domain"))?;
    let mut record = Record { registrar: list(&document, "entities").find_map(registrar), ..Record::default() };
    record.expires = list(&document, "events").find_map(expiry);
    list(&document, "status").filter_map(Value::as_str).for_each(|status| record.note(status));
    Some(record)
}

fn list<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value.get(name).and_then(Value::as_array).into_iter().flatten()
}

/// The end of the registration at the registry: that at the registrar may come later, and counts for nothing.
fn expiry(event: &Value) -> Option<Day> {
    event.get("eventAction")?.as_str().filter(|action| action.eq_ignore_ascii_case("expiration"))?;
    Day::read(event.get("eventDate")?.as_str()?)
}

/// The name of the registrar, which is the `fn` of its card (RFC 7095).
fn registrar(entity: &Value) -> Option<String> {
    list(entity, "roles").find(|role| *role == "registrar")?;
    let card = entity.get("vcardArray")?.get(1)?.as_array()?;
    let name = card.iter().find(|field| field.get(0).is_some_and(|name| name == "fn"))?;
    name.get(3)?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Trouble;

    const DOCUMENT: &str = r#"{"objectClassName": "domain", "ldhName": "EXAMPLE.COM", "status": ["client hold", "active"],
        "events": [{"eventAction": "registration", "eventDate": "1995-08-14T04:00:00Z"},
                   {"eventAction": "expiration", "eventDate": "2027-08-13T04:00:00Z"}],
        "entities": [{"roles": ["abuse"]}, {"roles": ["registrar"],
            "vcardArray": ["vcard", [["version", {}, "text", "4.0"], ["fn", {}, "text", "Example Registrar"]]]}]}"#;

    #[test]
    fn a_document_says_until_when_and_by_whom() {
        let Said::Registered(record) = read(200, DOCUMENT.as_bytes()) else { panic!("it is registered") };
        assert_eq!(record.expires.map(Day::shown).as_deref(), Some("2027-08-13"));
        assert_eq!(
            (record.trouble, record.registrar.as_deref()),
            (Some(Trouble::ClientHold), Some("Example Registrar"))
        );
        assert_eq!(read(200, br#"{"objectClassName": "domain"}"#), Said::Registered(Record::default()));
    }

    #[test]
    fn what_is_no_document_is_not_read() {
        let deep = format!(r#"{{"objectClassName": "domain", "x": {}{}}}"#, "[".repeat(24), "]".repeat(24));
        for body in ["", "<html>", "{}", "[]", r#"{"objectClassName": "entity"}"#, &deep, &"[".repeat(100_000)] {
            assert_eq!(read(200, body.as_bytes()), Said::Unreadable, "{}", body.len());
        }
        assert_eq!(read(200, b"\xff"), Said::Unreadable);
        assert_eq!((read(404, b""), read(429, DOCUMENT.as_bytes())), (Said::Unregistered, Said::Unreadable));
    }
}
