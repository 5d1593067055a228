//! What a node has to say besides answers: NSID, cookies, and zones as a whole.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use koinon_model::time::Timestamp;

use crate::cookies::{CookieSecret, Keys};
use crate::history::Archive;
use crate::snapshot::{Edns, Options};

/// Longest NSID: it goes into every answer to who asks for it, and a host name fits.
const NSID_MAX: usize = 64;

/// What tells this node from others (RFC 5001).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nsid(Box<[u8]>);

/// An NSID is too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an NSID has at most {NSID_MAX} bytes")]
pub struct InvalidNsid;

/// The part of a node that answers speak of; whoever answers has one of its own.
#[derive(Clone)]
pub(crate) struct Node {
    nsid: Nsid,
    secret: CookieSecret,
    keys: Keys,
    archive: Arc<ArcSwap<Archive>>,
}

/// A node at a moment.
pub(crate) struct Speaker<'a> {
    pub(crate) nsid: &'a Nsid,
    pub(crate) keys: &'a Keys,
    /// What of its zones may be copied.
    pub(crate) archive: &'a ArcSwap<Archive>,
    pub(crate) now: Timestamp,
    /// How long the connection may be idle over which it speaks, if over any.
    pub(crate) idle_max: Option<Duration>,
}

// === impl Nsid ===

impl TryFrom<&str> for Nsid {
    type Error = InvalidNsid;

    fn try_from(text: &str) -> Result<Self, InvalidNsid> {
        if text.len() > NSID_MAX { Err(InvalidNsid) } else { Ok(Self(text.as_bytes().into())) }
    }
}

// === impl Node ===

impl Node {
    pub(crate) fn new(
        nsid: Nsid,
        secret: CookieSecret,
        archive: Arc<ArcSwap<Archive>>,
        now: Timestamp,
    ) -> Self {
        let keys = Keys::of(&secret, now);
        Self { nsid, secret, keys, archive }
    }

    /// The node at a moment, with the keys of that day.
    pub(crate) fn speaker(&mut self, now: Timestamp) -> Speaker<'_> {
        self.keys.keep_up(&self.secret, now);
        Speaker { nsid: &self.nsid, keys: &self.keys, archive: &self.archive, now, idle_max: None }
    }
}

// === impl Speaker ===

impl<'a> Speaker<'a> {
    /// Whether a client has shown that its address is its own.
    pub(crate) fn knows(&self, edns: Option<Edns>, client: IpAddr) -> bool {
        let cookie = edns.and_then(|edns| edns.cookie);
        cookie.is_some_and(|cookie| self.keys.knows(&cookie, client, self.now))
    }

    /// What an answer to a client says beside the answer.
    pub(crate) fn options(&self, edns: Option<Edns>, client: IpAddr) -> Options<'a> {
        let Some(edns) = edns else { return Options::default() };
        Options {
            cookie: edns.cookie.map(|cookie| self.keys.answer(&cookie, client, self.now)),
            nsid: edns.wants_nsid.then_some(&*self.nsid.0),
            subnet: edns.subnet,
            keepalive: self.idle_max.filter(|_| edns.wants_keepalive).map(tenths),
            padding: None,
        }
    }
}

/// A duration in tenths of a second (RFC 7828 §3.1).
fn tenths(duration: Duration) -> u16 {
    u16::try_from(duration.as_millis() / 100).unwrap_or(u16::MAX)
}
