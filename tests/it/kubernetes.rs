//! Koinon on real Kubernetes clusters.

mod deploy;
mod informers;
mod members;
pub(crate) mod story;
