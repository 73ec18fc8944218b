//! Answers that `openssl ocsp` wrote in `samples/`, for ten years from 28 November 2026, and what becomes of them when
//! anything about them changes.

use super::*;

/// A day within those ten years, and one before and one after them.
const NOW_MS: u64 = 1_800_000_000_000;
const BEFORE_MS: u64 = 1_700_000_000_000;
const AFTER_MS: u64 = 2_200_000_000_000;

macro_rules! sample {
    ($name:literal) => {
        include_bytes!(concat!("samples/", $name, ".der")).as_slice()
    };
}

fn chain(own: &[u8], issuer: &[u8]) -> Vec<Vec<u8>> {
    vec![own.to_vec(), issuer.to_vec()]
}

fn revoked() -> Word {
    Word::Revoked("2024-01-31".to_owned())
}

#[test]
fn answers_signed_in_each_way_are_believed() {
    for (own, issuer, staple, word) in [
        (sample!("rsa2048-own"), sample!("rsa2048-issuer"), sample!("rsa2048-revoked"), revoked()),
        (sample!("rsa4096-own"), sample!("rsa4096-issuer"), sample!("rsa4096-revoked"), revoked()),
        (sample!("p256-own"), sample!("p256-issuer"), sample!("p256-revoked"), revoked()),
        (sample!("p384-own"), sample!("p384-issuer"), sample!("p384-revoked"), revoked()),
        (sample!("p384-own"), sample!("p384-issuer"), sample!("p384-good-by-responder"), Word::Good),
    ] {
        assert_eq!(judge(staple, &chain(own, issuer), NOW_MS), word);
        let invalid = |now_ms| matches!(judge(staple, &chain(own, issuer), now_ms), Word::Invalid(_));
        assert!(invalid(BEFORE_MS) && invalid(AFTER_MS));
    }
}

#[test]
fn an_answer_of_another_issuer_or_without_an_issuer_is_not_believed() {
    let chain = chain(sample!("p256-own"), sample!("p256-issuer"));
    assert!(matches!(judge(sample!("p384-revoked"), &chain, NOW_MS), Word::Invalid(_)));
    assert_eq!(judge(sample!("p256-revoked"), &chain[..1], NOW_MS), Word::NotJudged);
    let other = [chain[0].clone(), sample!("p384-issuer").to_vec()];
    assert_eq!(judge(sample!("p256-revoked"), &other, NOW_MS), Word::NotJudged);
    assert!(matches!(judge(sample!("p256-revoked"), &[], NOW_MS), Word::Invalid(_)));
}

#[test]
fn no_cut_and_no_changed_byte_says_anything_else() {
    let chain = chain(sample!("p256-own"), sample!("p256-issuer"));
    let staple = sample!("p256-revoked");
    for length in 0..staple.len() {
        assert!(matches!(judge(&staple[..length], &chain, NOW_MS), Word::Invalid(_)), "cut to {length} bytes");
    }
    // Some bytes tell nothing, so that the word stays what it was; it never becomes another. Each signature takes time, so
    // not all bytes have their turn.
    for at in (0..staple.len()).step_by(5) {
        let mut changed = staple.to_vec();
        changed[at] ^= 0x01;
        let word = judge(&changed, &chain, NOW_MS);
        assert!(matches!(word, Word::Invalid(_)) || word == revoked(), "byte {at}: {word:?}");
    }
}
