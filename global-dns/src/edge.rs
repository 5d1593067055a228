//! The full reading of any message, over TCP and for what the fast path leaves.

mod message;

pub(crate) mod handler;

pub(crate) mod datagrams;

pub(crate) mod streams;
