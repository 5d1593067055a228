//! Load drivers: what the benchmarks measure with.

pub mod arrivals;
pub mod datagrams;
pub mod deployments;
pub mod floods;
pub mod report;
pub mod rivals;
pub mod threads;
