//! One run: a handshake, and the offers that should be refused.
//!
//! What is found is judged in `judge`. The first offer that is accepted ends the search.

use farwatch_guest::fields::reread;
use farwatch_guest::outcome::{failed, problem_of_host};

use crate::config::Config;
use crate::judge::{self, Accepted};
use crate::suites;
use crate::wit::exports::farwatch::check::check::RunContext;
use crate::wit::farwatch::check::tls::{Handshake, Offer, OldVersion, Reply, Target};
use crate::wit::farwatch::check::types::{Failure, Outcome, Problem};

/// Versions that nobody should speak any more (RFC 7568, RFC 8996).
const OLD: [(OldVersion, &str); 3] =
    [(OldVersion::Tls11, "TLS 1.1"), (OldVersion::Tls10, "TLS 1.0"), (OldVersion::Ssl3, "SSL 3")];

/// Makes the run.
///
/// # Errors
/// A problem that says nothing about the target: the prepared config is damaged, or the host refused a probe.
pub fn run(
    context: &RunContext,
    shake_hands: impl FnOnce(Target<'_>) -> Result<Handshake, Failure>,
    propose: impl FnMut(Target<'_>, Offer<'_>) -> Result<Reply, Failure>,
) -> Result<Outcome, Problem> {
    let config = reread::<Config>(&context.config)?;
    let shown = match shake_hands(config.target(context.timeout_ms)) {
        Ok(shown) => shown,
        Err(failure) => return failed(failure),
    };
    let left_ms = context.timeout_ms.saturating_sub(shown.times.total / 1_000);
    let accepted = accepted(&config, left_ms, propose)?;
    Ok(judge::handshake(&config, &shown, accepted.as_ref(), context.now_ms))
}

/// The first of the offers that should be refused and is not. They share the time that is left, and whoever does not
/// answer one in its share has not accepted it.
fn accepted(
    config: &Config,
    left_ms: u32,
    mut propose: impl FnMut(Target<'_>, Offer<'_>) -> Result<Reply, Failure>,
) -> Result<Option<Accepted>, Problem> {
    let weak: Vec<u16> = suites::WEAK.iter().map(|(suite, _)| *suite).collect();
    let old =
        OLD.iter().filter(|_| config.refuse_old_versions).map(|(version, word)| (*version, *word, &suites::USUAL[..]));
    let ciphers = config.refuse_weak_ciphers.then_some((OldVersion::Tls12, "TLS 1.2", weak.as_slice()));
    let offers: Vec<_> = old.chain(ciphers).collect();
    let share_ms = left_ms.checked_div(offers.len() as u32).unwrap_or(left_ms).max(1);
    for (version, word, ciphers) in offers {
        match propose(config.target(share_ms), Offer { version, ciphers }) {
            Ok(Reply::Accepted(suite)) => return Ok(Some(Accepted { version: word, suite })),
            Ok(Reply::Refused(_)) => {}
            Err(failure) => drop(problem_of_host(failure).map_or(Ok(()), Err)?),
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use farwatch_guest::fields::judge;

    use super::*;
    use crate::wit::farwatch::check::types::{Phase, PhaseTimes, Status, TlsInfo};

    const DAY_MS: u64 = 86_400_000;

    fn times() -> PhaseTimes {
        PhaseTimes { resolve: None, connect: None, tls: Some(9_000), first_byte: None, transfer: None, total: 20_000 }
    }

    fn shown(change: impl FnOnce(&mut Handshake)) -> Handshake {
        let info = TlsInfo {
            version: "TLSv1.3".to_owned(),
            cipher: "TLS_AES_128_GCM_SHA256".to_owned(),
            alpn: None,
            verified: true,
            verify_error: None,
            certificate_not_after_ms: Some(130 * DAY_MS),
            chain: vec![vec![1, 2, 3]],
        };
        let remote = "192.0.2.7:443".to_owned();
        let mut shown = Handshake { remote, times: times(), info, complaint: None, ocsp_response: None };
        change(&mut shown);
        shown
    }

    fn run_with(
        fields: &str,
        shown: Handshake,
        reply: impl FnMut(Target<'_>, Offer<'_>) -> Result<Reply, Failure>,
    ) -> Result<Outcome, Problem> {
        let comma = if fields.is_empty() { "" } else { ", " };
        let context = RunContext {
            check_id: String::new(),
            slot_ms: 0,
            now_ms: 100 * DAY_MS,
            attempt: 0,
            timeout_ms: 3_000,
            config: judge::<Config>(&format!(r#"{{"host": "a"{comma}{fields}}}"#)).unwrap(),
        };
        run(&context, |_| Ok(shown), reply)
    }

    fn bad(code: &str) -> impl FnOnce(&mut Handshake) {
        let code = code.to_owned();
        move |shown| {
            shown.info.verified = false;
            shown.info.verify_error = Some(code);
            shown.complaint = Some("the certificate of the server is not good: it is bad".to_owned());
        }
    }

    #[test]
    fn what_is_shown_is_judged() {
        let refuse = |_: Target<'_>, _: Offer<'_>| -> Result<Reply, Failure> { panic!("nothing is proposed") };
        let old = |shown: &mut Handshake| shown.info.version = "TLSv1.2".to_owned();
        let unknown = "tls-certificate-unknown-issuer";
        for (fields, shown, status, code) in [
            ("", shown(|_| {}), Status::Up, "ok"),
            ("", shown(bad("tls-certificate-expired")), Status::Down, "tls-certificate-expired"),
            ("", shown(bad(unknown)), Status::Down, unknown),
            (r#""allow_untrusted": true"#, shown(bad(unknown)), Status::Up, "ok"),
            (
                r#""allow_untrusted": true"#,
                shown(bad("tls-certificate-expired")),
                Status::Down,
                "tls-certificate-expired",
            ),
            (r#""certificate_days_min": 31"#, shown(|_| {}), Status::Degraded, "certificate-expiring"),
            (r#""certificate_days_min": 30"#, shown(|_| {}), Status::Up, "ok"),
            (r#""version_min": "1.3""#, shown(old), Status::Down, "tls-version-too-old"),
            ("", shown(old), Status::Up, "ok"),
            (r#""require_staple": true"#, shown(|_| {}), Status::Down, "staple-missing"),
            (
                r#""require_staple": true"#,
                shown(|shown| shown.ocsp_response = Some(vec![1])),
                Status::Down,
                "staple-invalid",
            ),
            ("", shown(|shown| shown.ocsp_response = Some(vec![1])), Status::Degraded, "staple-invalid"),
            (r#""degraded_above_ms": 19"#, shown(|_| {}), Status::Degraded, "slow"),
        ] {
            let outcome = run_with(fields, shown, refuse).unwrap();
            assert_eq!((outcome.status, outcome.code.as_str()), (status, code), "{fields}: {}", outcome.message);
        }
    }

    #[test]
    fn offers_that_should_be_refused_are_made_where_that_is_wanted() {
        let both = r#""refuse_old_versions": true, "refuse_weak_ciphers": true"#;
        let mut made = Vec::new();
        let outcome = run_with(both, shown(|_| {}), |target, offer| {
            assert_eq!(target.timeout_ms, 745, "four offers share what is left");
            made.push((offer.version, offer.ciphers.len()));
            Ok(Reply::Refused(Some(70)))
        });
        assert_eq!(outcome.unwrap().status, Status::Up);
        let versions: Vec<_> = made.iter().map(|(version, _)| *version).collect();
        assert_eq!(versions, [OldVersion::Tls11, OldVersion::Tls10, OldVersion::Ssl3, OldVersion::Tls12]);

        let outcome = run_with(both, shown(|_| {}), |_, offer| {
            Ok(if offer.version == OldVersion::Tls10 { Reply::Accepted(0x000a) } else { Reply::Refused(None) })
        });
        let outcome = outcome.unwrap();
        assert_eq!((outcome.status, outcome.code.as_str()), (Status::Down, "tls-version-accepted"));
        assert!(outcome.message.contains("TLS 1.0 with TLS_RSA_WITH_3DES_EDE_CBC_SHA"), "{}", outcome.message);

        let outcome = run_with(r#""refuse_weak_ciphers": true"#, shown(|_| {}), |_, _| Ok(Reply::Accepted(0x0005)));
        assert_eq!(outcome.unwrap().code, "tls-cipher-accepted");
    }

    #[test]
    fn whoever_does_not_answer_an_offer_has_not_accepted_it_and_a_host_that_may_not_ask_says_nothing() {
        let failed = |phase, code: &str| {
            let (code, message) = (code.to_owned(), String::new());
            move |_: Target<'_>, _: Offer<'_>| {
                let (code, message) = (code.clone(), message.clone());
                Err(Failure { phase, code, message, remote: None, times: times(), tls: None })
            }
        };
        let fields = r#""refuse_old_versions": true"#;
        let silent = run_with(fields, shown(|_| {}), failed(Phase::Tls, "tls-timeout"));
        assert_eq!(silent.unwrap().status, Status::Up);
        let refused = run_with(fields, shown(|_| {}), failed(Phase::Prepare, "fetch-limit"));
        assert_eq!(refused.unwrap_err().code, "fetch-limit");
    }
}
