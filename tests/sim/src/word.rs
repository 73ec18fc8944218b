//! What simulated machines say to each other.

use std::collections::BTreeSet;

use farwatch_proto::fleet::View;
use farwatch_proto::id::{HostId, OrderId};
use farwatch_proto::link::Order;
use farwatch_proto::panel::{PanelCount, PanelWord};
use farwatch_proto::peer::Statement;
use farwatch_proto::time::{Stamp, UnixMs};

use crate::host::disk::{Copied, CopyId, Found, Mark};
use crate::program::Program;

/// Anything that is said.
#[derive(Clone, Debug)]
pub(crate) enum Word {
    /// Between hosts: it lives, its clock shows this, the database holds its spool up to there, and its panel is like this.
    Beat(UnixMs, Mark, Option<PanelWord>),
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
    /// It lives, holds this view, hears these, runs this program, could not carry out the order of this moment to take
    /// another, and its panel is like this.
    Beat {
        view: Option<Stamp>,
        hears: BTreeSet<HostId>,
        program: Program,
        failed: Option<UnixMs>,
        panel: Option<PanelWord>,
        is_insane: bool,
    },
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
    /// There is a panel of references, and it looks to the fleet like this.
    Panel(PanelCount),
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
