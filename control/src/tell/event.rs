//! What one delivery tells: everything its message says, fixed when the row is written.
//!
//! A message must read the same on its first and its last try, so a renderer gets nothing else and asks nobody:
//! names, places and reasons are copied here in the incident's own transaction. Which channel it goes over does
//! not matter here.

use std::collections::BTreeSet;

use farwatch_core::confirm::Answer;
use farwatch_core::incident::{Ending, IncidentEvent, Step, Voice};
use farwatch_proto::fleet::{HostFacts, View};
use farwatch_proto::id::{CheckId, HostId, IncidentId, TenantId};
use farwatch_proto::outcome::Shown;
use farwatch_proto::time::UnixMs;
use serde::{Deserialize, Serialize};

/// What the message is about, apart from what happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject<'a> {
    /// Whose check it is.
    pub tenant: TenantId,
    /// The check.
    pub check: CheckId,
    /// What its owner calls it.
    pub check_name: &'a str,
    /// What it watches, such as a URL, if that can be said in a line.
    pub target: Option<&'a str>,
}

/// How an incident was opened. The leader keeps it with the incident, for the recovery is told with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opening {
    /// When the outage was confirmed.
    pub confirmed_at: UnixMs,
    /// The code of the first failure.
    pub code: String,
    /// The sentence of the first failure.
    pub message: String,
    /// How many bad votes were needed.
    pub need: u8,
    /// Of how many.
    pub of: u8,
    /// Whether it was over before anybody could judge it.
    #[serde(default)]
    pub seen_afterwards: bool,
}

impl Opening {
    /// How this event opened its incident; `None` when it is no opening.
    pub fn of(event: &IncidentEvent) -> Option<Self> {
        match event {
            IncidentEvent::Opened { at, code, message, need, of, seen_afterwards, .. } => Some(Self {
                confirmed_at: *at,
                code: code.clone(),
                message: message.clone(),
                need: *need,
                of: *of,
                seen_afterwards: *seen_afterwards,
            }),
            IncidentEvent::Resolved { .. } => None,
        }
    }
}

/// How an incident ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closing {
    /// When that was known.
    pub at: UnixMs,
    /// Why.
    pub ending: Ending,
}

/// What one vantage point said, with the host's name and place as they were then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Witness {
    /// The host.
    pub host: HostId,
    /// What people call it; its id where the fleet does not know it any more.
    pub name: String,
    /// Whose machine it is; empty where that is not known any more.
    pub provider: String,
    /// The operator's name for the place; empty where that is not known any more.
    pub region: String,
    /// What it said.
    pub answer: Answer,
    /// The module's code, if it gave one.
    pub code: String,
    /// The module's sentence, if it gave one.
    pub message: String,
}

/// What one delivery tells; stored as its row's event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TellEvent {
    /// The incident.
    pub incident: IncidentId,
    /// Whose it is.
    pub tenant: TenantId,
    /// The check that failed.
    pub check: CheckId,
    /// What its owner calls it.
    pub check_name: String,
    /// What it watches, if that can be said in a line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The first failed slot.
    pub first_failed_slot: UnixMs,
    /// How it was opened.
    pub opening: Opening,
    /// How it ended; absent in a message that tells of the opening.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closing: Option<Closing>,
    /// What each vantage point said of the step that is told, the first one first.
    pub witnesses: Vec<Witness>,
    /// Whether they are several, on machines of their own.
    pub independent: bool,
    /// What came from the target when it was opened, where anything did.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shown: Vec<Shown>,
}

impl TellEvent {
    /// What there is to tell of this event. `opening` is how its incident was opened, by [`Opening::of`] of this
    /// event or of the one before; the view names the vantage points.
    pub fn new(event: &IncidentEvent, opening: Opening, subject: &Subject<'_>, view: &View) -> Self {
        let (first_failed_slot, closing, voices) = match event {
            IncidentEvent::Opened { first_failed_slot, voices, .. } => (*first_failed_slot, None, voices),
            IncidentEvent::Resolved { first_failed_slot, at, ending, voices, .. } => {
                (*first_failed_slot, Some(Closing { at: *at, ending: *ending }), voices)
            }
        };
        Self {
            incident: event.incident(),
            tenant: subject.tenant,
            check: subject.check,
            check_name: subject.check_name.to_owned(),
            target: subject.target.map(str::to_owned),
            first_failed_slot,
            opening,
            closing,
            witnesses: voices.iter().map(|voice| witness(voice, view)).collect(),
            independent: are_independent(voices, view),
            shown: Vec::new(),
        }
    }

    /// The same with what came from the target.
    #[must_use]
    pub fn showing(self, shown: Vec<Shown>) -> Self {
        Self { shown, ..self }
    }

    /// The step it tells of.
    pub const fn step(&self) -> Step {
        match self.closing {
            None => Step::Opened,
            Some(_) => Step::Resolved,
        }
    }

    /// When that happened.
    pub fn at(&self) -> UnixMs {
        self.closing.map_or(self.opening.confirmed_at, |closing| closing.at)
    }

    /// How long the outage lasted, from the first failed slot, in milliseconds; `None` while it goes on.
    pub fn duration_ms(&self) -> Option<i64> {
        self.closing.map(|closing| closing.at.since(self.first_failed_slot).max(0))
    }

    /// How many hosts its witnesses are; a host without company is asked several times.
    pub(super) fn places(&self) -> usize {
        self.witnesses.iter().map(|witness| witness.host).collect::<BTreeSet<_>>().len()
    }
}

fn witness(voice: &Voice, view: &View) -> Witness {
    let facts = view.host(voice.host).map(|host| &host.facts);
    let fact = |read: fn(&HostFacts) -> &String| facts.map(read).cloned();
    Witness {
        host: voice.host,
        name: fact(|facts| &facts.name).unwrap_or_else(|| voice.host.to_string()),
        provider: fact(|facts| &facts.provider).unwrap_or_default(),
        region: fact(|facts| &facts.region).unwrap_or_default(),
        answer: voice.answer,
        code: voice.code.clone(),
        message: voice.message.clone(),
    }
}

/// Hosts whose machine is not known to be shared count as machines of their own.
fn are_independent(voices: &[Voice], view: &View) -> bool {
    let hosts: BTreeSet<HostId> = voices.iter().map(|voice| voice.host).collect();
    let machine = |host: &HostId| view.host(*host).and_then(|host| host.facts.shared_machine.as_deref());
    let shared: Vec<&str> = hosts.iter().filter_map(machine).collect();
    let machines = shared.iter().collect::<BTreeSet<_>>().len();
    hosts.len() > 1 && machines == shared.len()
}

#[cfg(test)]
pub(super) mod tests {
    use farwatch_proto::fleet::{Standing, ViewHost};
    use farwatch_proto::time::Stamp;

    use super::*;

    fn host(number: u8, shared_machine: Option<&str>) -> ViewHost {
        let facts = HostFacts {
            name: format!("host-{number}"),
            provider: format!("provider-{number}"),
            asn: 64_500 + u32::from(number),
            country: "DE".to_owned(),
            continent: "EU".to_owned(),
            region: "eu-central".to_owned(),
            labels: [].into(),
            weight: 1,
            tenant: None,
            shared_machine: shared_machine.map(str::to_owned),
        };
        ViewHost { id: HostId::from_bytes([number; 16]), standing: Standing::Active, facts }
    }

    fn view(machines: &[Option<&str>]) -> View {
        let hosts = (1..).zip(machines).map(|(number, machine)| host(number, *machine)).collect();
        let number = Stamp { era: 1, n: 1 };
        View { number, in_force_from: UnixMs(0), planned: true, placement_version: 1, hosts }
    }

    fn voice(number: u8, answer: Answer) -> Voice {
        let (code, message) = match answer {
            Answer::Bad => ("http-status", "expected status 200-299, got 503"),
            Answer::Good => ("", ""),
            Answer::Void => ("host-silent", "no answer in time"),
        };
        let host = HostId::from_bytes([number; 16]);
        Voice { host, answer, code: code.to_owned(), message: message.to_owned() }
    }

    const SHOP: Subject<'static> = Subject {
        tenant: TenantId::from_bytes([7; 16]),
        check: CheckId::from_bytes([8; 16]),
        check_name: "shop",
        target: Some("https://shop.example/"),
    };

    fn opened_event() -> IncidentEvent {
        IncidentEvent::Opened {
            incident: IncidentId::from_bytes([9; 16]),
            first_failed_slot: UnixMs(1_793_000_000_000),
            at: UnixMs(1_793_000_002_250),
            code: "http-status".to_owned(),
            message: "expected status 200-299, got 503".to_owned(),
            need: 2,
            of: 3,
            voices: vec![voice(1, Answer::Bad), voice(2, Answer::Bad), voice(3, Answer::Void)],
            seen_afterwards: false,
        }
    }

    fn resolved_event(ending: Ending) -> IncidentEvent {
        let voices = match ending {
            Ending::Recovered => vec![voice(1, Answer::Good), voice(2, Answer::Good)],
            Ending::Paused | Ending::Deleted => Vec::new(),
        };
        IncidentEvent::Resolved {
            incident: IncidentId::from_bytes([9; 16]),
            first_failed_slot: UnixMs(1_793_000_000_000),
            at: UnixMs(1_793_000_250_500),
            ending,
            voices,
        }
    }

    /// The opening of an outage of `shop`, seen from three independent hosts.
    pub(in crate::tell) fn opened() -> TellEvent {
        let event = opened_event();
        TellEvent::new(&event, Opening::of(&event).unwrap(), &SHOP, &view(&[None, None, None]))
    }

    /// The end of that outage.
    pub(in crate::tell) fn resolved(ending: Ending) -> TellEvent {
        let opening = Opening::of(&opened_event()).unwrap();
        TellEvent::new(&resolved_event(ending), opening, &SHOP, &view(&[None, None, None]))
    }

    /// An outage that was over before anybody could judge it.
    pub(in crate::tell) fn seen_afterwards() -> TellEvent {
        let mut event = resolved(Ending::Recovered);
        event.opening.seen_afterwards = true;
        event.witnesses = opened().witnesses[..2].to_vec();
        event
    }

    #[test]
    fn an_event_reads_back_as_it_was_stored() {
        for event in [opened(), resolved(Ending::Recovered), resolved(Ending::Deleted), seen_afterwards()] {
            let stored = serde_json::to_string(&event).unwrap();
            assert_eq!(serde_json::from_str::<TellEvent>(&stored).unwrap(), event);
        }
        assert_eq!((opened().step(), opened().duration_ms()), (Step::Opened, None));
        let resolved = resolved(Ending::Recovered);
        assert_eq!((resolved.step(), resolved.duration_ms()), (Step::Resolved, Some(250_500)));
        assert_eq!(resolved.opening.message, "expected status 200-299, got 503");
    }

    #[test]
    fn witnesses_are_independent_when_they_are_several_on_machines_of_their_own() {
        let independent = |machines: &[Option<&str>], voices: &[u8]| {
            let voices: Vec<Voice> = voices.iter().map(|number| voice(*number, Answer::Bad)).collect();
            are_independent(&voices, &view(machines))
        };
        assert!(independent(&[None, None], &[1, 2]));
        assert!(independent(&[Some("a"), Some("b"), None], &[1, 2, 3]));
        assert!(!independent(&[Some("a"), Some("a"), None], &[1, 2, 3]));
        assert!(!independent(&[None], &[1, 1, 1]), "one host asked three times");
        assert!(!independent(&[None], &[]));
    }

    #[test]
    fn a_host_that_was_retired_meanwhile_is_named_by_its_id() {
        let event = opened_event();
        let told = TellEvent::new(&event, Opening::of(&event).unwrap(), &SHOP, &view(&[None, None]));
        assert_eq!(told.witnesses[0].name, "host-1");
        assert_eq!(told.witnesses[2].name, HostId::from_bytes([3; 16]).to_string());
        assert_eq!(told.witnesses[2].provider, "");
    }
}
