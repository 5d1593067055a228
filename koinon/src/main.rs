//! The `koinon` binary.

fn main() {}
