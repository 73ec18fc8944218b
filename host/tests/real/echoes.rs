//! Echo requests to this very machine, and to where no answer comes from.

use farwatch_host::probe::evidence::Phase;
use farwatch_sandbox::icmp::Request;
use farwatch_sandbox::types::IpVersion;

use crate::probing::prober;

fn ask(host: &str) -> Request {
    Request { host: host.to_owned(), ip_version: None, count: 3, size: 56, interval_ms: 100, timeout_ms: 3_000 }
}

#[tokio::test]
async fn this_machine_answers_over_both_versions() {
    for (host, version) in [("127.0.0.1", IpVersion::Ipv4), ("::1", IpVersion::Ipv6)] {
        let request = Request { ip_version: Some(version), size: 1_000, ..ask(host) };
        let response = prober().ping(request).await.unwrap();
        assert_eq!((response.remote.as_str(), response.sent, response.round_trips_us.len()), (host, 3, 3));
        assert!(response.round_trips_us.iter().all(|took| *took > 0 && *took < 1_000_000));
        assert!(response.times.total >= 200_000, "two intervals lie between three requests");
    }
    let two_at_once =
        tokio::join!(async { prober().ping(ask("127.0.0.1")).await }, async { prober().ping(ask("127.0.0.1")).await });
    assert_eq!([two_at_once.0, two_at_once.1].map(|done| done.unwrap().round_trips_us.len()), [3, 3]);
}

#[tokio::test]
async fn what_may_not_be_asked_is_refused() {
    for (request, code) in [
        (ask("10.0.0.1"), "egress-refused"),
        (ask("a b"), "request-invalid"),
        (Request { count: 0, ..ask("127.0.0.1") }, "request-invalid"),
        (Request { count: 21, ..ask("127.0.0.1") }, "request-invalid"),
        (Request { size: 7, ..ask("127.0.0.1") }, "request-invalid"),
        (Request { interval_ms: 99, ..ask("127.0.0.1") }, "request-invalid"),
    ] {
        let failed = prober().ping(request).await.unwrap_err();
        assert_eq!((failed.phase, failed.code.as_str()), (Phase::Prepare, code), "{failed:?}");
    }
}
