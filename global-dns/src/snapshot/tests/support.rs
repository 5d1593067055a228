//! The vocabulary of the answer tests: zones in master-file lines, questions in words, answers in lines.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::{Arc, LazyLock};

use arc_swap::ArcSwap;
use hickory_proto::op::{Message, Metadata};
use hickory_proto::rr::Record as WireRecord;
use hickory_proto::serialize::binary::BinEncodable as _;
use koinon_model::time::Timestamp;
use koinon_types::names::{
    Check, Endpoint, EndpointState, NameServer, NameTable, OnAllDown, ParentWish, Probe, Record, RecordRef,
    Secret, Signing, SigningKey, Signs, Soa, StaticRecord, Target, Transfer, Ttl, Updates, Zone,
};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use tokio::sync::{mpsc, watch};

use crate::cookies::{CookieSecret, Keys};
use crate::dnssec::Signatures;
use crate::edge::desk::Desk;
use crate::edge::handler::{RESPONSE_MAX, Reply, Transport, respond};
use crate::edge::update::Courier;
use crate::geo::Atlas;
use crate::history::Archive;
use crate::metrics::Metrics;
use crate::node::{Node, Nsid, Speaker};
use crate::snapshot::{Input, LastGood, Snapshot, Verdicts, Versions, build};
use crate::wire::name::Name;
use crate::wire::rdata::{self, Rdata, question_number};

pub(crate) const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 7));

/// When snapshots are built.
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// The zones' negative TTL.
pub(crate) const NEGATIVE: u32 = 60;

/// A zone with one name server elsewhere and these records: lines of `owner ttl type data`.
pub(crate) fn zone(apex: &str, lines: &str) -> Zone {
    let records = lines.lines().map(str::trim).filter(|line| !line.is_empty()).map(|line| {
        let mut fields = line.splitn(4, char::is_whitespace);
        let mut field = || fields.next().expect("a line is `owner ttl type data`").trim().to_owned();
        StaticRecord { name: field(), ttl: field().parse().expect("a TTL"), kind: field(), data: field() }
    });
    Zone {
        apex: apex.to_owned(),
        soa: Soa {
            mname: "ns.elsewhere".into(),
            rname: "hostmaster.elsewhere".into(),
            refresh: 3600,
            retry: 600,
            expire: 86400,
            minimum: NEGATIVE,
            ttl: 300,
        },
        name_servers: vec![NameServer { name: "ns.elsewhere".into(), addresses: Vec::new() }],
        records: records.collect(),
        transfer: Transfer::default(),
        updates: Updates::default(),
        signing: None,
    }
}

/// A global name in the first zone that contains it, with endpoints `cluster target weight`.
pub(crate) fn record(host: &str, endpoints: &[(&str, &str, u32)]) -> Record {
    let endpoint = |&(cluster, target, weight): &(&str, &str, u32)| Endpoint {
        cluster: cluster.to_owned(),
        target: target.parse().map_or_else(|_| Target::Hostname(target.to_owned()), Target::Ip),
        weight,
        state: EndpointState::Serving,
        since_ms: 0,
        evidence: "ready".into(),
        forced: None,
        ramp: None,
    };
    Record {
        source: RecordRef { namespace: "shop".into(), name: host.to_owned() },
        host: host.to_owned(),
        zone: String::new(),
        endpoints: endpoints.iter().map(endpoint).collect(),
        routing: Vec::new(),
        addresses_max: 1,
        ttl: Ttl { stable: 30, unstable: 5 },
        unstable: false,
        on_all_down: OnAllDown::LastKnownGood,
        healthy_share_min_percent: 0,
        check: None,
    }
}

pub(crate) fn tcp_check() -> Check {
    Check {
        probe: Probe::Tcp,
        port: 80,
        interval_ms: 1000,
        timeout_ms: 500,
        failure_threshold: 3,
        success_threshold: 2,
    }
}

pub(crate) fn table(zones: Vec<Zone>, records: Vec<Record>) -> Arc<NameTable> {
    Arc::new(NameTable { generation: 7, zones, records })
}

/// A snapshot without probes or memory.
pub(crate) fn snapshot(zones: Vec<Zone>, records: Vec<Record>) -> Snapshot {
    snapshot_with(zones, records, &Verdicts::new(), &LastGood::new())
}

pub(crate) fn snapshot_with(
    zones: Vec<Zone>,
    records: Vec<Record>,
    verdicts: &Verdicts,
    last_good: &LastGood,
) -> Snapshot {
    let table = table(zones, records);
    build_table(&table, verdicts, last_good, &Arc::default())
}

/// A snapshot of a table, with what there is beside it.
pub(crate) fn build_table(
    table: &Arc<NameTable>,
    verdicts: &Verdicts,
    last_good: &LastGood,
    atlas: &Arc<Atlas>,
) -> Snapshot {
    let before = Versions::new();
    let input = Input {
        table,
        verdicts,
        last_good,
        before: &before,
        atlas,
        generation: 7,
        seed: [11, 13],
        now: NOW,
        signatures: &Arc::default(),
    };
    build(input).expect("a small table")
}

/// A snapshot of a table as it follows another one, at a moment, with what was signed before.
pub(crate) fn build_at(
    table: &Arc<NameTable>,
    before: &Versions,
    generation: u64,
    now: Timestamp,
    signatures: &Arc<Signatures>,
) -> Snapshot {
    let (verdicts, last_good) = (Verdicts::new(), LastGood::new());
    let input = Input {
        table,
        verdicts: &verdicts,
        last_good: &last_good,
        before,
        atlas: &Arc::default(),
        generation,
        seed: [11, 13],
        now,
        signatures,
    };
    build(input).expect("a small table")
}

/// A query on the wire, without EDNS.
pub(crate) fn query(name: &str, kind: &str) -> Vec<u8> {
    let name: Name = name.parse().expect("a name");
    let kind = question_number(kind).expect("a type");
    [&[0xab, 0xcd, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0], name.wire(), &kind.to_be_bytes(), &[0, 1]].concat()
}

/// A query with an OPT record of 4096 bytes and DO.
pub(crate) fn edns_query(name: &str, kind: &str) -> Vec<u8> {
    let mut packet = query(name, kind);
    packet[11] = 1;
    packet.extend([0, 0, 41, 16, 0, 0, 0, 0x80, 0, 0, 0]);
    packet
}

/// A node with cookies of its own and nothing to copy, at a moment.
pub(crate) fn speaker(now: Timestamp) -> Speaker<'static> {
    static ARCHIVE: LazyLock<ArcSwap<Archive>> = LazyLock::new(ArcSwap::default);
    static NODE: LazyLock<(Nsid, CookieSecret)> =
        LazyLock::new(|| (Nsid::try_from("node-1").expect("it is short"), CookieSecret::new([9; 32])));
    static KEYS: LazyLock<Keys> = LazyLock::new(|| Keys::of(&NODE.1, Timestamp::from_millis(0)));
    Speaker { nsid: &NODE.0, keys: &KEYS, archive: &ARCHIVE, now, idle_max: None }
}

/// What conversations answer from. Nobody takes updates.
pub(crate) fn desk(snapshot: Snapshot) -> Desk {
    let archive = Arc::new(ArcSwap::from_pointee(Archive::of(&snapshot)));
    let node = Node::new(
        Nsid::try_from("node-1").expect("it is short"),
        CookieSecret::new([9; 32]),
        archive,
        Timestamp::from_millis(0),
    );
    let snapshot = Arc::new(ArcSwap::from_pointee(snapshot));
    let (requests, changes) = (mpsc::channel(1).0, watch::channel(0).1);
    let courier = Courier::new(requests, Arc::clone(&snapshot), changes.clone(), changes);
    Desk::new(snapshot, node, courier, Metrics::new())
}

/// The response to a packet, as the edge gives it; whoever may copy a zone finds it as it is now.
pub(crate) fn exchange(
    snapshot: &Snapshot,
    packet: &[u8],
    client: IpAddr,
    transport: Transport,
    now: Timestamp,
) -> Option<Vec<u8>> {
    let mut out = vec![0; RESPONSE_MAX];
    let archive = ArcSwap::from_pointee(Archive::of(snapshot));
    let speaker = Speaker { archive: &archive, ..speaker(now) };
    match respond(snapshot, packet, client, transport, &speaker, &mut out)? {
        Reply::Message { length, .. } => {
            out.truncate(length);
            Some(out)
        }
        Reply::Transfer(_) | Reply::Update(_) => panic!("it is not answered at once"),
    }
}

/// Asks `name type` over TCP and reads the answer back, line by line: code and flags, then each section that is
/// not empty. The zones' SOA shows as its TTL alone.
pub(crate) fn ask(snapshot: &Snapshot, question: &str) -> String {
    ask_at(snapshot, question, CLIENT, 0)
}

pub(crate) fn ask_at(snapshot: &Snapshot, question: &str, client: IpAddr, seconds: i64) -> String {
    let (name, kind) = question.split_once(' ').expect("a question is `name type`");
    let now = Timestamp::from_seconds(seconds);
    let response = exchange(snapshot, &query(name, kind), client, Transport::Tcp, now)
        .expect("a question has an answer");
    show(&response)
}

/// A response in lines.
pub(crate) fn show(response: &[u8]) -> String {
    let message = Message::from_vec(response).expect("another implementation reads our answer");
    let Metadata { response_code, authoritative, truncation, .. } = message.metadata;
    let mut text = format!("{response_code:?}").to_uppercase();
    for (set, flag) in [(authoritative, " aa"), (truncation, " tc")] {
        text.push_str(if set { flag } else { "" });
    }
    for (section, records) in
        [("an", &message.answers), ("ns", &message.authorities), ("ar", &message.additionals)]
    {
        for record in records {
            write!(text, "\n{section} {}", line(record)).expect("a string takes all");
        }
    }
    text
}

fn line(record: &WireRecord) -> String {
    let kind = record.record_type();
    let owner = record.name.to_string();
    let owner = if owner == "." { &owner } else { owner.trim_end_matches('.') };
    if kind.to_string() == "SOA" {
        return format!("{owner} {} SOA", record.ttl);
    }
    if ["DNAME", "HTTPS"].contains(&kind.to_string().as_str()) {
        let data = record.data.to_bytes().expect("what was read can be written");
        let data = rdata::text(kind.into(), &Rdata::opaque(&data));
        return format!("{owner} {} {kind} {data}", record.ttl);
    }
    format!("{owner} {} {kind} {}", record.ttl, record.data)
}

/// Checks each `question => answer` of a table; an answer's lines are joined with ` | `.
pub(crate) fn check(snapshot: &Snapshot, cases: &[(&str, &str)]) {
    for (question, wanted) in cases {
        assert_eq!(ask(snapshot, question).replace('\n', " | "), *wanted, "{question}");
    }
}

/// Keys for a zone, one for everything.
pub(crate) fn signing() -> Signing {
    static KEY: LazyLock<SigningKey> = LazyLock::new(new_key);
    Signing { keys: vec![KEY.clone()], parent: ParentWish::Trust, validity: 7 * 86400, ttl: 3600 }
}

/// A new key.
pub(crate) fn new_key() -> SigningKey {
    let (algorithm, random) = (&ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
    let private = EcdsaKeyPair::generate_pkcs8(algorithm, &random).expect("the system is random");
    let pair = EcdsaKeyPair::from_pkcs8(algorithm, private.as_ref(), &random).expect("it was just made");
    SigningKey {
        public: pair.public_key().as_ref()[1..].to_vec(),
        private: Secret::new(private.as_ref().to_vec()),
        is_entry_point: true,
        signs: Signs::Everything,
        for_parent: true,
    }
}

/// A zone that is signed.
pub(crate) fn signed_zone(apex: &str, lines: &str) -> Zone {
    Zone { signing: Some(signing()), ..zone(apex, lines) }
}
