//! What the host is told about one object: the outcome of its order and the member's copy, as one message. Pure.

use koinon_types::sync::{Feedback, ObjectRef, Outcome};

use crate::observed::Copy;

/// Makes the message.
pub fn about(
    cluster: &str,
    object: ObjectRef,
    version: u64,
    outcome: Outcome,
    copy: Option<&Copy>,
) -> Feedback {
    Feedback { cluster: cluster.to_owned(), object, version, outcome, observed: copy.map(Copy::report) }
}
