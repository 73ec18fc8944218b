//! Whoever runs a collector sees what control does and how it stands, and a collector that is away costs nothing.

use std::io::Write;
use std::time::Duration;

use anyhow::{Context, ensure};
use farwatch_tests::otlp_receiver::{OtlpReceiver, attribute};
use farwatch_tests::scene::Scene;
use farwatch_tests::system::{System, SystemBuilder};
use farwatch_tests::wait::eventually;
use serde_json::Value;

/// An outage is seen, confirmed and told by then.
const OUTAGE_LIMIT: Duration = Duration::from_secs(90);
/// Metrics are sent four times in this time.
const METRICS_LIMIT: Duration = Duration::from_secs(60);
/// The caller's trace and span.
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";
const ROUTE: &str = "/v1/checks/{id}";

/// The value of a sample as Prometheus would read it.
fn scraped(system: &System, sample: &str) -> anyhow::Result<String> {
    let text = system.api().get("/metrics")?;
    let text = text.as_str().context("metrics are no text")?;
    let found = text.lines().find_map(|line| line.strip_prefix(sample));
    Ok(found.with_context(|| format!("no {sample} in {text}"))?.trim().to_owned())
}

/// The newest point of this metric for requests of our route.
fn reported(receiver: &OtlpReceiver, name: &str, kind: &str) -> Option<Value> {
    let newest = receiver.metrics(name).pop()?;
    let points = newest[kind]["data_points"].as_array()?;
    points.iter().find(|point| attribute(&point["attributes"], "route") == ROUTE).cloned()
}

fn sent_to(receiver: &OtlpReceiver, headers: &std::path::Path) -> SystemBuilder {
    System::builder()
        .hosts(2)
        .flag(format!("--otlp-endpoint={}", receiver.url()))
        .flag(format!("--otlp-headers-file={}", headers.display()))
}

/// The spans of what control does by itself, and of what it was asked.
fn spans_are_told(receiver: &OtlpReceiver, scene: &Scene) -> anyhow::Result<()> {
    let header = format!("00-{TRACE}-{CALLER}-01");
    let path = format!("/v1/checks/{}", scene.check_id("shop"));
    scene.system.api().get_with(&path, ("traceparent", &header))?;
    let asked = |span: &Value| span["trace_id"] == TRACE;
    let name = format!("GET {ROUTE}");
    let request = eventually("the span of the request", METRICS_LIMIT, || {
        Ok(receiver.spans(&name).into_iter().find(|span| asked(span)))
    })?;
    ensure!(request["parent_span_id"] == CALLER && request["kind"] == "SPAN_KIND_SERVER", "{request}");
    let told = |key| attribute(&request["attributes"], key);
    ensure!(told("http.route") == ROUTE && told("url.path") == path, "{request}");
    ensure!(told("http.request.method") == "GET" && told("http.response.status_code") == "200", "{request}");
    let of = |key| attribute(&request["resource"], key);
    ensure!(
        of("service.name") == "farwatch-control" && of("service.version") == env!("CARGO_PKG_VERSION"),
        "{request}"
    );
    ensure!(of("service.instance.id").starts_with("prc_"), "{request}");
    for name in ["takeover", "fold", "retention"] {
        eventually(name, METRICS_LIMIT, || Ok(receiver.spans(name).pop()))?;
    }
    let flushed = |span: &Value| attribute(&span["attributes"], "results").parse::<u32>().is_ok_and(|n| n > 0);
    ensure!(receiver.spans("flush").iter().any(flushed), "no flush with results");
    Ok(())
}

/// Metrics that came by themselves say what `/metrics` says.
fn metrics_are_the_same(receiver: &OtlpReceiver, system: &System) -> anyhow::Result<()> {
    let sample = format!("farwatch_api_requests_total{{route=\"{ROUTE}\",method=\"GET\",status=\"200\"}}");
    let counted = scraped(system, &sample)?;
    eventually("the same count by itself", METRICS_LIMIT, || {
        let point = reported(receiver, "farwatch_api_requests_total", "sum");
        Ok(point.filter(|point| point["as_int"] == counted))
    })?;
    let took = reported(receiver, "farwatch_api_request_duration_seconds", "histogram").context("no histogram")?;
    ensure!(took["count"] == counted, "{took}");
    let bounds = took["explicit_bounds"].as_array().map_or(0, Vec::len);
    ensure!(took["bucket_counts"].as_array().map_or(0, Vec::len) == bounds + 1, "{took}");
    ensure!(scraped(system, "farwatch_otlp_spans_dropped_total")? == "0");
    Ok(())
}

#[test]
fn a_collector_sees_what_control_does_and_is_missed_by_nobody() {
    let receiver = OtlpReceiver::start().unwrap();
    let mut headers = tempfile::NamedTempFile::new().unwrap();
    writeln!(headers, "authorization: Bearer of-the-collector").unwrap();
    let mut scene = Scene::set(&["shop"], sent_to(&receiver, headers.path())).unwrap();
    spans_are_told(&receiver, &scene).unwrap();
    metrics_are_the_same(&receiver, &scene.system).unwrap();
    let requests = receiver.requests();
    assert!(requests.iter().all(|request| request["headers"]["authorization"] == "Bearer of-the-collector"));

    scene.break_site("shop").unwrap();
    let told = eventually("the span of a delivery", OUTAGE_LIMIT, || Ok(receiver.spans("deliver").pop())).unwrap();
    assert_eq!(attribute(&told["attributes"], "outcome"), "sent", "{told}");
    assert_eq!(told["kind"], "SPAN_KIND_CLIENT", "{told}");

    drop(receiver);
    let failed = || Ok(scraped(&scene.system, "farwatch_otlp_exports_total{outcome=\"failed\"}").ok());
    let failed: String = eventually("an export to fail", METRICS_LIMIT, failed).unwrap();
    assert_ne!(failed, "0");
    let told = scene.system.log("control").matches("telemetry was not taken").count();
    assert_eq!(told, 1, "once a minute is enough");
    scene.repair_site("shop").unwrap();
    eventually(
        "the check to be up again",
        OUTAGE_LIMIT,
        || Ok((scene.check("shop")?["verdict"] == "up").then_some(())),
    )
    .unwrap();
}
