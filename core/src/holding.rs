//! What a host holds of the checks, as one number.
//!
//! A new leader knows what every host should hold, and has sent none of it. A host that says the same number as the
//! leader computes holds just that, and is sent nothing again. Nothing here says who should hold what.

use farwatch_proto::check::{Activity, Definition, PlacementWish, Repeat, SecretVersion};

use crate::hash::hash64;

/// The digest of one check, of its revisions in ascending order: of the newest that is or will be in force and those
/// after it. What came before is of interest only to slots that are long decided, and a leader that was not there then
/// does not know it.
pub fn digest_of_check<'d, D>(definitions: D) -> u64
where
    D: DoubleEndedIterator<Item = &'d Definition>,
{
    let mut bytes = Vec::with_capacity(512);
    for definition in definitions.rev() {
        write(&mut bytes, definition);
        if definition.in_force_from.is_some() {
            break;
        }
    }
    hash64(&bytes)
}

/// The digest of any number of checks, in any order, by their digests.
pub fn digest_of_all(checks: impl IntoIterator<Item = u64>) -> u64 {
    checks.into_iter().fold(0, u64::wrapping_add)
}

/// Everything a definition says. A field that is added to it does not compile until it is written here.
fn write(bytes: &mut Vec<u8>, definition: &Definition) {
    let Definition {
        check,
        tenant,
        revision,
        activity,
        module,
        prepared,
        interval,
        timeout_ms,
        placement,
        repeat,
        secrets,
        in_force_from,
    } = definition;
    let activity = match activity {
        Activity::Active => 0,
        Activity::Paused => 1,
        Activity::Deleted => 2,
    };
    let repeat = match repeat {
        Repeat::Safe => 0,
        Repeat::Unsafe => 1,
    };
    bytes.extend(check.as_bytes());
    bytes.extend(tenant.as_bytes());
    bytes.extend(revision.to_be_bytes());
    bytes.extend([activity, repeat, u8::from(in_force_from.is_some())]);
    bytes.extend(in_force_from.map_or(0, |from| from.0).to_be_bytes());
    bytes.extend(module.0);
    bytes.extend(interval.ms().to_be_bytes());
    bytes.extend(timeout_ms.to_be_bytes());
    write_part(bytes, prepared);
    write_wish(bytes, placement);
    for SecretVersion { name, version, sealed: _ } in secrets {
        write_part(bytes, name.as_bytes());
        bytes.extend(version.to_be_bytes());
    }
}

fn write_wish(bytes: &mut Vec<u8>, PlacementWish { location, labels, streams }: &PlacementWish) {
    for name in [&location.region, &location.country, &location.continent] {
        bytes.push(u8::from(name.is_some()));
        write_part(bytes, name.as_deref().unwrap_or_default().as_bytes());
    }
    bytes.extend((labels.len() as u64).to_be_bytes());
    for (key, value) in labels {
        write_part(bytes, key.as_bytes());
        write_part(bytes, value.as_bytes());
    }
    bytes.extend(streams.to_be_bytes());
}

/// A part of any length says its length first, so that no two sequences of parts read the same.
fn write_part(bytes: &mut Vec<u8>, part: &[u8]) {
    bytes.extend((part.len() as u64).to_be_bytes());
    bytes.extend(part);
}

#[cfg(test)]
mod tests {
    use farwatch_proto::id::{CheckId, ModuleHash, TenantId};
    use farwatch_proto::interval::Interval;
    use farwatch_proto::time::UnixMs;

    use super::*;

    fn definition(revision: u32, from: Option<i64>) -> Definition {
        Definition {
            check: CheckId::from_bytes([5; 16]),
            tenant: TenantId::from_bytes([1; 16]),
            revision,
            activity: Activity::Active,
            module: ModuleHash([2; 32]),
            prepared: vec![1, 2],
            interval: Interval::from_seconds(10).unwrap(),
            timeout_ms: 1_000,
            placement: PlacementWish { streams: 1, ..PlacementWish::default() },
            repeat: Repeat::Safe,
            secrets: Vec::new(),
            in_force_from: from.map(UnixMs),
        }
    }

    fn digest(definitions: &[Definition]) -> u64 {
        digest_of_check(definitions.iter())
    }

    #[test]
    fn what_was_before_the_newest_in_force_does_not_count_and_what_follows_does() {
        let (old, new) = (definition(1, Some(10)), definition(2, Some(20)));
        assert_eq!(digest(&[old, new.clone()]), digest(std::slice::from_ref(&new)));
        assert_ne!(digest(&[new.clone(), definition(3, None)]), digest(&[new]));
    }

    fn secret(version: u32) -> SecretVersion {
        SecretVersion { name: "key".into(), version, sealed: vec![version as u8] }
    }

    #[test]
    fn every_difference_shows() {
        let plain = definition(1, Some(10));
        let changes: [fn(&mut Definition); 16] = [
            |d| d.check = CheckId::from_bytes([6; 16]),
            |d| d.tenant = TenantId::from_bytes([2; 16]),
            |d| d.revision = 2,
            |d| d.activity = Activity::Paused,
            |d| d.module = ModuleHash([3; 32]),
            |d| d.prepared.push(0),
            |d| d.interval = Interval::from_seconds(20).unwrap(),
            |d| d.timeout_ms = 2_000,
            |d| d.placement.streams = 2,
            |d| d.placement.location.region = Some("eu".into()),
            |d| d.placement.location.country = Some("eu".into()),
            |d| drop(d.placement.labels.insert("a".into(), "bc".into())),
            |d| d.repeat = Repeat::Unsafe,
            |d| d.in_force_from = Some(UnixMs(20)),
            |d| d.secrets.push(secret(1)),
            |d| d.secrets.push(secret(2)),
        ];
        let mut seen = vec![digest(std::slice::from_ref(&plain))];
        for change in changes {
            let mut changed = plain.clone();
            change(&mut changed);
            seen.push(digest(&[changed]));
        }
        seen.sort_unstable();
        assert!(seen.is_sorted_by(|a, b| a < b), "two different definitions have one digest");
    }

    #[test]
    fn for_whom_a_secret_is_sealed_does_not_show() {
        let with = |sealed: &[u8]| Definition {
            secrets: vec![SecretVersion { name: "key".into(), version: 1, sealed: sealed.to_vec() }],
            ..definition(1, None)
        };
        assert_eq!(digest(&[with(&[])]), digest(&[with(&[7; 80])]));
    }

    #[test]
    fn the_order_of_checks_does_not_matter() {
        assert_eq!(digest_of_all([1, u64::MAX, 7]), digest_of_all([7, 1, u64::MAX]));
        assert_eq!(digest_of_all([]), 0);
    }
}
