//! Signatures of messages with a key that both sides share (RFC 8945).
//!
//! ```text
//! request ─► verify ─┬─► Signed: what it asks counts, and the answer is signed
//!                    └─► Bad: NOTAUTH with the error, signed only where the key itself was right
//! ```

use koinon_model::time::Timestamp;
use koinon_types::names::{TsigAlgorithm, TsigKey};
use ring::hmac;

use super::message::Tsig;
use crate::wire::name::Name;
use crate::wire::rtype;

/// How many seconds the clock of whoever reads our signatures may differ (RFC 8945 §10).
const FUDGE: u16 = 300;

/// Fewest bytes of a signature that may be looked at, unless half of it are more (RFC 8945 §5.2.2.1).
const MAC_MIN: usize = 10;

/// A message whose signature is good.
pub(crate) struct Signed<'k> {
    /// What it was signed with.
    pub(crate) key: &'k TsigKey,
    /// Signs the answer.
    pub(crate) signer: Signer,
}

/// Why a signature does not count.
pub(crate) enum Bad {
    /// It cannot be one: FORMERR.
    Malformed,
    /// The key is unknown or did not make it: told without a signature, which nobody could check (RFC 8945 §5.3.2).
    Unproven(Fault),
    /// The key made it, and still it does not count.
    Proven(Fault, Box<Signer>),
}

/// The error in a TSIG record (RFC 8945 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub(crate) enum Fault {
    /// BADSIG: the signature is not that of the message.
    Signature = 16,
    /// BADKEY: the key is not known, or not with this algorithm.
    Key = 17,
    /// BADTIME: it was made too long ago, or in the future.
    Time = 18,
    /// BADTRUNC: it is shorter than we accept.
    Truncation = 22,
}

/// Signs messages, each bound to the one before it.
pub(crate) struct Signer {
    name: Name,
    algorithm: Name,
    key: hmac::Key,
    /// The signature that the next one has to cover: of the request, then of each answer.
    prior: Vec<u8>,
    covers: Covers,
}

/// What of the TSIG record itself a signature covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Covers {
    Everything,
    /// Its times: enough from the second message of an answer on (RFC 8945 §5.3.1).
    Times,
}

/// What a TSIG record says besides names and signature.
#[derive(Clone, Copy)]
struct Stamp<'a> {
    time: u64,
    fudge: u16,
    /// Error, length of other data, other data.
    rest: &'a [u8],
}

/// Checks a signature against the keys we have, in the order of RFC 8945 §5.2: key, signature, time.
///
/// # Errors
/// When it does not count.
pub(crate) fn verify<'k>(
    tsig: &Tsig<'_>,
    packet: &[u8],
    keys: impl Iterator<Item = &'k TsigKey>,
    now: Timestamp,
) -> Result<Signed<'k>, Bad> {
    let name = tsig.key.to_string();
    let algorithm = TsigAlgorithm::named(&tsig.algorithm.to_string());
    // Two zones may mean different keys by one name. The same one in many zones is tried once.
    let mut known: Vec<&TsigKey> = Vec::new();
    for key in keys.filter(|key| Some(key.algorithm) == algorithm && key.name == name) {
        if !known.contains(&key) {
            known.push(key);
        }
    }
    let Some(first) = known.first() else { return Err(Bad::Unproven(Fault::Key)) };
    let length = ring_algorithm(first.algorithm).digest_algorithm().output_len();
    if tsig.mac.len() > length || tsig.mac.len() < MAC_MIN.max(length / 2) {
        return Err(Bad::Malformed);
    }
    for key in known {
        let Some(mut signer) = Signer::new(key) else { continue };
        if !signer.made(tsig, packet) {
            continue;
        }
        signer.prior = tsig.mac.to_vec();
        if tsig.mac.len() < length {
            return Err(Bad::Proven(Fault::Truncation, Box::new(signer)));
        }
        if seconds(now).abs_diff(tsig.time) > u64::from(tsig.fudge) {
            return Err(Bad::Proven(Fault::Time, Box::new(signer)));
        }
        return Ok(Signed { key, signer });
    }
    Err(Bad::Unproven(Fault::Signature))
}

/// Appends the TSIG record that says what is wrong with a request's signature.
///
/// Shape: the length of the response, of which `length` bytes are in `out` already.
pub(crate) fn append_fault(
    out: &mut [u8],
    length: usize,
    tsig: &Tsig<'_>,
    bad: Bad,
    now: Timestamp,
) -> usize {
    let unproven = Stamp { time: tsig.time, fudge: tsig.fudge, rest: &[] };
    match bad {
        Bad::Malformed => length,
        Bad::Unproven(fault) => {
            let rest = rest(fault, &[]);
            append(out, length, &tsig.key, &tsig.algorithm, Stamp { rest: &rest, ..unproven }, &[])
        }
        // The client's own time shows which request is meant, ours how far off it was (RFC 8945 §5.2.3).
        Bad::Proven(Fault::Time, mut signer) => {
            let rest = rest(Fault::Time, &seconds(now).to_be_bytes()[2..]);
            signer.seal(out, length, Stamp { rest: &rest, ..unproven })
        }
        Bad::Proven(fault, mut signer) => {
            let rest = rest(fault, &[]);
            signer.seal(out, length, Stamp { time: seconds(now), fudge: FUDGE, rest: &rest })
        }
    }
}

fn rest(fault: Fault, other: &[u8]) -> Vec<u8> {
    // Other data is a time or nothing.
    [&(fault as u16).to_be_bytes()[..], &(other.len() as u16).to_be_bytes(), other].concat()
}

// === impl Signer ===

impl Signer {
    /// Signs with this key; none when its name is no domain name.
    pub(crate) fn new(key: &TsigKey) -> Option<Self> {
        Some(Self {
            name: key.name.parse().ok()?,
            algorithm: key.algorithm.as_str().parse().ok()?,
            key: hmac::Key::new(ring_algorithm(key.algorithm), key.secret.bytes()),
            prior: Vec::new(),
            covers: Covers::Everything,
        })
    }

    /// Most bytes that a signature adds to a message.
    pub(crate) fn room(&self) -> usize {
        let mac_length = self.key.algorithm().digest_algorithm().output_len();
        // Type, class, TTL, length; times, length of the MAC, id, error, length of other data and a time there.
        self.name.wire().len() + 10 + self.algorithm.wire().len() + 16 + mac_length + 6
    }

    /// Signs the message in the first `length` bytes of `out`, which has [`Self::room`] for it behind.
    ///
    /// Shape: the length of the signed message.
    pub(crate) fn sign(&mut self, out: &mut [u8], length: usize, now: Timestamp) -> usize {
        self.seal(out, length, Stamp { time: seconds(now), fudge: FUDGE, rest: &[0; 4] })
    }

    fn seal(&mut self, out: &mut [u8], length: usize, stamp: Stamp<'_>) -> usize {
        let mac = self.mac(&[&out[..length]], stamp);
        let signed = append(out, length, &self.name, &self.algorithm, stamp, mac.as_ref());
        self.prior = mac.as_ref().to_vec();
        self.covers = Covers::Times;
        signed
    }

    /// Whether a request's signature was made with this key, as far as it goes.
    fn made(&self, tsig: &Tsig<'_>, packet: &[u8]) -> bool {
        // What was signed had no TSIG record yet, and the id that a forwarder may have changed since.
        let n_additional = u16::from_be_bytes([packet[10], packet[11]]).wrapping_sub(1).to_be_bytes();
        let parts: [&[u8]; 4] = [&tsig.original_id, &packet[2..10], &n_additional, &packet[12..tsig.at]];
        let stamp = Stamp { time: tsig.time, fudge: tsig.fudge, rest: tsig.rest };
        let mac = self.mac(&parts, stamp);
        // Every byte is compared, whatever the first ones say: time must not tell how many were right.
        let pairs = mac.as_ref().iter().zip(tsig.mac);
        std::hint::black_box(pairs.fold(0, |differences, (own, theirs)| differences | (own ^ theirs))) == 0
    }

    /// Source: RFC 8945 §4.3.
    fn mac(&self, message: &[&[u8]], stamp: Stamp<'_>) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.key);
        if !self.prior.is_empty() {
            // A signature has at most 64 bytes.
            context.update(&(self.prior.len() as u16).to_be_bytes());
            context.update(&self.prior);
        }
        for part in message {
            context.update(part);
        }
        if self.covers == Covers::Everything {
            context.update(self.name.wire());
            context.update(&CLASS_AND_TTL);
            context.update(self.algorithm.wire());
        }
        context.update(&stamp.time.to_be_bytes()[2..]);
        context.update(&stamp.fudge.to_be_bytes());
        if self.covers == Covers::Everything {
            context.update(stamp.rest);
        }
        context.sign()
    }
}

/// Class ANY and TTL 0 (RFC 8945 §4.2).
const CLASS_AND_TTL: [u8; 6] = [0, 255, 0, 0, 0, 0];

/// Appends a TSIG record. Shape: the new length.
fn append(
    out: &mut [u8],
    length: usize,
    key: &Name,
    algorithm: &Name,
    stamp: Stamp<'_>,
    mac: &[u8],
) -> usize {
    let data_length = algorithm.wire().len() + 8 + 2 + mac.len() + 2 + stamp.rest.len();
    let id = [out[0], out[1]];
    let parts: [&[u8]; 11] = [
        key.wire(),
        &rtype::TSIG.to_be_bytes(),
        &CLASS_AND_TTL,
        &(data_length as u16).to_be_bytes(),
        algorithm.wire(),
        &stamp.time.to_be_bytes()[2..],
        &stamp.fudge.to_be_bytes(),
        &(mac.len() as u16).to_be_bytes(),
        mac,
        &id,
        stamp.rest,
    ];
    let mut end = length;
    for part in parts {
        out[end..end + part.len()].copy_from_slice(part);
        end += part.len();
    }
    let n_additional = u16::from_be_bytes([out[10], out[11]]) + 1;
    out[10..12].copy_from_slice(&n_additional.to_be_bytes());
    end
}

fn ring_algorithm(algorithm: TsigAlgorithm) -> hmac::Algorithm {
    match algorithm {
        TsigAlgorithm::HmacSha256 => hmac::HMAC_SHA256,
        TsigAlgorithm::HmacSha384 => hmac::HMAC_SHA384,
        TsigAlgorithm::HmacSha512 => hmac::HMAC_SHA512,
    }
}

/// Seconds since 1970; times before that count as 1970.
fn seconds(now: Timestamp) -> u64 {
    u64::try_from(now.as_seconds()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
