//! Puts an event into the words of a channel. Pure: the same message on every try, and no clock.
//!
//! One file per channel under `render/`. Nothing here sends, signs or knows an address.

pub mod mail;
pub mod webhook;

mod words;

use farwatch_core::incident::{Step, delivery_id};
use farwatch_proto::id::{ChannelId, ContactId, DeliveryId};

use super::event::TellEvent;

/// What a renderer gets: the event and its place among the messages of its incident.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// The delivery, by which a receiver knows a duplicate.
    pub delivery: DeliveryId,
    /// Whom it goes to.
    pub contact: ContactId,
    /// Over which channel.
    pub channel: ChannelId,
    /// What it tells.
    pub event: &'a TellEvent,
    /// Whether it tells of the opening as well, because that never went out.
    pub with_opening: bool,
}

impl Message<'_> {
    /// The delivery of the opening to the same contact over the same channel: the head of the thread.
    fn opening(&self) -> DeliveryId {
        delivery_id(self.event.incident, Step::Opened, self.contact, self.channel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The one delivery of this event to a certain contact.
    pub(super) fn message(event: &TellEvent, with_opening: bool) -> Message<'_> {
        let (contact, channel) = (ContactId::from_bytes([1; 16]), ChannelId::from_bytes([2; 16]));
        let delivery = delivery_id(event.incident, event.step(), contact, channel);
        Message { delivery, contact, channel, event, with_opening }
    }
}
