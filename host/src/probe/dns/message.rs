//! Questions and answers as the wire has them (RFC 1035, RFC 6891), by the library that resolvers use.
//!
//! Nothing is sent here.

use farwatch_sandbox::dns::{Entry, Request, Response};
use hickory_proto::op::{Edns, Message, MessageType, Query, ResponseCode};
use hickory_proto::rr::{Name, Record, RecordType};

use crate::probe::evidence::{Phase, PhaseTimes};
use crate::probe::trace::{Mishap, Trace};

/// The largest datagram that is asked for: larger ones would be fragments, which get lost (DNS flag day 2020).
const DATAGRAM_MAX_BYTES: u16 = 1_232;
/// Entries of each part of an answer that are handed over: more are a zone, not an answer.
const ENTRIES_MAX: usize = 256;

/// One question.
pub(super) struct Question {
    message: Message,
    bytes: Vec<u8>,
}

impl Question {
    /// What a module asks, if it may be asked.
    pub(super) fn of(request: &Request) -> Result<Self, Mishap> {
        let name = Name::from_ascii(&request.name);
        let mut name = name.map_err(|error| invalid(format!("{:?} is no name: {error}", request.name)))?;
        name.set_fqdn(true);
        let mut message = Message::query();
        message.metadata.recursion_desired = request.recursion_desired;
        message.metadata.checking_disabled = request.checking_disabled;
        // A server tells by this that whoever asks understands it (RFC 6840, section 5.7).
        message.metadata.authentic_data = true;
        message.add_query(Query::query(name, record_type(&request.record_type)?));
        let mut edns = Edns::new();
        edns.set_max_payload(DATAGRAM_MAX_BYTES).set_version(0).set_dnssec_ok(request.dnssec_ok);
        message.set_edns(edns);
        let bytes = message.to_vec().map_err(|error| invalid(format!("it cannot be asked: {error}")))?;
        Ok(Self { message, bytes })
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The question as streams have it: its length stands before it.
    pub(super) fn framed(&self) -> Vec<u8> {
        let length = u16::try_from(self.bytes.len()).expect("one name and its options are less than 64 KiB");
        [&length.to_be_bytes(), self.bytes.as_slice()].concat()
    }

    /// Whether these bytes claim to answer this very question, be they readable or not.
    pub(super) fn is_answered_by(&self, bytes: &[u8]) -> bool {
        let is_of_its_id = bytes.get(..2) == self.bytes.get(..2);
        let is_response = bytes.get(2).is_some_and(|flags| flags & 0x80 != 0);
        // A server that cannot read a question may leave it out of its answer.
        let asked = || Message::from_vec(bytes).map(|answer| answer.queries);
        is_of_its_id && is_response && asked().map_or(true, |asked| asked.is_empty() || asked == self.message.queries)
    }

    /// Reads the answer.
    pub(super) fn answer(&self, bytes: &[u8]) -> Result<Answer, Mishap> {
        let broken = |why: String| Mishap::new(Phase::Transfer, "protocol-error", why);
        let message =
            Message::from_vec(bytes).map_err(|error| broken(format!("the answer breaks the protocol: {error}")))?;
        match message.metadata.message_type {
            MessageType::Response => Ok(Answer { message, bytes: u32::try_from(bytes.len()).unwrap_or(u32::MAX) }),
            MessageType::Query => Err(broken("the server asked instead of answering".to_owned())),
        }
    }
}

/// What a server answered.
#[derive(Debug)]
pub(super) struct Answer {
    message: Message,
    bytes: u32,
}

impl Answer {
    /// Whether there is more of it than a datagram took.
    pub(super) const fn is_truncated(&self) -> bool {
        self.message.metadata.truncation
    }

    pub(super) fn into_response(self, truncated: bool, times: PhaseTimes, trace: &Trace) -> Response {
        let Self { message, bytes } = self;
        let flags = message.metadata;
        Response {
            remote: trace.remote.map_or_else(String::new, |remote| remote.to_string()),
            rcode: rcode(flags.response_code),
            authoritative: flags.authoritative,
            truncated,
            recursion_available: flags.recursion_available,
            authentic_data: flags.authentic_data,
            answers: entries(&message.answers),
            authorities: entries(&message.authorities),
            additionals: entries(&message.additionals),
            bytes,
            times,
            tls: trace.tls.clone(),
        }
    }
}

fn entries(records: &[Record]) -> Vec<Entry> {
    let entry = |record: &Record| Entry {
        name: record.name.to_ascii(),
        record_type: type_word(record.record_type()),
        ttl_s: record.ttl,
        data: record.data.to_string(),
    };
    records.iter().take(ENTRIES_MAX).map(entry).collect()
}

const fn invalid(message: String) -> Mishap {
    Mishap::new(Phase::Prepare, "request-invalid", message)
}

/// A type by its word, or by `TYPE` and its number (RFC 3597).
fn record_type(word: &str) -> Result<RecordType, Mishap> {
    let by_number = word.strip_prefix("TYPE").and_then(|number| number.parse::<u16>().ok()).map(RecordType::from);
    let found = by_number.or_else(|| word.parse().ok());
    // A whole zone is no answer to a check.
    let found = found.filter(|found| !matches!(found, RecordType::AXFR | RecordType::IXFR | RecordType::OPT));
    found.ok_or_else(|| {
        invalid(format!("{word:?} is no type of record that can be asked for; say for example A or TYPE65"))
    })
}

fn type_word(of: RecordType) -> String {
    match of {
        RecordType::Unknown(number) => format!("TYPE{number}"),
        known => known.to_string(),
    }
}

/// The code by its name in the registry of IANA.
fn rcode(code: ResponseCode) -> String {
    let name = match code {
        ResponseCode::NoError => "NOERROR",
        ResponseCode::FormErr => "FORMERR",
        ResponseCode::ServFail => "SERVFAIL",
        ResponseCode::NXDomain => "NXDOMAIN",
        ResponseCode::NotImp => "NOTIMP",
        ResponseCode::Refused => "REFUSED",
        ResponseCode::YXDomain => "YXDOMAIN",
        ResponseCode::YXRRSet => "YXRRSET",
        ResponseCode::NXRRSet => "NXRRSET",
        ResponseCode::NotAuth => "NOTAUTH",
        ResponseCode::NotZone => "NOTZONE",
        other => return format!("RCODE{}", u16::from(other)),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use farwatch_sandbox::dns::Transport;

    use super::*;

    fn request(name: &str, record_type: &str) -> Request {
        Request {
            server: "192.0.2.53".to_owned(),
            port: None,
            ip_version: None,
            transport: Transport::Udp,
            server_name: None,
            verify_tls: true,
            name: name.to_owned(),
            record_type: record_type.to_owned(),
            recursion_desired: true,
            dnssec_ok: true,
            checking_disabled: false,
            timeout_ms: 1_000,
        }
    }

    #[test]
    fn what_cannot_be_asked_is_refused_with_its_reason() {
        for (name, record_type, words) in [
            ("a..example", "A", "no name"),
            (&"a".repeat(64), "A", "no name"),
            ("a.example", "AXFR", "no type"),
            ("a.example", "nonsense", "no type"),
            ("a.example", "TYPE70000", "no type"),
        ] {
            let refused = Question::of(&request(name, record_type)).err().unwrap();
            assert_eq!(refused.code, "request-invalid");
            assert!(refused.message.contains(words), "{}", refused.message);
        }
        assert!(Question::of(&request("_dmarc.a.example", "TYPE65")).is_ok());
    }

    #[test]
    fn only_an_answer_to_this_very_question_is_one() {
        let question = Question::of(&request("a.example", "MX")).unwrap();
        let answer = |change: &dyn Fn(&mut Message)| {
            let mut message = question.message.clone().into_response();
            change(&mut message);
            message.to_vec().unwrap()
        };
        assert!(question.is_answered_by(&answer(&|_| {})));
        assert!(question.is_answered_by(&answer(&|message| message.queries.clear())));
        let other = Question::of(&request("b.example", "MX")).unwrap().message.queries;
        assert!(!question.is_answered_by(&answer(&|message| message.queries.clone_from(&other))));
        assert!(!question.is_answered_by(&answer(&|message| message.metadata.id = !message.metadata.id)));
        assert!(!question.is_answered_by(question.bytes()));
        assert!(!question.is_answered_by(&[]));
        let cut = &answer(&|_| {})[..13];
        assert!(question.is_answered_by(cut) && question.answer(cut).is_err(), "broken, and yet of this question");
    }
}
