//! The authoritative DNS server: probes, snapshots, answers.
//!
//! ```text
//! query ─► fast (a thread per core) ─ anything unusual ─► edge (bounded) ─► the same snapshot
//! table, probes ─► publish ─► snapshot::build ─► swap
//!    keep ◄──────────┘ the last table, for the next start
//! ```

pub mod wire;

pub mod snapshot;

mod fast;

mod edge;

mod probe;

mod publish;

mod keep;

pub mod serve;

pub mod explain;

pub mod zonefile;

pub mod metrics;

pub use fast::BindError;
