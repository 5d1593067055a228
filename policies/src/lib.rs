//! Every decision Koinon takes, as pure functions.
