//! The API over its real router, on both engines, with the built-in modules in a real sandbox.

/// Runs each test once per engine.
macro_rules! on_both_engines {
    ($($name:ident),+ $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(crate::api::house::House::on_sqlite().await).await;
            })+
        }
        mod on_postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(crate::api::house::House::on_postgres().await).await;
            })+
        }
    };
}

mod access;
mod afterwards;
mod audit;
mod audited;
mod bad_input;
mod charts;
mod checks;
mod confirmation;
mod evidence;
mod folding;
mod heartbeats;
mod history;
mod house;
mod idempotency;
mod invitations;
mod isolation;
mod limits;
mod misses;
mod modules;
mod openapi;
mod people;
mod quotas;
mod revisions;
mod routes;
mod scribe;
mod secrets;
mod trying;
mod upgrades;
