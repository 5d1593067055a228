//! Koinon on real Kubernetes clusters.

mod informers;
mod members;
