//! From the flags of `farwatch check create` to the body the API takes. It judges nothing the API judges.

use std::fs;
use std::io::Read;

use serde_json::{Map, Value, json};

use super::create::{AnswerArgs, CreateArgs, HttpArgs, TcpArgs};
use crate::exit::{Failure, NO_INPUT, USAGE};

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
    body.insert("config".to_owned(), Value::Object(config_of(args)?));
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

fn put(map: &mut Map<String, Value>, key: &str, value: Option<Value>) {
    if let Some(value) = value {
        map.insert(key.to_owned(), value);
    }
}

/// The config that was given, with the short flags over it.
fn config_of(args: &CreateArgs) -> Result<Map<String, Value>, Failure> {
    let mut config = match &args.config {
        Some(said) => object_in(said)?,
        None => Map::new(),
    };
    let (http, tcp, job) = (http_config(&args.http)?, tcp_config(&args.tcp), args.job.config());
    let module = args.module.split('@').next();
    if module == Some("heartbeat") {
        config.extend(job);
        return Ok(config);
    }
    if !job.is_empty() {
        let line = format!("the flags of the module heartbeat do not fit the module {}", args.module);
        return Err(Failure::new(USAGE, line));
    }
    let (fitting, other, answer) = match module {
        Some("http") => (http, ("tcp", tcp), answer_config(&args.answer, "body_contains", "body_regex")),
        Some("tcp" | "udp" | "tls" | "icmp" | "ntp") => {
            (tcp, ("http", http), answer_config(&args.answer, "expect_contains", "expect_regex"))
        }
        _ => {
            let mut short = http;
            short.extend(tcp);
            short.extend(answer_config(&args.answer, "contains", "matches"));
            (Map::new(), ("http or tcp", short), Map::new())
        }
    };
    if !other.1.is_empty() {
        let line = format!("the flags of the module {} do not fit the module {}; use --config", other.0, args.module);
        return Err(Failure::new(USAGE, line));
    }
    config.extend(fitting);
    config.extend(answer);
    Ok(config)
}

fn object_in(said: &str) -> Result<Map<String, Value>, Failure> {
    let text = if said.trim_start().starts_with('{') { said.to_owned() } else { text_in(said)? };
    serde_json::from_str(&text)
        .map_err(|error| Failure::new(USAGE, format_args!("--config is no JSON object: {error}")))
}

fn text_in(place: &str) -> Result<String, Failure> {
    let mut text = String::new();
    let read = match place {
        "-" => std::io::stdin().read_to_string(&mut text).map(|_| text),
        file => fs::read_to_string(file),
    };
    read.map_err(|error| Failure::new(NO_INPUT, format_args!("cannot read --config {place}: {error}")))
}

fn http_config(http: &HttpArgs) -> Result<Map<String, Value>, Failure> {
    let mut config = Map::new();
    put(&mut config, "url", http.url.as_ref().map(|url| json!(url)));
    put(&mut config, "method", http.method.as_ref().map(|method| json!(method)));
    let headers = pairs("--header", &http.headers, ':')?;
    put(&mut config, "headers", (!headers.is_empty()).then_some(Value::Object(headers)));
    if let Some(file) = &http.body_file {
        let place = file.display();
        let body = fs::read_to_string(file)
            .map_err(|error| Failure::new(NO_INPUT, format_args!("cannot read --body-file {place}: {error}")))?;
        config.insert("body".to_owned(), json!(body));
    }
    put(&mut config, "expected_status", http.expect_status.as_ref().map(|statuses| json!(statuses)));
    put(&mut config, "body_not_contains", http.not_contains.as_ref().map(|text| json!(text)));
    put(&mut config, "follow_redirects", http.no_redirects.then_some(Value::Bool(false)));
    Ok(config)
}

fn tcp_config(tcp: &TcpArgs) -> Map<String, Value> {
    let mut config = Map::new();
    put(&mut config, "host", tcp.host.as_ref().map(|host| json!(host)));
    put(&mut config, "port", tcp.port.map(|port| json!(port)));
    put(&mut config, "tls", tcp.tls.then_some(Value::Bool(true)));
    put(&mut config, "send", tcp.send.as_ref().map(|text| json!(text)));
    put(&mut config, "read_until", tcp.read_until.as_ref().map(|text| json!(text)));
    config
}

/// What both modules judge by, under the names that one of them has for it.
fn answer_config(answer: &AnswerArgs, contains: &str, regex: &str) -> Map<String, Value> {
    let mut config = Map::new();
    put(&mut config, contains, answer.contains.as_ref().map(|text| json!(text)));
    put(&mut config, regex, answer.matches.as_ref().map(|regex| json!(regex)));
    put(&mut config, "degraded_above_ms", answer.degraded_above.map(|above| json!(above.as_millis())));
    put(&mut config, "certificate_days_min", answer.certificate_days.map(|days| json!(days)));
    config
}

/// Texts such as `key=value` as an object.
fn pairs(flag: &str, said: &[String], between: char) -> Result<Map<String, Value>, Failure> {
    let mut pairs = Map::new();
    for text in said {
        let Some((key, value)) = text.split_once(between) else {
            return Err(Failure::new(USAGE, format_args!("{flag} {text:?}: write it as key{between}value")));
        };
        pairs.insert(key.trim().to_owned(), json!(value.trim()));
    }
    Ok(pairs)
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
