//! A webhook receiver on loopback: records what it is sent, and answers as the test says.
//!
//! Whether a signature is good is not judged here but by PyPI's `standardwebhooks`, which is not ours.

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use anyhow::{Context, bail};
use serde::Serialize;
use serde_json::json;

use crate::python::python;

const VERIFIER: &str = include_str!("webhook_verify.py");
/// Larger than any webhook.
const BODY_MAX_BYTES: usize = 1 << 20;

/// What a receiver answers to one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// This status and this text.
    Status(u16, String),
    /// This status, and to be left alone for so long, in the words of the header.
    RetryAfter(u16, String),
    /// A redirect to this URL.
    Redirect(String),
    /// Nothing, while the connection stays open.
    Silence,
}

/// One request as it came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Request {
    /// Such as `POST /hook HTTP/1.1`.
    pub line: String,
    /// By names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body, which must be UTF-8.
    pub body: String,
}

impl Request {
    /// A header, empty when it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// The body as JSON.
    pub fn json(&self) -> anyhow::Result<serde_json::Value> {
        Ok(serde_json::from_str(&self.body)?)
    }
}

/// What the receiver shares with its threads.
#[derive(Debug, Default)]
struct Record {
    requests: Vec<Request>,
    script: VecDeque<Reply>,
    silent: Vec<TcpStream>,
}

/// A listening receiver. Its threads end with the test process.
#[derive(Debug)]
pub struct WebhookReceiver {
    address: SocketAddr,
    record: Arc<Mutex<Record>>,
}

impl WebhookReceiver {
    /// Listens, answers as the script says, and 204 behind its end.
    pub fn start(script: Vec<Reply>) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let record = Arc::new(Mutex::new(Record { script: script.into(), ..Record::default() }));
        let shared = record.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let record = shared.clone();
                thread::spawn(move || serve(stream, &record));
            }
        });
        Ok(Self { address, record })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// A URL of it.
    pub fn url(&self) -> String {
        format!("http://{}/hook?token=in-the-url", self.address)
    }

    /// What came, in order.
    pub fn requests(&self) -> Vec<Request> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner).requests.clone()
    }

    /// Demands that every request was signed with this secret, by the judgment of `standardwebhooks`.
    pub fn verify(&self, secret: &str) -> anyhow::Result<()> {
        let requests = self.requests();
        let mut verifier =
            python(VERIFIER)?.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let question = json!({ "secret": secret, "requests": requests });
        verifier.stdin.take().context("no standard input")?.write_all(question.to_string().as_bytes())?;
        let output = verifier.wait_with_output()?;
        if !output.status.success() {
            bail!("{}", String::from_utf8_lossy(&output.stderr));
        }
        let verdicts: Vec<Option<String>> = serde_json::from_slice(&output.stdout)?;
        match verdicts.iter().zip(&requests).find_map(|(verdict, request)| Some((verdict.as_ref()?, request))) {
            Some((complaint, request)) => bail!("{complaint}: {request:?}"),
            None if verdicts.len() != requests.len() => bail!("not every request was judged"),
            None => Ok(()),
        }
    }
}

/// One request per connection. A connection that breaks is the sender's affair.
fn serve(mut stream: TcpStream, record: &Mutex<Record>) {
    let Ok(request) = read_request(&stream) else { return };
    let mut record = record.lock().unwrap_or_else(PoisonError::into_inner);
    record.requests.push(request);
    let answer = record.script.pop_front().unwrap_or_else(|| Reply::Status(204, String::new()));
    let text = match answer {
        Reply::Status(status, body) => {
            format!("HTTP/1.1 {status} -\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
        }
        Reply::RetryAfter(status, said) => {
            format!("HTTP/1.1 {status} -\r\nretry-after: {said}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        }
        Reply::Redirect(url) => {
            format!("HTTP/1.1 307 -\r\nlocation: {url}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        }
        Reply::Silence => {
            record.silent.push(stream);
            return;
        }
    };
    drop(record);
    let _ = stream.write_all(text.as_bytes());
}

fn read_request(stream: &TcpStream) -> anyhow::Result<Request> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut headers = BTreeMap::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let Some((name, value)) = header.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length: usize = headers.get("content-length").context("no content-length")?.parse()?;
    if length > BODY_MAX_BYTES {
        bail!("a body of {length} bytes");
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Request { line: line.trim_end().to_owned(), headers, body: String::from_utf8(body)? })
}
