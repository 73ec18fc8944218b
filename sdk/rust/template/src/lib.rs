//! Fetches a page, and is down unless it is there and says what it should.

use farwatch_sdk::http::{self, Response};
use farwatch_sdk::{Check, Context, Deserialize, JsonSchema, Outcome, Problem, attributes_of, export, problem};

struct Page;

/// What a check of this module is configured by. The comments are what people read in forms and manuals.
#[derive(Deserialize, JsonSchema)]
#[serde(crate = "farwatch_sdk::serde", deny_unknown_fields)]
#[schemars(crate = "farwatch_sdk::schemars")]
struct Config {
    /// The page.
    url: String,
    /// A text that must stand in it.
    contains: Option<String>,
}

impl Check for Page {
    const NAME: &'static str = env!("CARGO_PKG_NAME");
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const SUMMARY: &'static str = "Fetches a page, and is down unless it is there and says what it should.";
    const CAPABILITIES: &'static [&'static str] = &["http"];
    type Config = Config;

    fn judge(config: &Config) -> Result<(), Vec<Problem>> {
        if config.url.starts_with("http://") || config.url.starts_with("https://") {
            return Ok(());
        }
        let wrong = problem("url-bad", "write a whole URL, such as https://example.com");
        Err(vec![Problem { field: Some("/url".to_owned()), ..wrong }])
    }

    fn run(config: &Config, context: &Context) -> Result<Outcome, Problem> {
        match http::get(&config.url, context.timeout_ms).send() {
            Ok(response) => Ok(found(config, &response)),
            Err(failure) => failure.judged(),
        }
    }
}

/// What an answer says of the page: a plain function, so that a test needs no server.
fn found(config: &Config, response: &Response) -> Outcome {
    let status = response.status;
    let outcome = match &config.contains {
        _ if !(200..300).contains(&status) => {
            Outcome::down("status-unexpected", format!("the page is not there, by status {status}"))
        }
        Some(text) if !response.text().contains(text) => {
            Outcome::down("text-missing", format!("the page is there and does not say {text:?}"))
        }
        _ => Outcome::up(format!("the page is there, by status {status}")),
    };
    outcome
        .latency_us(response.times.total)
        .attribute("http.status", status)
        .attributes(attributes_of(&response.times))
}

export!(Page);

#[cfg(test)]
mod tests {
    use farwatch_sdk::Status;

    use super::*;

    #[test]
    fn a_page_is_up_when_it_is_there_and_says_what_it_should() {
        let config = |contains: Option<&str>| Config {
            url: "https://example.com".to_owned(),
            contains: contains.map(str::to_owned),
        };
        for (contains, status, code) in [
            (None, 200, "ok"),
            (Some("open"), 200, "ok"),
            (Some("closed"), 200, "text-missing"),
            (None, 503, "status-unexpected"),
        ] {
            let outcome = found(&config(contains), &Response::of(status, "we are open"));
            assert_eq!(outcome.code, code);
            assert_eq!(outcome.status == Status::Up, code == "ok");
        }
    }
}
