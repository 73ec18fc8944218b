//! What is held of a job that calls us. It is down and up again by its own word and by the clock: no round, no recovery to
//! be confirmed.

use farwatch_proto::id::HostId;

use super::{Effect, Failure, Turn, Verdict};
use crate::heartbeat::{Standing, Trouble};
use crate::incident::{Ending, IncidentEvent, incident_id};

/// Stands where the host is named that saw a failure: it was none.
const NO_HOST: HostId = HostId::from_bytes([0; 16]);

impl Turn<'_> {
    pub(super) fn called(&mut self, standing: &Standing) {
        match standing {
            Standing::Down(trouble) if self.detector.verdict == Verdict::Down => {
                self.detector.reason.clone_from(&trouble.message);
            }
            Standing::Down(trouble) => self.job_fails(trouble),
            Standing::Good | Standing::Unheard if self.detector.verdict == Verdict::Up => {}
            Standing::Good | Standing::Unheard => self.ended(Ending::Recovered),
        }
    }

    fn job_fails(&mut self, trouble: &Trouble) {
        let Trouble { since, code, message } = trouble;
        let incident = incident_id(self.facts.check, *since);
        self.turn_to(Verdict::Down, message.clone());
        self.detector.incident = Some(incident);
        self.detector.last_failed_slot = Some(*since);
        self.detector.first_failure =
            Some(Failure { slot: *since, host: NO_HOST, code: (*code).to_owned(), message: message.clone() });
        self.effects.push(Effect::Incident(IncidentEvent::Opened {
            incident,
            first_failed_slot: *since,
            at: self.now,
            code: (*code).to_owned(),
            message: message.clone(),
            need: 0,
            of: 0,
            voices: Vec::new(),
            seen_afterwards: false,
        }));
    }
}
