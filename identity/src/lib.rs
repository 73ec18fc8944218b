//! Who a host is, by its certificate, and until when that is believed: what both ends of a link must agree on.
//!
//! Certificates come from a handshake or from a file of whoever asks. Nothing here opens a link, reads a file or asks the
//! time.

mod forbearing;
mod named;

pub use forbearing::{ForbearingOfClients, ForbearingOfServers};
pub use named::{Named, named_in};
