//! What a probe is asked and what it has to show, whether it got an answer or not.
//!
//! These are the very records of `wit/`, as the sandbox hands them over, so that nothing is copied from
//! one shape into another between the network and the guest. What each code means stands there.

pub use farwatch_sandbox::http::{Request, Response, Version, Want};
pub use farwatch_sandbox::types::{ClientIdentity, Failure, IpVersion, Phase, PhaseTimes, TlsInfo};
