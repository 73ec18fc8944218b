//! What a try showed, like a debugger: a block for each host, with its steps, what came from the target, and its log.

use serde_json::Value;

use super::super::evidence::printable;
use super::super::fields::{length, micros, text};
use crate::output::{Cell, Look, Table, line_of};

/// How wide the bar of the longest step is.
const BAR_WIDTH: u64 = 30;
/// One part of a bar.
const BAR: &str = "▆";

/// All blocks.
pub(super) fn shown(tried: &Value, look: Look) -> String {
    let head = format!("module {}, {} for a run\n", text(tried, "module"), time_limit(tried));
    let blocks = tried["hosts"].as_array().into_iter().flatten().map(|host| block(host, look));
    std::iter::once(head).chain(blocks).collect::<Vec<_>>().join("\n")
}

fn time_limit(tried: &Value) -> String {
    tried["timeout_ms"].as_i64().map_or_else(String::new, length)
}

fn block(host: &Value, look: Look) -> String {
    let run = &host["run"];
    if run.is_null() {
        let said = [text(host, "host_name").into(), Cell::word("not_run"), text(host, "reason").into()];
        return line_of(&said, look);
    }
    let cost = format!("  {}\n", cost(run));
    run_lines(&text(host, "host_name"), run, look) + &cost
}

/// What one run showed, under the name of where it was made; all but what it took.
pub(in crate::client) fn run_lines(place: &str, run: &Value, look: Look) -> String {
    let head = [
        Cell::plain(place),
        Cell::word(run["status"].as_str().unwrap_or_default()),
        micros(run, "latency_us").into(),
        text(run, "code").into(),
        text(run, "address").into(),
    ];
    let message = text(run, "message");
    let parts = [
        line_of(&head, look),
        if message.is_empty() { String::new() } else { indented(&message) },
        steps(run, look),
        measured(run),
        came(run),
        log(run),
    ];
    parts.concat()
}

/// One bar for each step, in relation to the longest.
pub(in crate::client) fn steps(run: &Value, look: Look) -> String {
    let steps = || run["phases"].as_array().into_iter().flatten();
    let longest = steps().filter_map(|step| step["took_us"].as_u64()).max().unwrap_or(0).max(1);
    let mut table = Table::new(&["step", "took", ""]);
    for step in steps() {
        let took = step["took_us"].as_u64().unwrap_or(0);
        let parts = usize::try_from((took * BAR_WIDTH).div_ceil(longest)).unwrap_or(0);
        let shown = if took == 0 { "0 us".to_owned() } else { micros(step, "took_us") };
        table.row(vec![text(step, "phase").into(), shown.into(), BAR.repeat(parts).into()]);
    }
    if steps().next().is_none() { String::new() } else { table.shown(look, "").lines().map(indented).collect() }
}

/// What else was measured, in one line.
fn measured(run: &Value) -> String {
    let attributes = run["attributes"].as_array().into_iter().flatten();
    let seen: Vec<String> = attributes.map(|one| format!("{}={}", text(one, "key"), text(one, "value"))).collect();
    if seen.is_empty() { String::new() } else { indented(&seen.join(" ")) }
}

/// What came from the target.
pub(in crate::client) fn came(run: &Value) -> String {
    let shown = run["shown"].as_array().into_iter().flatten();
    shown.map(|shown| format!("  {}:\n{}", text(shown, "what"), lines(&text(shown, "text")))).collect()
}

fn log(run: &Value) -> String {
    let said = run["log"].as_array().into_iter().flatten();
    let said: String = said.map(|line| format!("{}: {}\n", text(line, "level"), text(line, "message"))).collect();
    let dropped = run["log_dropped"].as_u64().unwrap_or(0);
    let more = if dropped > 0 { format!("    and {dropped} more lines that were left out\n") } else { String::new() };
    if said.is_empty() && more.is_empty() { String::new() } else { format!("  log:\n{}{more}", lines(&said)) }
}

/// What the run took, and whether all of it is shown.
fn cost(run: &Value) -> String {
    let memory = run["memory_bytes"].as_u64().unwrap_or(0) / 1024;
    let cut = if run["is_cut"] == true { "; some of what it brought was left out for its size" } else { "" };
    let (took, cpu) = (micros(run, "duration_us"), micros(run, "cpu_us"));
    format!("took {took}, the module {cpu} of CPU and {memory} KiB{cut}")
}

fn lines(text: &str) -> String {
    text.lines().map(|line| format!("    {}\n", printable(line))).collect()
}

pub(in crate::client) fn indented(line: &str) -> String {
    format!("  {}\n", printable(line))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn tried() -> Value {
        json!({
            "module": "mod_1", "timeout_ms": 10_000,
            "hosts": [
                {"host_name": "fra-1", "answered": true, "run": {
                    "status": "down", "latency_us": 212_000, "code": "status-unexpected", "address": "192.0.2.7:443",
                    "message": "expected 200, got 503 from 192.0.2.7:443",
                    "phases": [{"phase": "connect", "took_us": 1_000}, {"phase": "first-byte", "took_us": 200_000}],
                    "attributes": [{"key": "http.status", "value": 503}],
                    "shown": [{"what": "response-body", "text": "<h1>\u{1b}[2J\nout of memory"}],
                    "log": [{"level": "info", "message": "hello"}], "log_dropped": 2,
                    "is_cut": true, "duration_us": 213_000, "cpu_us": 900, "memory_bytes": 2_097_152,
                }},
                {"host_name": "nyc-1", "answered": false, "why": "full", "reason": "it has no place left"},
            ],
        })
    }

    #[test]
    fn each_host_has_a_block_with_all_that_it_saw() {
        let shown = shown(&tried(), Look::PLAIN);
        let expected = "module mod_1, 10.0 s for a run

fra-1  down  212.0 ms  status-unexpected  192.0.2.7:443
  expected 200, got 503 from 192.0.2.7:443
  STEP        TOOK
  connect     1.0 ms    ▆
  first-byte  200.0 ms  ▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆
  http.status=503
  response-body:
    <h1>\u{fffd}[2J
    out of memory
  log:
    info: hello
    and 2 more lines that were left out
  took 213.0 ms, the module 900 us of CPU and 2048 KiB; some of what it brought was left out for its size

nyc-1  not run  it has no place left
";
        assert_eq!(shown, expected);
    }
}
