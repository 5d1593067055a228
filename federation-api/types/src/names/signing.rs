//! How a zone is signed (DNSSEC): the keys, and what each of them does at this moment.
//!
//! The host decides which keys there are and when they take turns; whoever serves the zone signs it, because answers
//! follow health at once, and goes on signing while the host is away.

use serde::{Deserialize, Serialize};

use super::Secret;

/// The keys of a signed zone and what its answers say of them.
///
/// Source: RFC 4034, 4035, 6605, 6781, 7344.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signing {
    /// Every key whose DNSKEY record stands at the apex. Shape: sorted by public key; not empty; at least one signs the
    /// keys and at least one signs everything else.
    pub keys: Vec<SigningKey>,
    /// Which of them the parent is asked to trust, by CDS and CDNSKEY records.
    pub parent: ParentWish,
    /// How long a signature is good for, seconds; at least an hour, so that clocks that differ do no harm.
    pub validity: u32,
    /// TTL of the DNSKEY, CDS and CDNSKEY records, seconds.
    pub ttl: u32,
}

/// One key, of algorithm 13: ECDSA over P-256 with SHA-256 (RFC 6605).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SigningKey {
    /// The public key as DNSKEY records hold it: x and y, 32 bytes each.
    pub public: Vec<u8>,
    /// The private key in PKCS#8 (DER).
    pub private: Secret,
    /// Whether its DNSKEY record has the SEP flag: 257 instead of 256 (RFC 4034 §2.1.1).
    pub is_entry_point: bool,
    /// What it signs.
    pub signs: Signs,
    /// Whether CDS and CDNSKEY records name it.
    pub for_parent: bool,
}

/// What a key signs now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Signs {
    /// Nothing: it is there so that caches know it before it signs, or until they have forgotten its signatures.
    Nothing,
    /// The DNSKEY, CDS and CDNSKEY sets.
    Keys,
    /// Every other set.
    Zone,
    /// Both (a combined signing key).
    Everything,
}

/// What the parent zone is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ParentWish {
    /// Nothing: there are neither CDS nor CDNSKEY records.
    Silent,
    /// To trust the keys that are marked so.
    Trust,
    /// To trust none any more (RFC 8078 §4): the zone becomes unsigned afterwards.
    Delete,
}
