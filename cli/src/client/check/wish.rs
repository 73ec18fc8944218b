//! From the flags of `farwatch check create` to the body the API takes. It judges nothing the API judges.

use serde_json::{Map, Value, json};

use super::config::{pairs, put};
use super::create::CreateArgs;
use crate::exit::Failure;

/// What was said, with the contacts by id.
pub(super) struct Wished<'a> {
    pub(super) args: &'a CreateArgs,
    pub(super) contacts: Vec<String>,
}

/// The body of the request.
pub(super) fn body_of(wished: &Wished<'_>) -> Result<Value, Failure> {
    let args = wished.args;
    let mut body = Map::new();
    body.insert("name".to_owned(), json!(args.name));
    body.insert("module".to_owned(), json!(args.module));
    body.insert("interval".to_owned(), json!(args.every));
    body.insert("config".to_owned(), Value::Object(args.config.of_module(&args.module)?));
    put(&mut body, "timeout_ms", args.timeout.map(|timeout| json!(timeout.as_millis())));
    put(&mut body, "location", args.location.as_ref().map(|place| json!(place)));
    put(&mut body, "streams", args.streams.map(|streams| json!(streams)));
    put(&mut body, "confirm", args.need.map(|need| json!({ "need": need })));
    put(&mut body, "repeat", args.no_repeat.then(|| json!("unsafe")));
    put(&mut body, "paused", args.paused.then_some(Value::Bool(true)));
    put(&mut body, "contacts", (!wished.contacts.is_empty()).then(|| json!(wished.contacts)));
    let labels = pairs("--label", &args.labels, '=')?;
    put(&mut body, "labels", (!labels.is_empty()).then_some(Value::Object(labels)));
    Ok(Value::Object(body))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        create: CreateArgs,
    }

    fn body(line: &str) -> Result<Value, String> {
        let words = ["create"].into_iter().chain(line.split(' '));
        let line = Line::try_parse_from(words).map_err(|error| error.to_string())?;
        body_of(&Wished { args: &line.create, contacts: Vec::new() }).map_err(|failure| format!("{failure:?}"))
    }

    #[test]
    fn the_short_flags_make_a_whole_body() {
        let line = "http --name shop --url https://a.example --every 10s --timeout 2s --degraded-above 500ms \
                    --header Accept:text/html --label net=v6 --streams 2 --need 2 --location EU --no-redirects";
        assert_eq!(
            body(line).unwrap(),
            json!({
                "name": "shop", "module": "http", "interval": "10s", "timeout_ms": 2000, "location": "EU",
                "streams": 2, "confirm": {"need": 2}, "labels": {"net": "v6"},
                "config": {
                    "url": "https://a.example", "degraded_above_ms": 500, "headers": {"Accept": "text/html"},
                    "follow_redirects": false,
                },
            })
        );
    }

    #[test]
    fn a_config_is_taken_whole_and_short_flags_stand_over_it() {
        let line = r#"http --name a --config {"url":"https://a.example","method":"HEAD"} --method GET"#;
        assert_eq!(body(line).unwrap()["config"], json!({"url": "https://a.example", "method": "GET"}));
        assert_eq!(body("mod_1 --name a").unwrap()["config"], json!({}));
    }

    #[test]
    fn the_short_flags_of_tcp_make_its_config() {
        let line = r"tcp --name cache --host cache.example --port 6379 --send PING\r\n --contains PONG --tls";
        assert_eq!(
            body(line).unwrap()["config"],
            json!({
                "host": "cache.example", "port": 6379, "tls": true, "send": r"PING\r\n", "expect_contains": "PONG",
            })
        );
    }

    #[test]
    fn the_short_flags_of_a_heartbeat_make_its_config() {
        let line = "heartbeat --name backup --period 1d --grace 15min --run-max 2h";
        assert_eq!(body(line).unwrap()["config"], json!({"period_s": 86_400, "grace_s": 900, "run_max_s": 7200}));
        assert!(body("http --name a --grace 5s").unwrap_err().contains("of the module heartbeat do not fit"));
        assert!(body("heartbeat --name a --url https://a.example").unwrap_err().contains("use --config"));
        assert!(body("heartbeat --name a --period 5s --cron @daily").unwrap_err().contains("cannot be used with"));
    }

    #[test]
    fn what_cannot_be_meant_is_refused_here() {
        assert!(body("tcp --name a --url https://a.example").unwrap_err().contains("use --config"));
        assert!(body("http --name a --port 25").unwrap_err().contains("of the module tcp do not fit"));
        assert!(body("mod_1 --name a --contains x").unwrap_err().contains("use --config"));
        assert!(body("http --name a --label v6").unwrap_err().contains("key=value"));
        assert!(body("http --name a --config {oops").unwrap_err().contains("no JSON object"));
        assert!(body("http --name a --config no-such-file").unwrap_err().contains("cannot read --config"));
    }
}
