//! What a test of a module showed, in lines: the module, the config, the run beside its limits, and each call of a probe.

use serde_json::{Value, json};

use crate::client::check::tried::{came, indented, run_lines, steps};
use crate::client::evidence::printable;
use crate::client::fields::{micros, text, texts};
use crate::output::{Cell, Look, Table, Tone, line_of};

/// How much of a request or of an answer is shown in a line, in bytes; all of it is in the JSON.
const SAID_MAX_BYTES: usize = 160;
/// The steps of a probe, as they are recorded and as they are shown.
const STEPS: [(&str, &str); 5] = [
    ("resolve", "resolve"),
    ("connect", "connect"),
    ("tls", "tls"),
    ("first_byte", "first-byte"),
    ("transfer", "transfer"),
];

/// All of it.
pub(super) fn lines(shown: &Value, look: Look) -> String {
    let mut blocks = vec![module(shown, look) + &config(shown, look)];
    if !shown["run"].is_null() {
        blocks.push(run_lines("here", &shown["run"], look) + &limits(shown, look));
        let calls = shown["calls"].as_array().into_iter().flatten().enumerate();
        blocks.extend(calls.map(|(index, call)| block(index + 1, call, look)));
    }
    let dropped = shown["calls_dropped"].as_u64().unwrap_or(0);
    if dropped > 0 {
        blocks.push(format!("and {dropped} more calls that were left out\n"));
    }
    blocks.join("\n")
}

fn module(shown: &Value, look: Look) -> String {
    let module = &shown["module"];
    let head = ["name", "version", "summary"].map(|field| Cell::plain(text(module, field)));
    let size = kibibytes(module["bytes"].as_u64().unwrap_or(0));
    let opened = micros(module, "opened_us");
    let facts = format!(
        "{}, {size}, {} tier, judged, compiled and described in {opened}",
        text(module, "hash"),
        text(module, "tier")
    );
    let imports = texts(module, "imports").collect::<Vec<_>>().join(" ");
    let imports = if imports.is_empty() { "imports nothing".to_owned() } else { format!("imports {imports}") };
    let mut lines = line_of(&head, look) + &indented(&facts) + &indented(&imports);
    let refused = &shown["push_refuses"];
    if !refused.is_null() {
        let why = format!("`module push` would refuse it, {}: {}", text(refused, "code"), text(refused, "detail"));
        lines.push_str(&toned(&why, Tone::Doubtful, look));
    }
    if shown["is_walled"] == false {
        lines.push_str(&toned(
            "this kernel has no filter of system calls, so a host's second wall is missing",
            Tone::Doubtful,
            look,
        ));
    }
    lines
}

fn config(shown: &Value, look: Look) -> String {
    let mut lines = format!("config {} from {}\n", printable(&shown["config"].to_string()), text(shown, "config_from"));
    for problem in shown["problems"].as_array().into_iter().flatten() {
        let (by, field, code) = (text(problem, "by"), text(problem, "field"), text(problem, "code"));
        let field = if field.is_empty() { "the whole".to_owned() } else { field };
        let code = if code.is_empty() { code } else { format!("{code}: ") };
        let tone = if by == "module" { Tone::Bad } else { Tone::Doubtful };
        lines.push_str(&toned(&format!("{by}, {field}: {code}{}", text(problem, "message")), tone, look));
    }
    lines
}

fn toned(line: &str, tone: Tone, look: Look) -> String {
    format!("  {}", line_of(&[Cell::toned(line, tone)], look))
}

/// What the run took, beside what it might have taken.
fn limits(shown: &Value, look: Look) -> String {
    let (run, limits) = (&shown["run"], &shown["limits"]);
    let bytes = |value: &Value| kibibytes(value["memory_bytes"].as_u64().unwrap_or(0));
    let none_is_nothing = |text: String| if text.is_empty() { "0 us".to_owned() } else { text };
    let mut table = Table::new(&["limit", "taken", "of"]);
    let mut row = |what: &str, taken: String, of: String| table.row(vec![Cell::plain(what), taken.into(), of.into()]);
    row("time", none_is_nothing(micros(run, "duration_us")), micros(limits, "duration_us"));
    row("CPU", none_is_nothing(micros(run, "cpu_us")), micros(limits, "cpu_us"));
    row("memory", bytes(run), bytes(limits));
    row("probes", text(shown, "probes_made"), text(limits, "probes"));
    table.shown(look, "").lines().map(indented).collect()
}

/// One call: what was asked, what came of it, its steps, and what came from the target.
fn block(number: usize, call: &Value, look: Look) -> String {
    let connection = call["connection"].as_u64().map_or_else(String::new, |number| format!("connection {number}"));
    let (found, tone) = found(call);
    let head = [
        Cell::plain(number.to_string()),
        Cell::plain(text(call, "probe")),
        Cell::plain(connection),
        Cell::plain(asked(call)),
        Cell::toned(found, tone),
        Cell::plain(micros(call, "took_us")),
    ];
    line_of(&head, look) + &steps(&json!({ "phases": phases(call) }), look) + &came(call)
}

/// What was asked, in short.
fn asked(call: &Value) -> String {
    let request = &call["request"];
    let target = if request["target"].is_object() { &request["target"] } else { request };
    let port = target["port"].as_u64().map_or_else(String::new, |port| format!(":{port}"));
    match text(call, "probe").as_str() {
        "http.fetch" => format!("{} {}", text(request, "method"), text(request, "url")),
        "dns.query" => {
            format!("{} {} at {}{port}", text(request, "record_type"), text(request, "name"), text(request, "server"))
        }
        "tcp.open" | "tls.shake-hands" | "tls.propose" | "udp.exchange" | "icmp.ping" => text(target, "host") + &port,
        "secrets.get" => text(request, "name"),
        "tcp.send" => cut(text(request, "bytes")),
        "tcp.receive" => cut(text(request, "until")),
        _ => String::new(),
    }
}

/// What came of it, in short.
fn found(call: &Value) -> (String, Tone) {
    let (answer, failure) = (&call["answer"], &call["failure"]);
    if failure.is_object() {
        return (format!("{}: {}", text(failure, "code"), text(failure, "message")), Tone::Bad);
    }
    if call.get("answer").is_none() {
        return ("no answer before the run ended".to_owned(), Tone::Doubtful);
    }
    let remote = text(answer, "remote");
    let from = if remote.is_empty() { remote } else { format!(" from {remote}") };
    let said = match text(call, "probe").as_str() {
        "http.fetch" => text(answer, "status"),
        "dns.query" => text(answer, "rcode"),
        "tcp.receive" => cut(text(answer, "bytes")),
        "tls.propose" => cut(answer.to_string()),
        "icmp.ping" => {
            format!("{} of {} answered", answer["round_trips_us"].as_array().map_or(0, Vec::len), text(answer, "sent"))
        }
        "secrets.get" if answer.is_null() => "there is none".to_owned(),
        _ => "ok".to_owned(),
    };
    (said + &from, Tone::Plain)
}

/// The steps that belong to a call: with a connection, those that it went through itself.
fn phases(call: &Value) -> Vec<Value> {
    let times = [&call["times"], &call["answer"]["times"], &call["failure"]["times"]];
    let Some(times) = times.into_iter().find(|times| times.is_object()) else { return Vec::new() };
    let own: &[&str] = match text(call, "probe").as_str() {
        "tcp.open" => &["resolve", "connect", "tls"],
        "tcp.start-tls" => &["tls"],
        "tcp.receive" => &["first_byte", "transfer"],
        "tcp.send" => &[],
        _ => &["resolve", "connect", "tls", "first_byte", "transfer"],
    };
    let step = |(key, phase): &(&str, &str)| {
        let took = times[*key].as_u64().filter(|_| own.contains(key))?;
        Some(json!({ "phase": phase, "took_us": took }))
    };
    STEPS.iter().filter_map(step).collect()
}

fn cut(mut text: String) -> String {
    if text.len() > SAID_MAX_BYTES {
        text.truncate(text.floor_char_boundary(SAID_MAX_BYTES));
        text.push('…');
    }
    text
}

fn kibibytes(bytes: u64) -> String {
    format!("{} KiB", bytes.div_ceil(1024))
}
