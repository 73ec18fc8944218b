//! Sends one signed webhook once, and says what came back.
//!
//! Headers and signature follow Standard Webhooks 1.0. Redirects are not followed: a signed message goes to the
//! URL its owner gave, and nowhere else.

use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use farwatch_core::delivery::acceptance_of_http;
use farwatch_core::target::Target;
use farwatch_proto::id::DeliveryId;
use farwatch_proto::time::UnixMs;
use http::header::{CONNECTION, CONTENT_TYPE, HOST, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::Full;
use tokio::time::timeout;

use super::connect::Connector;
use super::exchange::{AGENT, Answer, exchange};
use super::reply::Reply;
use super::signing::SigningSecret;

/// From the first lookup to the last byte of the answer; receivers are told to answer first and work later.
pub(super) const LIMIT: Duration = Duration::from_secs(15);

/// One webhook, ready to go.
pub(super) struct Outgoing<'a> {
    pub(super) id: DeliveryId,
    pub(super) target: &'a Target,
    pub(super) secret: &'a SigningSecret,
    pub(super) body: Vec<u8>,
    /// The moment of this try, which is signed, so that an old request cannot be replayed.
    pub(super) now: UnixMs,
}

/// Sends it.
pub(super) async fn send(connector: &Connector, outgoing: Outgoing<'_>) -> Reply {
    let host = outgoing.target.authority.clone();
    match timeout(LIMIT, attempt(connector, outgoing)).await {
        Ok(Ok(reply)) => reply,
        Ok(Err(why)) => Reply::later(&why),
        Err(_) => Reply::later(&format!("{host} did not answer within {} s", LIMIT.as_secs())),
    }
}

fn reply(status: StatusCode, body: &[u8]) -> Reply {
    let remark = if status.is_redirection() { "; redirects are not followed" } else { "" };
    let body = String::from_utf8_lossy(body);
    let separator = if body.trim().is_empty() { "" } else { ": " };
    Reply::new(acceptance_of_http(status.as_u16()), &format!("{status}{remark}{separator}{body}"))
}

/// How long the receiver asks to be left alone (RFC 9110, 10.2.3): so many seconds, or until a date. A date that is
/// past asks for nothing, and so does what is neither.
fn asked_wait_ms(headers: &HeaderMap, now: UnixMs) -> Option<i64> {
    let said = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !said.is_empty() && said.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than a number has ask for longer than anybody is left alone.
        return Some(said.parse::<i64>().unwrap_or(i64::MAX).saturating_mul(1000));
    }
    let at = httpdate::parse_http_date(said).ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(i64::try_from(at.as_millis()).ok()?.saturating_sub(now.0).max(0))
}

async fn attempt(connector: &Connector, outgoing: Outgoing<'_>) -> Result<Reply, String> {
    let now = outgoing.now;
    let stream = connector.connect(outgoing.target).await.map_err(|error| error.to_string())?;
    let request = request(outgoing).map_err(|error| format!("no request can be made: {error}"))?;
    let Answer { head, body } = exchange(stream, request).await?;
    Ok(Reply { asked_wait_ms: asked_wait_ms(&head.headers, now), ..reply(head.status, &body) })
}

fn request(outgoing: Outgoing<'_>) -> http::Result<Request<Full<Bytes>>> {
    let at_s = outgoing.now.0.div_euclid(1000);
    Request::builder()
        .method(Method::POST)
        .uri(outgoing.target.path_and_query.as_str())
        .header(HOST, outgoing.target.authority.as_str())
        .header(CONTENT_TYPE, "application/json")
        .header(USER_AGENT, AGENT)
        .header(CONNECTION, "close")
        .header("webhook-id", outgoing.id.to_string())
        .header("webhook-timestamp", at_s)
        .header("webhook-signature", outgoing.secret.sign(outgoing.id, at_s, &outgoing.body))
        .body(Full::new(Bytes::from(outgoing.body)))
}

#[cfg(test)]
mod tests {
    use farwatch_core::delivery::Acceptance;

    use super::*;

    #[test]
    fn a_receiver_may_ask_to_be_left_alone() {
        let now = UnixMs(784_111_770_000);
        for (said, expected) in [
            ("120", Some(120_000)),
            (" 0 ", Some(0)),
            ("99999999999999999999", Some(i64::MAX)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(7_000)),
            ("Sun, 06 Nov 1994 08:49:00 GMT", Some(0)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Some(7_000)),
            ("soon", None),
            ("-5", None),
            ("", None),
        ] {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, said.parse().unwrap())]);
            assert_eq!(asked_wait_ms(&headers, now), expected, "{said}");
        }
        assert_eq!(asked_wait_ms(&HeaderMap::new(), now), None);
    }

    #[test]
    fn an_answer_is_recorded_in_one_line() {
        let recorded = |status: u16, body: &[u8]| reply(StatusCode::from_u16(status).unwrap(), body);
        assert_eq!(recorded(204, b""), Reply::new(Acceptance::Taken, "204 No Content"));
        assert_eq!(recorded(503, b"<h1>\r\nbusy\xff"), Reply::later("503 Service Unavailable: <h1> busy\u{fffd}"));
        assert_eq!(recorded(302, b""), Reply::never("302 Found; redirects are not followed"));
        assert_eq!(recorded(410, b" \n").text, "410 Gone");
    }
}
