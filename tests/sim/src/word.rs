//! What simulated machines say to each other.

use std::collections::BTreeSet;

use farwatch_proto::fleet::View;
use farwatch_proto::id::{HostId, OrderId};
use farwatch_proto::link::Order;
use farwatch_proto::peer::Statement;
use farwatch_proto::time::{Stamp, UnixMs};

use crate::host::disk::{Copied, CopyId, Found, Mark};
use crate::program::Program;

/// Anything that is said.
#[derive(Clone, Debug)]
pub(crate) enum Word {
    /// Between hosts: it lives, its clock shows this, and the database holds its spool up to there.
    Beat(UnixMs, Mark),
    /// Between hosts; what is done comes with its result.
    Says(Statement, Option<Copied>),
    /// To control.
    Reports(Report),
    /// By control.
    Told(Told),
}

/// What a host says to control.
#[derive(Clone, Debug)]
pub(crate) enum Report {
    /// It lives, holds this view, hears these, runs this program, and could not carry out the order of this moment to take
    /// another.
    Beat { view: Option<Stamp>, hears: BTreeSet<HostId>, program: Program, failed: Option<UnixMs> },
    /// What lies in its spool from this place on.
    Results { from: Mark, found: Vec<Found> },
    /// What it kept of others and was asked for.
    Carries(Vec<Copied>),
    /// It has no place for this.
    Declined(OrderId),
}

/// What control says to a host.
#[derive(Clone, Debug)]
pub(crate) enum Told {
    /// What time it is, and how far the database holds the host's spool.
    Welcome(UnixMs, Mark),
    View(View),
    Plan(View),
    Withdraw(Stamp),
    /// The database holds the host's spool up to here.
    Committed(Mark),
    /// What do you keep of these?
    HandOver(Vec<HostId>),
    /// The database holds these.
    Received(Vec<CopyId>),
    /// Run this now.
    Run(Order),
    /// Take the new program; ordered at this moment.
    Upgrade(UnixMs),
    /// This is not needed any more.
    Cancel(OrderId),
}
