//! Changes of zones by DNS messages (RFC 2136): who may make them, what they ask for, and how that ended.
//!
//! ```text
//! DNS node ── UpdateMessage (bytes, client) ─► host ── Update ─► applier
//!          ◄──────── UpdateOutcome ────────────────────────────────┘
//! ```

use std::net::IpAddr;

use koinon_model::time::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::{Network, TsigKey};
use crate::dns::name::Name;
use crate::dns::rdata::Rdata;

/// The updates of one zone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Updates {
    /// The generation of the DnsZone's spec that the table has, by which an updater knows that its change is served.
    pub generation: i64,
    /// Who may change what. Shape: empty when nobody may.
    pub allow: Vec<UpdateGrant>,
}

/// Lets the holder of a key change records. A key is always needed: a datagram's address is easily forged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateGrant {
    /// What the update is signed with.
    pub key: TsigKey,
    /// Where it has to come from, if that counts.
    pub network: Option<Network>,
    /// Names that may be changed. Shape: empty for all.
    pub names: Vec<UpdateNames>,
    /// Types that may be changed, by number. Shape: empty for all.
    pub types: Vec<u16>,
}

/// Names that a grant covers, absolute and without the final dot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum UpdateNames {
    /// This one.
    Exactly(String),
    /// All below this one.
    Below(String),
}

/// An update as it came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateMessage {
    /// The whole message, its signature included.
    #[serde(with = "base64")]
    pub message: Vec<u8>,
    /// Who sent it.
    pub client: IpAddr,
}

/// An update on its way to whoever applies it.
#[derive(Debug)]
pub struct UpdateRequest {
    /// What came.
    pub message: UpdateMessage,
    /// Where the outcome is told.
    pub answer: oneshot::Sender<UpdateOutcome>,
}

/// How an update ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateOutcome {
    /// What its sender is told.
    pub code: UpdateCode,
    /// The generation of the DnsZone's spec that has the change; none unless the update succeeded.
    pub generation: Option<i64>,
}

/// What the sender of an update is told.
///
/// Source: RFC 2136 §2.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum UpdateCode {
    /// It is done.
    NoError,
    /// It cannot be read.
    FormErr,
    /// It could not be done now; sent again, it may be.
    ServFail,
    /// A name should be in use and is not.
    NxDomain,
    /// It may not be done.
    Refused,
    /// A name should not be in use and is.
    YxDomain,
    /// A set of records should not be there and is.
    YxRrset,
    /// A set of records should be there and is not, or not like that.
    NxRrset,
    /// The zone is not ours, or the signature does not count.
    NotAuth,
    /// A name lies outside of the zone.
    NotZone,
}

/// An update whose signature is good, and whose sender may change something of its zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// The zone.
    pub apex: Name,
    /// Who sent it.
    pub client: IpAddr,
    /// What its sender may change. Shape: at least one, all with the key that it is signed with.
    pub grants: Vec<UpdateGrant>,
    /// Its signature: another message with the same one is the same, sent again.
    pub mac: Vec<u8>,
    /// When its signature ceases to count.
    pub expires: Timestamp,
    /// What has to hold (RFC 2136 §2.4), in order.
    pub prerequisites: Vec<UpdateRecord>,
    /// What is to be done (RFC 2136 §2.5), in order.
    pub changes: Vec<UpdateRecord>,
}

/// One record of an update. What it asks for depends on its class, type, TTL and whether it has data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdateRecord {
    /// Its owner.
    pub name: Name,
    /// Its type.
    pub rtype: u16,
    /// Its class.
    pub class: u16,
    /// Units: seconds.
    pub ttl: u32,
    /// What it says; none when there are no bytes.
    pub data: Option<Rdata>,
}

// === impl Updates ===

impl Updates {
    /// Every key it names, in order.
    pub fn keys(&self) -> impl Iterator<Item = &TsigKey> {
        self.allow.iter().map(|grant| &grant.key)
    }

    /// The grants of a client that has signed with this key.
    pub fn grants<'a>(&'a self, client: IpAddr, key: &'a TsigKey) -> impl Iterator<Item = &'a UpdateGrant> {
        let is_from = move |grant: &UpdateGrant| grant.network.is_none_or(|network| network.contains(client));
        self.allow.iter().filter(move |grant| grant.key == *key && is_from(grant))
    }
}

impl UpdateGrant {
    /// Whether records of this name and type may be changed.
    pub fn covers(&self, name: &Name, rtype: u16) -> bool {
        self.covers_name(name) && (self.types.is_empty() || self.types.contains(&rtype))
    }

    /// Whether records of this name and some type may be changed.
    pub fn covers_name(&self, name: &Name) -> bool {
        self.names.is_empty() || self.names.iter().any(|names| names.cover(name))
    }
}

impl UpdateNames {
    fn cover(&self, name: &Name) -> bool {
        let (Self::Exactly(own) | Self::Below(own)) = self;
        let Ok(own) = own.parse::<Name>() else { return false };
        match self {
            Self::Exactly(_) => *name == own,
            Self::Below(_) => name.is_within(&own) && *name != own,
        }
    }
}

impl UpdateOutcome {
    /// Anything but success.
    pub fn failed(code: UpdateCode) -> Self {
        Self { code, generation: None }
    }
}

/// Bytes as a text.
mod base64 {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        STANDARD.decode(String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::rtype;
    use crate::names::{Secret, TsigAlgorithm};

    fn key(secret: &[u8]) -> TsigKey {
        TsigKey {
            name: "updater".into(),
            algorithm: TsigAlgorithm::HmacSha256,
            secret: Secret::new(secret.into()),
        }
    }

    fn grant(names: &[UpdateNames], types: &[u16]) -> UpdateGrant {
        UpdateGrant { key: key(b"one"), network: None, names: names.into(), types: types.into() }
    }

    #[test]
    fn a_grant_covers_its_names_and_types_only() {
        let below = [UpdateNames::Below("dyn.example".into())];
        let exactly = [UpdateNames::Exactly("www.example".into())];
        let both = [&below[..], &exactly].concat();
        for (names, types, name, rtype, covered) in [
            (&[][..], &[][..], "any.example", rtype::A, true),
            (&[], &[rtype::TXT], "any.example", rtype::TXT, true),
            (&[], &[rtype::TXT], "any.example", rtype::A, false),
            (&below, &[], "a.dyn.example", rtype::A, true),
            (&below, &[], "*.b.dyn.example", rtype::A, true),
            (&below, &[], "dyn.example", rtype::A, false),
            (&below, &[], "adyn.example", rtype::A, false),
            // One label with a dot in it lies below `example` alone.
            (&below, &[], r"a\.dyn.example", rtype::A, false),
            (&exactly, &[], "www.example", rtype::A, true),
            (&exactly, &[], "a.www.example", rtype::A, false),
            (&both, &[rtype::A], "www.example", rtype::AAAA, false),
        ] {
            let name: Name = name.parse().unwrap();
            assert_eq!(grant(names, types).covers(&name, rtype), covered, "{names:?} {types:?} {name}");
        }
    }

    #[test]
    fn a_grant_is_for_its_key_and_its_network() {
        let mut updates = Updates { generation: 1, allow: vec![grant(&[], &[])] };
        let (inside, outside) = ("192.0.2.1".parse().unwrap(), "198.51.100.1".parse().unwrap());
        let count = |updates: &Updates, client, secret: &[u8]| updates.grants(client, &key(secret)).count();
        assert_eq!([count(&updates, outside, b"one"), count(&updates, outside, b"other")], [1, 0]);
        updates.allow[0].network = Some("192.0.2.0/24".parse().unwrap());
        assert_eq!([count(&updates, outside, b"one"), count(&updates, inside, b"one")], [0, 1]);
    }

    #[test]
    fn a_message_is_read_as_it_was_written() {
        let message = UpdateMessage { message: vec![0, 255, 40], client: "2001:db8::1".parse().unwrap() };
        let text = serde_json::to_string(&message).unwrap();
        assert_eq!(serde_json::from_str::<UpdateMessage>(&text).unwrap(), message);
    }
}
