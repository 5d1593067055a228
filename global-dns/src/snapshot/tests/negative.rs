//! NXDOMAIN and NODATA: RFC 2308, RFC 8020, and aliases that end in nothing (RFC 6604).

use super::support::{ask, check, snapshot, zone};
use crate::snapshot::Snapshot;

fn example() -> Snapshot {
    let lines = "
        www.example 30 A 192.0.2.1
        a.b.c.example 30 TXT deep
        alias.example 30 CNAME www.example
        second.example 30 CNAME alias.example
        dangling.example 30 CNAME nothing.example
        empty.example 30 CNAME b.c.example
        abroad.example 30 CNAME www.elsewhere
        loop-1.example 30 CNAME loop-2.example
        loop-2.example 30 CNAME loop-1.example
        self.example 30 CNAME self.example
        apex.example 30 CNAME example
    ";
    snapshot(vec![zone("example", lines)], Vec::new())
}

#[test]
fn tells_a_missing_name_from_a_missing_type() {
    check(
        &example(),
        &[
            ("www.example AAAA", "NOERROR aa | ns example 60 SOA"),
            ("nothing.example A", "NXDOMAIN aa | ns example 60 SOA"),
            ("example A", "NOERROR aa | ns example 60 SOA"),
            ("example NS", "NOERROR aa | an example 300 NS ns.elsewhere."),
            ("example SOA", "NOERROR aa | an example 300 SOA"),
            ("www.example SOA", "NOERROR aa | ns example 60 SOA"),
            ("www.example TYPE65400", "NOERROR aa | ns example 60 SOA"),
        ],
    );
}

#[test]
fn a_name_with_something_below_it_exists() {
    check(
        &example(),
        &[
            ("c.example A", "NOERROR aa | ns example 60 SOA"),
            ("b.c.example TXT", "NOERROR aa | ns example 60 SOA"),
            ("a.b.c.example TXT", "NOERROR aa | an a.b.c.example 30 TXT deep"),
            ("x.b.c.example TXT", "NXDOMAIN aa | ns example 60 SOA"),
            ("x.a.b.c.example TXT", "NXDOMAIN aa | ns example 60 SOA"),
            ("1.2.3.4.5.6.7.8.9.www.example A", "NXDOMAIN aa | ns example 60 SOA"),
        ],
    );
}

#[test]
fn the_negative_ttl_is_the_lower_of_the_two_in_the_soa() {
    let mut long = zone("example", "");
    long.soa.minimum = 86400;
    check(&snapshot(vec![long], Vec::new()), &[("x.example A", "NXDOMAIN aa | ns example 300 SOA")]);
}

#[test]
fn follows_aliases_to_whatever_they_end_in() {
    check(
        &example(),
        &[
            (
                "alias.example A",
                "NOERROR aa | an alias.example 30 CNAME www.example. | an www.example 30 A 192.0.2.1",
            ),
            (
                "second.example A",
                "NOERROR aa | an second.example 30 CNAME alias.example. | an alias.example 30 CNAME www.example. \
             | an www.example 30 A 192.0.2.1",
            ),
            ("alias.example AAAA", "NOERROR aa | an alias.example 30 CNAME www.example. | ns example 60 SOA"),
            (
                "dangling.example A",
                "NXDOMAIN aa | an dangling.example 30 CNAME nothing.example. | ns example 60 SOA",
            ),
            ("empty.example A", "NOERROR aa | an empty.example 30 CNAME b.c.example. | ns example 60 SOA"),
            ("abroad.example A", "NOERROR aa | an abroad.example 30 CNAME www.elsewhere."),
            ("apex.example SOA", "NOERROR aa | an apex.example 30 CNAME example. | an example 300 SOA"),
            ("second.example CNAME", "NOERROR aa | an second.example 30 CNAME alias.example."),
        ],
    );
}

#[test]
fn a_loop_of_aliases_ends() {
    check(
        &example(),
        &[
            (
                "loop-1.example A",
                "NOERROR aa | an loop-1.example 30 CNAME loop-2.example. | an loop-2.example 30 CNAME loop-1.example.",
            ),
            ("self.example A", "NOERROR aa | an self.example 30 CNAME self.example."),
        ],
    );
    let long: String = (0..20).map(|at| format!("h{at}.example 30 CNAME h{}.example\n", at + 1)).collect();
    let answer = ask(&snapshot(vec![zone("example", &long)], Vec::new()), "h0.example A");
    assert_eq!(answer.lines().count(), 9, "{answer}");
}

#[test]
fn other_zones_are_refused() {
    check(
        &example(),
        &[
            ("www.elsewhere A", "REFUSED"),
            ("com A", "REFUSED"),
            (". NS", "REFUSED"),
            ("badexample A", "REFUSED"),
        ],
    );
}
