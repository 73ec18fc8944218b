//! Evidence: written once, found by check and slot, known of again, and deleted when it is old.

use farwatch_control::store::{EvidencePiece, EvidencePlace, Flush};
use farwatch_core::evidence::{Brought, Codes, Day, Memory, Occasion, THINNED_MS, Used};
use farwatch_proto::check::StreamId;
use farwatch_proto::id::{CheckId, OrderId};
use farwatch_proto::outcome::{Attribute, Blame, Status, Value};
use farwatch_proto::time::UnixMs;

use super::world::{Database, START, World, new_tenant};

on_both_engines!(
    a_piece_reads_back_and_a_replay_changes_nothing,
    pieces_of_a_check_come_newest_first_in_pages,
    nobody_reads_what_is_another_tenants,
    what_was_kept_is_known_again,
    old_pieces_go_and_younger_stay,
);

const DAY_MS: i64 = 86_400_000;
const EVER: (UnixMs, UnixMs) = (UnixMs(0), UnixMs(i64::MAX / 2));

/// What the run of this slot brought.
pub(super) fn piece(world: &World, check: CheckId, slot: UnixMs) -> EvidencePiece {
    let attributes = vec![
        Attribute { key: "http.status".to_owned(), value: Value::Integer(503) },
        Attribute { key: "net.remote".to_owned(), value: Value::Text("192.0.2.7:443 \0".to_owned()) },
    ];
    EvidencePiece {
        tenant: world.tenant,
        stream: StreamId { check, number: 0 },
        slot,
        host: world.host,
        order: None,
        received: slot + 400,
        occasion: Occasion::Slot,
        revision: 1,
        started: slot + 3,
        duration_us: 250_000,
        latency_us: 240_000,
        status: Status::Down,
        brought: Brought {
            code: "status-unexpected".to_owned(),
            message: "503 instead of 200\0".to_owned(),
            attributes,
            shown: Vec::new(),
            is_cut: false,
        },
    }
}

async fn commit(world: &World, leader: &mut super::world::Leader, evidence: Vec<EvidencePiece>) {
    let flush = Flush { evidence, ..leader.flush() };
    leader.commit(&world.store, &flush).await;
}

async fn a_piece_reads_back_and_a_replay_changes_nothing(database: Database) {
    let world = World::new(&database).await;
    let mut leader = world.lead().await;
    let check = world.check("shop").await;
    let run = piece(&world, check, START);
    let vote = EvidencePiece {
        order: Some(OrderId::from_bytes([4; 16])),
        occasion: Occasion::Vote,
        status: Status::Unknown(Blame::Module),
        ..run.clone()
    };
    commit(&world, &mut leader, vec![run.clone(), vote.clone()]).await;
    let again = EvidencePiece { received: START + 9_000, occasion: Occasion::Change, ..run.clone() };
    commit(&world, &mut leader, vec![again.clone(), again]).await;
    let page = world.store.evidence().of_check((world.tenant, check), EVER, None, 10).await.unwrap();
    assert_eq!(page.items, [vote, run]);
    assert!(!page.more);
}

async fn pieces_of_a_check_come_newest_first_in_pages(database: Database) {
    let world = World::new(&database).await;
    let mut leader = world.lead().await;
    let (shop, blog) = (world.check("shop").await, world.check("blog").await);
    let slots: Vec<UnixMs> = (0..5).map(|n| START + n * DAY_MS).collect();
    let of_shop = slots.iter().map(|slot| piece(&world, shop, *slot));
    let pieces = of_shop.chain([piece(&world, blog, START)]).collect();
    commit(&world, &mut leader, pieces).await;
    let evidence = world.store.evidence();
    let of = (world.tenant, shop);
    let read = async |from, to, before, limit| {
        let page = evidence.of_check(of, (from, to), before, limit).await.unwrap();
        (page.items.iter().map(|piece| piece.slot).collect::<Vec<_>>(), page.more)
    };
    assert_eq!(read(EVER.0, EVER.1, None, 2).await, (vec![slots[4], slots[3]], true));
    let place = |slot| Some(EvidencePlace { slot, stream: 0, host: world.host, order: None });
    assert_eq!(read(EVER.0, EVER.1, place(slots[3]), 2).await, (vec![slots[2], slots[1]], true));
    assert_eq!(read(EVER.0, EVER.1, place(slots[1]), 2).await, (vec![slots[0]], false));
    assert_eq!(read(slots[1], slots[3], None, 9).await, (vec![slots[2], slots[1]], false));
    let first = evidence.first_of_check(of, (slots[1], EVER.1), 2).await.unwrap();
    assert_eq!((first.items.iter().map(|piece| piece.slot).collect(), first.more), (vec![slots[1], slots[2]], true));
}

async fn nobody_reads_what_is_another_tenants(database: Database) {
    let world = World::new(&database).await;
    let mut leader = world.lead().await;
    let stranger = new_tenant(&world.store, "umbrella").await;
    let check = world.check("shop").await;
    commit(&world, &mut leader, vec![piece(&world, check, START)]).await;
    let evidence = world.store.evidence();
    let of_stranger = evidence.of_check((stranger, check), EVER, None, 10).await.unwrap();
    let first = evidence.first_of_check((stranger, check), EVER, 10).await.unwrap();
    assert!(of_stranger.items.is_empty() && first.items.is_empty());
}

async fn what_was_kept_is_known_again(database: Database) {
    let world = World::new(&database).await;
    let mut leader = world.lead().await;
    let check = world.check("shop").await;
    let now = START + 400;
    assert_eq!(world.store.evidence().memory(now).await.unwrap(), Memory::default());
    let ago = |ms: i64| piece(&world, check, START - ms);
    let pieces = vec![ago(0), ago(10_000), ago(THINNED_MS), ago(2 * DAY_MS), ago(3 * DAY_MS)];
    let bytes = pieces[0].brought.bytes();
    commit(&world, &mut leader, pieces).await;
    let memory = world.store.evidence().memory(now).await.unwrap();
    let codes: Codes = [("status-unexpected".to_owned(), now)].into();
    assert_eq!(memory.codes, [(check, codes)].into());
    let used = |days: i64, pieces: u32| {
        let day = (world.tenant, Day::of(START - days * DAY_MS));
        (day, Used { pieces, bytes: u64::from(pieces) * bytes })
    };
    assert_eq!(memory.used, [used(0, 3), used(2, 1)].into());
    let later = world.store.evidence().memory(now + THINNED_MS).await.unwrap();
    assert!(later.codes.is_empty() && later.used == memory.used);
}

async fn old_pieces_go_and_younger_stay(database: Database) {
    let world = World::new(&database).await;
    let mut leader = world.lead().await;
    let check = world.check("shop").await;
    let pieces = (0..4).map(|days| piece(&world, check, START - days * DAY_MS)).collect();
    commit(&world, &mut leader, pieces).await;
    let evidence = world.store.evidence();
    assert_eq!(evidence.delete_before(START - DAY_MS).await.unwrap(), 2);
    assert_eq!(evidence.delete_before(START - DAY_MS).await.unwrap(), 0);
    let left = evidence.of_check((world.tenant, check), EVER, None, 10).await.unwrap().items;
    assert_eq!(left.iter().map(|piece| piece.slot).collect::<Vec<_>>(), [START, START - DAY_MS]);
}
