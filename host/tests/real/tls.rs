//! TLS with a real nginx: good certificates, bad ones, and what both leave as evidence.

use farwatch_host::probe::Prober;
use farwatch_host::probe::evidence::{Phase, Version, Want};
use farwatch_tests::certificate::{Authority, Validity, self_signed};
use farwatch_tests::nginx::{Nginx, Server};
use tempfile::TempDir;

use crate::probing::{answer, failure, get, prober, trusting};
use crate::raw::{Then, answering};

const SITE: &str = r#"location / { return 200 "secret"; }"#;

struct Sites {
    nginx: Nginx,
    prober: Prober,
    _directory: TempDir,
}

/// Good, good with HTTP/2, expired, not yet valid, wrong name, self-signed, and too old a protocol.
fn sites() -> Sites {
    let authority = Authority::new().unwrap();
    let certificate = |name: &str, validity| authority.certificate(&[name], validity).unwrap();
    let good = certificate("127.0.0.1", Validity::Good);
    let old = format!("ssl_protocols TLSv1.1; ssl_ciphers ALL:@SECLEVEL=0; {SITE}");
    let nginx = Nginx::start(&[
        Server::https(good.clone(), SITE),
        Server::https_http2(good.clone(), SITE),
        Server::https(certificate("127.0.0.1", Validity::Expired), SITE),
        Server::https(certificate("127.0.0.1", Validity::NotYet), SITE),
        Server::https(certificate("shop.example", Validity::Good), SITE),
        Server::https(self_signed(&["127.0.0.1"]).unwrap(), SITE),
        Server::https(good, &old),
    ])
    .unwrap();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ca.pem");
    std::fs::write(&file, authority.pem()).unwrap();
    Sites { nginx, prober: trusting(file), _directory: directory }
}

#[tokio::test]
async fn a_good_certificate_leaves_its_evidence() {
    let sites = sites();
    let response = answer(&sites.prober, get(sites.nginx.url(0, "/"))).await;
    assert_eq!(
        (response.status, response.version, response.body.as_slice()),
        (200, Version::Http1, b"secret".as_slice())
    );
    let tls = response.tls.unwrap();
    assert!(tls.verified && tls.verify_error.is_none(), "{tls:?}");
    assert_eq!((tls.version.as_str(), tls.alpn.as_deref()), ("TLSv1.3", Some("http/1.1")));
    assert!(tls.cipher.starts_with("TLS_AES_") || tls.cipher.starts_with("TLS_CHACHA20_"), "{}", tls.cipher);
    assert_eq!((tls.certificate_not_after_ms, tls.chain.len()), (Some(64_060_588_800_000), 1));
    assert!(response.times.tls.is_some_and(|us| us > 0));
}

#[tokio::test]
async fn http2_is_spoken_where_the_server_offers_it() {
    let sites = sites();
    for (wished, spoken) in
        [(Version::Automatic, Version::Http2), (Version::Http2, Version::Http2), (Version::Http1, Version::Http1)]
    {
        let mut request = get(sites.nginx.url(1, "/"));
        request.version = wished;
        let response = answer(&sites.prober, request).await;
        assert_eq!((response.version, response.body.as_slice()), (spoken, b"secret".as_slice()));
    }
}

#[tokio::test]
async fn a_bad_certificate_is_refused_and_shown() {
    let sites = sites();
    for (index, code) in [
        (2, "tls-certificate-expired"),
        (3, "tls-certificate-not-yet-valid"),
        (4, "tls-certificate-name-mismatch"),
        (5, "tls-certificate-unknown-issuer"),
    ] {
        let failed = failure(&sites.prober, get(sites.nginx.url(index, "/"))).await;
        assert_eq!((failed.phase, failed.code.as_str()), (Phase::Tls, code), "{}", failed.message);
        let tls = failed.tls.unwrap();
        assert_eq!((tls.verified, tls.verify_error.as_deref(), tls.chain.len()), (false, Some(code), 1));
        assert!(tls.certificate_not_after_ms.is_some() && failed.times.tls.is_some());
    }
    let untrusted = failure(&prober(), get(sites.nginx.url(0, "/"))).await;
    assert_eq!(untrusted.code, "tls-certificate-unknown-issuer");
}

#[tokio::test]
async fn a_check_may_accept_a_bad_certificate_and_still_sees_what_is_wrong() {
    let sites = sites();
    let mut request = get(sites.nginx.url(2, "/"));
    request.verify_tls = false;
    request.want = Want::BODY;
    let response = answer(&sites.prober, request).await;
    let tls = response.tls.unwrap();
    assert_eq!((response.status, tls.verify_error.as_deref()), (200, Some("tls-certificate-expired")));
    assert_eq!(tls.chain.len(), 1, "something is wrong with it, so it is shown");
    assert_eq!(tls.certificate_not_after_ms, Some(1_609_459_200_000));
}

#[tokio::test]
async fn a_server_that_speaks_only_old_tls_is_named() {
    let sites = sites();
    let failed = failure(&sites.prober, get(sites.nginx.url(6, "/"))).await;
    assert_eq!((failed.phase, failed.code.as_str()), (Phase::Tls, "tls-protocol-version"), "{failed:?}");
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_is_told_from_one_that_hangs() {
    let plain = answering(b"HTTP/1.1 400 Bad Request\r\n\r\n", Then::Close);
    let failed = failure(&prober(), get(format!("https://{plain}/"))).await;
    assert_eq!((failed.phase, failed.code.as_str()), (Phase::Tls, "tls-handshake-failed"), "{failed:?}");
    let closing = answering(b"", Then::Close);
    let failed = failure(&prober(), get(format!("https://{closing}/"))).await;
    assert_eq!((failed.phase, failed.code.as_str()), (Phase::Tls, "tls-handshake-failed"), "{failed:?}");
    let mut request = get(format!("https://{}/", answering(b"", Then::Hold)));
    request.timeout_ms = 150;
    let failed = failure(&prober(), request).await;
    assert_eq!((failed.phase, failed.code.as_str()), (Phase::Tls, "tls-timeout"), "{failed:?}");
    let alert = answering(b"\x15\x03\x03\x00\x02\x02\x28", Then::Close);
    let failed = failure(&prober(), get(format!("https://{alert}/"))).await;
    assert_eq!((failed.phase, failed.code.as_str()), (Phase::Tls, "tls-handshake-failed"), "{failed:?}");
}
