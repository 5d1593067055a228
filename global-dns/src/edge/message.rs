//! Reads any message in full and says what can be done with it.
//!
//! This reader is the counterpart of the fast path's: it walks every record, so that what is malformed is
//! called malformed (RFC 1035 §4.1), and it knows the things that are refused by name. It shares no code with
//! the other on purpose; a test holds them equal wherever both have an opinion.

use crate::cookies::{CLIENT, Cookie};
use crate::snapshot::{Edns, Head};
use crate::subnet::Subnet;
use crate::wire::name::{Name, wire_length};
use crate::wire::{CLASS_IN, HEADER, Rcode, flag, option, rtype};

/// What a message is.
#[derive(Debug)]
pub(crate) enum Reading<'a> {
    /// Nothing that deserves an answer: a response, or too short to hold a header. Answering could start a loop.
    Ignored,
    /// To be answered with this code alone.
    Failed(Head<'a>, Rcode),
    /// Signed; what it is otherwise counts once the signature is found to be good.
    Signed(Tsig<'a>, Box<Reading<'a>>),
    /// A zone as a whole is wanted.
    Transfer(Head<'a>, Wanted<'a>),
    /// Records of the zone with this apex, as sent, are to be changed (RFC 2136).
    Update(Head<'a>, &'a [u8]),
    /// A question of class IN about an ordinary type, or ANY.
    Asked(Head<'a>, Asked<'a>),
}

/// A question that a snapshot can answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asked<'a> {
    /// The name as sent.
    pub(crate) name: &'a [u8],
    pub(crate) rtype: u16,
}

/// A transfer that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted<'a> {
    /// The zone's apex as sent.
    pub(crate) apex: &'a [u8],
    /// The serial that the client has, by IXFR (RFC 1995 §3); none for AXFR.
    pub(crate) since: Option<u32>,
}

/// The signature of a message (RFC 8945 §4.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tsig<'a> {
    /// Where its record begins in the message.
    pub(crate) at: usize,
    pub(crate) key: Name,
    pub(crate) algorithm: Name,
    /// Seconds since 1970, and how many of them the clocks may differ.
    pub(crate) time: u64,
    pub(crate) fudge: u16,
    pub(crate) mac: &'a [u8],
    pub(crate) original_id: [u8; 2],
    /// Error, length of other data, other data.
    pub(crate) rest: &'a [u8],
}

const OPCODE_QUERY: u8 = 0;
const OPCODE_UPDATE: u8 = 5;

/// Reads a message.
pub(crate) fn read(packet: &[u8]) -> Reading<'_> {
    let Some(header) = packet.first_chunk::<HEADER>() else { return Reading::Ignored };
    if header[2] & flag::QR != 0 {
        return Reading::Ignored;
    }
    let mut head =
        Head { id: [header[0], header[1]], flags: [header[2], header[3]], question: &[], edns: None };
    let opcode = (header[2] & flag::OPCODE_MASK) >> 3;
    if opcode == OPCODE_UPDATE {
        return read_update(header, head, packet);
    }
    if opcode != OPCODE_QUERY {
        // What the sections of another opcode mean is not ours to know, so nothing of them is repeated.
        return Reading::Failed(head, Rcode::NotImp);
    }
    let count = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    let mut cursor = Cursor { packet, at: HEADER };
    let counts = [count(6), count(8), count(10)];
    if count(4) == 0 {
        // Who asks nothing may ask for a cookie (RFC 7873 §5.4).
        head.edns = cursor.extras(counts, false).and_then(|extras| extras.edns);
        let asks_cookie = head.edns.is_some_and(|edns| edns.cookie.is_some());
        return Reading::Failed(head, if asks_cookie { Rcode::NoError } else { Rcode::FormErr });
    }
    // More than one question has no meaning (RFC 9619).
    let Some(question) = (count(4) == 1).then(|| cursor.question()).flatten() else {
        return Reading::Failed(head, Rcode::FormErr);
    };
    head.question = question.whole;
    let Some(extras) = cursor.extras(counts, question.rtype == rtype::IXFR) else {
        return Reading::Failed(head, Rcode::FormErr);
    };
    head.edns = extras.edns;
    judge(head, question, extras)
}

/// Reads an update (RFC 2136 §2): the zone, and that the rest is records. What they ask for is not looked at here.
fn read_update<'a>(header: &[u8; HEADER], mut head: Head<'a>, packet: &'a [u8]) -> Reading<'a> {
    let count = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    let mut cursor = Cursor { packet, at: HEADER };
    let Some(zone) = (count(4) == 1).then(|| cursor.question()).flatten() else {
        return Reading::Failed(head, Rcode::FormErr);
    };
    head.question = zone.whole;
    let n_records = u32::from(count(6)) + u32::from(count(8));
    let mut extras = Extras::default();
    let is_read = (0..n_records).try_for_each(|_| cursor.record().map(drop));
    let is_read = is_read.and_then(|()| cursor.additional(count(10), &mut extras));
    head.edns = extras.edns;
    let reading = match is_read {
        Some(()) if extras.edns_version > 0 => return Reading::Failed(head, Rcode::BadVers),
        // Zones of another class are not ours.
        Some(()) if zone.rtype == rtype::SOA && zone.class == CLASS_IN => Reading::Update(head, zone.name),
        Some(()) if zone.rtype == rtype::SOA => Reading::Failed(head, Rcode::NotAuth),
        Some(()) => Reading::Failed(head, Rcode::FormErr),
        None => return Reading::Failed(head, Rcode::FormErr),
    };
    match extras.tsig {
        Some(tsig) => Reading::Signed(tsig, Box::new(reading)),
        None => reading,
    }
}

/// Decides on a well-formed query.
fn judge<'a>(head: Head<'a>, question: Asking<'a>, extras: Extras<'a>) -> Reading<'a> {
    if extras.edns_version > 0 {
        return Reading::Failed(head, Rcode::BadVers);
    }
    let reading = judge_question(head, question, extras.serial);
    match extras.tsig {
        Some(tsig) => Reading::Signed(tsig, Box::new(reading)),
        None => reading,
    }
}

fn judge_question<'a>(head: Head<'a>, question: Asking<'a>, serial: Option<u32>) -> Reading<'a> {
    if question.class != CLASS_IN {
        return Reading::Failed(head, Rcode::Refused);
    }
    match question.rtype {
        rtype::AXFR => Reading::Transfer(head, Wanted { apex: question.name, since: None }),
        rtype::IXFR => match serial {
            Some(_) => Reading::Transfer(head, Wanted { apex: question.name, since: serial }),
            None => Reading::Failed(head, Rcode::FormErr),
        },
        rtype::TKEY | rtype::MAILA | rtype::MAILB => Reading::Failed(head, Rcode::NotImp),
        // Asking for NXNAME must be called an error (RFC 9824 §3.5).
        rtype::OPT | rtype::TSIG | rtype::NXNAME => Reading::Failed(head, Rcode::FormErr),
        // The rest of the Q and meta types is unassigned or never a question (RFC 8906 §7).
        other if (rtype::META_FIRST..rtype::ANY).contains(&other) => Reading::Failed(head, Rcode::NotImp),
        other => Reading::Asked(head, Asked { name: question.name, rtype: other }),
    }
}

/// The question section's one entry.
#[derive(Clone, Copy)]
struct Asking<'a> {
    whole: &'a [u8],
    name: &'a [u8],
    rtype: u16,
    class: u16,
}

/// What the records after the question say.
#[derive(Default)]
struct Extras<'a> {
    edns: Option<Edns>,
    edns_version: u8,
    tsig: Option<Tsig<'a>>,
    /// The serial in an IXFR's authority.
    serial: Option<u32>,
}

/// A record, its data still unread.
struct Raw<'a> {
    owner: &'a [u8],
    rtype: u16,
    class: u16,
    ttl: [u8; 4],
    data: &'a [u8],
}

struct Cursor<'a> {
    packet: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let taken = self.packet.get(self.at..self.at.checked_add(length)?)?;
        self.at += length;
        Some(taken)
    }

    fn number(&mut self) -> Option<u16> {
        let bytes = self.take(2)?;
        Some(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    fn question(&mut self) -> Option<Asking<'a>> {
        let from = self.at;
        let name = self.take(wire_length(&self.packet[from..])?)?;
        let (rtype, class) = (self.number()?, self.number()?);
        Some(Asking { whole: &self.packet[from..self.at], name, rtype, class })
    }

    /// Steps over an owner name, which may end in a pointer to something earlier.
    fn owner(&mut self) -> Option<&'a [u8]> {
        let from = self.at;
        loop {
            let length = usize::from(*self.packet.get(self.at)?);
            self.at += 1;
            match length {
                0 => break,
                1..=63 => self.at += length,
                192..=255 => {
                    let low = usize::from(*self.packet.get(self.at)?);
                    self.at += 1;
                    if (length & 0x3f) << 8 | low >= from {
                        return None;
                    }
                    break;
                }
                _ => return None,
            }
        }
        let owner = self.packet.get(from..self.at)?;
        (owner.len() <= crate::wire::name::NAME_MAX).then_some(owner)
    }

    fn record(&mut self) -> Option<Raw<'a>> {
        let owner = self.owner()?;
        let (rtype, class) = (self.number()?, self.number()?);
        let ttl = *self.take(4)?.first_chunk()?;
        let length = usize::from(self.number()?);
        Some(Raw { owner, rtype, class, ttl, data: self.take(length)? })
    }

    /// Reads what follows the question. Shape: `None` for anything that RFC 1035, 6891 or 8945 calls malformed.
    fn extras(&mut self, counts: [u16; 3], is_ixfr: bool) -> Option<Extras<'a>> {
        let [n_answers, n_authority, n_additional] = counts;
        // A query brings no answers, and authority only with the serial an IXFR starts from (RFC 1995 §3).
        if n_answers != 0 || n_authority > u16::from(is_ixfr) {
            return None;
        }
        let mut extras = Extras::default();
        for _ in 0..n_authority {
            let record = self.record()?;
            extras.serial = serial(&record);
        }
        self.additional(n_additional, &mut extras)?;
        Some(extras)
    }

    /// Reads the additional section, with which a message ends.
    fn additional(&mut self, n_additional: u16, extras: &mut Extras<'a>) -> Option<()> {
        for number in 1..=n_additional {
            let at = self.at;
            let record = self.record()?;
            match record.rtype {
                rtype::OPT => {
                    if extras.edns.is_some() || record.owner != [0] {
                        return None;
                    }
                    extras.edns = Some(opt(&record)?);
                    extras.edns_version = record.ttl[1];
                }
                rtype::TSIG if number == n_additional => extras.tsig = Some(tsig(self.packet, at, &record)?),
                rtype::TSIG => return None,
                _ => {}
            }
        }
        (self.at == self.packet.len()).then_some(())
    }
}

/// Reads an OPT record (RFC 6891 §6.1.2). What a later version puts into its data is not ours to judge.
fn opt(record: &Raw<'_>) -> Option<Edns> {
    let mut options = Cursor { packet: record.data, at: 0 };
    let (mut cookie, mut wants_nsid, mut wants_keepalive, mut subnet) = (None, false, false, None);
    while record.ttl[1] == 0 && options.at < record.data.len() {
        let code = options.number()?;
        let length = options.number()?;
        let data = options.take(usize::from(length))?;
        match code {
            // Only the first one counts (RFC 7873 §5.2).
            option::COOKIE if cookie.is_none() => cookie = Some(read_cookie(data)?),
            option::NSID => wants_nsid = true,
            option::TCP_KEEPALIVE => wants_keepalive = true,
            option::CLIENT_SUBNET if subnet.is_none() => subnet = Some(client_subnet(data)?),
            _ => {}
        }
    }
    let dnssec_ok = record.ttl[2] & 0x80 != 0;
    Some(Edns { payload: record.class, dnssec_ok, cookie, wants_nsid, wants_keepalive, subnet })
}

/// Reads the network that a client asks for (RFC 7871 §6): what is not as it says there is an error (§7.2.1), a scope in a
/// query included.
fn client_subnet(data: &[u8]) -> Option<Subnet> {
    let mut data = Cursor { packet: data, at: 0 };
    let family = data.number()?;
    let lengths = data.number()?;
    let (n_bits, scope) = ((lengths >> 8) as u8, lengths & 0xff);
    (scope == 0).then(|| Subnet::from_parts(family, n_bits, &data.packet[data.at..]))?
}

/// Reads a cookie (RFC 7873 §4): the client's half, and maybe 8 to 32 bytes of a server, which are ours when they are 16.
fn read_cookie(data: &[u8]) -> Option<Cookie> {
    if data.len() != CLIENT && !(16..=40).contains(&data.len()) {
        return None;
    }
    let mut client = [0; CLIENT];
    client.copy_from_slice(&data[..CLIENT]);
    Some(Cookie { client, server: data[CLIENT..].try_into().ok() })
}

/// The serial of a SOA record, whose last five fields have four bytes each (RFC 1035 §3.3.13).
fn serial(record: &Raw<'_>) -> Option<u32> {
    // The shortest names before them are one byte each, or a pointer of two.
    let numbers_at = record.data.len().checked_sub(20).filter(|at| *at >= 2 && record.rtype == rtype::SOA)?;
    record.data[numbers_at..].first_chunk().map(|serial| u32::from_be_bytes(*serial))
}

/// Reads a TSIG record that begins at `at` (RFC 8945 §4.2).
fn tsig<'a>(packet: &[u8], at: usize, record: &Raw<'a>) -> Option<Tsig<'a>> {
    let mut data = Cursor { packet: record.data, at: 0 };
    let algorithm = Name::from_wire(data.take(wire_length(record.data)?)?)?;
    let [t0, t1, t2, t3, t4, t5] = *data.take(6)?.first_chunk()?;
    let fudge = data.number()?;
    let mac_length = data.number()?;
    let mac = data.take(usize::from(mac_length))?;
    let original_id = *data.take(2)?.first_chunk()?;
    let rest = &record.data[data.at..];
    data.number()?;
    let other_length = data.number()?;
    data.take(usize::from(other_length))?;
    let time = u64::from_be_bytes([0, 0, t0, t1, t2, t3, t4, t5]);
    let (key, _) = Name::from_message(packet, at)?;
    let tsig = Tsig { at, key, algorithm, time, fudge, mac, original_id, rest };
    (data.at == record.data.len()).then_some(tsig)
}

#[cfg(test)]
mod tests;
