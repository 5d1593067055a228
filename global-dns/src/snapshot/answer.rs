//! One question to one answer: find the node, its program, and for weighted programs the variant of this moment.
//!
//! Both the fast path and the edge come through here, so what one says the other says too. Nothing allocates,
//! locks or waits; the cost depends on the labels of the name and not on the size of a zone.

use koinon_model::time::Timestamp;

use super::block::shift;
use super::client::Client;
use super::health::RecordView;
use super::index::NodeId;
use super::route::Routed;
use super::shares::VariantId;
use super::signed::Proofs;
use super::{Below, BlockId, Kind, Node, ProgramId, Snapshot};
use crate::cookies::{COOKIE, Cookie};
use crate::ede::{self, Ede};
use crate::subnet::{OPTION_MAX, Subnet};
use crate::wire::{HEADER, Rcode, UDP_PAYLOAD_MAX, UDP_PAYLOAD_PLAIN, flag, option, rtype};

/// A readable question of class IN.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The name in wire format, lower-cased.
    pub name: &'a [u8],
    /// Its labels, the root not counted.
    pub n_labels: usize,
    /// The type asked for.
    pub rtype: u16,
    /// Whether the client wants signatures.
    pub dnssec_ok: bool,
}

/// What to say to a question, still in the snapshot's own bytes.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    pub(crate) rcode: Rcode,
    pub(crate) authoritative: bool,
    /// Records in answer, authority and additional.
    pub(crate) counts: [u16; 3],
    pub(crate) bytes: &'a [u8],
    pub(crate) fixups: &'a [u16],
    /// What proves it: more of the authority section, after those bytes.
    pub(crate) proofs: Proofs<'a>,
    /// It is not the answer yet: the edge writes it, see [`Snapshot::answer_in_full`].
    pub(crate) is_redirect: bool,
    /// Why it is what it is, for who speaks EDNS and has room for it.
    pub(crate) ede: Option<Ede>,
    /// Which of several it is, for who counts them.
    pub(crate) variant: VariantId,
    /// For how many bits of the client's network it holds, if a network was asked for (RFC 7871); 0 when for all.
    pub(crate) scope: u8,
}

/// How an answer was found, for whoever explains it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Path {
    /// The node answering: the name itself, a wildcard, or the closest encloser.
    pub(crate) node: NodeId,
    pub(crate) how: How,
    /// What was asked for.
    pub(crate) asked: ProgramId,
    /// What that is for this client.
    pub(crate) program: ProgramId,
    /// How the client was routed, if the answer depends on it.
    pub(crate) routed: Option<Routed>,
    /// Which variant a weighted program gave.
    pub(crate) variant: Option<usize>,
}

/// How the question's name relates to the node that answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// The name exists.
    Exact,
    /// It does not, and a wildcard covers it.
    Wildcard,
    /// It does not, and what lies below its closest encloser is decided there: NXDOMAIN or a referral.
    Below,
}

impl Path {
    /// Whether the answer is chosen among endpoints of which this is one, by its place in the record.
    pub(crate) fn gives(&self, view: &RecordView, endpoint: usize) -> bool {
        let leaves = view.plan.leaves();
        match self.routed {
            Some(routed) => leaves[routed.leaf].contains(&endpoint),
            // All of its leaves are answered alike.
            None => leaves.iter().any(|leaf| leaf.contains(&endpoint)),
        }
    }
}

impl Answer<'_> {
    /// The response code.
    pub fn rcode(&self) -> Rcode {
        self.rcode
    }

    /// The length of the response to `head` with this answer, before padding.
    pub(crate) fn length(&self, head: &Head<'_>, options: &Options<'_>) -> usize {
        let opt = if head.edns.is_some() { OPT + options.length() } else { 0 };
        HEADER + head.question.len() + self.bytes.len() + self.proofs.length() + opt
    }

    /// Says only this code.
    pub(crate) const fn bare(rcode: Rcode) -> Self {
        let proofs = Proofs::NONE;
        Self {
            rcode,
            authoritative: false,
            counts: [0; 3],
            bytes: &[],
            fixups: &[],
            proofs,
            is_redirect: false,
            scope: 0,
            ede: None,
            variant: VariantId::NONE,
        }
    }
}

impl Snapshot {
    /// Answers a question for a client at a moment; REFUSED when the name lies in no zone of ours.
    pub fn answer(&self, question: &Question<'_>, client: &Client, now: Timestamp) -> Answer<'_> {
        match self.path(question, client, now) {
            Some(path) => self.answer_of(path, question),
            None => self.refusal(),
        }
    }

    /// Finds the program for a question, and the variant.
    pub(crate) fn path(&self, question: &Question<'_>, client: &Client, now: Timestamp) -> Option<Path> {
        let (node, how) = self.find(question, self.index.hash(question.name))?;
        let asked = self.program_for(&self.nodes[node as usize], how, question.rtype);
        let routed = self.route(asked, client);
        let program = routed.map_or(asked, |(program, _)| program);
        let routed = routed.map(|(_, routed)| routed);
        let site = client.site(routed.map_or(0, |routed| routed.scope));
        let variant = match self.programs[program as usize].kind {
            Kind::Fixed(_) => None,
            Kind::Weighted { choice, .. } => Some(self.choices[choice as usize].choose(site, now)),
        };
        Some(Path { node, how, asked, program, routed, variant })
    }

    /// The answer that the path of a question leads to.
    pub(crate) fn answer_of(&self, path: Path, question: &Question<'_>) -> Answer<'_> {
        let scope = path.routed.map_or(0, |routed| routed.scope);
        let block = self.block_for(self.block_of(path), question, (path.node, path.how));
        let answer = Answer { scope, ..block };
        match self.programs[path.program as usize].kind {
            Kind::Fixed(_) => answer,
            Kind::Weighted { first, .. } => {
                let variant = VariantId::new(first + path.variant.unwrap_or(0) as u32);
                Answer { variant, ..answer }
            }
        }
    }

    /// What a program is for a client; none when it is the same for all.
    pub(super) fn route(&self, program: ProgramId, client: &Client) -> Option<(ProgramId, Routed)> {
        let program = &self.programs[program as usize];
        let (first, number) = (program.leaves?, program.record?);
        let view = self.records[number as usize].as_ref()?;
        let routed = view.plan.route(client, &self.atlas);
        Some((self.leaves[first as usize + routed.leaf], routed))
    }

    pub(super) fn find(&self, question: &Question<'_>, hash: u64) -> Option<(NodeId, How)> {
        if let Some(node) = self.index.find_hashed(hash, question.name) {
            return Some((node, How::Exact));
        }
        let encloser = self.index.closest_encloser(question.name, question.n_labels)?;
        match self.nodes[encloser as usize].below {
            Below::Wildcard(wildcard) => Some((wildcard, How::Wildcard)),
            Below::Program(_) => Some((encloser, How::Below)),
        }
    }

    /// The program of a node that answers a type.
    pub(super) fn program_for(&self, node: &Node, how: How, rtype: u16) -> ProgramId {
        if let (How::Below, Below::Program(program)) = (how, node.below) {
            return program;
        }
        let first = node.first as usize;
        let own = &self.by_type[first..first + usize::from(node.n_types)];
        own.iter().find(|(own, _)| *own == rtype).map_or(node.otherwise, |(_, program)| *program)
    }

    fn block_of(&self, path: Path) -> BlockId {
        match self.programs[path.program as usize].kind {
            Kind::Fixed(block) => block,
            Kind::Weighted { first, .. } => self.variants[first as usize + path.variant.unwrap_or(0)],
        }
    }

    pub(super) fn block(&self, block: BlockId) -> Answer<'_> {
        let block = &self.blocks[block as usize];
        let start = block.start as usize;
        let first_fixup = block.first_fixup as usize;
        Answer {
            rcode: block.rcode,
            authoritative: block.authoritative,
            counts: block.counts,
            bytes: &self.bytes[start..start + usize::from(block.length)],
            fixups: &self.fixups[first_fixup..first_fixup + usize::from(block.n_fixups)],
            proofs: Proofs::NONE,
            is_redirect: block.is_redirect,
            ede: block.ede,
            variant: VariantId::NONE,
            scope: 0,
        }
    }
}

/// What of a query its response repeats or depends on.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// The message id.
    pub id: [u8; 2],
    /// The third and fourth header byte as the query had them.
    pub flags: [u8; 2],
    /// Name, type and class exactly as sent, so that the case of the name comes back; empty when unreadable.
    pub question: &'a [u8],
    /// What the client said by EDNS, if it did.
    pub edns: Option<Edns>,
}

/// A client's EDNS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edns {
    /// The datagram size it can take.
    pub payload: u16,
    /// Whether it wants DNSSEC records.
    pub dnssec_ok: bool,
    /// Its cookie (RFC 7873).
    pub(crate) cookie: Option<Cookie>,
    /// Whether it wants to know which node answers (RFC 5001).
    pub(crate) wants_nsid: bool,
    /// Whether it asks how long its connection may be idle (RFC 7828); means nothing over UDP.
    pub(crate) wants_keepalive: bool,
    /// The network that it asks for (RFC 7871).
    pub(crate) subnet: Option<Subnet>,
}

/// What a response says in its OPT record beside what every one does.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options<'a> {
    pub(crate) cookie: Option<[u8; COOKIE]>,
    pub(crate) nsid: Option<&'a [u8]>,
    pub(crate) subnet: Option<Subnet>,
    /// How long the connection may be idle. Units: tenths of a second.
    pub(crate) keepalive: Option<u16>,
    /// Hides the length of the message.
    pub(crate) padding: Option<Padding>,
}

/// Fills a message up to a multiple of [`PADDED`] bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Padding {
    /// Bytes that will follow behind the message, a signature for instance, and count with it.
    pub(crate) behind: usize,
}

/// The block length of responses (RFC 8467 §4.1).
pub(crate) const PADDED: usize = 468;

impl Padding {
    /// Length of the option's data for a message that has `length` bytes without the option; none when it has no room.
    fn length(self, length: usize, limit: usize) -> Option<usize> {
        let bare = length + 4;
        let padded = (bare + self.behind).next_multiple_of(PADDED) - self.behind;
        padded.min(limit).checked_sub(bare)
    }
}

impl Options<'_> {
    /// Length of all but the padding, which depends on the rest of the message.
    pub(crate) fn length(&self) -> usize {
        let cookie = self.cookie.map_or(0, |cookie| 4 + cookie.len());
        let subnet = self.subnet.map_or(0, Subnet::length);
        let keepalive = self.keepalive.map_or(0, |_| 4 + 2);
        cookie + subnet + keepalive + self.nsid.map_or(0, |nsid| 4 + nsid.len())
    }

    /// Writes the options around an answer of this scope, the last one with this much padding; `out` has exactly the room for
    /// them.
    fn write(&self, scope: u8, out: &mut [u8], padding: Option<usize>) {
        let mut at = 0;
        let mut put = |code: u16, data: &[u8]| {
            out[at..at + 2].copy_from_slice(&code.to_be_bytes());
            out[at + 2..at + 4].copy_from_slice(&(data.len() as u16).to_be_bytes());
            out[at + 4..at + 4 + data.len()].copy_from_slice(data);
            at += 4 + data.len();
        };
        if let Some(nsid) = self.nsid {
            put(option::NSID, nsid);
        }
        if let Some(cookie) = &self.cookie {
            put(option::COOKIE, cookie);
        }
        if let Some(subnet) = self.subnet {
            let mut data = [0; OPTION_MAX];
            let length = subnet.write(scope, &mut data);
            put(option::CLIENT_SUBNET, &data[..length]);
        }
        if let Some(keepalive) = self.keepalive {
            put(option::TCP_KEEPALIVE, &keepalive.to_be_bytes());
        }
        if let Some(length) = padding {
            put(option::PADDING, &[0; PADDED][..length]);
        }
    }
}

impl Head<'_> {
    /// Most bytes of a UDP response to this query.
    pub fn udp_limit(&self) -> usize {
        let limit = match self.edns {
            None => UDP_PAYLOAD_PLAIN,
            Some(edns) => edns.payload.clamp(UDP_PAYLOAD_PLAIN, UDP_PAYLOAD_MAX),
        };
        usize::from(limit)
    }
}

/// Length of the OPT record in our responses, without options.
pub(crate) const OPT: usize = 11;

/// Writes a response of at most `limit` bytes to the front of `out`; one that is too long becomes an empty one
/// with TC, which sends the client to TCP.
///
/// Shape: the number of bytes written. `out` must hold a header, the question and OPT with its options at least.
pub fn write(
    out: &mut [u8],
    head: &Head<'_>,
    answer: &Answer<'_>,
    options: &Options<'_>,
    limit: usize,
) -> usize {
    let opt_length = if head.edns.is_some() { OPT + options.length() } else { 0 };
    let block_at = HEADER + head.question.len();
    let whole = block_at + answer.bytes.len() + answer.proofs.length() + opt_length;
    let room = limit.min(out.len());
    let fits = whole <= room;
    // What it is like is worth less than the answer.
    let ede = answer.ede.filter(|_| head.edns.is_some() && whole + ede::LENGTH <= room);

    let authoritative = if answer.authoritative { flag::AA } else { 0 };
    let truncated = if fits { 0 } else { flag::TC };
    let is_query = head.flags[0] & flag::OPCODE_MASK == 0;
    let kept = if is_query { [head.flags[0] & flag::RD, head.flags[1] & flag::CD] } else { [0; 2] };
    let rcode = answer.rcode.number();

    out[..2].copy_from_slice(&head.id);
    out[2] = flag::QR | head.flags[0] & flag::OPCODE_MASK | authoritative | truncated | kept[0];
    out[3] = kept[1] | (rcode & 0xf) as u8;
    out[4..6].copy_from_slice(&u16::from(!head.question.is_empty()).to_be_bytes());
    out[HEADER..block_at].copy_from_slice(head.question);

    let [n_answers, mut n_authority, mut n_additional] = if fits { answer.counts } else { [0; 3] };
    let mut end = block_at;
    if fits {
        end += answer.bytes.len();
        out[block_at..end].copy_from_slice(answer.bytes);
        let name_length = head.question.len().saturating_sub(4);
        for &at in answer.fixups {
            shift(&mut out[block_at..end], usize::from(at), name_length);
        }
        let (length, n_records) = answer.proofs.write(&mut out[end..], name_length);
        end += length;
        n_authority += n_records;
    }
    if let Some(edns) = head.edns {
        n_additional += 1;
        let ede_length = ede.map_or(0, |_| ede::LENGTH);
        let padding = options.padding.and_then(|padding| padding.length(end + opt_length + ede_length, room));
        let options_length = opt_length - OPT + padding.map_or(0, |padding| 4 + padding);
        out[end..end + OPT].copy_from_slice(&opt(rcode, edns, ede_length + options_length));
        end += OPT;
        if let Some(ede) = ede {
            out[end..end + ede::LENGTH].copy_from_slice(&ede.option());
            end += ede::LENGTH;
        }
        options.write(answer.scope, &mut out[end..end + options_length], padding);
        end += options_length;
    }
    out[6..8].copy_from_slice(&n_answers.to_be_bytes());
    out[8..10].copy_from_slice(&n_authority.to_be_bytes());
    out[10..12].copy_from_slice(&n_additional.to_be_bytes());
    end
}

/// Our OPT record: version 0, 1232 bytes, DO as the client had it (RFC 6891 §6.1.3, RFC 3225 §3).
fn opt(rcode: u16, edns: Edns, length: usize) -> [u8; OPT] {
    let [payload_high, payload_low] = UDP_PAYLOAD_MAX.to_be_bytes();
    let dnssec_ok = if edns.dnssec_ok { 0x80 } else { 0 };
    let [length_high, length_low] = (length as u16).to_be_bytes();
    [
        0,
        0,
        rtype::OPT as u8,
        payload_high,
        payload_low,
        (rcode >> 4) as u8,
        0,
        dnssec_ok,
        0,
        length_high,
        length_low,
    ]
}
