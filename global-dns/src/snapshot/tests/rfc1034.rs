//! The algorithm of RFC 1034 §4.3.2 on the zones of its own examples (§6.1 and §6.2), as far as class IN goes.

use super::support::{ask, check, snapshot, zone};
use crate::snapshot::Snapshot;

/// The root zone of RFC 1034 §6.1, with the names that §6.2 asks for.
fn root() -> Snapshot {
    let lines = "
        mil 86400 NS sri-nic.arpa
        mil 86400 NS a.isi.edu
        edu 86400 NS sri-nic.arpa
        edu 86400 NS c.isi.edu
        sri-nic.arpa 86400 A 26.0.0.73
        sri-nic.arpa 86400 A 10.0.0.51
        sri-nic.arpa 86400 MX 0 sri-nic.arpa
        acc.arpa 86400 A 26.6.0.65
        usc-isic.arpa 86400 CNAME c.isi.edu
        73.0.0.26.in-addr.arpa 86400 PTR sri-nic.arpa
        51.0.0.10.in-addr.arpa 86400 PTR sri-nic.arpa
        65.0.6.26.in-addr.arpa 86400 PTR acc.arpa
        a.isi.edu 86400 A 26.3.0.103
        c.isi.edu 86400 A 10.0.0.52
    ";
    snapshot(vec![zone(".", lines)], Vec::new())
}

#[test]
fn answers_the_examples_of_the_standard() {
    let root = root();
    check(
        &root,
        &[
            // §6.2.1 and §6.2.3
            (
                "SRI-NIC.ARPA A",
                "NOERROR aa | an sri-nic.arpa 86400 A 10.0.0.51 | an sri-nic.arpa 86400 A 26.0.0.73",
            ),
            (
                "SRI-NIC.ARPA MX",
                "NOERROR aa | an sri-nic.arpa 86400 MX 0 sri-nic.arpa. \
                 | ar sri-nic.arpa 86400 A 10.0.0.51 | ar sri-nic.arpa 86400 A 26.0.0.73",
            ),
            // §6.2.4: the name exists, the type does not.
            ("SRI-NIC.ARPA NS", "NOERROR aa | ns . 60 SOA"),
            // §6.2.5: SIR-NIC is a typing error.
            ("SIR-NIC.ARPA A", "NXDOMAIN aa | ns . 60 SOA"),
            // §6.2.7 and §6.2.8: an alias to a name that is delegated, then the alias itself.
            ("USC-ISIC.ARPA CNAME", "NOERROR aa | an usc-isic.arpa 86400 CNAME c.isi.edu."),
            // §6.2.2: several labels deep.
            ("65.0.6.26.IN-ADDR.ARPA PTR", "NOERROR aa | an 65.0.6.26.in-addr.arpa 86400 PTR acc.arpa."),
            // Empty non-terminals on the way there.
            ("6.26.IN-ADDR.ARPA PTR", "NOERROR aa | ns . 60 SOA"),
            ("ARPA A", "NOERROR aa | ns . 60 SOA"),
        ],
    );
}

#[test]
fn refers_to_the_delegated_zone_with_the_addresses_it_knows() {
    let answer = ask(&root(), "BRL.MIL A");
    // §6.2.6
    let wanted = "NOERROR\n\
        ns mil 86400 NS sri-nic.arpa.\n\
        ns mil 86400 NS a.isi.edu.\n\
        ar sri-nic.arpa 86400 A 10.0.0.51\n\
        ar sri-nic.arpa 86400 A 26.0.0.73\n\
        ar a.isi.edu 86400 A 26.3.0.103";
    assert_eq!(sorted(&answer), sorted(wanted));
}

#[test]
fn follows_an_alias_up_to_a_delegation() {
    // §6.2.7: the alias is answered with authority, its target lies below EDU.
    let answer = ask(&root(), "USC-ISIC.ARPA A");
    let wanted = "NOERROR aa\n\
        an usc-isic.arpa 86400 CNAME c.isi.edu.\n\
        ns edu 86400 NS sri-nic.arpa.\n\
        ns edu 86400 NS c.isi.edu.\n\
        ar sri-nic.arpa 86400 A 10.0.0.51\n\
        ar sri-nic.arpa 86400 A 26.0.0.73\n\
        ar c.isi.edu 86400 A 10.0.0.52";
    assert_eq!(sorted(&answer), sorted(wanted));
}

fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<_> = text.lines().collect();
    lines.sort_unstable();
    lines
}
