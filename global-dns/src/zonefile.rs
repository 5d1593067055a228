//! Zone files (RFC 1035 §5, with `$TTL` of RFC 2308 §4 and the generic types of RFC 3597 §5): text to zone, and back.
//!
//! Pure: nothing is opened here, so `$INCLUDE` is refused. What a zone of ours cannot hold is refused with its line,
//! or kept in another form and told as a note; nothing is lost in silence.

mod lines;

mod read;

mod write;

pub use read::read;
pub use write::write;

use koinon_types::names::Zone;

/// What a zone file says.
#[derive(Clone, Debug, PartialEq)]
pub struct ZoneFile {
    /// The zone, as the name table carries it.
    pub zone: Zone,
    /// The line of each of the zone's records, in their order.
    pub lines: Vec<usize>,
    /// What is kept in another form than it was written.
    pub notes: Vec<String>,
}

/// Why a line of a zone file cannot be kept, and what would be accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct Refusal {
    /// The line, counted from 1.
    pub line: usize,
    /// The reason.
    pub reason: String,
}

impl Refusal {
    fn new(line: usize, reason: impl Into<String>) -> Self {
        Self { line, reason: reason.into() }
    }
}

#[cfg(test)]
mod tests;
