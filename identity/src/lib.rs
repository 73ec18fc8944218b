//! Who a host is, by its certificate, until when that is believed, and how something is said to it alone: what both ends
//! of a link must agree on.
//!
//! Certificates come from a handshake or from a file of whoever asks. Nothing here opens a link, reads a file or asks the
//! time.

mod forbearing;
mod named;
mod sealing;

pub use forbearing::{ForbearingOfClients, ForbearingOfServers};
pub use named::{Named, named_in};
pub use sealing::{OpeningKey, SEED_BYTES, SealingKey};
