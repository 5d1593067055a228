//! Which messages are answered how, by the rule that says so.

use super::*;

const NAME: &[u8] = b"\x04ShOp\x07example\x00";

/// A query with these counts, then `tail` after the header.
fn packet(flags: [u8; 2], counts: [u16; 4], tail: &[&[u8]]) -> Vec<u8> {
    let mut packet = vec![0xab, 0xcd, flags[0], flags[1]];
    packet.extend(counts.iter().flat_map(|count| count.to_be_bytes()));
    packet.extend(tail.concat());
    packet
}

fn question(rtype: u16, class: u16) -> Vec<u8> {
    [NAME, &rtype.to_be_bytes(), &class.to_be_bytes()].concat()
}

/// An OPT record with this version and data.
fn opt(version: u8, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).unwrap().to_be_bytes();
    [&[0, 0, 41, 16, 0, 0, version, 0x80, 0], &length[..], data].concat()
}

fn failed(packet: &[u8]) -> Rcode {
    match read(packet) {
        Reading::Failed(_, rcode) => rcode,
        other => panic!("{other:?}"),
    }
}

#[test]
fn ignores_what_could_start_a_loop() {
    assert!(matches!(read(b"short"), Reading::Ignored));
    assert!(matches!(read(&packet([0x80, 0], [1, 0, 0, 0], &[&question(1, 1)])), Reading::Ignored));
}

#[test]
fn reads_a_question_with_its_case_and_edns() {
    let packet = packet([1, 0], [1, 0, 0, 1], &[&question(28, 1), &opt(0, b"\x00\x03\x00\x00")]);
    let Reading::Asked(head, asked) = read(&packet) else { panic!("not a question") };
    assert_eq!(asked, Asked { name: NAME, rtype: 28 });
    assert_eq!(head.question, question(28, 1));
    let wanted = Edns {
        payload: 4096,
        dnssec_ok: true,
        cookie: None,
        wants_nsid: true,
        wants_keepalive: false,
        subnet: None,
    };
    assert_eq!(head.edns, Some(wanted));
}

#[test]
fn other_opcodes_are_not_implemented_and_nothing_of_them_is_repeated() {
    for opcode in (1..16u8).filter(|opcode| *opcode != OPCODE_UPDATE) {
        let packet = packet([opcode << 3 | 1, 0x10], [1, 0, 0, 0], &[&question(6, 1)]);
        let Reading::Failed(head, Rcode::NotImp) = read(&packet) else { panic!("opcode {opcode}") };
        assert!(head.question.is_empty());
    }
}

#[test]
fn malformed_queries_are_called_so() {
    let asked = question(1, 1);
    let glue = [NAME, &[0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1]].concat();
    for (what, packet) in [
        ("no question", packet([0, 0], [0, 0, 0, 0], &[])),
        ("two questions", packet([0, 0], [2, 0, 0, 0], &[&asked, &asked])),
        ("a question cut short", packet([0, 0], [1, 0, 0, 0], &[&asked[..10]])),
        ("a pointer in the question", packet([0, 0], [1, 0, 0, 0], &[b"\xc0\x0c\x00\x01\x00\x01"])),
        ("an answer in a query", packet([0, 0], [1, 1, 0, 0], &[&asked, &glue])),
        ("authority in a query", packet([0, 0], [1, 0, 1, 0], &[&asked, &glue])),
        ("a missing record", packet([0, 0], [1, 0, 0, 1], &[&asked])),
        ("bytes after the end", packet([0, 0], [1, 0, 0, 0], &[&asked, b"!"])),
        ("two OPT", packet([0, 0], [1, 0, 0, 2], &[&asked, &opt(0, b""), &opt(0, b"")])),
        ("OPT with an owner", packet([0, 0], [1, 0, 0, 1], &[&asked, b"\x01a", &opt(0, b"")])),
        ("half an option", packet([0, 0], [1, 0, 0, 1], &[&asked, &opt(0, b"\x00\x03\x00\x09x")])),
        ("a pointer forward", packet([0, 0], [1, 0, 0, 1], &[&asked, b"\xc0\xff", &opt(0, b"")[1..]])),
        ("a question about OPT", packet([0, 0], [1, 0, 0, 0], &[&question(41, 1)])),
        ("a question about TSIG", packet([0, 0], [1, 0, 0, 0], &[&question(250, 1)])),
        ("a question about NXNAME", packet([0, 0], [1, 0, 0, 0], &[&question(128, 1)])),
    ] {
        assert_eq!(failed(&packet), Rcode::FormErr, "{what}");
    }
}

#[test]
fn other_additional_records_are_stepped_over() {
    let glue = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xc0\x00\x02\x01";
    let packet = packet([0, 0], [1, 0, 0, 2], &[&question(1, 1), glue, &opt(0, b"")]);
    assert!(matches!(read(&packet), Reading::Asked(Head { edns: Some(_), .. }, _)));
}

#[test]
fn what_we_do_not_serve_is_refused_by_its_own_code() {
    for (rtype, class, wanted) in [
        (1, 3, Rcode::Refused),
        (1, 255, Rcode::Refused),
        (1, 254, Rcode::Refused),
        (251, 1, Rcode::FormErr),
        (249, 1, Rcode::NotImp),
        (253, 1, Rcode::NotImp),
        (254, 1, Rcode::NotImp),
        (200, 1, Rcode::NotImp),
    ] {
        assert_eq!(
            failed(&packet([0, 0], [1, 0, 0, 0], &[&question(rtype, class)])),
            wanted,
            "{rtype} {class}"
        );
    }
    assert!(matches!(read(&packet([0, 0], [1, 0, 0, 0], &[&question(255, 1)])), Reading::Asked(..)));
}

#[test]
fn another_edns_version_is_bad_whatever_it_carries() {
    let packet = packet([0, 0], [1, 0, 0, 1], &[&question(1, 1), &opt(1, b"\x00")]);
    assert!(matches!(read(&packet), Reading::Failed(Head { edns: Some(_), .. }, Rcode::BadVers)));
}

#[test]
fn a_signature_must_come_last_and_be_whole() {
    let data = b"\x0bhmac-sha256\x00\x00\x00\x00\x00\x00\x01\x01\x2c\x00\x02mm\xab\xcd\x00\x00\x00\x00";
    let fixed = [0, 250, 0, 255, 0, 0, 0, 0, 0, data.len() as u8];
    let tsig = [&b"\x03key\x00"[..], &fixed, data].concat();
    let signed = packet([0, 0], [1, 0, 0, 2], &[&question(1, 1), &opt(0, b""), &tsig]);
    let Reading::Signed(read_tsig, reading) = read(&signed) else { panic!("not signed") };
    assert!(matches!(*reading, Reading::Asked(Head { edns: Some(_), .. }, _)));
    assert_eq!((read_tsig.key.wire(), read_tsig.original_id), (&b"\x03key\x00"[..], *b"\xab\xcd"));
    assert_eq!((read_tsig.time, read_tsig.fudge, read_tsig.mac), (1, 300, &b"mm"[..]));
    assert_eq!((read_tsig.at, read_tsig.rest), (signed.len() - tsig.len(), &[0; 4][..]));
    let first = packet([0, 0], [1, 0, 0, 2], &[&question(1, 1), &tsig, &opt(0, b"")]);
    assert_eq!(failed(&first), Rcode::FormErr);
    let mut torn = packet([0, 0], [1, 0, 0, 1], &[&question(1, 1), &tsig]);
    let mac_length_at = torn.len() - 10;
    torn[mac_length_at + 1] = 9;
    assert_eq!(failed(&torn), Rcode::FormErr);
}

#[test]
fn the_name_of_a_key_may_point_back_and_only_back() {
    let data = b"\x0bhmac-sha256\x00\x00\x00\x00\x00\x00\x01\x01\x2c\x00\x02mm\xab\xcd\x00\x00\x00\x00";
    let fixed = [0, 250, 0, 255, 0, 0, 0, 0, 0, data.len() as u8];
    let signed_by =
        |owner: &[u8]| packet([0, 0], [1, 0, 0, 1], &[&question(1, 1), &[owner, &fixed, data].concat()]);
    let compressed = signed_by(b"\x03key\xc0\x11");
    let Reading::Signed(tsig, _) = read(&compressed) else { panic!("not signed") };
    assert_eq!(tsig.key.to_string(), "key.example");
    // Into the record's own name, and into the middle of a label that then claims to be longer than the message.
    for owner in [&b"\x03key\xc0\x1f"[..], b"\x03key\xc0\x0e", b"\xc0\xff"] {
        assert_eq!(failed(&signed_by(owner)), Rcode::FormErr, "{owner:?}");
    }
}

#[test]
fn a_transfer_says_which_zone_and_since_when() {
    let axfr = packet([0, 0], [1, 0, 0, 0], &[&question(252, 1)]);
    assert!(matches!(read(&axfr), Reading::Transfer(_, Wanted { apex: NAME, since: None })));
    let record = |kind: u8, data: &[u8]| {
        [b"\xc0\x0c\x00", &[kind][..], b"\x00\x01\x00\x00\x00\x00\x00", &[data.len() as u8], data].concat()
    };
    let numbers = [[0, 0, 1, 2], [0, 0, 0, 9], [0; 4], [0; 4], [0; 4]].concat();
    let soa = [&b"\xc0\x0c\x00"[..], &numbers].concat();
    let ixfr = packet([0, 0], [1, 0, 1, 0], &[&question(251, 1), &record(6, &soa)]);
    assert!(matches!(read(&ixfr), Reading::Transfer(_, Wanted { apex: NAME, since: Some(258) })));
    for (what, record) in [("another type", record(1, &soa)), ("no numbers", record(6, b"\xc0\x0c\x00"))] {
        assert_eq!(
            failed(&packet([0, 0], [1, 0, 1, 0], &[&question(251, 1), &record])),
            Rcode::FormErr,
            "{what}"
        );
    }
}
