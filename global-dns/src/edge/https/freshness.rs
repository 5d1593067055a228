//! How long a response may be kept, read from the response itself.

use crate::wire::{HEADER, rtype};

/// The smallest TTL among the answers; without answers, how long it may be remembered that there are none (RFC 8484 §5.1,
/// RFC 2308 §5). None for what is not to be kept: errors, and referrals, which are no answer.
///
/// Units: seconds. The message is one of ours: it is well-formed, but nothing here depends on that.
pub(super) fn seconds(message: &[u8]) -> Option<u32> {
    let header = message.first_chunk::<HEADER>()?;
    let rcode = header[3] & 0xf;
    if !matches!(rcode, NOERROR | NXDOMAIN) {
        return None;
    }
    let count = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    let (n_questions, n_answers, n_authority) = (count(4), count(6), count(8));
    let mut rest = &message[HEADER..];
    for _ in 0..n_questions {
        rest = past_name(rest)?.get(4..)?;
    }
    let mut least: Option<u32> = None;
    for _ in 0..n_answers {
        let record = Record::read(&mut rest)?;
        least = Some(least.map_or(record.ttl, |least| least.min(record.ttl)));
    }
    // A chain of aliases that ends in nothing is as good as the shortest of both.
    for _ in 0..n_authority {
        let record = Record::read(&mut rest)?;
        if record.rtype == rtype::SOA {
            let negative = record.ttl.min(minimum(record.data)?);
            least = Some(least.map_or(negative, |least| least.min(negative)));
        }
    }
    least
}

const NOERROR: u8 = 0;
const NXDOMAIN: u8 = 3;

struct Record<'a> {
    rtype: u16,
    ttl: u32,
    data: &'a [u8],
}

impl<'a> Record<'a> {
    fn read(rest: &mut &'a [u8]) -> Option<Self> {
        let (fixed, after) = past_name(rest)?.split_first_chunk::<10>()?;
        let [t0, t1, _, _, s0, s1, s2, s3, l0, l1] = *fixed;
        let (data, after) = after.split_at_checked(usize::from(u16::from_be_bytes([l0, l1])))?;
        *rest = after;
        Some(Self { rtype: u16::from_be_bytes([t0, t1]), ttl: u32::from_be_bytes([s0, s1, s2, s3]), data })
    }
}

/// What follows a name, which may end in a pointer.
fn past_name(mut bytes: &[u8]) -> Option<&[u8]> {
    loop {
        let (&length, rest) = bytes.split_first()?;
        match length {
            0 => return Some(rest),
            1..=63 => bytes = rest.get(usize::from(length)..)?,
            _ => return rest.get(1..),
        }
    }
}

/// The last field of a SOA record (RFC 1035 §3.3.13).
fn minimum(data: &[u8]) -> Option<u32> {
    data.last_chunk().map(|minimum| u32::from_be_bytes(*minimum))
}
