//! The second link of a host whose process hands over to its successor.
//!
//! Views are told to both, for each owes slots by them. Definitions and orders go to the newer boot alone.

use farwatch_proto::id::{BootId, HostId};
use farwatch_proto::link::FromControl;
use tokio::sync::mpsc;

use super::{Arrival, Session};

/// The link of the process that hands over.
#[derive(Clone, Debug)]
pub(super) struct Leaving {
    connection: u64,
    boot: BootId,
    outbox: mpsc::Sender<FromControl>,
}

/// Which of a host's processes says something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::leader) enum Speaker {
    /// The one that is told and asked.
    Current,
    /// The one before it.
    Leaving,
}

impl Leaving {
    /// What stays of an earlier session beside one of this boot.
    pub(super) fn of(before: &Session, boot: BootId) -> Option<Self> {
        let linked = before.outbox.clone().filter(|_| before.boot < boot);
        let overtaken = linked.map(|outbox| Self { connection: before.connection, boot: before.boot, outbox });
        overtaken.or_else(|| before.leaving.clone().filter(|leaving| leaving.boot < boot))
    }

    fn say(&self, message: FromControl) {
        // One that does not take it is about to end, and is told all anew should it come again.
        let _ = self.outbox.try_send(message);
    }
}

impl Session {
    /// Whether a newer process of the host is linked than one of this boot.
    pub(in crate::leader) fn outranks(&self, boot: BootId) -> bool {
        self.is_linked() && self.boot > boot
    }

    /// A process comes while its successor is linked: it is told these, and heard.
    pub(in crate::leader) fn admit_leaving(&mut self, arrival: Arrival, told: impl IntoIterator<Item = FromControl>) {
        let Arrival { connection, boot, outbox, .. } = arrival;
        let leaving = Leaving { connection, boot, outbox };
        told.into_iter().for_each(|message| leaving.say(message));
        self.leaving = Some(leaving);
    }

    /// Who speaks on this connection; nobody who is heard, where it was given up.
    pub(in crate::leader) fn speaker(&self, connection: u64) -> Option<Speaker> {
        if self.connection == connection {
            return Some(Speaker::Current);
        }
        self.leaving.as_ref().filter(|leaving| leaving.connection == connection).map(|_| Speaker::Leaving)
    }

    /// The connection is gone. A process that is left over has to say hello anew, for it is the host again.
    pub(in crate::leader) fn left(&mut self, connection: u64) {
        match self.speaker(connection) {
            Some(Speaker::Current) => {
                self.end();
                self.leaving = None;
            }
            Some(Speaker::Leaving) => self.leaving = None,
            None => {}
        }
    }

    /// Tells every process of the host.
    pub(in crate::leader) fn send_to_all(&mut self, host: HostId, message: FromControl) {
        if let Some(leaving) = &self.leaving {
            leaving.say(message.clone());
        }
        self.send(host, message);
    }

    /// Tells the process that this boot is of, and the current one where it is of none that is linked.
    pub(in crate::leader) fn send_to(&mut self, host: HostId, boot: BootId, message: FromControl) {
        match self.leaving.as_ref().filter(|leaving| leaving.boot == boot) {
            Some(leaving) => leaving.say(message),
            None => self.send(host, message),
        }
    }
}
