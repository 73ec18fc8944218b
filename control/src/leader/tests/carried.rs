//! What a neighbour hands over counts if its origin signed it, and once.

use farwatch_proto::link::FromControl;
use farwatch_proto::signed::SignedBatch;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};

use super::*;

/// A host's key, and its certificate's SubjectPublicKeyInfo.
fn key() -> (EcdsaKeyPair, Vec<u8>) {
    let pair = rcgen::KeyPair::generate().unwrap();
    let signing =
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pair.serialized_der(), &SystemRandom::new());
    (signing.unwrap(), rcgen::PublicKeyData::subject_public_key_info(&pair))
}

fn signed(world: &mut World, origin: HostId, key: &EcdsaKeyPair, result: &RunResult) -> SignedBatch {
    let batch = world.batch(origin, result);
    let unsigned =
        SignedBatch { origin, number: 1, before: batch.to(), packed: batch.packed.clone(), signature: Vec::new() };
    let signature = key.sign(&SystemRandom::new(), &unsigned.signed()).unwrap();
    SignedBatch { signature: signature.as_ref().to_vec(), ..unsigned }
}

#[test]
fn results_that_a_neighbour_carries_are_their_origins_and_the_carrier_is_told_after_the_commit() {
    let mut world = World::new();
    let (origin, carrier) = (world.owner(0), world.owner(1));
    let (pair, public) = key();
    world.state.keys.insert(origin, public.into());
    let result = world.result(Status::Down);
    let batch = signed(&mut world, origin, &pair, &result);
    world.draft.receive_carried(&mut world.state, carrier, &batch, world.now).unwrap();
    assert_eq!((world.draft.sections[0].host, world.draft.results()), (origin, 1));
    assert!(world.draft.marks.is_empty(), "the origin sends it again should it return");
    let first_seen = world.draft.detectors[&CHECK].first_failure.as_ref().unwrap().host;
    assert_eq!(first_seen, origin);
    assert!(world.sent(carrier).is_empty());
    world.commit();
    let told = world.sent(carrier);
    assert!(matches!(told[..], [FromControl::Received { batch: id }, ..] if id == batch.id()), "{told:?}");
}

/// How far the database holds the spool of the host.
fn held(world: &World, host: HostId) -> u64 {
    world.state.marks.get(&(host, boot_id(), 0)).copied().unwrap_or(16)
}

#[test]
fn a_run_is_written_once_whoever_tells_of_it_and_in_whatever_order() {
    let mut world = World::new();
    let (origin, carriers) = (world.owner(0), [world.owner(1), world.owner(2)]);
    let (pair, public) = key();
    world.state.keys.insert(origin, public.into());
    for is_own_first in [false, true] {
        for is_one_flush in [true, false] {
            let usual = world.result(Status::Up);
            let result =
                RunResult { started: usual.started + 2 * i64::from(is_own_first) + i64::from(is_one_flush), ..usual };
            // Each neighbour keeps a batch of its own, and both lie before what the origin sends.
            let kept = carriers.map(|_| signed(&mut world, origin, &pair, &result));
            let own = Batch {
                from: Mark { offset: held(&world, origin), ..kept[1].before },
                to_offset: kept[1].before.offset,
                packed: kept[1].packed.clone(),
            };
            let before = world.state.results;
            let flush = |world: &mut World| {
                if !is_one_flush {
                    world.commit();
                }
            };
            if is_own_first {
                world.draft.receive(&mut world.state, origin, &own, world.now).unwrap();
                flush(&mut world);
            }
            for (carrier, batch) in carriers.into_iter().zip(&kept) {
                world.draft.receive_carried(&mut world.state, carrier, batch, world.now).unwrap();
                flush(&mut world);
            }
            if !is_own_first {
                world.draft.receive(&mut world.state, origin, &own, world.now).unwrap();
            }
            world.commit();
            assert_eq!(world.state.results - before, 1, "{is_own_first} {is_one_flush}");
            let told = |carrier| {
                world.sent(carrier).iter().filter(|said| matches!(said, FromControl::Received { .. })).count()
            };
            assert_eq!(carriers.map(told), [1, 1], "whoever carries it is told");
            assert_eq!(held(&world, origin), own.to_offset);
        }
    }
}

#[test]
fn what_its_origin_did_not_sign_is_refused_and_not_asked_for_again() {
    let mut world = World::new();
    let (origin, carrier) = (world.owner(0), world.owner(1));
    let (pair, public) = key();
    let result = world.result(Status::Down);
    let batch = signed(&mut world, origin, &pair, &result);
    world.draft.receive_carried(&mut world.state, carrier, &batch, world.now).unwrap();
    assert!(world.draft.is_empty(), "of a host whose key is not known nothing is taken, and nothing given up");
    world.state.keys.insert(origin, public.into());
    let other_slot = RunResult { slot: result.slot + 10_000, ..result };
    let altered = SignedBatch { packed: world.batch(origin, &other_slot).packed, ..batch.clone() };
    let relabelled = SignedBatch { origin: carrier, ..batch.clone() };
    world.state.keys.insert(carrier, key().1.into());
    for forged in [altered, relabelled] {
        let refused = world.draft.receive_carried(&mut world.state, carrier, &forged, world.now);
        assert!(refused.unwrap_err().contains("did not sign"));
    }
    assert_eq!((world.draft.results(), world.draft.received.len()), (0, 2));
    world.commit();
    world.draft.receive_carried(&mut world.state, carrier, &batch, world.now).unwrap();
    assert_eq!(world.draft.results(), 1, "a forgery does not keep the true one out");
}

#[test]
fn neighbours_are_asked_after_a_host_that_falls_silent_and_everybody_where_nobody_heard_it() {
    let mut world = World::new();
    let silent = host_id(1);
    let hears = |world: &mut World, host: u8, others: &[HostId]| {
        world.state.sessions.get_mut(&host_id(host)).unwrap().neighbours.extend(others);
    };
    hears(&mut world, 2, &[silent]);
    let later = BootMs(world.now.boot.0 + 20_000);
    (2..=5).for_each(|n| world.state.fleet.hear(host_id(n), later));
    world.state.ask_after_silent(later);
    let asked = |world: &mut World, n: u8| {
        world
            .sent(host_id(n))
            .iter()
            .any(|said| matches!(said, FromControl::HandOver { origins } if origins == &[silent]))
    };
    assert_eq!([2, 3, 4].map(|n| asked(&mut world, n)), [true, false, false]);
    world.state.sessions.get_mut(&host_id(2)).unwrap().neighbours.clear();
    world.state.ask_after_silent(later);
    assert_eq!([2, 3, 4].map(|n| asked(&mut world, n)), [true, true, true]);
}
