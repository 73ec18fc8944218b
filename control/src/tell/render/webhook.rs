//! An incident as the body of a webhook: the shape that receivers program against.
//!
//! Every field is always there, `null` where it does not apply; fields may be added and are never renamed or
//! removed. The envelope is that of Standard Webhooks: `type`, `timestamp`, `data`.

use farwatch_core::confirm::Answer;
use farwatch_core::incident::{Ending, Step};
use farwatch_proto::id::{CheckId, HostId, IncidentId, TenantId};
use serde::Serialize;

use super::Message;
use super::words::rfc3339;
use crate::tell::event::{TellEvent, Witness};

#[derive(Serialize)]
struct Body<'a> {
    /// `incident.opened` or `incident.resolved`.
    r#type: &'static str,
    /// When that happened, RFC 3339 in UTC.
    timestamp: String,
    data: Data<'a>,
}

#[derive(Serialize)]
struct Data<'a> {
    incident_id: IncidentId,
    tenant_id: TenantId,
    check: CheckData<'a>,
    /// The first failed slot.
    down_since: String,
    /// When enough vantage points had agreed.
    confirmed_at: String,
    /// When the incident ended; `null` in `incident.opened`, like the next two.
    resolved_at: Option<String>,
    /// From `down_since` to `resolved_at`.
    duration_ms: Option<i64>,
    /// `recovered`, `paused` or `deleted`.
    ending: Option<Ending>,
    /// The first failure.
    cause: Cause<'a>,
    /// How many vantage points had to agree, of how many.
    confirmation: Confirmation,
    /// What each said of the step that is told.
    vantage_points: Vec<VantagePoint<'a>>,
    /// Whether an `incident.resolved` stands for an `incident.opened` that could not be delivered, or never was made.
    includes_opening: bool,
    /// Whether the outage was over before anybody could judge it, because the results came late.
    seen_afterwards: bool,
}

#[derive(Serialize)]
struct CheckData<'a> {
    id: CheckId,
    name: &'a str,
    target: Option<&'a str>,
}

#[derive(Serialize)]
struct Cause<'a> {
    code: &'a str,
    message: &'a str,
}

#[derive(Serialize)]
struct Confirmation {
    need: u8,
    of: u8,
    /// Whether the vantage points are several, on machines of their own.
    independent: bool,
}

#[derive(Serialize)]
struct VantagePoint<'a> {
    host_id: HostId,
    name: &'a str,
    provider: &'a str,
    region: &'a str,
    /// `bad`, `good` or `void`.
    answer: Answer,
    code: &'a str,
    message: &'a str,
}

/// Puts it into the body of a webhook.
pub fn render(message: &Message<'_>) -> Vec<u8> {
    let event = message.event;
    let r#type = match event.step() {
        Step::Opened => "incident.opened",
        Step::Resolved => "incident.resolved",
    };
    let body = Body { r#type, timestamp: rfc3339(event.at()), data: data(event, message.with_opening) };
    serde_json::to_vec(&body).expect("texts, numbers and lists of them have a JSON form")
}

fn data(event: &TellEvent, includes_opening: bool) -> Data<'_> {
    let opening = &event.opening;
    Data {
        incident_id: event.incident,
        tenant_id: event.tenant,
        check: CheckData { id: event.check, name: &event.check_name, target: event.target.as_deref() },
        down_since: rfc3339(event.first_failed_slot),
        confirmed_at: rfc3339(opening.confirmed_at),
        resolved_at: event.closing.map(|closing| rfc3339(closing.at)),
        duration_ms: event.duration_ms(),
        ending: event.closing.map(|closing| closing.ending),
        cause: Cause { code: &opening.code, message: &opening.message },
        confirmation: Confirmation { need: opening.need, of: opening.of, independent: event.independent },
        vantage_points: event.witnesses.iter().map(vantage_point).collect(),
        includes_opening: includes_opening || opening.seen_afterwards,
        seen_afterwards: opening.seen_afterwards,
    }
}

fn vantage_point(witness: &Witness) -> VantagePoint<'_> {
    VantagePoint {
        host_id: witness.host,
        name: &witness.name,
        provider: &witness.provider,
        region: &witness.region,
        answer: witness.answer,
        code: &witness.code,
        message: &witness.message,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::message;
    use super::*;
    use crate::tell::event::tests::{opened, resolved, seen_afterwards};

    #[test]
    fn an_opening() {
        let body = render(&message(&opened(), false));
        assert_eq!(
            String::from_utf8(body).unwrap(),
            concat!(
                r#"{"type":"incident.opened","timestamp":"2026-10-26T07:33:22.250Z","data":{"#,
                r#""incident_id":"inc_09090909090909090909090909090909","#,
                r#""tenant_id":"ten_07070707070707070707070707070707","#,
                r#""check":{"id":"chk_08080808080808080808080808080808","name":"shop","#,
                r#""target":"https://shop.example/"},"#,
                r#""down_since":"2026-10-26T07:33:20.000Z","confirmed_at":"2026-10-26T07:33:22.250Z","#,
                r#""resolved_at":null,"duration_ms":null,"ending":null,"#,
                r#""cause":{"code":"http-status","message":"expected status 200-299, got 503"},"#,
                r#""confirmation":{"need":2,"of":3,"independent":true},"vantage_points":["#,
                r#"{"host_id":"hst_01010101010101010101010101010101","name":"host-1","provider":"provider-1","#,
                r#""region":"eu-central","answer":"bad","code":"http-status","#,
                r#""message":"expected status 200-299, got 503"},"#,
                r#"{"host_id":"hst_02020202020202020202020202020202","name":"host-2","provider":"provider-2","#,
                r#""region":"eu-central","answer":"bad","code":"http-status","#,
                r#""message":"expected status 200-299, got 503"},"#,
                r#"{"host_id":"hst_03030303030303030303030303030303","name":"host-3","provider":"provider-3","#,
                r#""region":"eu-central","answer":"void","code":"host-silent","message":"no answer in time"}],"#,
                r#""includes_opening":false,"seen_afterwards":false}}"#,
            )
        );
    }

    #[test]
    fn an_outage_seen_afterwards_is_one_message_that_says_so() {
        let body: serde_json::Value = serde_json::from_slice(&render(&message(&seen_afterwards(), false))).unwrap();
        assert_eq!(body["type"], "incident.resolved");
        assert_eq!((&body["data"]["seen_afterwards"], &body["data"]["includes_opening"]), (&true.into(), &true.into()));
    }

    #[test]
    fn a_recovery_that_tells_of_the_opening_as_well() {
        let body = render(&message(&resolved(Ending::Recovered), true));
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["type"], "incident.resolved");
        assert_eq!(body["timestamp"], "2026-10-26T07:37:30.500Z");
        assert_eq!(body["data"]["resolved_at"], "2026-10-26T07:37:30.500Z");
        assert_eq!(body["data"]["duration_ms"], 250_500);
        assert_eq!(body["data"]["ending"], "recovered");
        assert_eq!(body["data"]["includes_opening"], true);
        assert_eq!(body["data"]["cause"]["code"], "http-status");
    }
}
