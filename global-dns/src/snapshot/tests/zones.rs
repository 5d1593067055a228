//! Delegations, zones below zones, types of every kind, and what is left out of a table with which reason.

use koinon_types::names::NameServer;

use super::support::{ask, check, record, snapshot, zone};

#[test]
fn a_referral_carries_glue_and_no_authority() {
    let lines = "
        child.example 60 NS ns1.child.example
        child.example 60 NS ns.sibling.example
        child.example 60 NS ns.abroad
        ns1.child.example 60 A 192.0.2.1
        ns1.child.example 60 AAAA 2001:db8::1
        sibling.example 60 NS ns.sibling.example
        ns.sibling.example 60 A 192.0.2.2
        other.child.example 60 A 192.0.2.3
    ";
    let snapshot = snapshot(vec![zone("example", lines)], Vec::new());
    let referral = "NOERROR | ns child.example 60 NS ns.abroad. | ns child.example 60 NS ns.sibling.example. \
        | ns child.example 60 NS ns1.child.example. | ar ns.sibling.example 60 A 192.0.2.2 \
        | ar ns1.child.example 60 A 192.0.2.1 | ar ns1.child.example 60 AAAA 2001:db8::1";
    for question in [
        "child.example A",
        "child.example NS",
        "child.example ANY",
        "deep.below.child.example A",
        "ns1.child.example A",
        "other.child.example A",
        "x.other.child.example A",
    ] {
        let mut lines: Vec<_> = ask(&snapshot, question).lines().map(str::to_owned).collect();
        let mut wanted: Vec<_> = referral.split(" | ").map(str::to_owned).collect();
        lines.sort();
        wanted.sort();
        assert_eq!(lines, wanted, "{question}");
    }
}

#[test]
fn ds_at_a_cut_is_the_parents_to_answer() {
    let lines = "
        signed.example 60 NS ns.abroad
        signed.example 60 DS 60485 5 1 2BB183AF5F22588179A53B0A98631FAD1A292118
        plain.example 60 NS ns.abroad
        to-signed.example 60 CNAME signed.example
        to-plain.example 60 CNAME plain.example
        to-below.example 60 CNAME below.plain.example
    ";
    let snapshot = snapshot(vec![zone("example", lines)], Vec::new());
    let alias = "NOERROR aa\nan to-signed.example 60 CNAME signed.example.\nan signed.example 60 DS";
    assert!(ask(&snapshot, "to-signed.example DS").starts_with(alias));
    assert!(ask(&snapshot, "signed.example DS").starts_with("NOERROR aa\nan signed.example 60 DS"));
    check(
        &snapshot,
        &[
            ("plain.example DS", "NOERROR aa | ns example 60 SOA"),
            ("below.plain.example DS", "NOERROR | ns plain.example 60 NS ns.abroad."),
            (
                "to-plain.example DS",
                "NOERROR aa | an to-plain.example 60 CNAME plain.example. | ns example 60 SOA",
            ),
            (
                "to-plain.example A",
                "NOERROR aa | an to-plain.example 60 CNAME plain.example. | ns plain.example 60 NS ns.abroad.",
            ),
            (
                "to-below.example DS",
                "NOERROR aa | an to-below.example 60 CNAME below.plain.example. | ns plain.example 60 NS ns.abroad.",
            ),
        ],
    );
}

#[test]
fn a_zone_below_a_zone_answers_for_itself() {
    let parent = zone(
        "example",
        "
        child.example 60 NS ns.elsewhere
        child.example 60 DS 60485 5 1 2BB183AF5F22588179A53B0A98631FAD1A292118
        www.child.example 60 A 192.0.2.66
        *.example 60 A 192.0.2.9
        out.example 60 CNAME www.child.example
        ",
    );
    let child = zone("child.example", "www.child.example 60 A 192.0.2.1");
    let deep = zone("a.b.c.example", "");
    let snapshot = snapshot(vec![deep, child, parent], Vec::new());
    check(
        &snapshot,
        &[
            ("www.child.example A", "NOERROR aa | an www.child.example 60 A 192.0.2.1"),
            ("x.child.example A", "NXDOMAIN aa | ns child.example 60 SOA"),
            ("child.example NS", "NOERROR aa | an child.example 300 NS ns.elsewhere."),
            ("x.example A", "NOERROR aa | an x.example 60 A 192.0.2.9"),
            ("b.c.example A", "NOERROR aa | ns example 60 SOA"),
            ("x.b.c.example A", "NXDOMAIN aa | ns example 60 SOA"),
            ("a.b.c.example DS", "NOERROR aa | ns example 60 SOA"),
            ("x.a.b.c.example A", "NXDOMAIN aa | ns a.b.c.example 60 SOA"),
            // An alias into another zone is not followed: resolvers do not believe the rest anyway.
            ("out.example A", "NOERROR aa | an out.example 60 CNAME www.child.example."),
        ],
    );
    assert!(ask(&snapshot, "child.example DS").starts_with("NOERROR aa\nan child.example 60 DS"));
    assert_eq!(
        snapshot.refused().get("www.child.example").map(String::as_str),
        Some("A record: the name belongs to another zone that is served here")
    );
}

#[test]
fn name_servers_inside_the_zone_have_addresses() {
    let mut zone = zone("example", "");
    zone.name_servers = vec![
        NameServer { name: "ns1.example".into(), addresses: vec!["192.0.2.1".parse().unwrap()] },
        NameServer { name: "ns.elsewhere".into(), addresses: vec!["192.0.2.2".parse().unwrap()] },
    ];
    check(
        &snapshot(vec![zone], Vec::new()),
        &[
            (
                "example NS",
                "NOERROR aa | an example 300 NS ns.elsewhere. | an example 300 NS ns1.example. \
                | ar ns1.example 300 A 192.0.2.1",
            ),
            ("ns1.example A", "NOERROR aa | an ns1.example 300 A 192.0.2.1"),
            ("ns.elsewhere A", "REFUSED"),
        ],
    );
}

#[test]
fn serves_every_common_type() {
    let lines = r#"
        example 60 MX 10 mail.example
        example 60 MX 20 mail.elsewhere
        example 60 CAA 0 issue "ca.example.net"
        example 60 TXT "v=spf1 -all"
        _sip._udp.example 60 SRV 1 2 5060 sip.example
        ptr.example 60 PTR www.example
        new.example 60 TYPE65400 \# 3 0102ff
        v6.example 60 AAAA 2001:db8::1
    "#;
    check(
        &snapshot(vec![zone("example", lines)], Vec::new()),
        &[
            (
                "example MX",
                "NOERROR aa | an example 60 MX 10 mail.example. | an example 60 MX 20 mail.elsewhere.",
            ),
            ("example CAA", "NOERROR aa | an example 60 CAA 0 issue \"ca.example.net\""),
            ("example TXT", "NOERROR aa | an example 60 TXT v=spf1 -all"),
            ("_sip._udp.example SRV", "NOERROR aa | an _sip._udp.example 60 SRV 1 2 5060 sip.example."),
            ("ptr.example PTR", "NOERROR aa | an ptr.example 60 PTR www.example."),
            ("v6.example AAAA", "NOERROR aa | an v6.example 60 AAAA 2001:db8::1"),
        ],
    );
}

#[test]
fn any_gets_one_short_record() {
    let lines = "
        www.example 60 A 192.0.2.1
        alias.example 60 CNAME www.example
        a.ent.example 60 A 192.0.2.1
        *.wild.example 60 A 192.0.2.1
    ";
    check(
        &snapshot(vec![zone("example", lines)], Vec::new()),
        &[
            ("www.example ANY", "NOERROR aa | an www.example 3600 HINFO RFC8482 "),
            ("example ANY", "NOERROR aa | an example 3600 HINFO RFC8482 "),
            ("alias.example ANY", "NOERROR aa | an alias.example 60 CNAME www.example."),
            ("x.wild.example ANY", "NOERROR aa | an x.wild.example 3600 HINFO RFC8482 "),
            ("ent.example ANY", "NOERROR aa | ns example 60 SOA"),
            ("x.example ANY", "NXDOMAIN aa | ns example 60 SOA"),
        ],
    );
}

#[test]
fn what_breaks_the_rules_is_left_out_with_its_reason() {
    let lines = r"
        both.example 60 A 192.0.2.1
        both.example 60 CNAME www.example
        twice.example 60 CNAME a.example
        twice.example 60 CNAME b.example
        example 60 CNAME elsewhere
        example 60 NS late.example
        other.net 60 A 192.0.2.1
        bad..name.example 60 A 192.0.2.1
        bad.example 60 A nonsense
        odd.example 60 BOGUS x
        *.wild.example 60 NS ns.elsewhere
        cut.example 60 NS ns.elsewhere
    ";
    let records = vec![
        record("both.example", &[("a", "192.0.2.5", 1)]),
        record("x.cut.example", &[("a", "192.0.2.5", 1)]),
        record("www.nowhere", &[("a", "192.0.2.5", 1)]),
    ];
    let snapshot = snapshot(vec![zone("example", lines), zone("example", ""), zone("*.x", "")], records);
    let refused = snapshot.refused();
    for (name, reason) in [
        ("both.example", "CNAME record: it cannot stand beside other data"),
        ("both.example", "its zone has a static A record there"),
        ("twice.example", "CNAME record: a name has at most one"),
        ("example", "CNAME record: it cannot stand beside other data"),
        ("example", "NS record: the zone's own name servers belong into `nameServers`"),
        ("example", "zone: another zone has the same apex"),
        ("other.net", "A record: the name lies outside its zone"),
        ("bad..name.example", "A record: name \"bad..name.example\" has an empty label"),
        ("bad.example", "A record: data \"nonsense\" is not valid: an IPv4 address is expected"),
        ("odd.example", "BOGUS record: type \"BOGUS\" is not known"),
        ("*.wild.example", "NS record: a wildcard cannot be delegated"),
        ("x.cut.example", "the name is delegated at cut.example"),
        ("www.nowhere", "no zone served here contains the name"),
        ("*.x", "zone: an apex cannot be a wildcard"),
    ] {
        let reasons = refused.get(name).unwrap_or_else(|| panic!("{name} is not refused: {refused:?}"));
        assert!(reasons.contains(reason), "{name}: {reasons}");
    }
    check(
        &snapshot,
        &[
            ("both.example A", "NOERROR aa | an both.example 60 A 192.0.2.1"),
            ("twice.example A", "NOERROR aa | ns example 60 SOA"),
        ],
    );
}

#[test]
fn a_set_that_fits_no_message_fails_loudly() {
    let lines: String =
        (0..5000).map(|at| format!("big.example 60 A 10.0.{}.{}\n", at / 250, at % 250)).collect();
    let snapshot = snapshot(vec![zone("example", &lines)], Vec::new());
    check(&snapshot, &[("big.example A", "SERVFAIL")]);
    assert!(snapshot.refused()["big.example"].contains("larger than a DNS message can be"));
}

#[test]
fn records_of_one_set_share_the_lowest_ttl_and_repeat_nothing() {
    let lines = "
        www.example 60 A 192.0.2.1
        www.example 30 A 192.0.2.2
        www.example 90 A 192.0.2.1
    ";
    check(
        &snapshot(vec![zone("example", lines)], Vec::new()),
        &[("www.example A", "NOERROR aa | an www.example 30 A 192.0.2.1 | an www.example 30 A 192.0.2.2")],
    );
}
