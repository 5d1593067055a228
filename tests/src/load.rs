//! Load drivers: what the benchmarks measure with.

pub mod arrivals;
pub mod deployments;
pub mod report;
