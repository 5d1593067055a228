//! DNAME records: what they redirect and what not, by the sections of RFC 6672 that say so.

use koinon_model::time::Timestamp;

use super::support::{CLIENT, check, query, record, show, snapshot, zone};
use crate::edge::handler::Transport;
use crate::snapshot::Snapshot;

fn example() -> Snapshot {
    let lines = "
        old.example 50 DNAME new.example
        old.example 60 A 192.0.2.1
        www.new.example 60 A 192.0.2.2
        alias.new.example 60 CNAME www.old.example
        *.wild.new.example 60 TXT w
        cut.new.example 60 NS ns.elsewhere
        first.example 60 CNAME www.old.example
        away.example 60 DNAME example.elsewhere
        circle.example 60 DNAME round.example
        round.example 60 DNAME circle.example
        deep.example 60 DNAME x.deep.example
    ";
    let records = vec![record("shop.new.example", &[("a", "192.0.2.9", 1)])];
    snapshot(vec![zone("example", lines)], records)
}

const OLD: &str = "an old.example 50 DNAME new.example.";

#[test]
fn names_below_are_redirected_and_followed_inside_the_zone() {
    let answer = |rest: &str| format!("NOERROR aa | {OLD} | {rest}");
    let cases = [
        (
            "www.old.example A",
            "an www.old.example 50 CNAME www.new.example. | an www.new.example 60 A 192.0.2.2",
        ),
        ("www.old.example TXT", "an www.old.example 50 CNAME www.new.example. | ns example 60 SOA"),
        ("www.old.example DNAME", "an www.old.example 50 CNAME www.new.example. | ns example 60 SOA"),
        ("www.old.example CNAME", "an www.old.example 50 CNAME www.new.example."),
        ("www.old.example ANY", "an www.old.example 50 CNAME www.new.example."),
        (
            "shop.old.example A",
            "an shop.old.example 50 CNAME shop.new.example. | an shop.new.example 30 A 192.0.2.9",
        ),
        (
            "a.wild.old.example TXT",
            "an a.wild.old.example 50 CNAME a.wild.new.example. | an a.wild.new.example 60 TXT w",
        ),
        (
            "x.cut.old.example A",
            "an x.cut.old.example 50 CNAME x.cut.new.example. | ns cut.new.example 60 NS ns.elsewhere.",
        ),
    ];
    let snapshot = example();
    for (question, rest) in cases {
        check(&snapshot, &[(question, &answer(rest))]);
    }
    check(
        &snapshot,
        &[
            (
                "no.old.example A",
                &format!(
                    "NXDOMAIN aa | {OLD} | an no.old.example 50 CNAME no.new.example. | ns example 60 SOA"
                ),
            ),
            // The record is written once, though the chain meets it twice.
            (
                "alias.old.example A",
                &format!(
                    "NOERROR aa | {OLD} | an alias.old.example 50 CNAME alias.new.example. \
                     | an alias.new.example 60 CNAME www.old.example. \
                     | an www.old.example 50 CNAME www.new.example. | an www.new.example 60 A 192.0.2.2"
                ),
            ),
            // Known while compiling: the chain begins with a name of the zone.
            (
                "first.example A",
                &format!(
                    "NOERROR aa | an first.example 60 CNAME www.old.example. | {OLD} \
                     | an www.old.example 50 CNAME www.new.example. | an www.new.example 60 A 192.0.2.2"
                ),
            ),
            (
                "www.away.example A",
                "NOERROR aa | an away.example 60 DNAME example.elsewhere. \
                 | an www.away.example 60 CNAME www.example.elsewhere.",
            ),
        ],
    );
}

#[test]
fn the_owner_itself_is_not_redirected() {
    check(
        &example(),
        &[
            ("old.example A", "NOERROR aa | an old.example 60 A 192.0.2.1"),
            ("old.example DNAME", "NOERROR aa | an old.example 50 DNAME new.example."),
            ("old.example TXT", "NOERROR aa | ns example 60 SOA"),
            ("old.example ANY", "NOERROR aa | an old.example 3600 HINFO RFC8482 "),
        ],
    );
}

#[test]
fn loops_and_growing_names_end() {
    let snapshot = example();
    check(
        &snapshot,
        &[(
            "a.circle.example A",
            "NOERROR aa | an circle.example 60 DNAME round.example. | an a.circle.example 60 CNAME a.round.example. \
             | an round.example 60 DNAME circle.example. | an a.round.example 60 CNAME a.circle.example.",
        )],
    );
    let text = super::support::ask(&snapshot, "a.deep.example A");
    assert_eq!(text.lines().count(), 1 + 1 + 8, "the record once, and eight aliases: {text}");
}

#[test]
fn a_name_that_becomes_too_long_is_said_to() {
    let long = [&"a".repeat(63)[..]; 3].join(".");
    let lines = format!(
        "short.example 60 DNAME {long}.example
         {0}.short.example 60 TXT hidden
         first.example 60 CNAME {0}.short.example",
        "b".repeat(60)
    );
    let snapshot = snapshot(vec![zone("example", &lines)], Vec::new());
    let record = format!("an short.example 60 DNAME {long}.example.");
    let first = format!("an first.example 60 CNAME {}.short.example.", "b".repeat(60));
    check(
        &snapshot,
        &[
            (&format!("{}.short.example A", "b".repeat(60)), &format!("YXDOMAIN aa | {record}")),
            ("first.example A", &format!("YXDOMAIN aa | {first} | {record}")),
        ],
    );
    let fits = super::support::ask(&snapshot, "b.short.example A");
    assert!(fits.starts_with("NXDOMAIN aa"), "{fits}");
}

#[test]
fn an_apex_may_be_redirected_and_keeps_its_own() {
    let below = zone("sub.example", "www.sub.example 60 A 192.0.2.7");
    let snapshot = snapshot(vec![zone("example", "example 60 DNAME example.net"), below], Vec::new());
    check(
        &snapshot,
        &[
            ("example SOA", "NOERROR aa | an example 300 SOA"),
            ("example NS", "NOERROR aa | an example 300 NS ns.elsewhere."),
            (
                "www.example A",
                "NOERROR aa | an example 60 DNAME example.net. | an www.example 60 CNAME www.example.net.",
            ),
            // A zone of ours below answers for itself.
            ("www.sub.example A", "NOERROR aa | an www.sub.example 60 A 192.0.2.7"),
        ],
    );
}

#[test]
fn what_stands_in_the_way_is_refused_with_its_reason() {
    let lines = "
        old.example 60 DNAME new.example
        www.old.example 60 A 192.0.2.1
        a.b.old.example 60 DNAME x.example
        sub.old.example 60 NS ns.elsewhere
        *.old.example 60 TXT x
        *.wild.example 60 DNAME x.example
        twice.example 60 DNAME a.example
        twice.example 60 DNAME b.example
        both.example 60 DNAME a.example
        both.example 60 CNAME a.example
        cut.example 60 DNAME a.example
        cut.example 60 NS ns.elsewhere
    ";
    let snapshot = snapshot(
        vec![zone("example", lines)],
        vec![
            record("shop.old.example", &[("a", "192.0.2.5", 1)]),
            record("old.example", &[("a", "192.0.2.6", 1)]),
        ],
    );
    let refused = snapshot.refused();
    for (name, reason) in [
        ("www.old.example", "A record: the name lies below old.example, which a DNAME record redirects"),
        ("a.b.old.example", "DNAME record: the name lies below old.example"),
        ("sub.old.example", "NS record: the name lies below old.example"),
        ("*.old.example", "TXT record: the name lies below old.example"),
        ("shop.old.example", "the name lies below old.example, which a DNAME record redirects"),
        ("*.wild.example", "DNAME record: a wildcard cannot be redirected"),
        ("twice.example", "DNAME record: a name has at most one"),
        ("both.example", "CNAME record: it cannot stand beside other data"),
        ("cut.example", "DNAME record: a delegated name cannot be redirected"),
    ] {
        let reasons = refused.get(name).unwrap_or_else(|| panic!("{name} is not refused: {refused:?}"));
        assert!(reasons.contains(reason), "{name}: {reasons}");
    }
    let redirected = |name: &str| {
        format!(
            "NOERROR aa | an old.example 60 DNAME new.example. | an {name}.old.example 60 CNAME {name}.new.example. \
             | ns example 60 SOA"
        )
        .replace("NOERROR", "NXDOMAIN")
    };
    check(
        &snapshot,
        &[
            ("www.old.example A", &redirected("www")),
            ("y.a.b.old.example A", &redirected("y.a.b")),
            ("sub.old.example NS", &redirected("sub")),
            ("z.old.example TXT", &redirected("z")),
            ("old.example A", "NOERROR aa | an old.example 30 A 192.0.2.6"),
            ("twice.example DNAME", "NOERROR aa | ns example 60 SOA"),
            ("x.cut.example A", "NOERROR | ns cut.example 60 NS ns.elsewhere."),
        ],
    );
}

#[test]
fn the_fast_path_leaves_redirected_names_to_the_edge() {
    let snapshot = example();
    let now = Timestamp::from_seconds(0);
    let fast = |name: &str| {
        let told = super::rules::fast(&snapshot, &[query(name, "A")]).remove(0);
        told.map(|response| show(&response))
    };
    let edge = |name: &str| {
        let response = super::support::exchange(&snapshot, &query(name, "A"), CLIENT, Transport::Udp, now);
        show(&response.expect("an answer"))
    };
    assert_eq!(fast("www.old.example"), None);
    for name in ["old.example", "first.example", "www.new.example", "no.example"] {
        assert_eq!(fast(name), Some(edge(name)), "{name}");
    }
}
