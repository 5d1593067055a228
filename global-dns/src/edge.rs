//! The full reading of any message, over TCP and for what the fast path leaves.

pub(crate) mod message;

pub(crate) mod tsig;

pub(crate) mod transfer;

pub(crate) mod update;

pub(crate) mod handler;

pub(crate) mod datagrams;

pub(crate) mod streams;
