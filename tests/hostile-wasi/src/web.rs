//! Requests by `wasi:http`.

use crate::wit::wasi::clocks::monotonic_clock;
use crate::wit::wasi::http::outgoing_handler::handle;
use crate::wit::wasi::http::types::{
    ErrorCode, Fields, FutureIncomingResponse, IncomingBody, IncomingResponse, Method, OutgoingBody, OutgoingRequest,
    RequestOptions, Scheme,
};
use crate::wit::wasi::io::poll::poll;

const MILLISECOND_NS: u64 = 1_000_000;

/// Does what the word says, and tells what came of it.
pub(crate) fn misuse(what: &str, url: &str) -> Option<String> {
    Some(match what {
        "get" => told(get(url).and_then(|started| response(&started))),
        "post" => told(post(url, 3 * 4_096)),
        "post-huge" => told(post(url, 4 << 20)),
        "two" => two(url),
        "hasty" => hasty(url),
        "options" => told(with_options(url)),
        "flood" => flood(url),
        "hoard" => hoard(url),
        "host-header" => format!("{:?}", Fields::from_list(&[("host".to_owned(), b"internal".to_vec())]).err()),
        "fields" => fields(),
        _ => return None,
    })
}

fn request(url: &str) -> OutgoingRequest {
    let headers = Fields::from_list(&[("x-check".to_owned(), b"1".to_vec())]).expect("the header is well formed");
    let request = OutgoingRequest::new(headers);
    let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let scheme = match scheme {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        other => Scheme::Other(other.to_owned()),
    };
    let _ = request.set_scheme(Some(&scheme));
    let _ = request.set_authority(Some(authority));
    let _ = request.set_path_with_query(Some(path));
    request
}

pub(crate) fn get(url: &str) -> Result<FutureIncomingResponse, ErrorCode> {
    handle(request(url), None)
}

fn post(url: &str, bytes: usize) -> Result<IncomingResponse, ErrorCode> {
    let request = request(url);
    let _ = request.set_method(&Method::Post);
    let body = request.body().expect("it has none yet");
    let started = handle(request, None)?;
    let stream = body.write().expect("nobody took it");
    for _ in 0..bytes / 4_096 {
        if stream.blocking_write_and_flush(&[b'x'; 4_096]).is_err() {
            break;
        }
    }
    drop(stream);
    drop(OutgoingBody::finish(body, None));
    response(&started)
}

fn with_options(url: &str) -> Result<IncomingResponse, ErrorCode> {
    let options = RequestOptions::new();
    let _ = options.set_connect_timeout(Some(30 * MILLISECOND_NS));
    let _ = options.set_first_byte_timeout(Some(20 * MILLISECOND_NS));
    response(&handle(request(url), Some(options))?)
}

pub(crate) fn response(started: &FutureIncomingResponse) -> Result<IncomingResponse, ErrorCode> {
    started.subscribe().block();
    started.get().expect("it is ready").expect("nobody took it")
}

/// The status, the header `location`, the length of the body, and how it ended.
fn told(response: Result<IncomingResponse, ErrorCode>) -> String {
    let response = match response {
        Ok(response) => response,
        Err(code) => return format!("{code:?}"),
    };
    let location = response.headers().get("location").concat();
    let body = response.consume().expect("nobody took it");
    let stream = body.stream().expect("nobody took it");
    let mut bytes = 0;
    let end = loop {
        match stream.blocking_read(64 << 10) {
            Ok(read) => bytes += read.len(),
            Err(end) => break end,
        }
    };
    let end = match end {
        crate::wit::wasi::io::streams::StreamError::Closed => "closed".to_owned(),
        crate::wit::wasi::io::streams::StreamError::LastOperationFailed(error) => error.to_debug_string(),
    };
    drop(stream);
    drop(IncomingBody::finish(body));
    format!("{} {} {bytes} {end}", response.status(), String::from_utf8_lossy(&location))
}

/// Two requests at once.
fn two(url: &str) -> String {
    let (Ok(first), Ok(second)) = (get(url), get(url)) else { return "refused".to_owned() };
    format!("{}, {}", told(response(&second)), told(response(&first)))
}

/// Gives up on a request after a moment, and does something else.
fn hasty(url: &str) -> String {
    let Ok(started) = get(url) else { return "refused".to_owned() };
    let (answer, moment) = (started.subscribe(), monotonic_clock::subscribe_duration(20 * MILLISECOND_NS));
    let ready = poll(&[&answer, &moment]);
    drop(answer);
    drop(started);
    format!("{ready:?}")
}

/// Makes requests until the host has had enough.
fn flood(url: &str) -> String {
    loop {
        if let Err(code) = get(url).and_then(|started| response(&started)) {
            return format!("{code:?}");
        }
    }
}

/// Makes requests and waits for none.
fn hoard(url: &str) -> String {
    loop {
        std::mem::forget(get(url));
    }
}

/// Makes a header until the host has had enough.
fn fields() -> String {
    let fields = Fields::new();
    loop {
        if let Err(error) = fields.append("x", &[b'x'; 1_000]) {
            return format!("{error:?}");
        }
    }
}
