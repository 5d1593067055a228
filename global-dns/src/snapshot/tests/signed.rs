//! Signed zones, class of answer by class of answer, each validated.

use koinon_types::names::{
    EndpointState, NameServer, NameTable, OnAllDown, ParentWish, Record, Withdrawal, Zone,
};

use super::support::{
    CLIENT, NOW, ask, edns_query, exchange, record, show, signed_zone, signing, snapshot, table, zone,
};
use super::validator::Finding::{InsecureReferral, Missing, NoData, Positive, SecureReferral};
use super::validator::{Finding, Nsec, validate};
use crate::edge::handler::Transport;
use crate::snapshot::Snapshot;
use crate::wire::rtype;

const LINES: &str = "
    www.example 60 A 192.0.2.1
    www.example 60 A 192.0.2.2
    www.example 60 TXT hello
    mail.example 60 MX 10 www.example
    mail.example 60 MX 20 mx.elsewhere
    deep.ent.example 60 A 192.0.2.3
    *.wild.example 60 A 192.0.2.4
    *.wild.example 60 MX 10 www.example
    named.wild.example 60 TXT n
    *.both.example 60 CNAME x.wild.example
    *.hollow.example 60 CNAME nothing.example
    below.*.star.example 60 TXT s
    alias.example 60 CNAME www.example
    second.example 60 CNAME alias.example
    lost.example 60 CNAME nothing.example
    far.example 60 CNAME www.elsewhere
    to-wild.example 60 CNAME a.wild.example
    to-ent.example 60 CNAME ent.example
    to-cut.example 60 CNAME x.plain.example
    ring.example 60 CNAME ring2.example
    ring2.example 60 CNAME ring.example
    old.example 60 DNAME new.example
    www.new.example 60 A 192.0.2.5
    into-old.example 60 CNAME www.old.example
    plain.example 60 NS ns.plain.example
    plain.example 60 NS www.example
    ns.plain.example 60 A 192.0.2.6
    secure.example 60 NS ns.secure.example
    secure.example 60 DS 60485 13 2 2BB183AF5F22588179A53B0A98631FAD1A2921182BB183AF5F22588179A53B0A
    ns.secure.example 60 A 192.0.2.7
    UP.example 60 SRV 1 2 80 WWW.example
    odd.example 60 TYPE4711 \\# 3 ABCDEF
    \\000.example 60 TXT first
    zz.example 60 TXT last
";

const DS: &str =
    "child.example 60 DS 60485 13 2 2BB183AF5F22588179A53B0A98631FAD1A2921182BB183AF5F22588179A53B0A";

fn check(zones: Vec<Zone>, records: Vec<Record>, cases: &[(&str, Finding)]) {
    let (table, snapshot) = (table(zones.clone(), records.clone()), snapshot(zones, records));
    for (question, wanted) in cases {
        let found = validate(&snapshot, &table, question, NOW).map(|(finding, _)| finding);
        assert_eq!(found, Ok(*wanted), "{question}\n{}", shown(&snapshot, question));
    }
}

fn shown(snapshot: &Snapshot, question: &str) -> String {
    let (name, kind) = question.split_once(' ').unwrap();
    show(&exchange(snapshot, &edns_query(name, kind), CLIENT, Transport::Tcp, NOW).unwrap())
}

#[test]
fn every_class_of_answer_validates() {
    let cases = [
        ("example SOA", Positive),
        ("example NS", Positive),
        ("example DNSKEY", Positive),
        ("example CDS", Positive),
        ("example CDNSKEY", Positive),
        ("example NSEC", Positive),
        ("example ANY", Positive),
        ("example A", NoData),
        ("example DS", NoData),
        ("www.example A", Positive),
        ("www.example AAAA", NoData),
        ("www.example ANY", Positive),
        ("www.example NSEC", Positive),
        ("mail.example MX", Positive),
        ("ent.example A", NoData),
        ("ent.example NSEC", NoData),
        ("x.ent.example A", Missing),
        ("nothing.example A", Missing),
        ("a.b.c.nothing.example A", Missing),
        ("zzz.example A", Missing),
        ("x.www.example A", Missing),
        ("x.wild.example A", Positive),
        ("a.b.wild.example A", Positive),
        ("*.wild.example A", Positive),
        ("x.wild.example TXT", NoData),
        ("x.wild.example MX", Positive),
        ("x.wild.example ANY", Positive),
        ("named.wild.example A", NoData),
        ("x.named.wild.example A", Missing),
        ("x.both.example A", Positive),
        ("x.both.example TXT", NoData),
        ("x.both.example CNAME", Positive),
        ("x.both.example ANY", Positive),
        ("x.hollow.example A", Missing),
        ("x.star.example TXT", NoData),
        ("alias.example A", Positive),
        ("alias.example AAAA", NoData),
        ("alias.example CNAME", Positive),
        ("alias.example NSEC", Positive),
        ("second.example TXT", Positive),
        ("lost.example A", Missing),
        ("far.example A", Positive),
        ("to-wild.example A", Positive),
        ("to-wild.example TXT", NoData),
        ("to-ent.example A", NoData),
        ("to-cut.example A", Positive),
        ("ring.example A", Positive),
        ("old.example DNAME", Positive),
        ("old.example A", NoData),
        ("www.old.example A", Positive),
        ("www.old.example TXT", NoData),
        ("nothing.old.example A", Missing),
        ("into-old.example A", Positive),
        ("plain.example A", InsecureReferral),
        ("x.plain.example A", InsecureReferral),
        ("plain.example DS", NoData),
        ("secure.example A", SecureReferral),
        ("x.secure.example A", SecureReferral),
        ("secure.example DS", Positive),
        ("up.example SRV", Positive),
        ("odd.example TYPE4711", Positive),
        ("\\000.example TXT", Positive),
        ("\\001.example TXT", Missing),
    ];
    check(vec![signed_zone("example", LINES)], Vec::new(), &cases);
}

#[test]
fn a_signed_zone_above_and_below_another() {
    let lines = format!("x.example 60 A 192.0.2.1\n{DS}\nz.example 60 A 192.0.2.2");
    let cases = [
        ("child.example DS", Positive),
        ("child.example SOA", Positive),
        ("child.example A", NoData),
        ("nothing.child.example A", Missing),
        ("nothing.example A", Missing),
        ("c.example A", Missing),
        ("d.example A", NoData),
        ("b.c.d.example SOA", Positive),
        ("b.c.d.example DS", NoData),
        ("c.d.example A", NoData),
        ("a.c.d.example A", Missing),
    ];
    let below = |apex: &str| signed_zone(apex, "");
    let zones = vec![signed_zone("example", &lines), below("child.example"), below("b.c.d.example")];
    check(zones, Vec::new(), &cases);
}

#[test]
fn a_zone_without_keys_beside_signed_ones_stays_as_it_is() {
    let zones = vec![signed_zone("example", ""), zone("child.example", "www.child.example 60 A 192.0.2.1")];
    let snapshot = snapshot(zones, Vec::new());
    for question in ["www.child.example A", "www.child.example TXT", "x.child.example A", "child.example ANY"]
    {
        assert_eq!(shown(&snapshot, question), ask(&snapshot, question), "{question}");
    }
}

#[test]
fn whoever_does_not_ask_for_signatures_gets_none() {
    let (plain, signed) = (
        snapshot(vec![zone("example", LINES)], Vec::new()),
        snapshot(vec![signed_zone("example", LINES)], Vec::new()),
    );
    for question in [
        "www.example A",
        "nothing.example A",
        "x.wild.example A",
        "x.wild.example TXT",
        "second.example A",
        "plain.example A",
        "secure.example A",
        "www.old.example A",
        "www.example ANY",
        "example A",
    ] {
        assert_eq!(ask(&signed, question), ask(&plain, question), "{question}");
    }
    // The reader knows NSEC by its number only, and writes "NSEC" and its bytes.
    let text = ask(&signed, "www.example NSEC");
    assert!(text.starts_with("NOERROR aa\nan www.example 60 ") && !text.contains('|'), "{text}");
    assert_eq!(text.lines().count(), 2, "without a signature: {text}");
}

#[test]
fn rrsig_asked_for_by_its_type_is_one_signature() {
    let snapshot = snapshot(vec![signed_zone("example", LINES)], Vec::new());
    for asked in [ask, shown] {
        let text = asked(&snapshot, "www.example RRSIG");
        assert!(
            text.starts_with("NOERROR aa\nan www.example 60 RRSIG") && text.lines().count() == 2,
            "{text}"
        );
        assert!(asked(&snapshot, "ent.example RRSIG").starts_with("NOERROR aa\nns example 60 SOA"));
        assert!(asked(&snapshot, "nothing.example RRSIG").starts_with("NXDOMAIN"));
    }
}

#[test]
fn additional_records_are_signed_or_left_out() {
    let mut zone = signed_zone("example", LINES);
    zone.name_servers =
        vec![NameServer { name: "ns1.example".into(), addresses: vec!["192.0.2.1".parse().unwrap()] }];
    let snapshot = snapshot(vec![zone], Vec::new());
    let text = shown(&snapshot, "mail.example MX");
    assert!(
        text.contains("ar www.example 60 A 192.0.2.1") && text.contains("ar www.example 60 RRSIG"),
        "{text}"
    );
    let text = shown(&snapshot, "x.wild.example MX");
    assert!(!text.contains("ar www.example"), "{text}");
}

#[test]
fn the_parent_is_told_what_is_wished() {
    let of = |parent| {
        let mut zone = signed_zone("example", "");
        zone.signing = Some(koinon_types::names::Signing { parent, ..signing() });
        let snapshot = snapshot(vec![zone], Vec::new());
        ["CDS", "CDNSKEY"].map(|kind| ask(&snapshot, &format!("example {kind}")).contains("\nan example"))
    };
    assert_eq!(of(ParentWish::Trust), [true; 2]);
    assert_eq!(of(ParentWish::Delete), [true; 2]);
    assert_eq!(of(ParentWish::Silent), [false; 2]);
}

#[test]
fn keys_that_cannot_sign_leave_the_zone_unsigned_and_listed() {
    let mut zone = signed_zone("example", "www.example 60 A 192.0.2.1");
    zone.signing.as_mut().unwrap().keys[0].public[0] ^= 1;
    let snapshot = snapshot(vec![zone], Vec::new());
    assert!(snapshot.refused()["example"].starts_with("signing: the private part of key"));
    assert_eq!(shown(&snapshot, "www.example A"), "NOERROR aa\nan www.example 60 A 192.0.2.1");
    assert!(ask(&snapshot, "example DNSKEY").ends_with("ns example 60 SOA"));
}

#[test]
fn static_records_that_belong_to_the_signer_are_refused() {
    let lines = "example 60 DNSKEY 257 3 13 AQID\nexample 60 CDS 0 0 0 00\nwww.example 60 A 192.0.2.1";
    let snapshot = snapshot(vec![signed_zone("example", lines)], Vec::new());
    assert!(snapshot.refused()["example"].contains("the zone is signed here"));
}

/// Every way that a set of endpoints can stand.
fn healths(record: &Record) -> impl Iterator<Item = Record> + '_ {
    let n_endpoints = record.endpoints.len();
    (0..1_u32 << n_endpoints).map(move |down| {
        let mut record = record.clone();
        for (at, endpoint) in record.endpoints.iter_mut().enumerate() {
            if down & 1 << at != 0 {
                endpoint.state = EndpointState::Withdrawn(Withdrawal::ProbesFailing);
            }
        }
        record
    })
}

#[test]
fn every_variant_of_a_global_name_validates_at_every_health() {
    let endpoints: [&[(&str, &str, u32)]; 5] = [
        &[("a", "192.0.2.1", 3), ("b", "192.0.2.2", 1), ("b", "2001:db8::2", 1)],
        &[("a", "192.0.2.1", 1), ("b", "lb.elsewhere", 1)],
        &[("a", "2001:db8::1", 1), ("b", "www.example", 2), ("c", "192.0.2.3", 1)],
        &[("a", "lb.elsewhere", 1), ("b", "lb2.elsewhere", 1)],
        &[],
    ];
    let hosts = ["shop.example", "*.shops.example"];
    for (endpoints, host) in endpoints.iter().flat_map(|one| hosts.map(|host| (one, host))) {
        for on_all_down in [OnAllDown::NoData, OnAllDown::All, OnAllDown::LastKnownGood] {
            let whole = Record { on_all_down, ..record(host, endpoints) };
            let mut covers: Vec<Nsec> = Vec::new();
            for record in healths(&whole) {
                check_global(&record, &mut covers);
            }
            covers.dedup();
            assert_eq!(covers.len(), 1, "health shows in what resolvers keep: {covers:?}");
        }
    }
}

/// Validates what a global name answers over time, and collects the NSEC records that its neighbours are denied with.
fn check_global(record: &Record, covers: &mut Vec<Nsec>) {
    let lines = "www.example 60 A 192.0.2.99\nwell.example 60 CNAME shop.example\nto-one.example 60 CNAME one.shops.example";
    let zones = vec![signed_zone("example", lines)];
    let (table, snapshot): (std::sync::Arc<NameTable>, _) =
        (table(zones.clone(), vec![record.clone()]), snapshot(zones, vec![record.clone()]));
    let host = if record.host == "shop.example" { "shop.example" } else { "one.shops.example" };
    for seconds in 0..5 {
        let now = koinon_model::time::Timestamp::from_seconds(NOW.as_seconds() + 5 * seconds);
        for kind in ["A", "AAAA", "TXT", "CNAME", "ANY", "HTTPS"] {
            for name in [host, "well.example", "to-one.example"] {
                let question = format!("{name} {kind}");
                let found = validate(&snapshot, &table, &question, now);
                assert!(found.is_ok(), "{question}: {found:?}\n{record:?}\n{}", shown(&snapshot, &question));
            }
        }
    }
    // Sorts right behind both hosts.
    for missing in ["shop-.example A", "a.shop.example A"] {
        let (_, nsecs) = validate(&snapshot, &table, missing, NOW).unwrap();
        let own = nsecs.into_iter().filter(|nsec| nsec.owner.to_string() == record.host);
        for nsec in own {
            assert!(nsec.types.contains(&rtype::NSEC));
            covers.push(nsec);
        }
    }
    let (_, nsecs) = validate(&snapshot, &table, &format!("{} NSEC", record.host), NOW).unwrap();
    covers.extend(nsecs);
}

#[test]
fn a_longer_answer_is_cut_short_and_whole_over_tcp() {
    let many: String =
        (0..40).map(|n| format!("many.example 60 TXT text-number-{n}-which-is-long\n")).collect();
    let snapshot = snapshot(vec![signed_zone("example", &many)], Vec::new());
    let asked = edns_query("many.example", "TXT");
    let cut = exchange(&snapshot, &asked, CLIENT, Transport::Udp, NOW).unwrap();
    assert_eq!(show(&cut), "NOERROR aa tc");
    assert!(shown(&snapshot, "many.example TXT").contains("RRSIG"));
}

#[test]
fn labels_that_begin_alike_are_told_apart() {
    let name = |n: u8| format!("a-label-that-begins-alike-{n}");
    let odd: String = [1, 3, 5].map(|n| format!("{}.example 60 A 192.0.2.1\n", name(n))).concat();
    let lines = format!("{odd}a-label-that-be.example 60 A 192.0.2.1\na-label-that-begin.example 60 TXT t");
    let questions =
        (0..7).map(|n| (format!("{}.example A", name(n)), if n % 2 == 0 { Missing } else { Positive }));
    let more = ["a-label-that-beg.example A", "a-label-that-begins.example A", "a.example A", "b.example A"];
    let questions: Vec<_> = questions.chain(more.map(|question| (question.to_owned(), Missing))).collect();
    let cases: Vec<_> = questions.iter().map(|(question, wanted)| (question.as_str(), *wanted)).collect();
    check(vec![signed_zone("example", &lines)], Vec::new(), &cases);
}
