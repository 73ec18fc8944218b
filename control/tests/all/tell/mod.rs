//! Telling, to real receivers and a real mail server, from rows on both engines.

/// Runs each test once per engine.
macro_rules! on_both_engines {
    ($($name:ident),+ $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(super::Database::sqlite()).await;
            })+
        }
        mod on_postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(super::Database::postgres()).await;
            })+
        }
    };
}

mod crash;
mod log;
mod mail;
mod secrecy;
mod webhook;
mod world;
