//! The sandbox with real components: what bad guests can and cannot do, how modules are kept, and the `http` module.

mod harness;
mod hostile;
mod http;
mod keeping;
mod sockets;
mod tcp;
mod wasi;
mod web;
