//! How often one tenant may connect, to one address and in all, from one host: so that nobody floods a third party with
//! the fleet.
//!
//! A bucket is one number, the moment at which it is full again. There is room for so many and no more, and a bucket that
//! must make room is the fullest of its row: one that is full forgets nothing, and to have one forgotten that is nearly
//! empty, a tenant must spend as much on every other of the row as it would gain. It knows no policy: who asks has had
//! the address judged, and leaves out those that the operator opted in, which are no third party's.

use std::net::{IpAddr, Ipv6Addr};

use farwatch_proto::id::TenantId;
use farwatch_proto::time::BootMs;

use super::embedded;
use crate::hash::hash64;

/// What one tenant may do to one address from one host. Fifty of its checks at one address, each at the shortest interval
/// (6 runs a minute), with five connections in a run (two redirects and a few steps) and each run made twice (a retry, a
/// confirmation or a standby), are 50 * 6 * 5 * 2 = 3,000 a minute. It is 50 a second, which a server bears that is worth
/// a check, and half a minute of it may come at once: three times as many as a host has places for runs.
pub const PER_ADDRESS: Cap = Cap { per_minute: 3_000, burst: 1_500 };

/// What one tenant may do in all from one host. A host is built for 10,000 streams; all of them one tenant's, at the
/// shortest interval and with two connections in each run, are 10,000 * 6 * 2 = 120,000 a minute. More is no monitoring,
/// and would keep those of other tenants from the line.
pub const PER_TENANT: Cap = Cap { per_minute: 120_000, burst: 10_000 };

/// Buckets in a row.
const WAYS: usize = 8;
/// Rows for addresses. A bucket that is not full was asked within the last half minute; what a tenant may do in a second
/// touches 2,000 addresses, whose buckets are full again after 20 ms each, so few of these ever are not.
const ADDRESS_ROWS: usize = 64;
/// Rows for tenants: more than have runs on one host at a time.
const TENANT_ROWS: usize = 16;
const MINUTE_US: i64 = 60_000_000;

/// How often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cap {
    /// On the long run.
    pub per_minute: u32,
    /// At once, after a pause.
    pub burst: u32,
}

/// Which cap was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Capped {
    /// That of the address.
    #[error(
        "this host connects to {0} for one tenant {most} times a minute at most; give these checks longer intervals, or \
         where the address is the operator's own, start the host with --allow-net {0}",
        most = PER_ADDRESS.per_minute
    )]
    Address(IpAddr),
    /// That of the tenant.
    #[error(
        "this host connects for one tenant {most} times a minute at most; give its checks longer intervals, or the fleet \
         more hosts",
        most = PER_TENANT.per_minute
    )]
    Tenant,
}

/// The buckets of some tenants, with all that those connect to. Nothing is allocated after it is made.
#[derive(Debug)]
pub struct Caps {
    addresses: Table,
    tenants: Table,
}

impl Default for Caps {
    fn default() -> Self {
        Self { addresses: Table::new(PER_ADDRESS, ADDRESS_ROWS), tenants: Table::new(PER_TENANT, TENANT_ROWS) }
    }
}

impl Caps {
    /// Takes so many connections to this address, all or none.
    pub fn take(&mut self, tenant: TenantId, address: IpAddr, times: u32, now: BootMs) -> Result<(), Capped> {
        let to_address = self.addresses.asked((tenant, whole_target(address)), times, now);
        let (address_bucket, address_full_at) = to_address.ok_or(Capped::Address(address))?;
        let by_tenant = self.tenants.asked((tenant, 0), times, now);
        let (tenant_bucket, tenant_full_at) = by_tenant.ok_or(Capped::Tenant)?;
        address_bucket.full_at_us = address_full_at;
        tenant_bucket.full_at_us = tenant_full_at;
        Ok(())
    }
}

/// What belongs to one who can be flooded: an address of IPv4, also one that an address of IPv6 leads to, or the /64 that
/// whoever has one address of it has whole.
fn whole_target(address: IpAddr) -> u128 {
    let mapped = |address: std::net::Ipv4Addr| address.to_ipv6_mapped().to_bits();
    match address.to_canonical() {
        IpAddr::V4(address) => mapped(address),
        IpAddr::V6(address) => embedded::ipv4_forms(address).next().map_or_else(|| network(address), mapped),
    }
}

const fn network(address: Ipv6Addr) -> u128 {
    address.to_bits() >> 64 << 64
}

type Key = (TenantId, u128);

#[derive(Clone, Copy, Debug)]
struct Bucket {
    key: Key,
    full_at_us: i64,
}

#[derive(Debug)]
struct Table {
    cap: Cap,
    rows: Vec<[Bucket; WAYS]>,
}

impl Table {
    fn new(cap: Cap, rows: usize) -> Self {
        let full = Bucket { key: (TenantId::from_bytes([0; 16]), 0), full_at_us: 0 };
        Self { cap, rows: vec![[full; WAYS]; rows] }
    }

    /// The bucket of the key, and when it is full again once so many more are taken from it; `None` where it does not
    /// hold as many.
    fn asked(&mut self, key: Key, times: u32, now: BootMs) -> Option<(&mut Bucket, i64)> {
        let Cap { per_minute, burst } = self.cap;
        let one_more_us = MINUTE_US / i64::from(per_minute);
        let now_us = now.0.saturating_mul(1_000);
        let bucket = self.bucket_of(key);
        let full_at_us = bucket.full_at_us.max(now_us) + i64::from(times) * one_more_us;
        let is_held = full_at_us - now_us <= i64::from(burst) * one_more_us;
        is_held.then_some((bucket, full_at_us))
    }

    fn bucket_of(&mut self, key: Key) -> &mut Bucket {
        let mut bytes = [0; 32];
        bytes[..16].copy_from_slice(key.0.as_bytes());
        bytes[16..].copy_from_slice(&key.1.to_be_bytes());
        let rows = self.rows.len() as u64;
        let row = &mut self.rows[(hash64(&bytes) % rows) as usize];
        let known = row.iter().position(|bucket| bucket.key == key);
        let place = known.unwrap_or_else(|| {
            let fullest = (0..WAYS).min_by_key(|place| row[*place].full_at_us).unwrap_or_default();
            row[fullest] = Bucket { key, full_at_us: 0 };
            fullest
        });
        &mut row[place]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: BootMs = BootMs(1_000_000);

    fn tenant(n: u8) -> TenantId {
        TenantId::from_bytes([n; 16])
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// How many connections pass, one at a time.
    fn passing(caps: &mut Caps, who: TenantId, to: &str, now: BootMs) -> u32 {
        let to = ip(to);
        let passed = (0..100_000).take_while(|_| caps.take(who, to, 1, now).is_ok());
        u32::try_from(passed.count()).unwrap()
    }

    #[test]
    fn a_burst_passes_and_then_so_many_a_minute() {
        let mut caps = Caps::default();
        assert_eq!(passing(&mut caps, tenant(1), "192.31.196.1", NOW), PER_ADDRESS.burst);
        assert_eq!(caps.take(tenant(1), ip("192.31.196.1"), 1, NOW), Err(Capped::Address(ip("192.31.196.1"))));
        let per_second = PER_ADDRESS.per_minute / 60;
        assert_eq!(passing(&mut caps, tenant(1), "192.31.196.1", NOW + 1_000), per_second);
        // A long pause fills the bucket, and no further.
        assert_eq!(passing(&mut caps, tenant(1), "192.31.196.1", NOW + 3_600_000), PER_ADDRESS.burst);
    }

    #[test]
    fn neither_tenants_nor_targets_share_a_bucket() {
        let mut caps = Caps::default();
        for (who, to) in [(1, "192.31.196.1"), (1, "192.31.196.2"), (2, "192.31.196.1"), (2, "2606:4700::1")] {
            assert_eq!(passing(&mut caps, tenant(who), to, NOW), PER_ADDRESS.burst, "{who} {to}");
        }
    }

    #[test]
    fn one_target_is_one_in_every_form() {
        for (first, other, is_same) in [
            ("192.31.196.1", "::ffff:192.31.196.1", true),
            ("192.31.196.1", "64:ff9b::192.31.196.1", true),
            ("64:ff9b::192.31.196.1", "64:ff9b::192.31.196.2", false),
            ("2606:4700::1", "2606:4700::2", true),
            ("2606:4700::1", "2606:4700:0:1::1", false),
        ] {
            assert_eq!(whole_target(ip(first)) == whole_target(ip(other)), is_same, "{first} {other}");
        }
    }

    #[test]
    fn what_is_asked_at_once_is_taken_whole_or_not_at_all() {
        let mut caps = Caps::default();
        let to = ip("192.31.196.1");
        assert_eq!(caps.take(tenant(1), to, PER_ADDRESS.burst - 3, NOW), Ok(()));
        assert!(caps.take(tenant(1), to, 4, NOW).is_err());
        assert_eq!(caps.take(tenant(1), to, 3, NOW), Ok(()));
    }

    #[test]
    fn a_tenant_is_capped_however_many_addresses_it_goes_to() {
        let mut caps = Caps::default();
        let take = |caps: &mut Caps, n: u32| caps.take(tenant(1), IpAddr::from(n.to_be_bytes()), 1, NOW);
        let passed = (0..100_000).take_while(|n| take(&mut caps, *n).is_ok()).count();
        assert_eq!(passed, PER_TENANT.burst as usize);
        assert_eq!(take(&mut caps, 200_000), Err(Capped::Tenant));
        assert_eq!(caps.take(tenant(2), ip("192.31.196.1"), 1, NOW), Ok(()));
    }

    #[test]
    fn a_refused_connection_costs_nothing() {
        let mut caps = Caps::default();
        passing(&mut caps, tenant(1), "192.31.196.1", NOW);
        for _ in 0..PER_TENANT.burst {
            assert!(caps.take(tenant(1), ip("192.31.196.1"), 1, NOW).is_err());
        }
        assert_eq!(caps.take(tenant(1), ip("192.31.196.2"), 1, NOW), Ok(()));
    }

    /// Who would have the bucket of a victim forgotten must spend more on others than that would bring.
    #[test]
    fn an_empty_bucket_is_not_pushed_out() {
        let mut caps = Caps::default();
        passing(&mut caps, tenant(1), "192.31.196.1", NOW);
        for n in 0..u32::try_from(ADDRESS_ROWS * WAYS * 8).unwrap() {
            let _ = caps.take(tenant(1), IpAddr::from(n.to_be_bytes()), 1, NOW);
            assert!(caps.take(tenant(1), ip("192.31.196.1"), 1, NOW).is_err(), "after {n}");
        }
    }
}
