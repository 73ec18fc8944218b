//! Asks control for a certificate, at each of its addresses in turn until one of them decides.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use bytes::Bytes;
use farwatch_proto::join::{JOIN_BODY_MAX_BYTES, JOIN_PATH, JoinAnswer, JoinRefusal, JoinRequest, JoinToken};
use farwatch_proto::link::CONTROL_NAME;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::{NotJoined, pinned};
use crate::identity::control_name;

/// From the lookup of a name to the end of the answer.
const ASK_LIMIT: Duration = Duration::from_secs(10);

/// What the first control that decides says.
pub(super) async fn any_of(token: &JoinToken, request: &JoinRequest) -> Result<JoinAnswer, NotJoined> {
    let mut why_not = Vec::new();
    for control in &token.controls {
        let answered = timeout(ASK_LIMIT, ask(control, token, request)).await;
        let answered = answered.unwrap_or_else(|_| bail!("no answer within {} s", ASK_LIMIT.as_secs()));
        match answered {
            Ok((StatusCode::OK, body)) => match serde_json::from_slice(&body) {
                Ok(answer) => return Ok(answer),
                Err(error) => why_not.push(format!("{control}: an answer that cannot be read: {error}")),
            },
            Ok((StatusCode::FORBIDDEN | StatusCode::BAD_REQUEST, body)) => {
                return Err(NotJoined::Refused(reason(&body)));
            }
            Ok((StatusCode::CONFLICT, body)) => return Err(NotJoined::InTheWay(reason(&body))),
            Ok((_, body)) => why_not.push(format!("{control}: {}", reason(&body))),
            Err(error) => why_not.push(format!("no control at {control}: {error:#}")),
        }
    }
    Err(NotJoined::Unreachable(why_not.join("; ")))
}

fn reason(body: &[u8]) -> String {
    let told = serde_json::from_slice::<JoinRefusal>(body).map(|refusal| refusal.reason);
    told.unwrap_or_else(|_| String::from_utf8_lossy(body).chars().take(200).collect())
}

async fn ask(control: &str, token: &JoinToken, request: &JoinRequest) -> anyhow::Result<(StatusCode, Bytes)> {
    let stream = TcpStream::connect(control).await?;
    let connector = TlsConnector::from(Arc::new(pinned::client_config(token.authority)?));
    let stream = connector.connect(control_name(), stream).await.context("it is not the control of this token")?;
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
    let request = Request::post(JOIN_PATH)
        .header(header::HOST, CONTROL_NAME)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::CONNECTION, "close")
        .body(Full::<Bytes>::from(serde_json::to_vec(request)?))?;
    let exchange = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), JOIN_BODY_MAX_BYTES).collect().await;
        Ok((status, body.map_err(|error| anyhow!("{error}"))?.to_bytes()))
    };
    // The connection has nothing more to say once the exchange is over.
    tokio::select! {
        answered = exchange => answered,
        Err(error) = connection => Err(error.into()),
    }
}
