//! What came from the target of one run, held until it is known whether the run is worth showing it.
//!
//! Nothing is made a text before that: most runs are plainly good. Secrets are taken out by whoever shows it.

use farwatch_proto::outcome::{SHOWN_MAX_BYTES, Shown};
use farwatch_sandbox::types::{Failure, TlsInfo};
use http::HeaderMap;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::probe::http::Beginning;

/// What the probes of one run saw last.
#[derive(Debug)]
pub(crate) struct Seen {
    answer: Option<(u16, Beginning)>,
    received: Vec<u8>,
    chain: Vec<Vec<u8>>,
    /// Whether a chain counts that nothing is wrong with.
    is_whole: bool,
}

impl Seen {
    /// Nothing yet.
    pub(crate) const fn new() -> Self {
        Self { answer: None, received: Vec::new(), chain: Vec::new(), is_whole: false }
    }

    /// Nothing yet, of a run that is to show all that comes.
    pub(crate) fn whole() -> Self {
        Self { is_whole: true, ..Self::new() }
    }

    /// How an answer over HTTP began.
    pub(crate) fn answer(&mut self, status: u16, beginning: Beginning) {
        self.answer = Some((status, beginning));
    }

    /// What came over a connection; its beginning counts, for it says who speaks.
    pub(crate) fn received(&mut self, bytes: &[u8]) {
        let room = SHOWN_MAX_BYTES.saturating_sub(self.received.len());
        self.received.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// What a handshake showed, where something is wrong with it or everything is to be shown.
    pub(crate) fn handshake(&mut self, info: Option<&TlsInfo>) {
        if let Some(info) = info.filter(|info| self.is_whole || !info.verified) {
            self.chain.clone_from(&info.chain);
        }
    }

    /// And what came before a probe failed.
    pub(crate) fn failure(&mut self, failure: &Failure) {
        self.handshake(failure.tls.as_ref());
    }

    /// All of it, as people read it.
    pub(crate) fn shown(self) -> Vec<Shown> {
        let Self { answer, received, chain, is_whole: _ } = self;
        let mut shown = Vec::new();
        let mut show = |what: &str, text: String| {
            let end = text.floor_char_boundary(SHOWN_MAX_BYTES);
            if end > 0 {
                shown.push(Shown { what: what.to_owned(), text: text[..end].to_owned() });
            }
        };
        if let Some((status, Beginning { headers, body })) = answer {
            show("response-headers", headers_text(status, &headers));
            show("response-body", String::from_utf8_lossy(&body).into_owned());
        }
        show("received", String::from_utf8_lossy(&received).into_owned());
        show("certificate-chain", chain.iter().map(|der| certificate_text(der)).collect());
        shown
    }
}

fn headers_text(status: u16, headers: &HeaderMap) -> String {
    let line = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes()))
    };
    format!("{status}\n{}", headers.iter().map(line).collect::<String>())
}

/// Whose a certificate is, by whom, and from when until when it is good.
fn certificate_text(der: &[u8]) -> String {
    let Ok((_, certificate)) = X509Certificate::from_der(der) else {
        return format!("{} bytes that are no certificate\n", der.len());
    };
    let validity = certificate.validity();
    let (subject, issuer) = (certificate.subject(), certificate.issuer());
    format!("subject {subject}; issuer {issuer}; from {} until {}\n", validity.not_before, validity.not_after)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(seen: Seen) -> Vec<(String, String)> {
        seen.shown().into_iter().map(|shown| (shown.what, shown.text)).collect()
    }

    #[test]
    fn an_answer_is_shown_by_its_headers_and_the_beginning_of_its_body() {
        let mut seen = Seen::new();
        let headers = HeaderMap::from_iter([(http::header::SERVER, http::HeaderValue::from_static("nginx"))]);
        seen.answer(503, Beginning { headers, body: "ä".repeat(SHOWN_MAX_BYTES).into_bytes() });
        let shown = texts(seen);
        assert_eq!(shown[0], ("response-headers".to_owned(), "503\nserver: nginx\n".to_owned()));
        assert_eq!((shown[1].0.as_str(), shown[1].1.len()), ("response-body", SHOWN_MAX_BYTES));
    }

    #[test]
    fn what_came_is_kept_up_to_its_limit_and_need_not_be_text() {
        let mut seen = Seen::new();
        seen.received(b"220 \xff\r\n");
        seen.received(&[b'x'; SHOWN_MAX_BYTES]);
        let shown = texts(seen);
        assert_eq!((shown.len(), shown[0].0.as_str()), (1, "received"));
        assert!(shown[0].1.starts_with("220 \u{fffd}\r\nxxx") && shown[0].1.len() <= SHOWN_MAX_BYTES);
        assert_eq!(texts(Seen::new()), []);
    }

    #[test]
    fn a_chain_is_shown_where_something_is_wrong_with_it() {
        let info = |verified| TlsInfo {
            version: String::new(),
            cipher: String::new(),
            alpn: None,
            verified,
            verify_error: None,
            certificate_not_after_ms: None,
            chain: vec![b"nonsense".to_vec()],
        };
        let mut seen = Seen::new();
        seen.handshake(Some(&info(true)));
        assert_eq!(texts(Seen { chain: seen.chain.clone(), ..Seen::new() }), []);
        seen.handshake(Some(&info(false)));
        let expected = ("certificate-chain".to_owned(), "8 bytes that are no certificate\n".to_owned());
        assert_eq!(texts(seen), std::slice::from_ref(&expected));
        let mut whole = Seen::whole();
        whole.handshake(Some(&info(true)));
        assert_eq!(texts(whole), [expected]);
    }
}
