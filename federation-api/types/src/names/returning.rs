//! What stands beside the verdict on an endpoint: an operator's decision, and how far it is back.

use serde::{Deserialize, Serialize};

/// An operator's decision about an endpoint. It counts before everything that is seen of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forced {
    /// What it is taken for.
    pub state: ForcedState,
    /// Why, in the operator's words.
    pub reason: String,
    /// Until when, Unix milliseconds; none until it is taken back.
    pub until_ms: Option<i64>,
}

/// What an endpoint is taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ForcedState {
    /// Well.
    Up,
    /// Down, also when nothing else is well; when all are, the owner's choice for that applies.
    Down,
}

/// How far an endpoint is back. Its weight in the table is already this part of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ramp {
    /// The part of its weight that it has, in percent.
    pub percent: u8,
    /// When it gets more, Unix milliseconds; none while a probe speaks against it.
    pub next_ms: Option<i64>,
}
