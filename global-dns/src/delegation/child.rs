//! What one name server says about its zone.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use hickory_proto::dnssec::Verifier as _;
use hickory_proto::dnssec::rdata::{DNSKEY, DNSSECRData, RRSIG};
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{Name, RData, Record, RecordType};

use super::Ds;
use super::ask::{self, AskError, Way};

/// What the server at one address says.
#[derive(Clone, Debug)]
pub struct ChildView {
    /// Its SOA over UDP.
    pub udp: Result<SoaView, AskError>,
    /// Its SOA over TCP.
    pub tcp: Result<SoaView, AskError>,
    /// The zone's name servers, as it knows them.
    pub name_servers: Result<BTreeSet<Name>, AskError>,
    /// Its keys.
    pub keys: Result<KeysView, AskError>,
}

/// An answer for the SOA.
#[derive(Clone, Debug)]
pub struct SoaView {
    /// Whether it is an authoritative answer with a SOA.
    pub is_authoritative: bool,
    /// NOERROR, REFUSED, …
    pub status: String,
    /// The serial, where there is a SOA.
    pub serial: Option<u32>,
    records: Vec<Record>,
}

/// An answer for the DNSKEY set.
#[derive(Clone, Debug, Default)]
pub struct KeysView {
    keys: Vec<DNSKEY>,
    records: Vec<Record>,
}

/// Asks one server.
pub(super) async fn view(server: SocketAddr, zone: &Name) -> ChildView {
    let (udp, tcp, ns, keys) = tokio::join!(
        ask::by(Way::Udp, server, zone, RecordType::SOA),
        ask::by(Way::Tcp, server, zone, RecordType::SOA),
        ask::authority(server, zone, RecordType::NS),
        ask::authority(server, zone, RecordType::DNSKEY),
    );
    ChildView {
        udp: udp.map(soa),
        tcp: tcp.map(soa),
        name_servers: ns.map(|ns| ask::name_servers(&ns.answers, zone)),
        keys: keys.map(|answer| keys_view(answer, zone)),
    }
}

fn soa(answer: Message) -> SoaView {
    let serial = answer.answers.iter().find_map(|record| match &record.data {
        RData::SOA(soa) => Some(soa.serial),
        _ => None,
    });
    let is_good = answer.metadata.response_code == ResponseCode::NoError && answer.metadata.authoritative;
    SoaView {
        is_authoritative: is_good && serial.is_some(),
        status: answer.metadata.response_code.to_string(),
        serial,
        records: answer.answers,
    }
}

fn keys_view(answer: Message, zone: &Name) -> KeysView {
    let of_zone = answer.answers.iter().filter(|record| record.name == *zone);
    let keys = of_zone.filter_map(|record| match &record.data {
        RData::DNSSEC(DNSSECRData::DNSKEY(key)) => Some(key.clone()),
        _ => None,
    });
    KeysView { keys: keys.collect(), records: answer.answers }
}

// === impl KeysView ===

impl KeysView {
    /// Whether there is no key at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The tags of the keys, as a list.
    #[must_use]
    pub fn tags(&self) -> String {
        let tags: BTreeSet<u16> = self.keys.iter().filter_map(|key| key.calculate_key_tag().ok()).collect();
        tags.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }

    /// Validates as a resolver does: a key that the parent trusts signs the keys, and one of those signs the SOA.
    ///
    /// # Errors
    /// The first thing that is wrong, for a person.
    pub fn validate(
        &self,
        zone: &Name,
        trusted: &BTreeSet<Ds>,
        soa: &SoaView,
        now: u32,
    ) -> Result<(), String> {
        if self.keys.is_empty() {
            return Err("there are no keys".to_owned());
        }
        let entries: Vec<&DNSKEY> =
            self.keys.iter().filter(|key| trusted.iter().any(|ds| names(ds, zone, key))).collect();
        if entries.is_empty() && !trusted.is_empty() {
            return Err(format!("none of its keys ({}) is in the DS records", self.tags()));
        }
        let entries = if trusted.is_empty() { self.keys.iter().collect() } else { entries };
        verify(zone, RecordType::DNSKEY, &entries, &self.records, now)?;
        let all: Vec<&DNSKEY> = self.keys.iter().collect();
        verify(zone, RecordType::SOA, &all, &soa.records, now)
    }
}

/// Whether a DS record is a key's.
fn names(ds: &Ds, zone: &Name, key: &DNSKEY) -> bool {
    let digest = key.to_digest(zone, ds.digest_type.into());
    key.zone_key()
        && key.calculate_key_tag().is_ok_and(|tag| tag == ds.tag)
        && digest.is_ok_and(|digest| digest.as_ref() == ds.digest)
}

/// Whether one of these keys has signed the set of this type, and the signature is good at this moment.
fn verify(
    zone: &Name,
    kind: RecordType,
    keys: &[&DNSKEY],
    records: &[Record],
    now: u32,
) -> Result<(), String> {
    let signatures: Vec<&RRSIG> = records
        .iter()
        .filter_map(|record| match &record.data {
            RData::DNSSEC(DNSSECRData::RRSIG(signature)) if record.name == *zone => Some(signature),
            _ => None,
        })
        .filter(|signature| signature.input().type_covered == kind)
        .collect();
    if signatures.is_empty() {
        return Err(format!("the {kind} set is not signed"));
    }
    let mut problem = format!("no signature of the {kind} set is by one of the keys");
    for signature in signatures {
        let input = signature.input();
        // Serial arithmetic (RFC 4034 §3.1.5).
        let is_before = |a: u32, b: u32| b.wrapping_sub(a).cast_signed() >= 0;
        let (begin, end) = (input.sig_inception.get(), input.sig_expiration.get());
        if !is_before(begin, now) || !is_before(now, end) {
            problem = format!("the signature of the {kind} set is not valid now");
            continue;
        }
        let set: Vec<Record> = original(records, zone, kind, input.original_ttl);
        let signer = keys.iter().filter(|key| key.calculate_key_tag().is_ok_and(|tag| tag == input.key_tag));
        for key in signer {
            match key.verify_rrsig(zone, hickory_proto::rr::DNSClass::IN, signature, set.iter()) {
                Ok(()) => return Ok(()),
                Err(_) => problem = format!("a signature of the {kind} set is wrong"),
            }
        }
    }
    Err(problem)
}

/// The records of a set as they were signed.
fn original(records: &[Record], zone: &Name, kind: RecordType, ttl: u32) -> Vec<Record> {
    let set = records.iter().filter(|record| record.name == *zone && record.record_type() == kind);
    set.cloned()
        .map(|mut record| {
            record.ttl = ttl;
            record
        })
        .collect()
}
