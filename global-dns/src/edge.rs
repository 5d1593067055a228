//! The full reading of any message, over connections and for what the fast path leaves.
//!
//! ```text
//! fast path ─► datagrams ──────────────────────────┐
//! TCP ─► room ─► framed ───────┐                   ├─► handler ─► message, tsig, transfer; the snapshot
//! TLS ─► room ─┬► framed ──────┼─► desk ───────────┘
//!              └► https ───────┤
//! QUIC ─► room ─► quic ────────┘
//! ```

pub(crate) mod message;

pub(crate) mod tsig;

pub(crate) mod transfer;

pub(crate) mod update;

pub(crate) mod handler;

pub(crate) mod datagrams;

pub(crate) mod desk;

pub(crate) mod room;

pub(crate) mod framed;

pub(crate) mod tls;

pub(crate) mod https;

pub(crate) mod streams;

pub(crate) mod quic;
