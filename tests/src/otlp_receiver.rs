//! A collector of telemetry on loopback: what it was sent, read by PyPI's `opentelemetry-proto`, which is not ours.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use anyhow::{Context, bail};
use serde_json::Value;

use crate::python::python;

const PROGRAM: &str = include_str!("otlp_receiver.py");

/// A running collector. It ends when this value is dropped.
#[derive(Debug)]
pub struct OtlpReceiver {
    child: Child,
    port: u16,
    taken: Arc<Mutex<Vec<Value>>>,
    _ears: ChildStdin,
}

impl OtlpReceiver {
    /// Starts one.
    pub fn start() -> anyhow::Result<Self> {
        let mut child = python(PROGRAM)?.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let ears = child.stdin.take().context("no standard input")?;
        let mut told = BufReader::new(child.stdout.take().context("no standard output")?).lines();
        let Some(Ok(port)) = told.next() else { bail!("the collector did not start; run make setup") };
        let taken = Arc::<Mutex<Vec<Value>>>::default();
        let noted = taken.clone();
        thread::spawn(move || {
            for line in told.map_while(Result::ok) {
                let request = serde_json::from_str(&line).unwrap_or(Value::Null);
                noted.lock().unwrap_or_else(PoisonError::into_inner).push(request);
            }
        });
        Ok(Self { child, port: port.parse()?, taken, _ears: ears })
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The requests that were taken, in order.
    pub fn requests(&self) -> Vec<Value> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Every span of this name, each with the attributes of its resource as `resource`.
    pub fn spans(&self, name: &str) -> Vec<Value> {
        let spans = self.within("resource_spans", "scope_spans", "spans");
        spans.into_iter().filter(|span| span["name"] == name).collect()
    }

    /// Every report of this metric, the newest last.
    pub fn metrics(&self, name: &str) -> Vec<Value> {
        let metrics = self.within("resource_metrics", "scope_metrics", "metrics");
        metrics.into_iter().filter(|metric| metric["name"] == name).collect()
    }

    fn within(&self, resources: &str, scopes: &str, items: &str) -> Vec<Value> {
        let mut found = Vec::new();
        for request in self.requests() {
            for resource in list(&request["message"][resources]) {
                for item in list(&resource[scopes]).iter().flat_map(|scope| list(&scope[items])) {
                    let mut item = item.clone();
                    item["resource"] = resource["resource"]["attributes"].clone();
                    found.push(item);
                }
            }
        }
        found
    }
}

impl Drop for OtlpReceiver {
    fn drop(&mut self) {
        // It holds nothing that an orderly end would save.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A list; what is not there is an empty one.
fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// The text of an attribute in a list of them, empty where there is none.
pub fn attribute<'v>(attributes: &'v Value, key: &str) -> &'v str {
    let found = list(attributes).iter().find(|attribute| attribute["key"] == key);
    let value = found.map_or(&Value::Null, |attribute| &attribute["value"]);
    value["string_value"].as_str().or_else(|| value["int_value"].as_str()).unwrap_or_default()
}
