//! What any bytes are held to. Each function panics when they break a promise.
//!
//! `cargo xtask campaign fuzz-dns` searches for bytes that do (the targets are in `fuzz/`); the corpus that it keeps in
//! `fuzz/corpus` is gone through in every test run.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::ControlFlow;
use std::sync::{Arc, LazyLock};

use arc_swap::ArcSwap;
use hickory_proto::op::Message;
use koinon_model::time::Timestamp;
use koinon_types::names::{Grant, NameTable, Secret, TsigAlgorithm, TsigKey, UpdateGrant, UpdateMessage};

use crate::cookies::{CookieSecret, Keys};
use crate::edge::handler::{self, RESPONSE_MAX, Reply, Transport};
use crate::edge::message::{Reading, read};
use crate::edge::transfer::pack;
use crate::edge::tsig::{Signer, verify};
use crate::fast::{Response, names, respond};
use crate::history::Archive;
use crate::node::{Nsid, Speaker};
use crate::snapshot::{Input, Lane, LastGood, Snapshot, Verdicts, Versions, build};
use crate::wire::name::Name;
use crate::wire::{CLASS_IN, UDP_PAYLOAD_MAX, rdata};
use crate::{update, zonefile};

/// The zones and global names that questions are asked about.
const ZONE: &str = include_str!("../fuzz/served.zone");
const RECORDS: &str = include_str!("../fuzz/served.json");

/// When questions are asked; any moment does.
const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// Who asks; both families, and one who may copy the zone.
const CLIENTS: [IpAddr; 3] = [
    IpAddr::V4(Ipv4Addr::new(198, 51, 100, 7)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 7)),
    IpAddr::V4(Ipv4Addr::LOCALHOST),
];

static KEY: LazyLock<TsigKey> = LazyLock::new(|| TsigKey {
    name: "key.example".to_owned(),
    algorithm: TsigAlgorithm::HmacSha256,
    secret: Secret::new(vec![7; 32]),
});

static SERVED: LazyLock<Snapshot> = LazyLock::new(|| {
    let mut zone = zonefile::read(ZONE, None).expect("the zone file is in order").zone;
    let from_here = "127.0.0.0/8".parse().expect("a network");
    zone.transfer.allow = vec![Grant::From(from_here), Grant::With(KEY.clone())];
    zone.updates.allow =
        vec![UpdateGrant { key: KEY.clone(), network: None, names: Vec::new(), types: Vec::new() }];
    let records = serde_json::from_str(RECORDS).expect("the records are in order");
    let table = Arc::new(NameTable { generation: 1, zones: vec![zone], records });
    let (verdicts, last_good, before) = (Verdicts::new(), LastGood::new(), Versions::new());
    let input = Input {
        table: &table,
        verdicts: &verdicts,
        last_good: &last_good,
        before: &before,
        atlas: &Arc::default(),
        generation: 1,
        seed: [11, 13],
        now: NOW,
        signatures: &Arc::default(),
    };
    let snapshot = build(input).expect("a small table");
    assert!(snapshot.refused().is_empty(), "{:?}", snapshot.refused());
    snapshot
});

static ARCHIVE: LazyLock<ArcSwap<Archive>> = LazyLock::new(|| ArcSwap::from_pointee(Archive::of(&SERVED)));

static NODE: LazyLock<(Nsid, CookieSecret, Keys)> = LazyLock::new(|| {
    let secret = CookieSecret::new([9; 32]);
    let keys = Keys::of(&secret, NOW);
    (Nsid::try_from("node").expect("it is short"), secret, keys)
});

fn speaker() -> Speaker<'static> {
    Speaker { nsid: &NODE.0, keys: &NODE.2, archive: &ARCHIVE, now: NOW, idle_max: None }
}

/// A byte that picks the client, then a message: whatever is said is well-formed, fits, and is for this message; and what
/// the fast path says, the edge says too.
pub fn answers(data: &[u8]) {
    let Some((&first, packet)) = data.split_first() else { return };
    let client = CLIENTS[usize::from(first) % CLIENTS.len()];
    let by_edge = by_edge(packet, client, Transport::Udp);
    by_edge.iter().for_each(|response| check_response(packet, response, usize::from(UDP_PAYLOAD_MAX)));
    let streamed = by_edge_over_tcp(packet, client);
    streamed.iter().for_each(|response| check_response(packet, response, RESPONSE_MAX));
    let mut out = [[0; UDP_PAYLOAD_MAX as usize]];
    let asked = [(packet, client)];
    let [response, ..] = respond(&SERVED, &asked, &speaker(), Lane::EDGE, None, &mut names(), &mut out);
    if let Response::Ready { length, .. } = response {
        assert_eq!(by_edge.as_deref(), Some(&out[0][..length]), "the fast path and the edge differ");
    }
}

fn by_edge(packet: &[u8], client: IpAddr, transport: Transport) -> Option<Vec<u8>> {
    let mut out = vec![0; RESPONSE_MAX];
    match handler::respond(&SERVED, packet, client, transport, &speaker(), &mut out)? {
        Reply::Message { length, .. } => {
            out.truncate(length);
            Some(out)
        }
        Reply::Transfer(_) | Reply::Update(_) => None,
    }
}

/// Every message of the answer, a transfer's included.
fn by_edge_over_tcp(packet: &[u8], client: IpAddr) -> Vec<Vec<u8>> {
    let mut out = vec![0; RESPONSE_MAX];
    match handler::respond(&SERVED, packet, client, Transport::Tcp, &speaker(), &mut out) {
        // The host answers an update.
        None | Some(Reply::Update(_)) => Vec::new(),
        Some(Reply::Message { length, .. }) => vec![out[..length].to_vec()],
        Some(Reply::Transfer(plan)) => {
            let mut messages = Vec::new();
            let done = pack(*plan, || NOW, &mut |message: Vec<u8>| {
                messages.push(message[2..].to_vec());
                ControlFlow::Continue(())
            });
            assert!(done.is_continue() && !messages.is_empty(), "a transfer broke off");
            messages
        }
    }
}

/// Holds a response to what every one must be.
fn check_response(packet: &[u8], response: &[u8], length_max: usize) {
    assert!(response.len() <= length_max, "{} bytes do not fit {length_max}", response.len());
    assert!(packet.len() >= 12 && packet[2] & 0x80 == 0, "an answer to what is no query");
    assert_eq!(packet[..2], response[..2], "the answer is to another message");
    assert_eq!(response[2] & 0x80, 0x80, "the answer says that it is a query");
    let error = Message::from_vec(response).err();
    assert!(error.is_none(), "another reader cannot read the answer: {error:?}");
}

/// Two bytes that pick a place, then a message: signed by us it is believed, changed anywhere it is not; and what was
/// signed by whoever made it brings nothing down.
pub fn tsig(data: &[u8]) {
    let Some((place, packet)) = data.split_first_chunk::<2>() else { return };
    let keys = || std::iter::once(&*KEY);
    match read(packet) {
        Reading::Ignored | Reading::Failed(..) => {}
        Reading::Signed(tsig, _) => drop(verify(&tsig, packet, keys(), NOW)),
        Reading::Asked(..) | Reading::Transfer(..) | Reading::Update(..) => {
            let mut signed = signed(packet);
            assert!(is_believed(&signed), "our own signature is not believed");
            // The id is not signed, because whoever passes a message on changes it.
            let place = 2 + usize::from(u16::from_be_bytes(*place)) % (packet.len() - 2);
            signed[place] ^= 1 << (place % 8);
            assert!(!is_believed(&signed), "a message changed at {place} is believed");
        }
    }
}

fn signed(packet: &[u8]) -> Vec<u8> {
    let mut signer = Signer::new(&KEY).expect("a key of ours");
    let mut signed = packet.to_vec();
    signed.resize(packet.len() + signer.room(), 0);
    let length = signer.sign(&mut signed, packet.len(), NOW);
    signed.truncate(length);
    signed
}

fn is_believed(packet: &[u8]) -> bool {
    match read(packet) {
        Reading::Signed(tsig, _) => verify(&tsig, packet, std::iter::once(&*KEY), NOW).is_ok(),
        Reading::Ignored
        | Reading::Failed(..)
        | Reading::Asked(..)
        | Reading::Transfer(..)
        | Reading::Update(..) => false,
    }
}

/// A message that becomes an update, signed by who may make one: what it adds can be written and read again as the same.
pub fn updates(data: &[u8]) {
    let mut packet = data.to_vec();
    match packet.get_mut(2) {
        // Opcode 5, of a request.
        Some(flags) => *flags = 5 << 3,
        None => return,
    }
    if !matches!(read(&packet), Reading::Update(..)) {
        return;
    }
    let sent = UpdateMessage { message: signed(&packet), client: CLIENTS[0] };
    let Ok(update) = update::admit(&sent, SERVED.table(), NOW) else { return };
    for record in update.prerequisites.iter().chain(&update.changes) {
        let Some(data) = record.data.as_ref().filter(|_| record.class == CLASS_IN) else { continue };
        let written = rdata::text(record.rtype, data);
        assert_eq!(rdata::parse(record.rtype, &written).as_ref(), Ok(data), "{written:?}");
    }
}

/// A zone file: what is read can be written, and read again as the same.
pub fn zone_file(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let apex = Name::from_wire(b"\x07example\x00");
    for apex in [None, apex.as_ref()] {
        let Ok(file) = zonefile::read(text, apex) else { continue };
        let written = zonefile::write(&file.zone, 1);
        let again = zonefile::read(&written, None).map(|again| again.zone);
        assert_eq!(again.as_ref(), Ok(&file.zone), "{written}");
    }
}

/// A type's number, then record data as text and as bytes: what is read is written and read again as the same.
pub fn records(data: &[u8]) {
    let Some((number, data)) = data.split_first_chunk::<2>() else { return };
    let number = u16::from_be_bytes(*number);
    let hex: String = data.iter().map(|byte| format!("{byte:02x}")).collect();
    let generic = format!(r"\# {} {hex}", data.len());
    for text in std::str::from_utf8(data).ok().into_iter().chain([&*generic]) {
        let Ok(read) = rdata::parse(number, text) else { continue };
        let written = rdata::text(number, &read);
        assert_eq!(rdata::parse(number, &written).as_ref(), Ok(&read), "{text:?} became {written:?}");
    }
    // Names in it are kept in lower case.
    if let Ok(read) = rdata::parse(number, &generic) {
        assert!(read.wire().eq_ignore_ascii_case(data), "bytes changed by being read");
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// A target's name, and what it runs.
    type Target = (&'static str, fn(&[u8]));

    const TARGETS: [Target; 5] = [
        ("answers", answers),
        ("records", records),
        ("tsig", tsig),
        ("updates", updates),
        ("zone_file", zone_file),
    ];

    #[test]
    fn the_kept_corpus_breaks_no_promise() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
        for (name, run) in TARGETS {
            let files: Vec<_> = std::fs::read_dir(corpus.join(name)).expect(name).collect();
            assert!(files.len() > 10, "the corpus of {name} is gone");
            for file in files {
                run(&std::fs::read(file.unwrap().path()).unwrap());
            }
        }
    }
}
