//! What simulated machines say to each other.

use std::collections::BTreeSet;

use farwatch_proto::fleet::View;
use farwatch_proto::id::{HostId, OrderId};
use farwatch_proto::link::Order;
use farwatch_proto::peer::Statement;
use farwatch_proto::time::{Stamp, UnixMs};

use crate::host::Found;

/// Anything that is said.
#[derive(Clone, Debug)]
pub(crate) enum Word {
    /// Between hosts: it lives, and its clock shows this.
    Beat(UnixMs),
    /// Between hosts.
    Says(Statement),
    /// To control.
    Reports(Report),
    /// By control.
    Told(Told),
}

/// What a host says to control.
#[derive(Clone, Debug)]
pub(crate) enum Report {
    /// It lives, holds this view, and hears these.
    Beat(Option<Stamp>, BTreeSet<HostId>),
    /// What lies in its spool from this place on.
    Results { from: usize, found: Vec<Found> },
    /// It has no place for this.
    Declined(OrderId),
}

/// What control says to a host.
#[derive(Clone, Debug)]
pub(crate) enum Told {
    /// What time it is, and how far the database holds the host's spool.
    Welcome(UnixMs, usize),
    View(View),
    Plan(View),
    Withdraw(Stamp),
    /// The database holds the host's spool up to here.
    Committed(usize),
    /// Run this now.
    Run(Order),
    /// This is not needed any more.
    Cancel(OrderId),
}
