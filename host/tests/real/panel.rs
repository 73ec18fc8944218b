//! The panel of references: what a host says of it, and what becomes of its failures.

use std::net::{SocketAddr, TcpListener};

use farwatch_proto::link::{FromControl, FromHost};
use farwatch_proto::outcome::{Blame, Status};
use farwatch_proto::pack::Unpacker;
use farwatch_proto::panel::{PanelCount, PanelWord};
use farwatch_proto::run::RunResult;
use farwatch_tests::ports::free_address;

use crate::control::Link;
use crate::link::{acknowledged, order};
use crate::running::{World, assign, soon_due, welcome};

/// What a host says of itself in a heartbeat.
type Said = (Option<PanelWord>, bool);

/// Control, which says again and again that everybody else sees the references.
struct Teller {
    link: Link,
    references: Vec<String>,
    results: Vec<RunResult>,
}

impl Teller {
    async fn tell(&mut self) {
        let fleet = PanelCount { passing: 5, failing: 0 };
        self.link.say(&FromControl::Panel { references: self.references.clone(), fleet }).await;
    }

    /// Listens until the host says this of itself.
    async fn await_said(&mut self, wanted: Said) {
        loop {
            match self.link.hear_until(Some).await {
                FromHost::Heartbeat { panel, insane, .. } if (panel, insane) == wanted => return,
                FromHost::Heartbeat { .. } => self.tell().await,
                message => self.take_in(message),
            }
        }
    }

    /// The next result that the host tells.
    async fn next_result(&mut self) -> RunResult {
        while self.results.is_empty() {
            match self.link.hear_until(Some).await {
                FromHost::Heartbeat { .. } => self.tell().await,
                message => self.take_in(message),
            }
        }
        self.results.remove(0)
    }

    fn take_in(&mut self, message: FromHost) {
        if let FromHost::Results(batch) = message {
            self.results.extend(Unpacker::default().read(&batch.packed[1..]).unwrap());
        }
    }
}

fn listen(address: SocketAddr) -> TcpListener {
    TcpListener::bind(address).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_is_told_while_the_references_are_seen_and_void_while_others_see_them() {
    let (target, reference) = (free_address().unwrap(), free_address().unwrap());
    let mut world = World::start().await;
    let (module, prepared) = world.http_check(&format!("http://{target}/")).await;
    let mut link = world.control.next_link().await;
    welcome(&mut link, Vec::new()).await;
    let mut definition = soon_due(module, prepared);
    definition.in_force_from = None;
    link.say(&assign(1, vec![definition.clone()])).await;
    acknowledged(&mut link, 1).await;
    let mut teller = Teller { link, references: vec![reference.to_string()], results: Vec::new() };

    let listening = listen(reference);
    teller.tell().await;
    teller.await_said((Some(PanelWord::Passes), false)).await;
    teller.link.say(&FromControl::Run { orders: vec![order(&definition, 1)] }).await;
    assert_eq!(teller.next_result().await.outcome.status, Status::Down, "it could see, and the target is down");

    drop(listening);
    // What becomes of a failure before that is decided by how soon the panel is read, and is tried in `core`.
    teller.await_said((Some(PanelWord::Fails), true)).await;
    teller.link.say(&FromControl::Run { orders: vec![order(&definition, 2)] }).await;
    let void = teller.next_result().await;
    assert_eq!((void.outcome.status, void.outcome.code()), (Status::Unknown(Blame::Host), "host-insane"));

    let _listening = listen(reference);
    teller.await_said((Some(PanelWord::Passes), false)).await;
    teller.link.say(&FromControl::Run { orders: vec![order(&definition, 3)] }).await;
    assert_eq!(teller.next_result().await.outcome.status, Status::Down);
    let remembered = std::fs::read_to_string(world.directory.path().join("data/references.json")).unwrap();
    assert_eq!(remembered, format!("[\"{reference}\"]"), "it knows them without control");
    world.stop_host().await;
}
