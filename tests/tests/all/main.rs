//! The tests of the whole: what must be absent, and stories over real processes.

mod stories;
mod tidy;
