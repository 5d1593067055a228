//! The verbs.

pub(crate) mod options;
