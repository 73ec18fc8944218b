//! What tests of every crate share: real servers, started for them and ended with them.
//!
//! Knows neither host nor control, so that both may use it in their own tests. Holds no stories and no assertions.

pub mod postgres;

pub mod api;
pub mod authored;
pub mod brought;
pub mod certificate;
pub mod clock;
pub mod host_apart;
pub mod lab;
pub mod lateness;
pub mod link;
pub mod mail_server;
pub mod nginx;
pub mod ordeal;
pub mod otlp_receiver;
pub mod ports;
pub mod python;
pub mod references;
pub mod relay;
pub mod scene;
pub mod server;
pub mod system;
pub mod wait;
pub mod webhook_receiver;
