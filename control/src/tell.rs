//! Telling people: what a delivery says, how it is put, and how it is sent.
//!
//! A message exists as a row before it is sent. Rendering is pure; a sender sends one message once and says
//! what came back; only the worker claims, decides with `core` what that means, and records it. Whom to tell
//! is not decided here.

pub mod channel;
pub mod config;
pub mod event;
pub mod render;
pub mod signing;

pub(crate) mod connect;
pub(crate) mod exchange;
mod mail;
mod places;
mod relay;
mod reply;
mod teller;
mod webhook;
mod worker;

pub use teller::Teller;
pub use worker::start;
