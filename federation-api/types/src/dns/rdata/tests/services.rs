//! SVCB and HTTPS: the vectors of RFC 9460 appendix D, and the rules that they leave out.

use super::*;

const FOO: &[u8] = b"\x03foo\x07example\x03com\x00";

#[test]
fn reads_the_vectors_of_the_standard() {
    for (data, priority, target, params) in [
        ("0 foo.example.com.", 0, FOO, &b""[..]),
        ("1 .", 1, b"\x00", b""),
        ("16 foo.example.com. port=53", 16, FOO, b"\x00\x03\x00\x02\x00\x35"),
        ("1 foo.example.com. key667=hello", 1, FOO, b"\x02\x9b\x00\x05hello"),
        (r#"1 foo.example.com. key667="hello\210qoo""#, 1, FOO, b"\x02\x9b\x00\x09hello\xd2qoo"),
        (
            r#"1 foo.example.com. ipv6hint="2001:db8::1,2001:db8::53:1""#,
            1,
            FOO,
            b"\x00\x06\x00\x20\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\x53\0\x01",
        ),
        (
            r#"1 foo.example.com. ipv6hint="2001:db8:122:344::192.0.2.33""#,
            1,
            FOO,
            b"\x00\x06\x00\x10\x20\x01\x0d\xb8\x01\x22\x03\x44\0\0\0\0\xc0\x00\x02\x21",
        ),
        (
            "16 foo.example.com. (alpn=h2,h3-19 mandatory=ipv4hint,alpn ipv4hint=192.0.2.1)",
            16,
            FOO,
            b"\x00\x00\x00\x04\x00\x01\x00\x04\x00\x01\x00\x09\x02h2\x05h3-19\x00\x04\x00\x04\xc0\x00\x02\x01",
        ),
        (r#"16 foo.example.com. alpn="f\\\\oo\\,bar,h2""#, 16, FOO, b"\0\x01\0\x0c\x08f\\oo,bar\x02h2"),
        (r"16 foo.example.com. alpn=f\\\092oo\092,bar,h2", 16, FOO, b"\0\x01\0\x0c\x08f\\oo,bar\x02h2"),
        ("1 . no-default-alpn alpn=h2 ech=AEj+", 1, b"\0", b"\0\x01\0\x03\x02h2\0\x02\0\0\0\x05\0\x03\x00\x48\xfe"),
        ("1 . dohpath=/q{?dns} ohttp", 1, b"\0", b"\0\x07\0\x08/q{?dns}\0\x08\0\0"),
    ] {
        let wire = [&u16::to_be_bytes(priority), target, params].concat();
        for number in [rtype::SVCB, rtype::HTTPS] {
            let rdata = parse(number, data).unwrap_or_else(|error| panic!("{data}: {error}"));
            assert_eq!(rdata.wire(), wire, "{data}");
            let written = text(number, &rdata);
            assert_eq!(parse(number, &written), Ok(rdata), "{data} written as {written}");
        }
    }
}

#[test]
fn writes_keys_in_order_and_lists_with_their_escapes() {
    let write = |data| text(rtype::SVCB, &parse(rtype::SVCB, data).unwrap());
    assert_eq!(write("1 . port=8443 alpn=h2,h3"), r#"1 . alpn="h2,h3" port=8443"#);
    assert_eq!(write(r#"1 . alpn="f\\\\oo\\,bar""#), r#"1 . alpn="f\\\\oo\\,bar""#);
    assert_eq!(write("1 . key3=\\001\\187"), "1 . port=443");
    assert_eq!(write("0 Svc.Example"), "0 svc.example.");
}

#[test]
fn refuses_what_contradicts_itself() {
    for (data, accepted) in [
        ("1 . key123=abc key123=def", "at most once"),
        ("1 . key3=\\000\\001 port=1", "at most once"),
        ("1 . mandatory", "no key"),
        ("1 . mandatory=mandatory alpn=h2", "list of other keys"),
        ("1 . mandatory=key123", "key123 must be there"),
        ("1 . mandatory=key123,key123 key123=abc", "each once"),
        ("1 . alpn", "list of protocols"),
        ("1 . alpn=h2,", "list of protocols"),
        ("1 . port", "0 to 65535"),
        ("1 . port=70000", "0 to 65535"),
        ("1 . ipv4hint", "IPv4"),
        ("1 . ipv4hint=2001:db8::1", "IPv4"),
        ("1 . ipv6hint", "IPv6"),
        ("1 . ech", "base64"),
        ("1 . ech=***", "base64"),
        ("1 . no-default-alpn=abc alpn=h2", "without a value"),
        ("1 . no-default-alpn", "needs alpn"),
        ("1 . dohpath=q", "variable dns"),
        ("1 . key65535=a", "key65534"),
        ("1 . key01=a", "key65534"),
        ("1 . colour=red", "mandatory, alpn"),
        ("1 . \"alpn=h2\"", "key=value"),
        ("0 a.example alpn=h2", "an alias"),
        (r"\# 7 0001 00 0003 0001", "cut short"),
        (r"\# 8 0001 00 0003 0001 00", "port is a number"),
        (r"\# 11 0001 00 0190 0000 0190 0000", "rising order"),
        (r"\# 7 0000 00 0190 0000", "an alias"),
    ] {
        match parse(rtype::HTTPS, data) {
            Err(InvalidRdata::Params(text)) => assert!(text.contains(accepted), "{data}: {text}"),
            other => panic!("{data}: {other:?}"),
        }
    }
    assert!(matches!(parse(rtype::SVCB, "1"), Err(InvalidRdata::Syntax { .. })));
    assert!(matches!(parse(rtype::SVCB, r#"1 . key9="a"b"#), Err(InvalidRdata::Syntax { .. })));
    assert!(matches!(parse(rtype::TXT, r#"a="b""#), Err(InvalidRdata::Syntax { .. })));
}
