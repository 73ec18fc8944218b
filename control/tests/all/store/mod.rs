//! The store on both engines: a real SQLite file and a real PostgreSQL server, a fresh database for every test.

/// Runs each test once per engine.
macro_rules! on_both_engines {
    ($($name:ident),+ $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(crate::store::world::Database::sqlite()).await;
            })+
        }
        mod on_postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(crate::store::world::Database::postgres()).await;
            })+
        }
    };
}

mod blocks;
mod changes;
mod checks;
mod claims;
mod config;
mod evidence;
mod fleet;
mod given_up;
mod heartbeats;
mod incidents;
mod joining;
mod journal;
mod kept_answers;
mod late_failures;
mod leader;
mod ledger;
mod modules;
mod opening;
mod own_incidents;
mod partitions;
mod people;
mod quotas;
mod releases;
mod restoring;
mod secrets;
mod tail;
mod tidy;
mod upgrade;
mod world;
