//! Any message to its response, in full, from the same snapshot as the fast path.

use std::net::IpAddr;

use koinon_types::names::TsigKey;

use super::message::{Asked, Reading, Tsig, read};
use super::transfer::{self, Plan, Verdict};
use super::tsig::{self, Bad, Signed, Signer};
use super::update::Pending;
use crate::ede::Ede;
use crate::node::Speaker;
use crate::snapshot::{Answer, Client, Head, Lane, Options, Padding, Question, Scratch, Snapshot, write};
use crate::update;
use crate::wire::Rcode;
use crate::wire::name::{NAME_MAX, suffixes};

/// How a message came in, which bounds what goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Transport {
    /// A datagram: the client's size, at most 1232 bytes.
    Udp,
    /// A stream: whatever a message can hold.
    Tcp,
    /// A stream over TLS (RFC 7858).
    Tls,
    /// A request over HTTPS (RFC 8484).
    Https,
    /// A stream of its own over QUIC (RFC 9250).
    Quic,
}

impl Transport {
    /// Every transport.
    pub(crate) const ALL: [Self; 5] = [Self::Udp, Self::Tcp, Self::Tls, Self::Https, Self::Quic];

    /// Its name in labels of metrics.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Https => "https",
            Self::Quic => "quic",
        }
    }

    /// Whether nobody between can read it.
    pub(crate) fn is_encrypted(self) -> bool {
        match self {
            Self::Udp | Self::Tcp => false,
            Self::Tls | Self::Https | Self::Quic => true,
        }
    }

    /// Whether an answer may take many messages, as a zone does (RFC 5936 §4, RFC 9103 §6, RFC 9250 §4.2).
    pub(crate) fn carries_zones(self) -> bool {
        match self {
            Self::Udp | Self::Https => false,
            Self::Tcp | Self::Tls | Self::Quic => true,
        }
    }
}

/// Largest response over any transport: the length of a TCP message has 16 bits.
pub(crate) const RESPONSE_MAX: usize = u16::MAX as usize;

/// What is said to a message.
pub(crate) enum Reply {
    /// One message, in the first `length` bytes.
    Message { length: usize, rcode: Rcode },
    /// A zone in many messages; over streams only.
    Transfer(Box<Plan>),
    /// An update is to be done first.
    Update(Box<Pending>),
}

/// Answers a message into `out`, which holds [`RESPONSE_MAX`] bytes; `None` when nothing may be said.
pub(crate) fn respond(
    snapshot: &Snapshot,
    packet: &[u8],
    client: IpAddr,
    transport: Transport,
    speaker: &Speaker<'_>,
    out: &mut [u8],
) -> Option<Reply> {
    let exchange = Exchange { snapshot, packet, client, transport, speaker };
    match read(packet) {
        Reading::Signed(tsig, reading) => {
            let zones = snapshot.table().zones.iter();
            let keys = zones.flat_map(|zone| zone.transfer.keys().chain(zone.updates.keys()));
            match tsig::verify(&tsig, packet, keys, speaker.now) {
                Ok(Signed { key, signer }) => exchange.answer(&reading, Some(key), Some(signer), out),
                Err(bad) => exchange.refuse(&reading, &tsig, bad, out),
            }
        }
        reading => exchange.answer(&reading, None, None, out),
    }
}

/// What an answer depends on besides the message.
#[derive(Clone, Copy)]
struct Exchange<'a> {
    snapshot: &'a Snapshot,
    packet: &'a [u8],
    client: IpAddr,
    transport: Transport,
    speaker: &'a Speaker<'a>,
}

impl<'a> Exchange<'a> {
    /// Answers what may be believed.
    fn answer(
        self,
        reading: &Reading<'_>,
        key: Option<&TsigKey>,
        mut signer: Option<Signer>,
        out: &mut [u8],
    ) -> Option<Reply> {
        let mut scratch = Scratch::default();
        let (head, answer) = match reading {
            // The reader gives no signature inside another.
            Reading::Ignored | Reading::Signed(..) => return None,
            Reading::Failed(head, rcode) => (head, Answer::bare(*rcode)),
            Reading::Asked(head, asked) => (head, self.look_up(head, *asked, &mut scratch)),
            Reading::Update(head, apex) => {
                match (update::verdict(self.snapshot.table(), apex, self.client, key), signer) {
                    (Ok(()), Some(signer)) => {
                        let pending = Pending::new(head, apex, self.packet, self.client, signer);
                        return Some(Reply::Update(Box::new(pending)));
                    }
                    (verdict, unused) => {
                        signer = unused;
                        (head, prohibited(verdict.err().unwrap_or(Rcode::Refused)))
                    }
                }
            }
            Reading::Transfer(head, wanted) => {
                let archive = self.speaker.archive.load();
                match transfer::decide(self.snapshot, &archive, *wanted, self.client, key, self.transport) {
                    Verdict::Failed(rcode) => (head, prohibited(rcode)),
                    Verdict::Granted(copied) => {
                        let options = self.options(head, None);
                        return Some(self.give(head, Plan::new(head, &options, copied, signer), out));
                    }
                }
            }
        };
        self.snapshot.count(&answer, Lane::EDGE);
        let room = signer.as_ref().map_or(0, Signer::room);
        let options = self.options(head, Some(Padding { behind: room }));
        let mut length = write(out, head, &answer, &options, self.limit(head) - room);
        if let Some(mut signer) = signer {
            length = signer.sign(out, length, self.speaker.now);
        }
        Some(Reply::Message { length, rcode: answer.rcode() })
    }

    /// Gives what was granted of a zone: at once when one message has to do.
    fn give(self, head: &Head<'_>, plan: Plan, out: &mut [u8]) -> Reply {
        if self.transport == Transport::Udp || plan.is_short() {
            let length = transfer::pack_one(plan, self.limit(head), self.speaker.now, out);
            return Reply::Message { length, rcode: Rcode::NoError };
        }
        Reply::Transfer(Box::new(plan))
    }

    /// Says what is wrong with a signature.
    fn refuse(self, reading: &Reading<'_>, tsig: &Tsig<'_>, bad: Bad, out: &mut [u8]) -> Option<Reply> {
        let head = match reading {
            Reading::Ignored | Reading::Signed(..) => return None,
            Reading::Failed(head, _)
            | Reading::Asked(head, _)
            | Reading::Transfer(head, _)
            | Reading::Update(head, _) => head,
        };
        let rcode = match bad {
            Bad::Malformed => Rcode::FormErr,
            Bad::Unproven(_) | Bad::Proven(..) => Rcode::NotAuth,
        };
        let options = self.options(head, None);
        let length = write(out, head, &Answer::bare(rcode), &options, self.limit(head));
        let length = tsig::append_fault(out, length, tsig, bad, self.speaker.now);
        Some(Reply::Message { length, rcode })
    }

    fn limit(self, head: &Head<'_>) -> usize {
        match self.transport {
            Transport::Udp => head.udp_limit(),
            Transport::Tcp | Transport::Tls | Transport::Https | Transport::Quic => RESPONSE_MAX,
        }
    }

    /// What is said in OPT; who reads along is not to learn much from lengths.
    fn options(self, head: &Head<'_>, padding: Option<Padding>) -> Options<'a> {
        let padding = padding.filter(|_| self.transport.is_encrypted());
        Options { padding, ..self.speaker.options(head.edns, self.client) }
    }

    fn look_up(self, head: &Head<'_>, asked: Asked<'_>, scratch: &'a mut Scratch) -> Answer<'a> {
        let mut lower = [0; NAME_MAX];
        let lower = &mut lower[..asked.name.len()];
        lower.copy_from_slice(asked.name);
        lower.make_ascii_lowercase();
        let n_labels = suffixes(lower).count() - 1;
        let dnssec_ok = head.edns.is_some_and(|edns| edns.dnssec_ok);
        let question = Question { name: lower, n_labels, rtype: asked.rtype, dnssec_ok };
        let client = Client::new(self.client, head.edns.and_then(|edns| edns.subnet));
        self.snapshot.answer_in_full(&question, &client, self.speaker.now, scratch)
    }
}

/// Says that something was not allowed, with the reason where that is why.
fn prohibited(rcode: Rcode) -> Answer<'static> {
    let ede = (rcode == Rcode::Refused).then_some(Ede::Prohibited);
    Answer { ede, ..Answer::bare(rcode) }
}

#[cfg(test)]
mod tests;
