//! Which keys should sign a zone now, and when may that change? Rollovers without a moment at which a resolver fails.
//!
//! A rollover is no script here. What may be in caches is kept as three lists: the versions of the DNSKEY set, the versions of
//! the zone's signatures, and the DS sets of the parent. A step is taken when every combination of what may be cached with
//! what the step publishes still validates; the well-known procedures follow from that:
//!
//! ```text
//!              DNSKEY set            zone signed by    DS at the parent
//! zone key     old ─► old+new        old
//!  (pre-       ─── DNSKEY TTL ───►   new
//!  published)  new ◄─── zone TTL ───
//! entry key    old ─► old+new        as before         old
//!  (double     ─── DNSKEY TTL ───►   CDS names new ─►  new, when it is seen
//!  signature)  new ◄─── DS TTL ───────────────────────
//! insecure     old                   CDS says delete ► none, when it is seen
//!              none ◄─── DS TTL ─────────────────────
//! ```
//!
//! First signatures, other layouts, emergencies, and histories that cut into each other take the same path. Nothing is taken for
//! granted that was not seen: a version counts from when every DNS node served it, a DS set until the parent was seen without it.
//!
//! Sources: RFC 6781 §4, RFC 7583, RFC 7344, RFC 8078; the idea of judging states and not procedures: Schaeffer, *Flexible and
//! robust key rollover in DNSSEC* (2012).

mod goal;
mod safety;
mod steps;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use koinon_model::time::Timestamp;

pub use steps::plan;

/// How long all servers of the parent may take to agree after one of them has a change. RFC 7583 calls it Dprp and leaves
/// the number to the operator; parents with rare zone loads, and registries with many sites, stay below an hour.
pub const PARENT_PROPAGATION: Duration = Duration::from_secs(3_600);

/// Keys of one zone at once. One that signs makes the DNSKEY answer some 190 bytes longer (RFC 6605), so six stay within the
/// 1,232 bytes that pass everywhere in one datagram. A further roll waits until old keys are gone.
pub const KEYS_MAX: usize = 6;

/// Names a key: the first bytes of the SHA-256 of its public part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub [u8; 8]);

/// How a zone is to be signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Which keys there are.
    pub layout: Layout,
    /// When a key that only signs the zone is replaced; none for never.
    pub zone_key_lifetime: Option<Duration>,
    /// When a key that the parent trusts is replaced; none for never.
    pub entry_key_lifetime: Option<Duration>,
    /// How long every server of the zone, secondaries included, may take to have a change that our own nodes have.
    pub propagation: Duration,
}

/// How work is shared between keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// One key does everything.
    Combined,
    /// One key signs the keys, another one the zone.
    Split,
}

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Everything.
    Combined,
    /// The way in: the parent trusts it, and it signs the keys.
    Entry,
    /// Everything but the keys.
    Zone,
}

/// A key and what is to become of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Its name.
    pub id: KeyId,
    /// What it is for.
    pub role: Role,
    /// When it was made.
    pub created: Timestamp,
    /// When it was decided that it goes; none for one that stays.
    pub retired: Option<Timestamp>,
}

/// What a key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signs {
    /// Nothing.
    Nothing,
    /// The DNSKEY, CDS and CDNSKEY sets.
    Keys,
    /// Every other set.
    Zone,
    /// Both.
    Everything,
}

/// What the parent is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Nothing.
    Silent,
    /// To trust these keys and no other ones. Shape: not empty.
    Trust(BTreeSet<KeyId>),
    /// To trust none.
    Delete,
}

/// One way in which the zone was published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// Its DNSKEY set and who signs what; empty for an unsigned zone.
    pub keys: BTreeMap<KeyId, Signs>,
    /// What its CDS records say.
    pub wish: Wish,
    /// The longest time for which one of its other sets may be cached.
    pub zone_ttl: Duration,
    /// How long its DNSKEY set may be cached.
    pub keys_ttl: Duration,
    /// Since when every DNS node is known to serve it.
    pub confirmed: Option<Timestamp>,
}

/// A DS set that a server of the parent was seen to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// Which of our keys it names.
    pub trusted: BTreeSet<KeyId>,
    /// Whether it names keys that are not ours.
    pub foreign: bool,
    /// How long it may be cached.
    pub ttl: Duration,
    /// When it was first seen to be gone; none while it is there.
    pub gone: Option<Timestamp>,
}

/// Everything that is remembered about a zone's keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Every key, the oldest first.
    pub keys: Vec<Key>,
    /// What is published is the last; the others may still be cached. Only the last may be unconfirmed.
    pub versions: Vec<Version>,
    /// What the parent has, and what may be cached of what it had.
    pub parent: Vec<Sighting>,
    /// DS sets that the parent was asked for and may take over at any time, the latest last.
    pub asked: Vec<BTreeSet<KeyId>>,
    /// Since when the parent can read no other wish than the latest, in any cache; none while it may, or while that is not known.
    pub asked_alone_from: Option<Timestamp>,
    /// The latest request to roll that was carried out.
    pub rolled: String,
    /// The policy's word on propagation, for when there is no policy any more.
    pub propagation: Duration,
}

/// What the parent's servers were seen to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Each different DS set: which of our keys it names, and whether it names other ones. Shape: not empty.
    pub sets: Vec<(BTreeSet<KeyId>, bool)>,
    /// Their TTL.
    pub ttl: Duration,
    /// When they were asked.
    pub at: Timestamp,
}

/// The TTLs of the zone as it is published now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ttls {
    /// The longest of any set but the DNSKEY set, negative answers included.
    pub zone: Duration,
    /// The DNSKEY set's.
    pub keys: Duration,
}

/// What a decision rests on.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// How the zone is to be signed; none for unsigned.
    pub policy: Option<&'a Policy>,
    /// What is remembered.
    pub state: &'a State,
    /// The TTLs.
    pub ttls: Ttls,
    /// When every DNS node was first known to serve the last version, if that is so.
    pub served: Option<Timestamp>,
    /// What the parent was seen to have, if it could be asked.
    pub seen: Option<&'a Seen>,
    /// The name of a request to replace all keys; empty for none.
    pub roll: &'a str,
    /// Keys that were made because the decision before asked for them.
    pub fresh: &'a [(Role, KeyId)],
    /// Now.
    pub now: Timestamp,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Keys to make before anything else: decide again with them. Shape: when not empty, the state is as it was.
    pub create: Vec<Role>,
    /// What to remember before it is published.
    pub state: State,
    /// What the next step waits for; none when nothing is to be done.
    pub wait: Option<Wait>,
}

/// What the next step waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wait {
    /// That every DNS node serves what is published.
    Nodes,
    /// That caches have forgotten what was published before.
    Caches {
        /// When they have.
        until: Timestamp,
    },
    /// That the parent has exactly the DS records of these keys; none of ours when empty.
    Parent {
        /// The keys.
        wanted: BTreeSet<KeyId>,
    },
}

// === impl Signs ===

impl Signs {
    /// Whether it signs the DNSKEY set.
    #[must_use]
    pub fn signs_keys(self) -> bool {
        matches!(self, Self::Keys | Self::Everything)
    }

    /// Whether it signs the zone.
    #[must_use]
    pub fn signs_zone(self) -> bool {
        matches!(self, Self::Zone | Self::Everything)
    }
}

// === impl Role ===

impl Role {
    /// Whether the parent is to trust it.
    #[must_use]
    pub fn is_entry(self) -> bool {
        matches!(self, Self::Combined | Self::Entry)
    }

    /// Whether it is to sign the zone.
    #[must_use]
    pub fn is_of_zone(self) -> bool {
        matches!(self, Self::Combined | Self::Zone)
    }
}

// === impl State ===

impl State {
    /// What is published; an unsigned zone before anything was decided.
    #[must_use]
    pub fn current(&self) -> Option<&Version> {
        self.versions.last()
    }

    /// Whether nothing is left to remember: the zone is unsigned, and nobody can hold anything else.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.keys.is_empty() && self.versions.iter().all(|version| version.keys.is_empty())
    }
}

#[cfg(test)]
mod tests;
