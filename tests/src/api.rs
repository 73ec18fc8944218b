//! The API as a client uses it, for stories.

use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::Value;
use ureq::Agent;

/// No answer takes longer than this in a test.
const LIMIT: Duration = Duration::from_secs(10);

/// A client with a token.
#[derive(Clone, Debug)]
pub struct Api {
    agent: Agent,
    url: String,
    token: String,
}

impl Api {
    /// A client of the API at `url`.
    pub fn new(url: &str, token: &str) -> Self {
        let agent = Agent::config_builder().timeout_global(Some(LIMIT)).http_status_as_error(false).build();
        Self { agent: agent.into(), url: url.to_owned(), token: token.to_owned() }
    }

    /// The same client for one tenant.
    fn request_url(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// What is at this path.
    pub fn get(&self, path: &str) -> anyhow::Result<Value> {
        let (status, body) = self.try_get(path)?;
        demand_success("GET", path, status, body)
    }

    /// The status and body at this path.
    pub fn try_get(&self, path: &str) -> anyhow::Result<(u16, Value)> {
        let request = self.agent.get(self.request_url(path)).header("authorization", format!("Bearer {}", self.token));
        read(request.call().with_context(|| format!("GET {path}"))?)
    }

    /// What is at this path for a request with one more header.
    pub fn get_with(&self, path: &str, (name, value): (&str, &str)) -> anyhow::Result<Value> {
        let request = self.agent.get(self.request_url(path)).header(name, value);
        let request = request.header("authorization", format!("Bearer {}", self.token));
        let (status, body) = read(request.call().with_context(|| format!("GET {path}"))?)?;
        demand_success("GET", path, status, body)
    }

    /// The status and body that are answered to this body.
    pub fn try_post(&self, path: &str, body: &Value) -> anyhow::Result<(u16, Value)> {
        let request = self.agent.post(self.request_url(path)).header("authorization", format!("Bearer {}", self.token));
        read(request.send_json(body).with_context(|| format!("POST {path}"))?)
    }

    /// Posts a body and returns the answer, which must be a success.
    pub fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let (status, answer) = self.try_post(path, body)?;
        demand_success("POST", path, status, answer)
    }

    /// Puts a body at this path, and returns the answer, which must be a success.
    pub fn put(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let request = self.agent.put(self.request_url(path)).header("authorization", format!("Bearer {}", self.token));
        let (status, answer) = read(request.send_json(body).with_context(|| format!("PUT {path}"))?)?;
        demand_success("PUT", path, status, answer)
    }

    /// Changes what is at this path, and returns the answer, which must be a success.
    pub fn patch(&self, path: &str, changes: &Value) -> anyhow::Result<Value> {
        let request =
            self.agent.patch(self.request_url(path)).header("authorization", format!("Bearer {}", self.token));
        let (status, answer) = read(request.send_json(changes).with_context(|| format!("PATCH {path}"))?)?;
        demand_success("PATCH", path, status, answer)
    }

    /// Deletes what is at this path, which must be a success.
    pub fn delete(&self, path: &str) -> anyhow::Result<Value> {
        let request =
            self.agent.delete(self.request_url(path)).header("authorization", format!("Bearer {}", self.token));
        let (status, answer) = read(request.call().with_context(|| format!("DELETE {path}"))?)?;
        demand_success("DELETE", path, status, answer)
    }
}

fn demand_success(method: &str, path: &str, status: u16, answer: Value) -> anyhow::Result<Value> {
    if !(200..300).contains(&status) {
        bail!("{method} {path}: {status} {answer}");
    }
    Ok(answer)
}

fn read(mut response: ureq::http::Response<ureq::Body>) -> anyhow::Result<(u16, Value)> {
    let status = response.status().as_u16();
    let text = response.body_mut().read_to_string()?;
    let body = if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap_or(Value::String(text)) };
    Ok((status, body))
}
