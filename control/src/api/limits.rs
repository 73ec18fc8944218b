//! How much anybody may ask of the API. Decisions are those of `core/rate`; here stand the numbers and the memory.
//!
//! A good token is never refused for what others do from its address: behind a proxy everybody has the same one.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use farwatch_core::rate::{Buckets, Rate, TooMany};
use farwatch_proto::id::{TenantId, TokenId};
use farwatch_proto::time::BootMs;

/// Requests of one token: a program that makes a thousand checks passes at once, a loop without a pause does not keep
/// the database from everybody else. Each process of the control plane counts for itself.
const TOKEN_RATE: Rate = Rate { burst: 2000, one_more_ms: 5 };
/// Failed authentications from one address: a person who mistypes never meets it. It is not what keeps tokens from
/// being guessed, their 32 random bytes are.
const FAILURE_RATE: Rate = Rate { burst: 60, one_more_ms: 1000 };
/// Calls of one job: one that calls each half second is a service, and better asked than listened to.
const CALL_RATE: Rate = Rate { burst: 60, one_more_ms: 500 };
/// Tries of configs of one tenant: thirty at once for whoever works on a config, and then one in two seconds. Each is up to
/// five runs that nobody planned for.
const TRY_RATE: Rate = Rate { burst: 30, one_more_ms: 2_000 };
/// Refusals of one token or address that are noted in the audit log: enough to see a pattern.
const NOTED_RATE: Rate = Rate { burst: 20, one_more_ms: 60_000 };
/// Refusals of all together that are noted: at some 300 bytes each, at most 3 MB on a day of nothing but attacks.
const NOTED_OF_ALL_RATE: Rate = Rate { burst: 500, one_more_ms: 10_000 };
/// Tokens and addresses that are remembered, at some 64 bytes each.
const KEYS_MAX: usize = 20_000;

/// How much anybody may ask.
#[derive(Clone, Copy, Debug)]
pub struct ApiLimits {
    /// Requests of one token.
    pub of_token: Rate,
    /// Failed authentications from one address.
    pub failures: Rate,
    /// Refusals of one token or address that are noted.
    pub noted: Rate,
    /// Tries of configs of one tenant.
    pub tries: Rate,
}

impl ApiLimits {
    /// What a control plane allows.
    pub const GENEROUS: Self =
        Self { of_token: TOKEN_RATE, failures: FAILURE_RATE, noted: NOTED_RATE, tries: TRY_RATE };
}

/// Who was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Culprit {
    Token(TokenId),
    Address(IpAddr),
}

/// What is remembered of those who asked lately.
pub(super) struct Limiter {
    tokens: Mutex<Buckets<TokenId>>,
    failures: Mutex<Buckets<IpAddr>>,
    calls: Mutex<Buckets<[u8; 32]>>,
    noted: Mutex<Buckets<Culprit>>,
    noted_of_all: Mutex<Buckets<()>>,
    tries: Mutex<Buckets<TenantId>>,
    left_out: AtomicU64,
}

impl Limiter {
    pub(super) fn new(limits: ApiLimits) -> Self {
        Self {
            tokens: Mutex::new(Buckets::new(limits.of_token, KEYS_MAX)),
            failures: Mutex::new(Buckets::new(limits.failures, KEYS_MAX)),
            calls: Mutex::new(Buckets::new(CALL_RATE, KEYS_MAX)),
            noted: Mutex::new(Buckets::new(limits.noted, KEYS_MAX)),
            noted_of_all: Mutex::new(Buckets::new(NOTED_OF_ALL_RATE, 1)),
            tries: Mutex::new(Buckets::new(limits.tries, KEYS_MAX)),
            left_out: AtomicU64::new(0),
        }
    }

    /// Whether this token may ask now.
    pub(super) fn admit(&self, token: TokenId, now: BootMs) -> Result<(), TooMany> {
        take(&self.tokens, token, now)
    }

    /// Whether this tenant may have a config tried now.
    pub(super) fn admit_try(&self, tenant: TenantId, now: BootMs) -> Result<(), TooMany> {
        take(&self.tries, tenant, now)
    }

    /// Counts a failed authentication.
    pub(super) fn failed(&self, address: IpAddr, now: BootMs) -> Result<(), TooMany> {
        take(&self.failures, network(address), now)
    }

    /// Whether the job of this key may call now.
    pub(super) fn called(&self, key: [u8; 32], now: BootMs) -> Result<(), TooMany> {
        take(&self.calls, key, now)
    }

    /// Whether this refusal is to be noted: then with how many were left out since the last that was.
    pub(super) fn note(&self, culprit: Culprit, now: BootMs) -> Option<u64> {
        let culprit = match culprit {
            Culprit::Address(address) => Culprit::Address(network(address)),
            token @ Culprit::Token(_) => token,
        };
        let is_noted = take(&self.noted, culprit, now).and_then(|()| take(&self.noted_of_all, (), now)).is_ok();
        if is_noted {
            return Some(self.left_out.swap(0, Ordering::Relaxed));
        }
        self.left_out.fetch_add(1, Ordering::Relaxed);
        None
    }
}

fn take<K: Eq + std::hash::Hash>(buckets: &Mutex<Buckets<K>>, key: K, now: BootMs) -> Result<(), TooMany> {
    // A panic between two numbers leaves nothing half done.
    buckets.lock().unwrap_or_else(PoisonError::into_inner).take(key, now)
}

/// What one customer of a provider holds: an IPv4 address, or an IPv6 network of 64 bits.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_holds_a_network_has_one_bucket() {
        for (address, held) in
            [("192.0.2.1", "192.0.2.1"), ("::ffff:192.0.2.1", "192.0.2.1"), ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::")]
        {
            assert_eq!(network(address.parse().unwrap()), held.parse::<IpAddr>().unwrap(), "{address}");
        }
    }

    #[test]
    fn what_is_left_out_is_counted_in_the_next_note() {
        let limits = ApiLimits { noted: Rate { burst: 1, one_more_ms: 1000 }, ..ApiLimits::GENEROUS };
        let limiter = Limiter::new(limits);
        let culprit = |last: u8| Culprit::Address(IpAddr::from([192, 0, 2, last]));
        assert_eq!(limiter.note(culprit(1), BootMs(1)), Some(0));
        assert_eq!(limiter.note(culprit(1), BootMs(2)), None);
        assert_eq!(limiter.note(culprit(1), BootMs(3)), None);
        assert_eq!(limiter.note(culprit(2), BootMs(4)), Some(2));
        assert_eq!(limiter.note(culprit(1), BootMs(1001)), Some(0));
    }
}
