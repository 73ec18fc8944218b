//! Control is killed again and again, on either engine: nothing is lost, and nobody is told of what was not.
//!
//! The short form of `make crash`.

use farwatch_tests::ordeal::Kills;
use farwatch_tests::postgres::{Durability, Postgres};
use farwatch_tests::system::{System, SystemBuilder};

/// Enough for an outage to begin, to be told, to end and to be told again, with kills in each part of it.
const KILLS: usize = 10;
const SEED: u64 = 20_261_123;

fn stand(system: SystemBuilder) {
    let mut ordeal = Kills::begin(system, SEED).unwrap();
    ordeal.strike_folding(1).unwrap();
    while ordeal.count() < KILLS || ordeal.outages() == 0 {
        ordeal.strike().unwrap();
    }
    ordeal.account().unwrap().must_hold().unwrap();
}

#[test]
fn control_killed_again_and_again_loses_nothing_on_sqlite() {
    stand(System::builder());
}

#[test]
fn control_killed_again_and_again_loses_nothing_on_postgres() {
    let postgres = Postgres::start(Durability::Safe).unwrap();
    stand(System::builder().controls(1, &postgres.create_database().unwrap()));
}
