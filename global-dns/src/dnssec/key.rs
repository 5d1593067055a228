//! A zone's keys: their records, and what they are to sign.

use std::hash::{Hash as _, Hasher};
use std::sync::Arc;

use koinon_model::time::Timestamp;
use koinon_types::dns::dnskey::{ALGORITHM, DigestType, PROTOCOL, dnskey, ds, key_tag};
use koinon_types::names::{ParentWish, Signing, SigningKey, Signs};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};

use super::canonical;
use super::schedule::{Period, Schedule};
use super::signatures::{Order, Signature, Unsigned};
use crate::wire::name::{Name, suffixes};
use crate::wire::rdata::Rdata;
use crate::wire::rtype;

/// Why a key cannot sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    /// The private part cannot be read.
    #[error("the private part of key {0} is not PKCS#8 of a P-256 key")]
    Private(u16),
    /// The private part belongs to another key.
    #[error("the private part of key {0} does not belong to its public part")]
    Mismatch(u16),
    /// The public part has another length.
    #[error("a public key has {0} bytes instead of 64")]
    Public(usize),
    /// Nothing would sign the keys, or nothing the rest.
    #[error("no key signs {0}")]
    Missing(&'static str),
}

/// The data of a key's DNSKEY record.
pub(super) fn data(key: &SigningKey) -> Vec<u8> {
    dnskey(&key.public, key.is_entry_point)
}

/// A key that can sign.
#[derive(Debug)]
pub(super) struct Key {
    tag: u16,
    public: [u8; 64],
    pair: EcdsaKeyPair,
}

impl Key {
    fn new(key: &SigningKey) -> Result<Self, InvalidKey> {
        let tag = key_tag(&data(key));
        let public: [u8; 64] = key.public[..].try_into().map_err(|_| InvalidKey::Public(key.public.len()))?;
        let (algorithm, random) = (&ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, key.private.bytes(), &random)
            .map_err(|_| InvalidKey::Private(tag))?;
        // Before x and y, the library writes a byte that says that both are there.
        if pair.public_key().as_ref().get(1..) != Some(&public[..]) {
            return Err(InvalidKey::Mismatch(tag));
        }
        Ok(Self { tag, public, pair })
    }

    pub(super) fn public(&self) -> &[u8; 64] {
        &self.public
    }

    pub(super) fn sign(&self, message: &[u8]) -> Result<Signature, Unsigned> {
        let signature = self.pair.sign(&SystemRandom::new(), message).map_err(|_| Unsigned)?;
        signature.as_ref().try_into().map_err(|_| Unsigned)
    }
}

/// The keys of a zone, ready to sign.
#[derive(Debug)]
pub(crate) struct Keyring {
    apex: Name,
    /// What signs the DNSKEY, CDS and CDNSKEY sets, and what signs the others. Shape: neither is empty.
    for_keys: Vec<Arc<Key>>,
    for_zone: Vec<Arc<Key>>,
    schedule: Schedule,
}

impl Keyring {
    /// Reads the keys of a zone.
    ///
    /// # Errors
    /// When a key that is to sign cannot, or there is none for a purpose.
    pub(crate) fn new(apex: &Name, signing: &Signing) -> Result<Self, InvalidKey> {
        let (mut for_keys, mut for_zone) = (Vec::new(), Vec::new());
        for key in &signing.keys {
            let (keys, zone) = match key.signs {
                Signs::Nothing => continue,
                Signs::Keys => (true, false),
                Signs::Zone => (false, true),
                Signs::Everything => (true, true),
            };
            let key = Arc::new(Key::new(key)?);
            for_keys.extend(keys.then(|| Arc::clone(&key)));
            for_zone.extend(zone.then_some(key));
        }
        if for_keys.is_empty() {
            return Err(InvalidKey::Missing("the keys"));
        }
        if for_zone.is_empty() {
            return Err(InvalidKey::Missing("the zone"));
        }
        Ok(Self { apex: apex.clone(), for_keys, for_zone, schedule: Schedule::new(signing.validity) })
    }

    /// Hashes what the signatures of a transfer follow from.
    pub(crate) fn hash_at(&self, now: Timestamp, hasher: &mut impl Hasher) {
        self.schedule.hash(hasher);
        self.schedule.settled(now).hash(hasher);
        for keys in [&self.for_keys, &self.for_zone] {
            keys.len().hash(hasher);
            keys.iter().for_each(|key| key.public.hash(hasher));
        }
    }

    pub(crate) fn schedule(&self) -> Schedule {
        self.schedule
    }

    /// Signs as of a moment.
    pub(crate) fn at(&self, now: Timestamp) -> Signer<'_> {
        Signer { ring: self, now }
    }
}

/// The sets that stand at the apex because of the keys: type and data (RFC 4034 §2, RFC 7344 §3, RFC 8078 §4).
pub(crate) fn apex_sets(apex: &Name, signing: &Signing) -> Vec<(u16, Vec<u8>)> {
    /// Says in CDS and CDNSKEY records that nothing is to be trusted any more.
    const DELETE_CDS: [u8; 5] = [0, 0, 0, 0, 0];
    const DELETE_CDNSKEY: [u8; 5] = [0, 0, PROTOCOL, 0, 0];
    let mut sets: Vec<_> = signing.keys.iter().map(|key| (rtype::DNSKEY, data(key))).collect();
    match signing.parent {
        ParentWish::Silent => {}
        ParentWish::Trust => {
            for key in signing.keys.iter().filter(|key| key.for_parent) {
                let dnskey = data(key);
                sets.push((rtype::CDS, ds(apex, &dnskey, DigestType::Sha256)));
                sets.push((rtype::CDNSKEY, dnskey));
            }
        }
        ParentWish::Delete => {
            sets.push((rtype::CDS, DELETE_CDS.to_vec()));
            sets.push((rtype::CDNSKEY, DELETE_CDNSKEY.to_vec()));
        }
    }
    sets
}

/// Keys at a moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Signer<'a> {
    ring: &'a Keyring,
    now: Timestamp,
}

impl<'a> Signer<'a> {
    /// What is to be signed for a set: one order per key, with the data of its RRSIG record up to the signature.
    ///
    /// `owner` is the set's name as the zone holds it, `ttl` the TTL that it has there.
    /// Source: RFC 4034 §3.1 and §3.1.8.1.
    pub(crate) fn orders(
        self,
        owner: &[u8],
        number: u16,
        ttl: u32,
        set: &[Rdata],
    ) -> impl Iterator<Item = (Vec<u8>, Order)> + use<'a> {
        let keys = match number {
            rtype::DNSKEY | rtype::CDS | rtype::CDNSKEY => &self.ring.for_keys,
            _ => &self.ring.for_zone,
        };
        let period = self.ring.schedule.period(owner, number, self.now);
        // A leading `*` does not count (RFC 4034 §3.1.3).
        let n_labels = suffixes(owner).count() - 1 - usize::from(owner.starts_with(b"\x01*"));
        let mut canonical = Vec::new();
        canonical::append(&mut canonical, owner, number, ttl, set);
        let apex = self.ring.apex.wire();
        keys.iter().map(move |key| {
            let head = rrsig_head(number, n_labels as u8, ttl, period, key.tag, apex);
            let message = [&head[..], &canonical].concat();
            (head, Order::new(Arc::clone(key), message))
        })
    }
}

/// The data of an RRSIG record up to the signature (RFC 4034 §3.1).
fn rrsig_head(number: u16, n_labels: u8, ttl: u32, period: Period, tag: u16, apex: &[u8]) -> Vec<u8> {
    let mut head = Vec::with_capacity(18 + apex.len());
    head.extend(number.to_be_bytes());
    head.extend([ALGORITHM, n_labels]);
    head.extend(ttl.to_be_bytes());
    head.extend(period.expiration.to_be_bytes());
    head.extend(period.inception.to_be_bytes());
    head.extend(tag.to_be_bytes());
    head.extend_from_slice(apex);
    head
}

#[cfg(test)]
mod tests;
