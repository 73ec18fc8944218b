//! What real servers show in their handshakes, and which old ways of speaking they still accept.

use std::fs;
use std::net::SocketAddr;

use farwatch_host::probe::evidence::Phase;
use farwatch_sandbox::tls::{Offer, OldVersion, Reply, Target};
use farwatch_tests::certificate::{Authority, Validity};
use farwatch_tests::nginx::{Nginx, Server};
use farwatch_tests::ports::free_address;
use farwatch_tests::server::openssl::OpensslServer;

use crate::probing::{prober, trusting};
use crate::raw::{Then, answering};

/// ECDHE-ECDSA with AES in CBC mode and SHA-1, which TLS has had since its first version; and with AES-GCM.
const CBC: u16 = 0xc009;
const GCM: u16 = 0xc02b;

fn target(address: SocketAddr) -> Target {
    let (host, port) = (address.ip().to_string(), address.port());
    Target { host, port, ip_version: None, server_name: None, client: None, timeout_ms: 5_000 }
}

#[tokio::test]
async fn a_handshake_shows_chain_verdict_protocol_and_staple() {
    let authority = Authority::new().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ca.pem");
    fs::write(&file, authority.pem()).unwrap();
    let prober = trusting(file);
    let good = authority.certificate(&["127.0.0.1"], Validity::Good).unwrap();
    let expired = authority.certificate(&["127.0.0.1"], Validity::Expired).unwrap();
    let site = "location / { return 200 'fine'; }";
    let nginx = Nginx::start(&[Server::https_http2(good.clone(), site), Server::https(expired, site)]).unwrap();

    let alpn = ["h2".to_owned(), "http/1.1".to_owned()];
    let shown = prober.shake_hands(target(nginx.address(0)), &alpn).await.unwrap();
    assert_eq!((shown.remote.as_str(), shown.complaint), (nginx.address(0).to_string().as_str(), None));
    assert!(shown.info.verified && shown.info.version == "TLSv1.3" && shown.info.chain.len() == 1);
    assert_eq!((shown.info.alpn.as_deref(), shown.ocsp_response), (Some("h2"), None));
    assert!(shown.times.tls.is_some() && shown.times.connect.is_some());

    let shown = prober.shake_hands(target(nginx.address(1)), &[]).await.unwrap();
    assert_eq!(shown.info.verify_error.as_deref(), Some("tls-certificate-expired"));
    assert!(shown.complaint.unwrap().contains("not good"));
    let other = Target { server_name: Some("shop.example".to_owned()), ..target(nginx.address(0)) };
    let shown = prober.shake_hands(other, &[]).await.unwrap();
    assert_eq!(shown.info.verify_error.as_deref(), Some("tls-certificate-name-mismatch"));

    // The server hands on whatever it was given, and the one who judges it is not asked here.
    let flags = ["-status_file", "staple", "-status"];
    let stapling = OpensslServer::start(&good, &flags, ("staple", &[0x30, 0x03, 0x0a, 0x01, 0x06])).unwrap();
    let shown = prober.shake_hands(target(stapling.address), &[]).await.unwrap();
    assert_eq!(shown.ocsp_response.as_deref(), Some([0x30, 0x03, 0x0a, 0x01, 0x06].as_slice()));

    for (address, phase, code) in [
        (answering(b"220 hi\r\n", Then::Close), Phase::Tls, "tls-handshake-failed"),
        (free_address().unwrap(), Phase::Connect, "connection-refused"),
    ] {
        let failed = prober.shake_hands(target(address), &[]).await.unwrap_err();
        assert_eq!((failed.phase, failed.code.as_str()), (phase, code), "{failed:?}");
    }
}

#[tokio::test]
async fn old_versions_are_accepted_by_those_who_speak_them_and_refused_by_others() {
    let authority = Authority::new().unwrap();
    let good = authority.certificate(&["127.0.0.1"], Validity::Good).unwrap();
    let flags = ["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"];
    let old = OpensslServer::start(&good, &flags, ("unused", b"")).unwrap();
    let nginx = Nginx::start(&[Server::https(good, "return 200;")]).unwrap();
    let garbage = answering(b"220 mail.example\r\n", Then::Hold);
    let closes = answering(b"", Then::Close);
    let propose = async |address, version, ciphers: &[u16]| {
        let offer = Offer { version, ciphers: ciphers.to_vec() };
        prober().propose(target(address), &offer).await.unwrap()
    };
    assert!(matches!(propose(old.address, OldVersion::Tls11, &[GCM, CBC]).await, Reply::Accepted(CBC)));
    assert!(matches!(propose(old.address, OldVersion::Tls10, &[CBC]).await, Reply::Refused(Some(70))));
    assert!(matches!(propose(nginx.address(0), OldVersion::Tls12, &[GCM]).await, Reply::Accepted(GCM)));
    assert!(matches!(propose(nginx.address(0), OldVersion::Tls11, &[CBC]).await, Reply::Refused(Some(70))));
    for version in [OldVersion::Ssl3, OldVersion::Tls10] {
        assert!(matches!(propose(nginx.address(0), version, &[CBC]).await, Reply::Refused(_)));
        assert!(matches!(propose(garbage, version, &[CBC]).await, Reply::Refused(None)));
        assert!(matches!(propose(closes, version, &[CBC]).await, Reply::Refused(None)));
    }
    let nothing = Offer { version: OldVersion::Tls10, ciphers: Vec::new() };
    let refused = prober().propose(target(old.address), &nothing).await.unwrap_err();
    assert_eq!((refused.phase, refused.code.as_str()), (Phase::Prepare, "request-invalid"));
}
