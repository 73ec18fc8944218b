//! What a desk asks of its host, and what it answers with.

use std::sync::Arc;

use farwatch_proto::check::StreamId;
use farwatch_proto::id::{HostId, ModuleHash};
use farwatch_proto::time::UnixMs;

use crate::held::Held;

/// Whether a module can be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// It is loaded.
    Ready,
    /// It is on its way.
    NotYet,
    /// It will never load on this host.
    Never,
}

/// What runs need of their host.
pub trait Facilities {
    /// One of the places a host has for runs; free again once it is dropped.
    type Place;

    /// A place, if one is free.
    fn take_place(&mut self) -> Option<Self::Place>;

    /// Whether this module can be run.
    fn readiness(&self, module: &ModuleHash) -> Readiness;

    /// Whether what this host sees is to be believed: an insane one runs nothing, and leaves its slots to the others.
    fn is_sane(&self) -> bool;
}

/// A run to be started now.
#[derive(Debug)]
pub struct Run<P> {
    /// The check.
    pub held: Arc<Held>,
    /// The revision in force for the slot.
    pub revision: u32,
    /// The stream.
    pub stream: StreamId,
    /// The slot.
    pub slot: UnixMs,
    /// How many runs of this slot this host has made before.
    pub attempt: u32,
    /// Its place.
    pub place: P,
    /// The owners to whom its start and its end are told.
    pub tell: Vec<HostId>,
}

/// Why a slot was not run while its window was open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lack {
    /// No place came free.
    Place,
    /// The module was not there.
    Module,
    /// What the host saw was not to be believed.
    Sanity,
}

/// What is to be done.
#[derive(Debug)]
pub enum Act<P> {
    /// Run it, and say so.
    Run(Run<P>),
    /// Say that this host cannot run the slot now, so that the next may go at once.
    Yield {
        /// The stream.
        stream: StreamId,
        /// The slot.
        slot: UnixMs,
        /// The other owners.
        tell: Vec<HostId>,
    },
    /// Put on record that this host owed the slot and did not run it.
    GiveUp {
        /// The check.
        held: Arc<Held>,
        /// The revision in force for the slot.
        revision: u32,
        /// The stream.
        stream: StreamId,
        /// The slot.
        slot: UnixMs,
        /// Why.
        lack: Lack,
    },
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It covers the slot.
    Covers,
    /// This host disturbed it, and it covers nothing.
    Disturbed,
}
