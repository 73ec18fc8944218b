//! The leader of two control processes is killed, stopped or cut off from its database, and the other takes over.

use std::time::Duration;

use anyhow::{Context, ensure};
use farwatch_proto::time::UnixMs;
use rustix::process::Signal;
use serde_json::json;

use super::instants::Instants;
use super::{Account, Ordeal};
use crate::clock::now;
use crate::postgres::{Durability, Postgres};
use crate::relay::Relay;
use crate::system::System;
use crate::wait::{eventually, leave_alone};

const SEED: u64 = 20_261_124;
/// The other one leads by then, whatever happened.
const LEAD_LIMIT: Duration = Duration::from_secs(60);
/// The one that was struck serves again by then.
const RETURN_LIMIT: Duration = Duration::from_secs(60);

/// What befalls the leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blow {
    /// kill -9.
    Kill,
    /// SIGSTOP, and SIGCONT once another leads.
    Stop,
    /// Its connections to the database stay open and carry nothing, until another leads.
    Cut,
    /// It is asked to end, as by an operator.
    End,
}

/// Two control processes on one PostgreSQL, each by a relay of its own.
pub struct Controls {
    ordeal: Ordeal,
    relays: Vec<Relay>,
    instants: Instants,
    /// Ended last, for everybody else needs it.
    _postgres: Postgres,
}

impl Controls {
    /// Starts PostgreSQL and Farwatch.
    pub fn begin() -> anyhow::Result<Self> {
        let postgres = Postgres::start_on_loopback(Durability::Safe)?;
        let address = postgres.address().context("the server does not listen on loopback")?;
        let url = postgres.create_database()?;
        let relays = [Relay::start(address)?, Relay::start(address)?];
        let via: Vec<String> = relays.iter().map(|relay| postgres.url_via(&url, relay.address())).collect();
        let system = System::builder().controls(relays.len(), &via[0]).flag("--restart-at-most=1s");
        let system = via.iter().fold(system, |system, via| system.flag(format!("--database-via={via}")));
        Ok(Self {
            ordeal: Ordeal::begin(system)?,
            relays: relays.into(),
            instants: Instants::of(SEED),
            _postgres: postgres,
        })
    }

    /// The ordeal that they stand.
    pub const fn ordeal(&self) -> &Ordeal {
        &self.ordeal
    }

    /// Which of them leads.
    pub fn leader(&self) -> anyhow::Result<usize> {
        let apis = self.ordeal.scene().system.apis();
        eventually("one of them to lead", LEAD_LIMIT, || Ok((0..apis.len()).find(|index| self.leads(*index))))
    }

    fn leads(&self, index: usize) -> bool {
        let health = self.ordeal.scene().system.apis()[index].try_get("/v1/health");
        health.is_ok_and(|(_, health)| health["leads"] == true)
    }

    /// Leaves the leader alone for a while, strikes it, waits until another leads, and lets the struck one return. Returns how long nobody led, in
    /// milliseconds.
    pub fn strike(&mut self, blow: Blow) -> anyhow::Result<i64> {
        self.ordeal.keep_schedule()?;
        leave_alone(self.instants.alone());
        let leader = self.leader()?;
        let struck = now();
        self.deal(blow, leader)?;
        let took_ms = self.await_successor(leader, struck)?;
        self.relieve(blow, leader)?;
        self.await_return(leader)?;
        Ok(took_ms)
    }

    fn deal(&self, blow: Blow, leader: usize) -> anyhow::Result<()> {
        let system = &self.ordeal.scene().system;
        match blow {
            Blow::Kill => system.signal(system.control_pid_of(leader)?, Signal::KILL),
            Blow::Stop => system.signal(system.control_pid_of(leader)?, Signal::STOP),
            Blow::End => system.signal(system.control_pid_of(leader)?, Signal::TERM),
            Blow::Cut => {
                self.relays[leader].cut();
                Ok(())
            }
        }
    }

    fn relieve(&self, blow: Blow, leader: usize) -> anyhow::Result<()> {
        let system = &self.ordeal.scene().system;
        match blow {
            Blow::Kill | Blow::End => Ok(()),
            Blow::Stop => system.signal(system.control_pid_of(leader)?, Signal::CONT),
            Blow::Cut => {
                self.relays[leader].heal();
                Ok(())
            }
        }
    }

    /// Waits until another leads, and demands that it holds what the database does.
    fn await_successor(&self, leader: usize, struck: UnixMs) -> anyhow::Result<i64> {
        let apis = self.ordeal.scene().system.apis();
        let others = || (0..apis.len()).filter(|index| *index != leader);
        let successor = eventually("another to lead", LEAD_LIMIT, || Ok(others().find(|index| self.leads(*index))))?;
        let took_ms = now().since(struck);
        let found = apis[successor].post("/v1/self-check", &json!({}))?;
        ensure!(found["agrees"] == true, "what the successor holds is not what the database does: {found}");
        Ok(took_ms)
    }

    /// Waits until the one that was struck serves again, and follows.
    fn await_return(&self, struck: usize) -> anyhow::Result<()> {
        let api = &self.ordeal.scene().system.apis()[struck];
        eventually("the one that was struck to follow", RETURN_LIMIT, || {
            let (status, health) = api.try_get("/v1/health")?;
            Ok((status == 200 && health["leads"] == false).then_some(()))
        })
    }

    /// The account of it all.
    pub fn account(self) -> anyhow::Result<Account> {
        // The database and the relays stay until it is taken.
        let Self { ordeal, relays: _relays, _postgres, .. } = self;
        ordeal.account()
    }
}
