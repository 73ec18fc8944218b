//! The farwatch binary.
fn main() {}
