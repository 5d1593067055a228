//! Fills in what a user may leave out: an object as upstream's server would hold it.

mod written;

pub use written::as_go_writes;
