//! Weighted rendezvous hashing in whole tickets.
//!
//! Every host draws once per ticket and keeps its best draw; the highest wins. Adding or losing a
//! host moves only what it wins or had won (Thaler and Ravishankar, 1998).

use std::cmp::Reverse;

use farwatch_proto::check::StreamId;
use farwatch_proto::fleet::{ViewHost, WEIGHT_MAX};

use crate::hash::hash64_of;

/// The best draw of a host for a stream; the host's id keeps two equal draws apart.
pub(super) fn draw(stream: StreamId, host: &ViewHost) -> Reverse<(u64, [u8; 16])> {
    let tickets = host.facts.weight.clamp(1, WEIGHT_MAX);
    let best = (0..tickets).map(|ticket| ticket_value(stream, host, ticket)).max().unwrap_or(0);
    Reverse((best, *host.id.as_bytes()))
}

fn ticket_value(stream: StreamId, host: &ViewHost, ticket: u16) -> u64 {
    hash64_of(&[stream.check.as_bytes(), &stream.number.to_be_bytes(), host.id.as_bytes(), &ticket.to_be_bytes()])
}
