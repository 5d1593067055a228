//! Zone files from the standards and with what people write, read; and any zone written and read again.

use koinon_types::names::{NameServer, Soa, StaticRecord, Transfer, Updates, Zone};
use proptest::prelude::*;

use super::*;
use crate::wire::name::Name;
use crate::wire::rdata::{self, Rdata};

const HEAD: &str = "$ORIGIN example.\n@ 3600 SOA ns.other. host.other. 1 2h 15m 2w 30\n  3600 NS ns.other.\n";

/// The records of a file that begins with [`HEAD`], as `owner ttl type data`.
fn records(text: &str) -> Vec<String> {
    let file = read(&format!("{HEAD}{text}"), None).unwrap_or_else(|refusals| panic!("{text}: {refusals:?}"));
    let told =
        |record: &StaticRecord| format!("{} {} {} {}", record.name, record.ttl, record.kind, record.data);
    file.zone.records.iter().map(told).collect()
}

/// The first refusal of a file that begins with [`HEAD`]; its line is counted from the line after that.
fn refusal(text: &str) -> (usize, String) {
    let refusals = read(&format!("{HEAD}{text}"), None).expect_err(text);
    (refusals[0].line.saturating_sub(3), refusals[0].reason.clone())
}

#[test]
fn reads_the_example_of_the_standard() {
    // RFC 1035 §5.3, with the TTL that its text presumes.
    let text = r#"
@   IN  SOA     VENERA      Action\.domains (
                                 20     ; SERIAL
                                 7200   ; REFRESH
                                 600    ; RETRY
                                 3600000; EXPIRE
                                 60)    ; MINIMUM

        NS      A.ISI.EDU.
        NS      VENERA
        NS      VAXA
        MX      10      VENERA
        MX      20      VAXA

A       A       26.3.0.103

VENERA  A       10.1.0.52
        A       128.9.0.32

VAXA    A       10.2.0.27
        A       128.9.0.33
"#;
    let file = read(text, Some(&"isi.edu".parse().unwrap())).unwrap();
    assert_eq!(file.zone.soa.mname, "venera.isi.edu");
    assert_eq!(file.zone.soa.rname, r"action\.domains.isi.edu");
    assert_eq!((file.zone.soa.refresh, file.zone.soa.minimum, file.zone.soa.ttl), (7200, 60, 60));
    let servers: Vec<_> =
        file.zone.name_servers.iter().map(|server| (server.name.as_str(), server.addresses.len())).collect();
    assert_eq!(servers, [("a.isi.edu", 1), ("venera.isi.edu", 2), ("vaxa.isi.edu", 2)]);
    let told: Vec<_> = file.zone.records.iter().map(|record| (&*record.name, &*record.data)).collect();
    assert_eq!(told, [("isi.edu", "10 venera.isi.edu."), ("isi.edu", "20 vaxa.isi.edu.")]);
    assert_eq!(file.lines, [12, 13]);
    assert_eq!(file.notes, ["serial 20 is not kept: Koinon counts its own"]);
}

#[test]
fn ttls_are_inherited_as_the_standards_say() {
    // RFC 1035: the last one written. RFC 2308: `$TTL` from where it stands on.
    assert_eq!(
        records("a 60 A 192.0.2.1\nb A 192.0.2.2\n$TTL 1h\nc A 192.0.2.3\nd 5 A 192.0.2.4\ne A 192.0.2.5"),
        [
            "a.example 60 A 192.0.2.1",
            "b.example 60 A 192.0.2.2",
            "c.example 3600 A 192.0.2.3",
            "d.example 5 A 192.0.2.4",
            "e.example 3600 A 192.0.2.5"
        ]
    );
    for (written, seconds) in [("1h30m", 5400), ("1W2D3h4m5s", 788_645), ("0", 0), ("2d", 172_800)] {
        assert_eq!(
            records(&format!("a {written} A 192.0.2.1")),
            [format!("a.example {seconds} A 192.0.2.1")]
        );
    }
    for bad in ["1h30", "h", "1x", "2147483648", "3551w", "99999999999999999999999"] {
        let (line, reason) = refusal(&format!("a {bad} A 192.0.2.1"));
        let is_type = bad == "h";
        assert_eq!(line, 1);
        assert!(reason.contains(if is_type { "not known" } else { "is no time" }), "{bad}: {reason}");
    }
}

#[test]
fn owners_classes_and_origins_come_in_every_order() {
    let text = "
www IN 60 A 192.0.2.1
    60 IN A 192.0.2.2
\tIN A 192.0.2.3
Mail.Example. 60 class1 a 192.0.2.4
$ORIGIN sub
@ 60 TXT x ; a comment
a.b 60 CNAME @
$ORIGIN .
c.example 60 CNAME d
\\$dollar.example 60 A 192.0.2.5
sp\\032ace\\;.example 60 A 192.0.2.6
";
    assert_eq!(
        records(text),
        [
            "www.example 60 A 192.0.2.1",
            "www.example 60 A 192.0.2.2",
            "www.example 60 A 192.0.2.3",
            "mail.example 60 A 192.0.2.4",
            "sub.example 60 TXT \"x\"",
            "a.b.sub.example 60 CNAME sub.example.",
            "c.example 60 CNAME d.",
            r"\$dollar.example 60 A 192.0.2.5",
            r"sp\032ace\;.example 60 A 192.0.2.6",
        ]
    );
}

#[test]
fn quotes_escapes_and_parentheses_are_read() {
    let text = r#"
a 60 TXT "semi;colon" (  ; a comment ( with ) everything "
    "second ) string"    ; more
    third\"quote )
b 60 TXT "back\\slash \"quoted\" \065\200"
c 60 HTTPS ( 1 . alpn="h2,h3"
   port=8443 )
d 60 TYPE65400 \# 4 ( 00FF
   0102 )
e 60 A \# 4 C0000201
f 60 TXT ""
"#;
    assert_eq!(
        records(text),
        [
            r#"a.example 60 TXT "semi;colon" "second ) string" "third\"quote""#,
            r#"b.example 60 TXT "back\\slash \"quoted\" A\200""#,
            r#"c.example 60 HTTPS 1 . alpn="h2,h3" port=8443"#,
            r"d.example 60 TYPE65400 \# 4 00FF0102",
            "e.example 60 A 192.0.2.1",
            r#"f.example 60 TXT """#,
        ]
    );
}

#[test]
fn what_cannot_be_kept_is_refused_by_line() {
    for (text, line, reason) in [
        ("a 60 A 192.0.2.1\nb 60 A nonsense", 2, "an IPv4 address is expected"),
        ("a 60 CH TXT x", 1, "class CH is not served; IN is"),
        ("a 60 CLASS3 TXT x", 1, "class CLASS3"),
        ("a IN 60 IN TXT x", 1, "given twice"),
        ("a 60", 1, "no type"),
        ("a 60 WKS 192.0.2.1 6 x", 1, "write it as TYPE<number>"),
        ("a 60 RRSIG A 5 3 86400", 1, "signs the zone"),
        ("a 60 AXFR", 1, "queries only"),
        ("$INCLUDE other.zone", 1, "put the other file's lines here"),
        ("$GENERATE 1-9 a$ A 192.0.2.$", 1, "write the records out"),
        ("$WHAT x", 1, "$ORIGIN and $TTL are"),
        ("$TTL", 1, "one time to live"),
        ("$ORIGIN a b", 1, "one name"),
        ("\n\na 60 TXT ( x", 3, "never closed"),
        ("a 60 TXT x )", 1, "never opened"),
        ("a 60 TXT ( ( x ) )", 1, "inside another"),
        ("a 60 TXT \"open\nb 60 A 192.0.2.1", 1, "does not end on its line"),
        ("a 60 SVCB 1 . port=x", 1, "port is a number"),
        ("a..b 60 A 192.0.2.1", 1, "empty label"),
        ("\"a\" 60 A 192.0.2.1", 1, "names are not quoted"),
        ("other. 60 A 192.0.2.1", 1, "lies outside the zone example"),
        ("@ 60 SOA a. b. 1 1 1 1 1", 1, "SOA record already"),
        ("sub 60 SOA a. b. 1 1 1 1 1", 1, "not that of the zone example"),
        ("@ 3600 NS ns1", 1, "needs an A or AAAA record"),
    ] {
        let (at, told) = refusal(text);
        assert!(told.contains(reason), "{text}: {told}");
        assert_eq!(at, line, "{text}");
    }
    let many = "a 60 A x\n".repeat(80);
    assert_eq!(read(&format!("{HEAD}{many}"), None).unwrap_err().len(), 50);
}

#[test]
fn the_zone_must_be_known_and_begin_somewhere() {
    let first = |text, apex: Option<&str>| {
        let apex: Option<Name> = apex.map(|apex| apex.parse().unwrap());
        read(text, apex.as_ref()).map_err(|refusals| refusals[0].to_string())
    };
    assert_eq!(
        first("@ 60 SOA a. b. 1 1 1 1 1", None).unwrap_err(),
        "line 1: a relative name has no origin; begin the file with $ORIGIN, or name the zone"
    );
    assert!(first("a.example. 60 A 192.0.2.1", Some("example")).unwrap_err().contains("no SOA record"));
    assert!(first(" 60 A 192.0.2.1", Some("example")).unwrap_err().contains("no owner"));
    assert!(first("example. SOA a. b. 1 1 1 1", None).unwrap_err().contains("SOA is"));
    assert!(first("example. SOA a. b. -1 1 1 1 1", None).unwrap_err().contains("SOA is"));
    assert!(first("example. A 192.0.2.1", Some("example")).unwrap_err().contains("no TTL"));
    // The SOA record alone can settle all: apex, origin, and the TTL by its last field.
    let file = first("example. SOA a b. 1 1 1 1 77\nwww A 192.0.2.1", None).unwrap();
    assert_eq!((&*file.zone.apex, &*file.zone.soa.mname, file.zone.soa.ttl), ("example", "a.example", 77));
    assert_eq!((&*file.zone.records[0].name, file.zone.records[0].ttl), ("www.example", 77));
}

#[test]
fn what_changes_its_form_is_told() {
    let text = "$ORIGIN example.
@ 3600 SOA ns1 host 2024010101 1 1 1 1
@ 86400 NS ns1
ns1 60 A 192.0.2.1
ns1 3600 AAAA 2001:db8::1
a 60 A 192.0.2.2
a 60 A 192.0.2.2";
    let file = read(text, None).unwrap();
    let addresses: Vec<_> = file.zone.name_servers[0].addresses.iter().map(ToString::to_string).collect();
    assert_eq!(addresses, ["192.0.2.1", "2001:db8::1"]);
    let names: Vec<_> = file.zone.records.iter().map(|record| (&*record.name, record.ttl)).collect();
    // The address with a TTL of its own stays a record too, so that the TTL is kept.
    assert_eq!(names, [("ns1.example", 60), ("a.example", 60)]);
    assert_eq!(
        file.notes,
        [
            "serial 2024010101 is not kept: Koinon counts its own",
            "NS ns1.example: TTL 86400 becomes 3600, that of the SOA record",
            "line 7: a.example A is there already",
        ]
    );
    assert_eq!(read(&write(&file.zone, 1), None).unwrap().zone, file.zone);
}

#[test]
fn what_cannot_be_read_is_written_as_a_comment() {
    let mut file = read(HEAD, None).unwrap();
    file.zone.records.push(StaticRecord {
        name: "a.example".into(),
        kind: "A".into(),
        ttl: 60,
        data: "non\nsense".into(),
    });
    assert!(
        write(&file.zone, 9).ends_with("@ 3600 IN NS ns.other.\n; not valid: a.example 60 IN A non sense\n")
    );
}

/// Labels of any bytes, seldom strange.
fn label() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => "[a-z0-9_-]{1,12}".prop_map(String::into_bytes),
        1 => Just(b"*".to_vec()),
        1 => prop::collection::vec(any::<u8>(), 1..8).prop_map(|bytes| bytes.to_ascii_lowercase()),
    ]
}

fn name() -> impl Strategy<Value = Name> {
    prop::collection::vec(label(), 0..4).prop_map(|labels| {
        let mut wire: Vec<u8> =
            labels.iter().flat_map(|label| [&[label.len() as u8], &label[..]].concat()).collect();
        wire.push(0);
        Name::from_wire(&wire).expect("short labels make a name")
    })
}

fn data() -> impl Strategy<Value = (u16, Rdata)> {
    let any_bytes = || prop::collection::vec(any::<u8>(), 0..40);
    let text = |kind: &'static str, data: String| {
        let number = rdata::type_number(kind).unwrap();
        (number, rdata::parse(number, &data).unwrap_or_else(|error| panic!("{kind} {data}: {error}")))
    };
    prop_oneof![
        any::<[u8; 4]>().prop_map(|octets| (1, Rdata::address(octets.into()))),
        any::<[u8; 16]>().prop_map(|octets| (28, Rdata::address(octets.into()))),
        prop::collection::vec(any_bytes(), 1..4).prop_map(|strings| {
            let bytes = strings.iter().flat_map(|string| [&[string.len() as u8], &string[..]].concat());
            (16, Rdata::opaque(&bytes.collect::<Vec<_>>()))
        }),
        name().prop_map(|name| (12, Rdata::pointing(name))),
        (any::<u16>(), name()).prop_map(|(number, name)| {
            (15, Rdata { fixed: number.to_be_bytes().into(), name: Some(name) })
        }),
        (any::<u16>(), name())
            .prop_map(move |(port, name)| text("SRV", format!("1 2 {port} {}", name.dotted()))),
        (1..9_u16, name(), any_bytes(), any::<[u8; 4]>()).prop_map(move |(priority, name, value, ip)| {
            let value: String = value.iter().map(|byte| format!("\\{byte:03}")).collect();
            let ip = std::net::Ipv4Addr::from(ip);
            let data = format!("{priority} {} ipv4hint={ip} alpn=h2 key700={value}", name.dotted());
            text("HTTPS", data)
        }),
        any_bytes().prop_map(|bytes| (65400, Rdata::opaque(&bytes))),
        any_bytes().prop_map(|bytes| (257, Rdata::opaque(&[b"\x00\x05issue", &bytes[..]].concat()))),
        any_bytes().prop_map(|bytes| (48, Rdata::opaque(&[b"\x01\x01\x03\x0d\x00", &bytes[..]].concat()))),
    ]
}

fn zones() -> impl Strategy<Value = Zone> {
    let records = prop::collection::vec((name(), 0..2000_u32, data()), 0..12);
    (records, any::<[u32; 4]>(), name()).prop_map(|(records, numbers, mailbox)| {
        let apex: Name = "zone.example".parse().unwrap();
        let mut seen = std::collections::BTreeSet::new();
        let records = records.into_iter().filter_map(|(owner, ttl, (number, data))| {
            let owner = Name::from_wire(&[&owner.wire()[..owner.wire().len() - 1], apex.wire()].concat())?;
            let told = StaticRecord {
                name: owner.to_string(),
                kind: rdata::type_text(number),
                ttl,
                data: rdata::text(number, &data),
            };
            seen.insert((owner, number, data)).then_some(told)
        });
        let [refresh, retry, expire, minimum] = numbers.map(|number| number >> 1);
        let server = |name: &str, addresses: &[&str]| NameServer {
            name: name.to_owned(),
            addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
        };
        Zone {
            apex: apex.to_string(),
            soa: Soa {
                mname: "ns1.zone.example".into(),
                rname: mailbox.to_string(),
                refresh,
                retry,
                expire,
                minimum,
                ttl: 3600,
            },
            name_servers: vec![
                server("ns-1.zone.example", &["192.0.2.1", "2001:db8::1"]),
                server("ns.elsewhere", &[]),
            ],
            records: records.collect(),
            transfer: Transfer::default(),
            updates: Updates::default(),
            signing: None,
        }
    })
}

proptest! {
    #[test]
    fn any_zone_is_read_as_it_was_written(zone in zones()) {
        let text = write(&zone, 7);
        let file = read(&text, None).map_err(|refusals| TestCaseError::fail(format!("{refusals:?}\n{text}")))?;
        prop_assert_eq!(file.zone, zone, "{}", text);
    }

    #[test]
    fn no_text_is_too_much(text in "([ -~\\n\\t\\PC]|SOA |\\$TTL |A |TXT |\"|\\(|\\)|;|\\\\){0,80}") {
        drop(read(&text, Some(&"example".parse().unwrap())));
        drop(read(&format!("{HEAD}{text}"), None));
    }
}
