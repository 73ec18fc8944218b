//! What a hostile or broken host says is refused and counted, and harms nobody else.

use std::time::Duration;

use farwatch_proto::check::StreamId;
use farwatch_proto::id::{BootId, CheckId, HostId, ModuleHash};
use farwatch_proto::link::{
    Batch, FRAME_MAX_BYTES, FromControl, FromHost, HOST_URI_PREFIX, LINK_PATH, MODULE_PATH, Mark,
};
use farwatch_proto::outcome::{Outcome, Status};
use farwatch_proto::pack::{PACK_VERSION, Packer};
use farwatch_proto::run::{Purpose, RunCost, RunResult, Terms};
use farwatch_proto::time::{Stamp, UnixMs};
use farwatch_tests::certificate::Authority;
use farwatch_tests::clock::now;
use farwatch_tests::link::{LinkIdentity, RawLink, hello};
use farwatch_tests::scene::{Scene, text};
use farwatch_tests::system::System;
use farwatch_tests::wait::eventually;
use rustix::process::Signal;
use tungstenite::Message;

const LIMIT: Duration = Duration::from_secs(10);
const BOOT: BootId = BootId::from_bytes([7; 16]);

/// A fleet of which one host has been stopped, so that the test can speak in its place.
struct Stage {
    scene: Scene,
    address: String,
    identity: LinkIdentity,
    host: HostId,
    other: HostId,
}

impl Stage {
    /// The test speaks for a host that owns the shop, or for one that does not.
    fn set(is_owner: bool) -> Self {
        let scene = Scene::set(&["shop"], System::builder()).unwrap();
        let explained = format!("/v1/checks/{}/explain", scene.check_id("shop"));
        let explained = scene.system.api().get(&explained).unwrap();
        let hosts = explained["hosts"].as_array().unwrap();
        let ranked = |wanted: bool| hosts.iter().find(|host| host["rank"].is_null() != wanted).unwrap();
        let id = |host: &serde_json::Value| text(&host["host"]).parse().unwrap();
        let name = text(&ranked(is_owner)["host_name"]);
        let (host, other) = (id(ranked(is_owner)), id(ranked(!is_owner)));
        scene.system.signal(scene.system.host_pid(&name).unwrap(), Signal::STOP).unwrap();
        let identity = LinkIdentity::of_host(&scene.system.data().join("hosts").join(name)).unwrap();
        let address = std::fs::read_to_string(scene.system.data().join("link.address")).unwrap().trim().to_owned();
        Self { scene, address, identity, host, other }
    }

    fn open(&self) -> RawLink {
        RawLink::open(&self.address, &self.identity).unwrap()
    }

    fn greeted(&self) -> RawLink {
        let mut link = self.open();
        link.greet(self.host, BOOT).unwrap();
        link
    }

    fn health(&self, what: &str) -> u64 {
        self.scene.system.api().get("/v1/health").unwrap()[what].as_u64().unwrap()
    }

    /// Waits until so many messages have been refused since it was `before`.
    fn refused_since(&self, before: u64, count: u64) {
        eventually(
            "the refusals to be counted",
            LIMIT,
            || Ok((self.health("refused") >= before + count).then_some(())),
        )
        .unwrap();
        assert_eq!(self.health("refused"), before + count);
    }

    /// What the audit log tells of this action, once it tells so much.
    fn told(&self, action: &str, count: usize) -> Vec<serde_json::Value> {
        eventually("the refusal to be told", LIMIT, || {
            let listed = self.scene.system.api().get(&format!("/v1/audit?action={action}"))?;
            let items = listed["items"].as_array().cloned().unwrap_or_default();
            Ok((items.len() >= count).then_some(items))
        })
        .unwrap()
    }

    /// A result of a host for the slot of the shop that was run last.
    fn result(&self) -> RunResult {
        let last = self.scene.results("shop").unwrap().pop().unwrap();
        let slot = UnixMs(last["slot"].as_i64().unwrap());
        RunResult {
            stream: StreamId { check: self.scene.check_id("shop"), number: 0 },
            purpose: Purpose::Slot,
            slot,
            terms: Terms { revision: 1, module: ModuleHash([1; 32]), view: Stamp { era: 1, n: 1 } },
            started: slot + 100,
            duration_us: 1_000,
            cost: RunCost::default(),
            outcome: Outcome::told(Status::Down, 1_000, "made-up", "nobody saw this"),
        }
    }
}

fn batch(from: u64, results: &[RunResult]) -> FromHost {
    let mut packer = Packer::default();
    results.iter().for_each(|result| packer.push(result));
    let packed = [&[PACK_VERSION][..], &packer.take()].concat();
    let from = Mark { boot: BOOT, segment: 0, offset: from };
    FromHost::Results(Batch { from, to_offset: from.offset + packed.len() as u64, packed })
}

fn committed(message: &FromControl) -> Option<Mark> {
    match message {
        FromControl::Committed { mark } => Some(*mark),
        _ => None,
    }
}

#[test]
fn what_cannot_be_read_is_refused_and_counted() {
    let stage = Stage::set(true);
    let before = stage.health("refused");
    let mut link = stage.greeted();
    for nonsense in ["{", "[]", r#"{"kind":"results"}"#, r#"{"kind":"heartbeat","wall":"noon"}"#] {
        link.send(Message::text(nonsense)).unwrap();
        link.hear_refusal().unwrap();
    }
    link.send(Message::binary(vec![0; 16])).unwrap();
    link.hear_refusal().unwrap();
    stage.refused_since(before, 5);
    link.say(&batch(100, &[])).unwrap();
    link.hear("the next batch to be taken all the same", committed).unwrap();
    // Control may have hung up before all of it is sent.
    let _ = link.send(Message::text("x".repeat(FRAME_MAX_BYTES + 1)));
    assert!(link.hear("an end of the link", committed).is_err());
    stage.refused_since(before, 6);
    stage.greeted();
}

#[test]
fn kinds_of_a_newer_version_are_dropped_and_counted() {
    let stage = Stage::set(true);
    let before = stage.health("refused");
    let mut link = stage.greeted();
    link.send(Message::text(r#"{"kind":"sings","song":[1,2]}"#)).unwrap();
    link.say(&batch(100, &[])).unwrap();
    link.hear("the next batch to be taken", committed).unwrap();
    stage.refused_since(before, 1);
}

#[test]
fn a_replayed_batch_is_refused_and_changes_nothing() {
    let stage = Stage::set(true);
    let mut link = stage.greeted();
    let sent = batch(100, &[]);
    link.say(&sent).unwrap();
    let mark = link.hear("the batch to be committed", committed).unwrap();
    let before = stage.health("refused");
    link.say(&sent).unwrap();
    assert!(link.hear_refusal().unwrap().starts_with("a replay"));
    assert_eq!(link.hear("what the database holds", committed).unwrap(), mark);
    link.say(&batch(mark.offset + 50, &[])).unwrap();
    assert!(link.hear_refusal().unwrap().starts_with("a gap"));
    stage.refused_since(before, 2);
}

#[test]
fn a_host_writes_only_what_it_may() {
    let stage = Stage::set(false);
    let mut link = stage.greeted();
    let (before, real) = (stage.health("refused"), stage.result());
    let of_nobody = StreamId { check: CheckId::from_bytes([9; 16]), number: 0 };
    let wrong = [
        real.clone(),
        RunResult { stream: of_nobody, ..real.clone() },
        RunResult { stream: StreamId { number: 3, ..real.stream }, ..real.clone() },
        RunResult { slot: real.slot + 1, ..real.clone() },
        RunResult { slot: real.slot + 600_000, started: now() + 600_000, ..real.clone() },
    ];
    link.say(&batch(100, &wrong)).unwrap();
    link.hear("the batch to be committed without them", committed).unwrap();
    stage.refused_since(before, wrong.len() as u64);
    let kept = stage.scene.results("shop").unwrap();
    assert!(kept.iter().all(|result| result["code"] != "made-up"), "{kept:?}");
    assert!(stage.scene.incidents().unwrap().is_empty());
    let told = stage.told("refused.result", 1).remove(0);
    assert_eq!((&told["actor"], &told["detail"]["refused"]), (&stage.host.to_string().into(), &wrong.len().into()));
}

#[test]
fn nobody_speaks_without_a_certificate_of_the_fleet_or_for_another() {
    let stage = Stage::set(true);
    let uri = format!("{HOST_URI_PREFIX}{}", stage.host);
    let foreign = Authority::new().unwrap().client_certificate(&uri).unwrap();
    let stranger = stage.identity.clone().with_certificate(foreign);
    assert!(RawLink::open(&stage.address, &stranger).is_err(), "the name is right, the authority is not");
    for path in [LINK_PATH, MODULE_PATH, "/", "/v1/checks"] {
        let status = stage.identity.status_without_certificate(&stage.address, path).unwrap();
        assert_eq!(status, 401, "{path} without a certificate");
    }
    let before = stage.health("refused");
    let mut link = stage.open();
    link.say(&hello(stage.other, BOOT)).unwrap();
    assert!(link.hear_refusal().unwrap().contains("another host"));
    let mut link = stage.open();
    link.say(&batch(100, &[])).unwrap();
    assert!(link.hear_refusal().unwrap().contains("hello"));
    stage.refused_since(before, 2);
    assert_eq!(stage.told("refused.certificate", 1)[0]["actor"], "nobody");
    let told = stage.told("refused.link", 1).remove(0);
    assert_eq!(told["actor"], stage.host.to_string());
    assert_eq!((&told["entity"], &told["detail"]["why"]), (&stage.other.to_string().into(), &"another-host".into()));
}
