//! The host's loops: gather, decide, write.
//!
//! Each folder is one controller: it gathers what a decision needs, asks `koinon-policies`, and writes the answer. They share
//! the loop of [`engine`] and speak to the host through its in-process client. Nothing here decides, and nothing is kept that
//! cannot be gathered again.
//!
//! ```text
//! templates, policies, clusters ─► placement ─► ResourceBinding ─► delivery ─► DesiredSet of each member (fleet)
//!                                                    ▲                │            │ syncer
//!                                                    └─── statuses ◄──┴─ Feedback ◄┘
//! ```

pub mod engine;
pub mod kinds;

pub mod placement;

pub mod delivery;
pub mod fleet;

pub mod observations;

pub mod members;

pub mod vantages;

pub mod authors;

pub mod cluster_health;

pub mod names;
pub mod updates;

pub mod bindings;
pub mod templates;

pub mod metrics;

mod clock;
mod clusters;
mod policies;
mod resources;
mod sources;
#[cfg(test)]
mod testing;
