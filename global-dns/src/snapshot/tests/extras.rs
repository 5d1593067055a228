//! Records that nobody asked for: which are added, and that none ever costs an answer.

use koinon_model::time::Timestamp;

use super::support::{CLIENT, ask, check, edns_query, exchange, query, record, show, snapshot, zone};
use crate::edge::handler::Transport;

#[test]
fn addresses_of_targets_in_the_zone_come_along() {
    let lines = r#"
        example 60 MX 10 mail.example
        example 60 MX 20 mail.elsewhere
        mail.example 50 A 192.0.2.1
        mail.example 50 AAAA 2001:db8::1
        _sip._udp.example 60 SRV 0 0 5060 mail.example
        _xmpp._tcp.example 60 SRV 1 0 5222 mail.example
        _xmpp._tcp.example 60 SRV 2 0 5222 mail.example
        svc.example 60 HTTPS 1 mail.example alpn=h2
        www.example 60 HTTPS 1 . alpn=h2
        www.example 60 A 192.0.2.2
        none.example 60 HTTPS 0 .
        none.example 60 A 192.0.2.3
        *.wild.example 60 HTTPS 1 . alpn=h2
        *.wild.example 60 A 192.0.2.4
        alias.example 60 CNAME svc.example
        shops.example 60 MX 10 shop.example
        below.example 60 MX 10 ns.cut.example
        cut.example 60 NS ns.cut.example
        ns.cut.example 60 A 192.0.2.5
        txt.example 60 TXT "mail.example"
    "#;
    let records = vec![record("shop.example", &[("a", "192.0.2.9", 1)])];
    let snapshot = snapshot(vec![zone("example", lines)], records);
    let mail = "ar mail.example 50 A 192.0.2.1 | ar mail.example 50 AAAA 2001:db8::1";
    let sets = [
        ("example MX", "an example 60 MX 10 mail.example. | an example 60 MX 20 mail.elsewhere."),
        ("_sip._udp.example SRV", "an _sip._udp.example 60 SRV 0 0 5060 mail.example."),
        (
            "_xmpp._tcp.example SRV",
            "an _xmpp._tcp.example 60 SRV 1 0 5222 mail.example. | an _xmpp._tcp.example 60 SRV 2 0 5222 mail.example.",
        ),
        ("svc.example HTTPS", "an svc.example 60 HTTPS 1 mail.example. alpn=\"h2\""),
        (
            "alias.example HTTPS",
            "an alias.example 60 CNAME svc.example. | an svc.example 60 HTTPS 1 mail.example. alpn=\"h2\"",
        ),
    ];
    for (question, answer) in sets {
        check(&snapshot, &[(question, &format!("NOERROR aa | {answer} | {mail}"))]);
    }
    check(
        &snapshot,
        &[
            (
                "www.example HTTPS",
                "NOERROR aa | an www.example 60 HTTPS 1 . alpn=\"h2\" | ar www.example 60 A 192.0.2.2",
            ),
            (
                "x.wild.example HTTPS",
                "NOERROR aa | an x.wild.example 60 HTTPS 1 . alpn=\"h2\" | ar x.wild.example 60 A 192.0.2.4",
            ),
            // The alias form with `.` says that there is no such service.
            ("none.example HTTPS", "NOERROR aa | an none.example 60 HTTPS 0 ."),
            // Chosen when it is asked for; not ours; not a name.
            ("shops.example MX", "NOERROR aa | an shops.example 60 MX 10 shop.example."),
            ("below.example MX", "NOERROR aa | an below.example 60 MX 10 ns.cut.example."),
            ("txt.example TXT", "NOERROR aa | an txt.example 60 TXT mail.example"),
        ],
    );
}

#[test]
fn extras_never_cost_an_answer() {
    // 28 bytes a record with a name of its own, and 16 or 28 for each address: all together are far above 512 bytes.
    let mut lines = String::new();
    for number in 10..24 {
        lines.push_str(&format!("example 60 MX {number} m{number}.example\n"));
        lines.push_str(&format!(
            "m{number}.example 60 A 192.0.2.{number}\nm{number}.example 60 AAAA 2001:db8::{number}\n"
        ));
    }
    let snapshot = snapshot(vec![zone("example", &lines)], Vec::new());
    let now = Timestamp::from_seconds(0);
    for packet in [query("example", "MX"), edns_query("example", "MX")] {
        let response = exchange(&snapshot, &packet, CLIENT, Transport::Udp, now).expect("an answer");
        let text = show(&response);
        assert!(response.len() <= 512 && !text.contains(" tc"), "{} bytes: {text}", response.len());
        assert_eq!(text.lines().filter(|line| line.starts_with("an ")).count(), 14);
        let n_extras = text.lines().filter(|line| line.starts_with("ar m")).count();
        assert!((1..28).contains(&n_extras), "some fit, not all: {n_extras}");
    }
}

#[test]
fn a_set_is_added_whole_or_not_at_all() {
    let mut lines = String::from("example 60 MX 10 big.example\nexample 60 MX 20 small.example\n");
    for number in 0..40 {
        lines.push_str(&format!("big.example 60 A 192.0.2.{number}\n"));
    }
    lines.push_str("big.example 60 AAAA 2001:db8::1\nsmall.example 60 A 192.0.2.99\n");
    let text = ask(&snapshot(vec![zone("example", &lines)], Vec::new()), "example MX");
    let extras: Vec<&str> = text.lines().filter(|line| line.starts_with("ar ")).collect();
    assert_eq!(extras, ["ar big.example 60 AAAA 2001:db8::1", "ar small.example 60 A 192.0.2.99"]);
}

#[test]
fn glue_that_is_needed_stays_and_other_glue_gives_way() {
    let mut lines = String::new();
    for number in 10..22 {
        lines.push_str(&format!("child.example 60 NS ns{number}.child.example\n"));
        lines.push_str(&format!("ns{number}.child.example 60 A 192.0.2.{number}\n"));
        lines.push_str(&format!("other.example 60 NS ns{number}.child.example\n"));
    }
    let snapshot = snapshot(vec![zone("example", &lines)], Vec::new());
    let now = Timestamp::from_seconds(0);
    let udp = |name: &str| {
        let response = exchange(&snapshot, &query(name, "A"), CLIENT, Transport::Udp, now);
        show(&response.expect("an answer"))
    };
    let glue = |text: &str| text.lines().filter(|line| line.starts_with("ar ns")).count();
    // Twelve servers with their glue are 12 + 19 + 12 × (17 + 16) bytes and more; all of it is there.
    assert_eq!(glue(&ask(&snapshot, "www.child.example A")), 12);
    let needed = udp("www.child.example");
    assert!(glue(&needed) == 12 || needed == "NOERROR tc", "{needed}");
    let sibling = udp("www.other.example");
    assert!(!sibling.contains(" tc") && glue(&sibling) < 12, "{sibling}");
}
