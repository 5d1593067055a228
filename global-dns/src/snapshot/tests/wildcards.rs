//! The zone and the questions of RFC 4592 §2.2.1, and what follows from its text.

use super::support::{check, snapshot, zone};
use crate::snapshot::Snapshot;

fn example() -> Snapshot {
    let lines = r#"
        *.example 3600 TXT "this is a wildcard"
        *.example 3600 MX 10 host1.example
        sub.*.example 3600 TXT "this is not a wildcard"
        host1.example 3600 A 192.0.2.1
        _ssh._tcp.host1.example 3600 SRV 0 0 22 host1.example
        _ssh._tcp.host2.example 3600 SRV 0 0 22 host2.example
        subdel.example 3600 NS ns.example.com
        subdel.example 3600 NS ns.example.net
    "#;
    snapshot(vec![zone("example", lines)], Vec::new())
}

#[test]
fn synthesises_as_the_standard_says() {
    check(
        &example(),
        &[
            // Each question with the reason that the standard gives.
            (
                "host3.example MX",
                "NOERROR aa | an host3.example 3600 MX 10 host1.example. | ar host1.example 3600 A 192.0.2.1",
            ),
            ("host3.example A", "NOERROR aa | ns example 60 SOA"),
            ("foo.bar.example TXT", "NOERROR aa | an foo.bar.example 3600 TXT this is a wildcard"),
        ],
    );
}

#[test]
fn does_not_synthesise_where_the_standard_says_so() {
    check(
        &example(),
        &[
            // Because host1.example exists.
            ("host1.example MX", "NOERROR aa | ns example 60 SOA"),
            // Because sub.*.example exists.
            ("sub.*.example MX", "NOERROR aa | ns example 60 SOA"),
            // Because _tcp.host1.example exists, without data.
            ("_telnet._tcp.host1.example SRV", "NXDOMAIN aa | ns example 60 SOA"),
            // Because host.subdel.example is below a delegation.
            (
                "host.subdel.example A",
                "NOERROR | ns subdel.example 3600 NS ns.example.com. | ns subdel.example 3600 NS ns.example.net.",
            ),
            // Because *.example exists.
            ("ghost.*.example MX", "NXDOMAIN aa | ns example 60 SOA"),
        ],
    );
}

#[test]
fn an_asterisk_can_be_asked_for_like_any_name() {
    check(
        &example(),
        &[
            ("*.example TXT", "NOERROR aa | an *.example 3600 TXT this is a wildcard"),
            ("sub.*.example TXT", "NOERROR aa | an sub.*.example 3600 TXT this is not a wildcard"),
            ("host2.example A", "NOERROR aa | ns example 60 SOA"),
        ],
    );
}

#[test]
fn a_wildcard_that_is_an_empty_non_terminal_gives_no_data() {
    let zone = zone("example", "a.*.b.example 30 A 192.0.2.1");
    check(
        &snapshot(vec![zone], Vec::new()),
        &[
            ("x.b.example A", "NOERROR aa | ns example 60 SOA"),
            ("*.b.example A", "NOERROR aa | ns example 60 SOA"),
            ("a.*.b.example A", "NOERROR aa | an a.*.b.example 30 A 192.0.2.1"),
        ],
    );
}

#[test]
fn an_alias_may_be_synthesised_and_may_lead_to_a_wildcard() {
    let lines = "
        *.apps.example 30 CNAME lb.example
        lb.example 30 A 192.0.2.1
        to.example 30 CNAME any.apps.example
        *.self.example 30 CNAME x.self.example
        *.gone.example 30 CNAME gone.example.
    ";
    check(
        &snapshot(vec![zone("example", lines)], Vec::new()),
        &[
            (
                "a.very.long.name.below.apps.example A",
                "NOERROR aa | an a.very.long.name.below.apps.example 30 CNAME lb.example. | an lb.example 30 A 192.0.2.1",
            ),
            (
                "to.example A",
                "NOERROR aa | an to.example 30 CNAME any.apps.example. | an any.apps.example 30 CNAME lb.example. \
             | an lb.example 30 A 192.0.2.1",
            ),
            (
                "q.self.example A",
                "NOERROR aa | an q.self.example 30 CNAME x.self.example. | an x.self.example 30 CNAME x.self.example.",
            ),
            ("q.gone.example A", "NOERROR aa | an q.gone.example 30 CNAME gone.example. | ns example 60 SOA"),
            (
                "q.apps.example AAAA",
                "NOERROR aa | an q.apps.example 30 CNAME lb.example. | ns example 60 SOA",
            ),
            ("q.apps.example CNAME", "NOERROR aa | an q.apps.example 30 CNAME lb.example."),
        ],
    );
}

#[test]
fn a_wildcard_at_the_apex_covers_everything_that_does_not_exist() {
    let lines = "
        *.example 30 A 192.0.2.9
        www.example 30 A 192.0.2.1
    ";
    check(
        &snapshot(vec![zone("example", lines)], Vec::new()),
        &[
            ("x.y.z.example A", "NOERROR aa | an x.y.z.example 30 A 192.0.2.9"),
            ("x.www.example A", "NXDOMAIN aa | ns example 60 SOA"),
            ("example A", "NOERROR aa | ns example 60 SOA"),
        ],
    );
}
