//! Answers of a real nginx, in every shape.

use farwatch_host::probe::evidence::{Version, Want};
use farwatch_tests::nginx::{Nginx, Server};

use crate::probing::{answer, bound_to, get, header, prober};
use crate::raw::{Then, answering};

const SITE: &str = r#"
    location = /hello { return 200 "hello"; }
    location = /teapot { return 418 "short and stout"; }
    location = /nothing { return 204; }
    location = /moved { return 302 /elsewhere; }
    location = /agent { return 200 "$http_user_agent|$http_host|$http_accept|$http_connection|$http_x_check"; }
    location = /echo { return 200 "$request_method $content_length"; }
    location /files/ { alias www/; }
    location /zipped/ { alias www/; gzip on; gzip_types *; gzip_min_length 1; }
    location /guarded/ { allow 127.0.0.7; deny all; alias www/; }
"#;

fn site() -> Nginx {
    let nginx = Nginx::start(&[Server::http(SITE), Server::cleartext_http2(SITE)]).unwrap();
    std::fs::write(nginx.www().join("big"), vec![b'x'; 3 << 20]).unwrap();
    std::fs::write(nginx.www().join("small"), "a small file").unwrap();
    nginx
}

#[tokio::test]
async fn a_plain_answer_comes_with_all_its_evidence() {
    let nginx = site();
    let response = answer(&prober(), get(nginx.url(0, "/hello"))).await;
    assert_eq!(
        (response.status, response.version, response.body.as_slice()),
        (200, Version::Http1, b"hello".as_slice())
    );
    assert_eq!((response.body_bytes, response.body_truncated), (5, false));
    assert_eq!(response.remote, nginx.address(0).to_string());
    assert!(header(&response, "server").starts_with("nginx/"));
    let times = response.times;
    assert!(times.resolve.is_none() && times.tls.is_none() && response.tls.is_none());
    assert!(times.connect.is_some_and(|us| us > 0) && times.first_byte.is_some());
    let steps = times.connect.unwrap() + times.first_byte.unwrap() + times.transfer.unwrap();
    assert!(steps <= times.total, "{times:?}");
}

#[tokio::test]
async fn a_name_is_resolved_and_that_takes_its_time() {
    let nginx = site();
    let mut request = get(format!("http://localhost:{}/hello", nginx.address(0).port()));
    request.ip_version = Some(farwatch_host::probe::evidence::IpVersion::Ipv4);
    let response = answer(&prober(), request).await;
    assert_eq!(response.status, 200);
    assert!(response.times.resolve.is_some());
}

#[tokio::test]
async fn every_status_is_an_answer() {
    let nginx = site();
    let prober = prober();
    assert_eq!(answer(&prober, get(nginx.url(0, "/teapot"))).await.status, 418);
    let nothing = answer(&prober, get(nginx.url(0, "/nothing"))).await;
    assert_eq!((nothing.status, nothing.body_bytes), (204, 0));
    let moved = answer(&prober, get(nginx.url(0, "/moved"))).await;
    assert_eq!(moved.status, 302);
    assert!(moved.location.is_some_and(|location| location.ends_with("/elsewhere")));
    assert_eq!(answer(&prober, get(nginx.url(0, "/missing"))).await.status, 404);
}

#[tokio::test]
async fn it_says_who_asks_unless_the_check_says_otherwise() {
    let nginx = site();
    let prober = prober();
    let told = answer(&prober, get(nginx.url(0, "/agent"))).await;
    let host = nginx.address(0);
    let expected = format!("{}|{host}|*/*|close|", farwatch_host::probe::USER_AGENT);
    assert_eq!(String::from_utf8(told.body).unwrap(), expected);
    let mut request = get(nginx.url(0, "/agent"));
    for (name, value) in [("User-Agent", "x"), ("Host", "shop.example"), ("accept", "a/b"), ("X-Check", "7")] {
        request.headers.push((name.to_owned(), value.to_owned()));
    }
    let told = answer(&prober, request).await;
    assert_eq!(told.body, b"x|shop.example|a/b|close|7");
}

#[tokio::test]
async fn a_body_is_sent_and_head_gets_none_back() {
    let nginx = site();
    let prober = prober();
    let mut post = get(nginx.url(0, "/echo"));
    post.method = "POST".to_owned();
    post.body = Some(vec![b'y'; 100_000]);
    assert_eq!(answer(&prober, post).await.body, b"POST 100000");
    let mut head = get(nginx.url(0, "/hello"));
    head.method = "HEAD".to_owned();
    let response = answer(&prober, head).await;
    assert_eq!((response.status, response.body_bytes, header(&response, "content-length")), (200, 0, "5"));
}

#[tokio::test]
async fn a_big_body_is_cut_at_its_limit() {
    let nginx = site();
    let prober = prober();
    let whole = answer(&prober, get(nginx.url(0, "/files/big"))).await;
    assert_eq!((whole.body.len(), whole.body_truncated), (1 << 20, true), "the host's own limit");
    let mut request = get(nginx.url(0, "/files/big"));
    request.max_body_bytes = 1000;
    let cut = answer(&prober, request.clone()).await;
    assert_eq!((cut.body.len(), cut.body_bytes, cut.body_truncated), (1000, 1000, true));
    request.want = Want::empty();
    let counted = answer(&prober, request).await;
    assert_eq!((counted.body.len(), counted.body_bytes, counted.headers.len()), (0, 1000, 0));
}

#[tokio::test]
async fn an_encoded_body_is_handed_over_as_it_came() {
    let nginx = site();
    let mut request = get(nginx.url(0, "/zipped/small"));
    request.headers.push(("accept-encoding".to_owned(), "gzip".to_owned()));
    let response = answer(&prober(), request).await;
    assert_eq!(header(&response, "content-encoding"), "gzip");
    assert_eq!(&response.body[..2], [0x1f, 0x8b]);
}

#[tokio::test]
async fn chunks_and_trailers_are_read() {
    let chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n4\r\nabcd\r\n2\r\nef\r\n0\r\nx-sum: 6\r\n\r\n";
    let address = answering(chunked, Then::Hold);
    let response = answer(&prober(), get(format!("http://{address}/"))).await;
    assert_eq!(response.body, b"abcdef");
    assert_eq!(response.trailers, [("x-sum".to_owned(), "6".to_owned())]);
}

#[tokio::test]
async fn a_body_may_end_with_the_connection() {
    let address = answering(b"HTTP/1.0 200 OK\r\n\r\nuntil the end", Then::Close);
    let response = answer(&prober(), get(format!("http://{address}/"))).await;
    assert_eq!((response.body.as_slice(), response.body_truncated), (b"until the end".as_slice(), false));
}

#[tokio::test]
async fn a_header_that_is_no_utf8_is_shown_as_far_as_it_is() {
    let address = answering(b"HTTP/1.1 200 OK\r\nx-name: caf\xe9\r\ncontent-length: 0\r\n\r\n", Then::Hold);
    let response = answer(&prober(), get(format!("http://{address}/"))).await;
    assert_eq!(header(&response, "x-name"), "caf\u{fffd}");
}

#[tokio::test]
async fn http2_is_spoken_without_tls_where_the_check_says_so() {
    let nginx = site();
    let prober = prober();
    let mut request = get(nginx.url(1, "/agent"));
    request.version = Version::Http2;
    request.headers.push(("connection".to_owned(), "close".to_owned()));
    let response = answer(&prober, request).await;
    assert_eq!((response.status, response.version), (200, Version::Http2));
    assert!(response.times.first_byte.is_some());
    let mut post = get(nginx.url(1, "/echo"));
    post.version = Version::Http2;
    post.method = "POST".to_owned();
    post.body = Some(vec![b'y'; 300_000]);
    assert_eq!(answer(&prober, post).await.body, b"POST 300000");
    let mut big = get(nginx.url(1, "/files/big"));
    big.version = Version::Http2;
    let response = answer(&prober, big).await;
    assert_eq!((response.body.len(), response.body_truncated), (1 << 20, true));
}

#[tokio::test]
async fn probes_come_from_the_address_the_operator_chose() {
    let nginx = site();
    let chosen = bound_to("127.0.0.7".parse().unwrap());
    assert_eq!(answer(&chosen, get(nginx.url(0, "/guarded/small"))).await.status, 200);
    assert_eq!(answer(&prober(), get(nginx.url(0, "/guarded/small"))).await.status, 403);
}
