//! The built-in modules against real servers: one folder of `cases/` for each thing that a server can do to a check.
//!
//! A case names its module, the config, the server with its set-up, what stands in the way to it, and what the module has
//! to find. The module runs in the sandbox and over the probes of a host; there is no schedule and no control plane.

pub mod beside;
pub mod case;
pub mod fuzz;
pub mod hostile;
pub mod relay;
pub mod server;
pub mod stage;
