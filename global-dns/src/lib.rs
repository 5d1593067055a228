//! The authoritative DNS server: probes, snapshots, answers.
//!
//! ```text
//! query ─► fast (a thread per core) ─ anything unusual ─► edge (bounded) ─► the same snapshot
//! table, probes ─► publish ─► snapshot::build ─► swap ─► history ─► notify
//!    keep ◄──────────┘ the last table      └─► transfers
//! ```

pub mod wire;

pub mod snapshot;

mod fast;

mod subnet;

pub mod geo;

mod cookies;

mod dnssec;

mod ede;

mod node;

mod limit;

mod edge;

pub mod update;

mod probe;

mod publish;

pub mod keep;

mod history;

mod notify;

pub mod serve;

pub mod delegation;

pub mod explain;

pub mod zonefile;

pub mod metrics;

#[cfg(any(test, fuzzing))]
pub mod fuzz;

pub use cookies::CookieSecret;
pub use dnssec::{InvalidKey, Signatures};
pub use edge::tls::{Identity, IdentityError};
pub use fast::BindError;
pub use limit::Limit;
pub use node::{InvalidNsid, Nsid};
pub use subnet::{InvalidSubnet, Subnet};
