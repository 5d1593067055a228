//! The authoritative DNS server: probes, snapshots, answers.

pub mod wire;

pub mod snapshot;

pub mod edge;
mod fast;

pub mod metrics;
