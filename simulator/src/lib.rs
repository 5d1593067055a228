//! Simulated members: a real Kubernetes API on a socket, with simulated nodes, pods and load balancers, and faults on command.
//!
//! The API is the server library's own, so whatever works against a member works against these. What runs is pretended:
//! pods become ready after a while, nodes have room, services have an address on which somebody answers.
//!
//! ```text
//! clients ─► gate (refuses, hangs, resets or slows on command) ─► API server over memory ◄─ behave: workloads, pods, services
//! probes  ─► gate ─► endpoint: 200 while a ready pod stands behind it
//! ```

mod behave;
mod endpoints;
mod gate;
mod kinds;
mod member;

pub use gate::Fault;
pub use member::{Config, Member, StartError};

#[cfg(test)]
mod tests;
