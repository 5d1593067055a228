//! A validator (RFC 4035 §5, RFC 6840) written down naively: it believes nothing but the keys of the zones, reads answers with
//! hickory-proto, and derives every name from the answer itself. Whoever signs shares no code with it but the cipher.

use std::collections::{BTreeMap, BTreeSet};

use hickory_proto::op::Message;
use hickory_proto::rr::Record as WireRecord;
use hickory_proto::serialize::binary::{BinEncodable as _, BinEncoder, NameEncoding};
use koinon_model::time::Timestamp;
use koinon_types::dns::dnskey::{dnskey, key_tag};
use koinon_types::names::{NameTable, SigningKey};
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

use super::support::{CLIENT, edns_query, exchange};
use crate::edge::handler::Transport;
use crate::snapshot::Snapshot;
use crate::wire::name::Name;
use crate::wire::rdata::question_number;
use crate::wire::{Rcode, rtype};

/// What a validator makes of an answer that it believes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    /// The type is there, or an alias that is followed no further.
    Positive,
    /// The name exists without the type.
    NoData,
    /// The name does not exist.
    Missing,
    /// To a zone that is signed.
    SecureReferral,
    /// To a zone that is not.
    InsecureReferral,
}

/// All records of one name and type in a section.
#[derive(Clone, Debug, Default)]
struct Set {
    ttl: u32,
    data: BTreeSet<Vec<u8>>,
    signatures: Vec<Rrsig>,
}

#[derive(Clone, Debug)]
struct Rrsig {
    head: Vec<u8>,
    signature: Vec<u8>,
    ttl: u32,
}

type Section = BTreeMap<(Name, u16), Set>;

/// An NSEC record that is believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Nsec {
    pub(crate) owner: Name,
    pub(crate) next: Name,
    pub(crate) types: BTreeSet<u16>,
    pub(crate) ttl: u32,
}

/// What is made of one answer.
struct Judge<'a> {
    table: &'a NameTable,
    now: Timestamp,
    nsecs: Vec<Nsec>,
    /// Names that were synthesised, with the labels of what they were synthesised from.
    expanded: Vec<(Name, usize)>,
}

/// The labels of a name, the uppermost first: in this form names compare canonically (RFC 4034 §6.1).
fn order(name: &Name) -> Vec<Vec<u8>> {
    let mut labels = Vec::new();
    let mut rest = name.wire();
    while rest[0] != 0 {
        let (label, after) = rest[1..].split_at(usize::from(rest[0]));
        labels.push(label.to_vec());
        rest = after;
    }
    labels.reverse();
    labels
}

/// The name's last labels.
fn suffix(name: &Name, n_labels: usize) -> Name {
    let mut name = name.clone();
    while name.n_labels() > n_labels {
        name = name.parent().unwrap();
    }
    name
}

fn common(one: &Name, other: &Name) -> usize {
    order(one).iter().zip(&order(other)).take_while(|(one, other)| one == other).count()
}

fn wildcard_below(name: &Name) -> Name {
    Name::from_wire(&[b"\x01*", name.wire()].concat()).unwrap()
}

fn read_name(bytes: &[u8]) -> (Name, &[u8]) {
    let length = crate::wire::name::wire_length(bytes).unwrap();
    (Name::from_wire(&bytes[..length]).unwrap(), &bytes[length..])
}

impl Nsec {
    /// Whether it says that a name does not exist.
    pub(crate) fn covers(&self, name: &Name) -> bool {
        let (owner, next, name) = (order(&self.owner), order(&self.next), order(name));
        let is_last = next <= owner;
        owner < name && (name < next || is_last)
    }

    /// Whether it is from above a delegation or redirection at its owner and so says nothing of names below
    /// (RFC 6840 §4.1).
    fn is_from_above(&self, name: &Name) -> bool {
        let is_cut = self.types.contains(&rtype::NS) && !self.types.contains(&rtype::SOA);
        name != &self.owner && name.is_within(&self.owner) && (is_cut || self.types.contains(&rtype::DNAME))
    }
}

/// A record's data, its names in full.
fn data_of(record: &WireRecord) -> Result<Vec<u8>, String> {
    let mut data = Vec::new();
    let mut encoder = BinEncoder::new(&mut data);
    encoder.set_name_encoding(NameEncoding::Uncompressed);
    record.data.emit(&mut encoder).map_err(|error| error.to_string())?;
    Ok(data)
}

fn section(records: &[WireRecord]) -> Result<Section, String> {
    let mut sets = Section::new();
    let mut rrsigs = Vec::new();
    for record in records {
        let number = u16::from(record.record_type());
        if number == rtype::OPT {
            continue;
        }
        let owner: Name = record.name.to_ascii().parse().map_err(|error| format!("{error}"))?;
        let data = data_of(record)?;
        if number == rtype::RRSIG {
            let (_, signature) = read_name(&data[18..]);
            let at = data.len() - signature.len();
            let rrsig = Rrsig { head: data[..at].to_vec(), signature: signature.to_vec(), ttl: record.ttl };
            rrsigs.push(((owner, u16::from_be_bytes([data[0], data[1]])), rrsig));
            continue;
        }
        let set = sets.entry((owner, number)).or_default();
        set.ttl = record.ttl;
        // A wildcard alias whose chain comes back to the name asked for repeats its first link: which name that is, nobody
        // knows when the chain is written.
        if !set.data.insert(data) && number != rtype::CNAME {
            return Err(format!("{} {number} stands there twice", record.name));
        }
    }
    for ((owner, number), rrsig) in rrsigs {
        let Some(set) = sets.get_mut(&(owner.clone(), number)) else {
            return Err(format!("{owner} {number} is signed and not there"));
        };
        set.signatures.push(rrsig);
    }
    Ok(sets)
}

impl Judge<'_> {
    /// Checks that a set is signed by its zone, now.
    fn check_set(&mut self, owner: &Name, number: u16, set: &Set) -> Result<(), String> {
        let what = format!("{owner} {number}");
        if set.signatures.is_empty() {
            return Err(format!("{what} is not signed"));
        }
        for Rrsig { head, signature, ttl } in &set.signatures {
            let field = |at: usize| u32::from_be_bytes(head[at..at + 4].try_into().unwrap());
            let (apex, _) = read_name(&head[18..]);
            let zone = self.table.zones.iter().find(|zone| zone.apex == apex.to_string());
            let zone = zone.ok_or_else(|| format!("{what} is signed by a stranger, {apex}"))?;
            let tag = u16::from_be_bytes([head[16], head[17]]);
            let signing = zone.signing.as_ref().ok_or_else(|| format!("{apex} has no keys"))?;
            let tag_of = |key: &SigningKey| key_tag(&dnskey(&key.public, key.is_entry_point));
            let key = signing.keys.iter().find(|key| tag_of(key) == tag);
            let key = key.ok_or_else(|| format!("{what} is signed by a key that is not there"))?;
            let (until, from, now) = (field(8), field(12), self.now.as_seconds() as u32);
            if now < from || until < now {
                return Err(format!("{what} is good from {from} to {until}, and it is {now}"));
            }
            if *ttl != set.ttl || set.ttl > field(4) {
                return Err(format!("{what} has TTL {}, its signature {ttl} for {}", set.ttl, field(4)));
            }
            let n_labels = usize::from(head[3]);
            let own = owner.n_labels() - usize::from(owner.is_wildcard());
            let mut held = owner.clone();
            if n_labels < own {
                held = wildcard_below(&suffix(owner, n_labels));
                self.expanded.push((owner.clone(), n_labels));
            }
            let mut message = head.clone();
            for data in &set.data {
                message.extend_from_slice(held.wire());
                message.extend(number.to_be_bytes());
                message.extend([0, 1]);
                message.extend(field(4).to_be_bytes());
                message.extend((data.len() as u16).to_be_bytes());
                message.extend(data);
            }
            let public = [&[4][..], &key.public].concat();
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, public)
                .verify(&message, signature)
                .map_err(|_| format!("{what} has a bad signature"))?;
            // One that is synthesised is data at best, and proves nothing.
            if number == rtype::NSEC && n_labels == own {
                self.take_nsec(owner, set);
            }
        }
        Ok(())
    }

    fn take_nsec(&mut self, owner: &Name, set: &Set) {
        for data in &set.data {
            let (next, mut bitmap) = read_name(data);
            let mut types = BTreeSet::new();
            while let [window, length, rest @ ..] = bitmap {
                let (bits, after) = rest.split_at(usize::from(*length));
                for (at, byte) in bits.iter().enumerate() {
                    for bit in (0..8).filter(|bit| byte & 0x80 >> bit != 0) {
                        types.insert(u16::from(*window) << 8 | (at as u16 * 8 + bit));
                    }
                }
                bitmap = after;
            }
            self.nsecs.push(Nsec { owner: owner.clone(), next, types, ttl: set.ttl });
        }
    }

    fn covering(&self, name: &Name) -> Option<&Nsec> {
        self.nsecs.iter().find(|nsec| nsec.covers(name) && !nsec.is_from_above(name))
    }

    fn matching(&self, name: &Name) -> Option<&Nsec> {
        self.nsecs.iter().find(|nsec| nsec.owner == *name)
    }

    /// The closest encloser of a name that a record covers (RFC 4035 §5.4).
    fn encloser(nsec: &Nsec, name: &Name) -> Name {
        suffix(name, common(name, &nsec.owner).max(common(name, &nsec.next)))
    }

    /// Whether a name is proven not to exist, by what it would have to be synthesised from too.
    fn proves_missing(&self, name: &Name) -> Result<(), String> {
        let cover = self.covering(name).ok_or_else(|| format!("nothing covers {name}"))?;
        if cover.next.is_within(name) {
            return Err(format!("{name} is an empty non-terminal"));
        }
        let wildcard = wildcard_below(&Self::encloser(cover, name));
        self.covering(&wildcard).map(|_| ()).ok_or_else(|| format!("nothing covers {wildcard}"))
    }

    /// Whether a zone above is served too and reaches down to the name: nothing between them is delegated or redirected.
    fn has_zone_above(&self, name: &Name) -> bool {
        let parse = |text: &str| text.parse::<Name>().unwrap();
        let above = self.table.zones.iter().filter(|zone| {
            let apex = parse(&zone.apex);
            apex != *name && name.is_within(&apex)
        });
        above.max_by_key(|zone| parse(&zone.apex).n_labels()).is_some_and(|zone| {
            !zone.records.iter().any(|record| {
                let owner = parse(&record.name);
                let stops = record.kind == "DNAME" || (record.kind == "NS" && record.name != zone.apex);
                stops && owner != *name && name.is_within(&owner)
            })
        })
    }

    /// Whether a name is proven not to have a type.
    fn proves_no_data(&self, name: &Name, number: u16) -> Result<(), String> {
        let lacks = |nsec: &Nsec| {
            let is_wrong_side = match number {
                // Without a zone above, nobody else could answer.
                rtype::DS => nsec.types.contains(&rtype::SOA) && self.has_zone_above(name),
                _ => nsec.types.contains(&rtype::NS) && !nsec.types.contains(&rtype::SOA),
            };
            let has = nsec.types.contains(&number) || nsec.types.contains(&rtype::CNAME);
            if is_wrong_side || has { Err(format!("{nsec:?} does not deny {name} {number}")) } else { Ok(()) }
        };
        if let Some(nsec) = self.matching(name) {
            return lacks(nsec);
        }
        let cover = self.covering(name).ok_or_else(|| format!("nothing matches or covers {name}"))?;
        if cover.next.is_within(name) {
            return Ok(());
        }
        let wildcard = wildcard_below(&Self::encloser(cover, name));
        if let Some(nsec) = self.matching(&wildcard) {
            return lacks(nsec);
        }
        match self.covering(&wildcard) {
            Some(nsec) if nsec.next.is_within(&wildcard) => Ok(()),
            _ => Err(format!("nothing matches {wildcard}")),
        }
    }

    /// Checks that each synthesised name does not exist, and no name nearer to it.
    fn check_expanded(&self) -> Result<(), String> {
        for (name, n_labels) in &self.expanded {
            let cover =
                self.covering(name).ok_or_else(|| format!("nothing covers {name}, which is synthesised"))?;
            let encloser = Self::encloser(cover, name);
            if encloser.n_labels() != *n_labels || cover.next.is_within(name) {
                return Err(format!("{name} should not be synthesised at {n_labels} labels: {cover:?}"));
            }
        }
        Ok(())
    }
}

/// Asks with DO and validates the answer: what it says, and the NSEC records that came with it.
pub(crate) fn validate(
    snapshot: &Snapshot,
    table: &NameTable,
    question: &str,
    now: Timestamp,
) -> Result<(Finding, Vec<Nsec>), String> {
    let (asked, kind) = question.split_once(' ').unwrap();
    let response = exchange(snapshot, &edns_query(asked, kind), CLIENT, Transport::Tcp, now).unwrap();
    let message = Message::from_vec(&response).map_err(|error| error.to_string())?;
    let number = if kind == "ANY" { rtype::ANY } else { question_number(kind).unwrap() };
    judge(table, &message, &asked.parse().unwrap(), number, now)
}

fn judge(
    table: &NameTable,
    message: &Message,
    asked: &Name,
    number: u16,
    now: Timestamp,
) -> Result<(Finding, Vec<Nsec>), String> {
    if message.metadata.authentic_data {
        return Err("an authoritative server does not say AD".to_owned());
    }
    let mut judge = Judge { table, now, nsecs: Vec::new(), expanded: Vec::new() };
    let answers = section(&message.answers)?;
    let authority = section(&message.authorities)?;
    let additional = section(&message.additionals)?;
    let redirects: Vec<&Name> =
        answers.keys().filter(|(_, number)| *number == rtype::DNAME).map(|(owner, _)| owner).collect();
    let is_synthesis = |owner: &Name, number: u16| {
        number == rtype::CNAME && redirects.iter().any(|above| owner != *above && owner.is_within(above))
    };
    for ((owner, number), set) in &answers {
        if !is_synthesis(owner, *number) {
            judge.check_set(owner, *number, set)?;
        }
    }
    let referral = authority.keys().find(|(_, number)| *number == rtype::NS).map(|(owner, _)| owner);
    for ((owner, number), set) in &authority {
        if *number == rtype::NS {
            if !set.signatures.is_empty() {
                return Err("a delegation is signed".to_owned());
            }
            continue;
        }
        judge.check_set(owner, *number, set)?;
    }
    for ((owner, number), set) in &additional {
        if referral.is_none_or(|cut| !owner.is_within(cut)) {
            judge.check_set(owner, *number, set)?;
        }
    }
    judge.check_expanded()?;
    let finding = find(&judge, message, asked, number, (&answers, &authority), referral)?;
    Ok((finding, judge.nsecs))
}

/// Follows the aliases of an answer and checks what is said of the name at their end.
fn find(
    judge: &Judge<'_>,
    message: &Message,
    asked: &Name,
    number: u16,
    (answers, authority): (&Section, &Section),
    referral: Option<&Name>,
) -> Result<Finding, String> {
    let mut name = asked.clone();
    let mut seen = vec![name.clone()];
    let rcode = u16::from(message.metadata.response_code);
    loop {
        let has = |number| answers.contains_key(&(name.clone(), number));
        let is_any = number == rtype::ANY && answers.keys().any(|(owner, _)| *owner == name);
        if has(number) || is_any {
            return Ok(Finding::Positive);
        }
        let Some(alias) = answers.get(&(name.clone(), rtype::CNAME)) else { break };
        name = read_name(alias.data.first().unwrap()).0;
        if seen.contains(&name) {
            return Ok(Finding::Positive);
        }
        seen.push(name.clone());
    }
    if let Some(cut) = referral {
        if !name.is_within(cut) || seen.len() > 1 {
            return Err(format!("the referral to {cut} has nothing to do with {name}"));
        }
        if authority.contains_key(&(cut.clone(), rtype::DS)) {
            return Ok(Finding::SecureReferral);
        }
        let proof = judge.matching(cut).ok_or_else(|| format!("nothing matches {cut}"))?;
        let is_insecure = proof.types.contains(&rtype::NS)
            && !proof.types.contains(&rtype::DS)
            && !proof.types.contains(&rtype::SOA);
        return if is_insecure { Ok(Finding::InsecureReferral) } else { Err(format!("{proof:?} at {cut}")) };
    }
    let has_soa = authority.keys().any(|(_, number)| *number == rtype::SOA);
    if rcode == Rcode::NxDomain.number() {
        judge.proves_missing(&name)?;
        return Ok(Finding::Missing);
    }
    if rcode == Rcode::YxDomain.number() || (!has_soa && seen.len() > 1) {
        return Ok(Finding::Positive);
    }
    if rcode != Rcode::NoError.number() || !has_soa {
        return Err(format!("code {rcode} for {name}, SOA: {has_soa}"));
    }
    // Whoever follows an alias to an apex asks the zone above for its DS records, whatever was added here.
    let is_apex = judge.matching(&name).is_some_and(|nsec| nsec.types.contains(&rtype::SOA));
    if number == rtype::DS && is_apex && seen.len() > 1 {
        return Ok(Finding::Positive);
    }
    judge.proves_no_data(&name, number)?;
    Ok(Finding::NoData)
}

/// The records of a zone: owner, type, TTL, data.
pub(crate) type Zone = Vec<(Name, u16, u32, Vec<u8>)>;

/// Checks a whole zone: every set that it is authoritative for is signed, no other is, and its NSEC records are one ring that
/// says exactly what is there.
pub(crate) fn check_zone(
    table: &NameTable,
    apex: &Name,
    records: Zone,
    now: Timestamp,
) -> Result<(), String> {
    let mut sets = Section::new();
    let mut rrsigs = Vec::new();
    for (owner, number, ttl, data) in records {
        if number == rtype::RRSIG {
            let (_, signature) = read_name(&data[18..]);
            let at = data.len() - signature.len();
            let rrsig = Rrsig { head: data[..at].to_vec(), signature: signature.to_vec(), ttl };
            rrsigs.push(((owner, u16::from_be_bytes([data[0], data[1]])), rrsig));
            continue;
        }
        let set = sets.entry((owner, number)).or_default();
        set.ttl = ttl;
        set.data.insert(data);
    }
    for (key, rrsig) in rrsigs {
        sets.get_mut(&key).ok_or_else(|| format!("{key:?} is signed and not there"))?.signatures.push(rrsig);
    }
    let cuts: Vec<Name> = sets
        .keys()
        .filter(|(owner, number)| *number == rtype::NS && owner != apex)
        .map(|(owner, _)| owner.clone())
        .collect();
    let mut judge = Judge { table, now, nsecs: Vec::new(), expanded: Vec::new() };
    let mut types: BTreeMap<&Name, BTreeSet<u16>> = BTreeMap::new();
    for ((owner, number), set) in &sets {
        let is_at_cut = cuts.contains(owner);
        let is_below = cuts.iter().any(|cut| owner != cut && owner.is_within(cut));
        if is_below || (is_at_cut && ![rtype::DS, rtype::NSEC].contains(number)) {
            if !set.signatures.is_empty() {
                return Err(format!("{owner} {number} is not the zone's to sign"));
            }
        } else {
            judge.check_set(owner, *number, set)?;
        }
        if !is_below {
            types.entry(owner).or_default().extend([*number, rtype::RRSIG]);
        }
    }
    let by_owner: BTreeMap<&Name, &Nsec> = judge.nsecs.iter().map(|nsec| (&nsec.owner, nsec)).collect();
    for (owner, types) in &types {
        let nsec = by_owner.get(owner).ok_or_else(|| format!("{owner} has no NSEC record"))?;
        if nsec.types != *types {
            return Err(format!("{owner} has {types:?}, and its NSEC record says {:?}", nsec.types));
        }
    }
    let mut at = apex;
    for number in 1..=by_owner.len() {
        let next = &by_owner.get(at).ok_or_else(|| format!("the ring breaks at {at}"))?.next;
        let is_last = number == by_owner.len();
        if is_last != (next == apex) || (!is_last && order(next) <= order(at)) {
            return Err(format!("{next} follows {at}"));
        }
        at = next;
    }
    Ok(())
}
