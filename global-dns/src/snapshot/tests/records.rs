//! Global names among static records: addresses of both families, aliases, and other types.

use super::support::{check, record, snapshot, zone};

#[test]
fn a_name_answers_its_families_and_nothing_else() {
    let endpoints = [("a", "192.0.2.1", 1), ("b", "2001:db8::1", 1)];
    let snapshot =
        snapshot(vec![zone("global.example", "")], vec![record("shop.global.example", &endpoints)]);
    check(
        &snapshot,
        &[
            ("shop.global.example A", "NOERROR aa | an shop.global.example 30 A 192.0.2.1"),
            ("shop.global.example AAAA", "NOERROR aa | an shop.global.example 30 AAAA 2001:db8::1"),
            ("shop.global.example TXT", "NOERROR aa | ns global.example 60 SOA"),
            ("global.example A", "NOERROR aa | ns global.example 60 SOA"),
            ("other.global.example A", "NXDOMAIN aa | ns global.example 60 SOA"),
            ("shop.elsewhere A", "REFUSED"),
        ],
    );
}

#[test]
fn a_balancer_that_is_a_name_is_an_alias() {
    let endpoints = [("a", "lb.cloud.example", 1)];
    let lines = "note.global.example 60 CAA 0 issue \"ca.example.net\"";
    let snapshot =
        snapshot(vec![zone("global.example", lines)], vec![record("shop.global.example", &endpoints)]);
    check(
        &snapshot,
        &[
            ("shop.global.example A", "NOERROR aa | an shop.global.example 30 CNAME lb.cloud.example."),
            (
                "note.global.example CAA",
                "NOERROR aa | an note.global.example 60 CAA 0 issue \"ca.example.net\"",
            ),
        ],
    );
}
