//! What is read, what is written back and what is refused, type by type.

mod received;
mod services;

use super::*;

fn check(kind: &str, data: &str, fixed: &[u8], name: Option<&str>) {
    let number = type_number(kind).unwrap();
    let wanted = Rdata { fixed: fixed.into(), name: name.map(|name| name.parse().unwrap()) };
    assert_eq!(parse(number, data).as_ref(), Ok(&wanted), "{kind} {data}");
    assert_eq!(parse(number, &text(number, &wanted)), Ok(wanted), "{kind} {data}, written and read again");
}

#[test]
fn reads_the_common_types() {
    check("A", "192.0.2.1", &[192, 0, 2, 1], None);
    check("aaaa", "2001:db8::1", &[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], None);
    check("CNAME", "Target.Example.", b"", Some("target.example"));
    check("NS", "ns1.example", b"", Some("ns1.example"));
    check("MX", "10 mail.example", &[0, 10], Some("mail.example"));
    check("SRV", "0 5 5060 sip.example", b"\x00\x00\x00\x05\x13\xc4\x03sip\x07example\x00", None);
    check("CAA", r#"0 issue "letsencrypt.org""#, b"\x00\x05issueletsencrypt.org", None);
    check(
        "DS",
        "60485 5 1 2BB183AF 5F22588179A53B0A",
        b"\xec\x45\x05\x01\x2b\xb1\x83\xaf\x5f\x22\x58\x81\x79\xa5\x3b\x0a",
        None,
    );
}

#[test]
fn reads_and_writes_types_that_publish_keys_and_services() {
    for (kind, data, wire, written) in [
        ("DNAME", "New.Example", &b"\x03new\x07example\x00"[..], "new.example."),
        ("TLSA", "3 1 1 0d6f CE3a", b"\x03\x01\x01\x0d\x6f\xce\x3a", "3 1 1 0D6FCE3A"),
        ("SMIMEA", "3 0 0 00", b"\x03\x00\x00\x00", "3 0 0 00"),
        ("SSHFP", "4 2 00ff", b"\x04\x02\x00\xff", "4 2 00FF"),
        ("CDS", "0 0 0 00", b"\x00\x00\x00\x00\x00", "0 0 0 00"),
        ("CDNSKEY", "0 3 0 AA==", b"\x00\x00\x03\x00\x00", "0 3 0 AA=="),
        ("DNSKEY", "257 3 13 AQ ID", b"\x01\x01\x03\x0d\x01\x02\x03", "257 3 13 AQID"),
        ("HINFO", "PC-Intel \"a b\"", b"\x08PC-Intel\x03a b", "\"PC-Intel\" \"a b\""),
        ("RP", "a.example .", b"\x01a\x07example\x00\x00", "a.example. ."),
        ("URI", "10 1 \"ftp://x/y\"", b"\x00\x0a\x00\x01ftp://x/y", "10 1 \"ftp://x/y\""),
        (
            "NAPTR",
            r#"100 50 "s" "z3950+I2L" "" _z._tcp.gatech.edu"#,
            b"\x00\x64\x00\x32\x01s\x09z3950+I2L\x00\x02_z\x04_tcp\x06gatech\x03edu\x00",
            r#"100 50 "s" "z3950+I2L" "" _z._tcp.gatech.edu."#,
        ),
        ("TXT", r#"a "b\"\\\200" "#, b"\x01a\x04b\"\\\xc8", r#""a" "b\"\\\200""#),
        ("LOC", "\\# 2 00ff", b"", ""),
    ] {
        if kind == "LOC" {
            assert!(matches!(type_number(kind), Err(InvalidRdata::UnknownType(_))));
            continue;
        }
        let number = type_number(kind).unwrap();
        let rdata = parse(number, data).unwrap_or_else(|error| panic!("{kind} {data}: {error:?}"));
        assert_eq!(rdata.wire(), wire, "{kind} {data}");
        assert_eq!(text(number, &rdata), written, "{kind} {data}");
        assert_eq!(parse(number, written), Ok(rdata), "{kind} {written}");
    }
    assert_eq!(text(65400, &Rdata::opaque(&[0, 255])), r"\# 2 00FF");
    assert_eq!(text(29, &Rdata::opaque(&[])), r"\# 0");
}

#[test]
fn names_in_data_are_read_as_the_base_says() {
    let zone = "example.com".parse().unwrap();
    let read = |data| parse_at(rtype::MX, data, Base::Origin(&zone)).map(|rdata| text(rtype::MX, &rdata));
    assert_eq!(read("10 mail").as_deref(), Ok("10 mail.example.com."));
    assert_eq!(read("10 a.b").as_deref(), Ok("10 a.b.example.com."));
    assert_eq!(read("10 @").as_deref(), Ok("10 example.com."));
    assert!(parse_at(rtype::MX, "10 a.b", Base::OriginOfLabels(&zone)).is_err());
}

#[test]
fn finds_the_name_whose_addresses_come_next() {
    for (kind, data, wanted) in [
        ("MX", "10 mail.example", Some("mail.example")),
        ("NS", "ns.example", Some("ns.example")),
        ("SRV", "0 0 1 a.example", Some("a.example")),
        ("HTTPS", "1 a.example port=1", Some("a.example")),
        ("SVCB", "1 .", None),
        ("SRV", "0 0 0 .", None),
        ("CNAME", "a.example", None),
        ("TXT", "a", None),
    ] {
        let number = type_number(kind).unwrap();
        let target = parse(number, data).unwrap().target(number);
        assert_eq!(target, wanted.map(|name| name.parse().unwrap()), "{kind} {data}");
    }
}

#[test]
fn reads_text_with_quotes_and_escapes() {
    check("TXT", r#""v=spf1 -all""#, b"\x0bv=spf1 -all", None);
    check("TXT", r#"plain "two words""#, b"\x05plain\x09two words", None);
    check("TXT", r#""a\"b;\009""#, b"\x05a\"b;\x09", None);
    check("TXT", r#""""#, b"\x00", None);
    check("TXT", r#"( "one" "two" )"#, b"\x03one\x03two", None);
}

#[test]
fn reads_any_type_in_the_generic_form() {
    check("TYPE65400", r"\# 3 00FF 7f", &[0, 255, 127], None);
    check("TYPE65400", r"\# 0", b"", None);
    check("TYPE1", r"\# 4 C0000201", &[192, 0, 2, 1], None);
    check("MX", r"\# 5 000a 01 61 00", &[0, 10], Some("a"));
}

#[test]
fn refuses_what_would_make_a_malformed_answer() {
    for (kind, data) in [
        ("A", "192.0.2"),
        ("A", "2001:db8::1"),
        ("A", r#""192.0.2.1""#),
        ("A", r"\# 3 c00002"),
        ("AAAA", "192.0.2.1"),
        ("CNAME", "a b"),
        ("CNAME", ""),
        ("CNAME", r"\# 2 c00c"),
        ("MX", "mail.example"),
        ("MX", "70000 mail.example"),
        ("SRV", "1 2 3"),
        ("SRV", r"\# 7 00000000000001"),
        ("TXT", ""),
        ("TXT", r#""open"#),
        ("TXT", "v=DKIM1; k=rsa"),
        ("TXT", "trailing\\"),
        ("TXT", r"\# 2 0561"),
        ("CAA", "0 issue"),
        ("CAA", r#"256 issue "x""#),
        ("TYPE65400", "00ff"),
        ("TYPE65400", r"\# 2 00"),
        ("TYPE65400", r"\# 1 0"),
        ("TYPE65400", r"\# 1 zz"),
    ] {
        let error = parse(type_number(kind).unwrap(), data).unwrap_err();
        assert!(matches!(error, InvalidRdata::Syntax { .. }), "{kind} {data}: {error:?}");
    }
    let long = format!("\"{}\"", "a".repeat(256));
    assert!(parse(rtype::TXT, &long).is_err());
    assert!(matches!(parse(rtype::CNAME, "a..b"), Err(InvalidRdata::Name(_))));
}

#[test]
fn refuses_types_that_no_zone_may_hold() {
    for kind in ["OPT", "ANY", "AXFR", "TYPE250", "TYPE0", "SOA", "RRSIG", "TYPE47", "NSEC3"] {
        assert!(matches!(type_number(kind), Err(InvalidRdata::NotHere { .. })), "{kind}");
    }
    for kind in ["BOGUS", "TYPE", "TYPE70000", ""] {
        assert!(matches!(type_number(kind), Err(InvalidRdata::UnknownType(_))), "{kind}");
    }
    assert_eq!((type_text(1), type_text(65400)), ("A".to_owned(), "TYPE65400".to_owned()));
}

#[test]
fn names_in_generic_data_are_lower_cased_and_other_bytes_are_not() {
    let srv = parse(33, r"\# 12 000100020003 015A 024F 6B 00").map(|data| text(33, &data));
    assert_eq!(srv.as_deref(), Ok("1 2 3 z.ok."));
    assert_eq!(parse(33, r"\# 12 000100020003 015A 024F 6B 00"), parse(33, "1 2 3 z.ok."));
    assert_eq!(parse(16, r"\# 2 0141").map(|data| text(16, &data)).as_deref(), Ok("\"A\""));
}
