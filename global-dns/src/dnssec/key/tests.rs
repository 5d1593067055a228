//! Keys against the examples of RFC 4034 and RFC 6605.

use koinon_types::names::Secret;
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

use super::*;
use crate::wire::rdata;

fn bytes(kind: &str, text: &str) -> Vec<u8> {
    rdata::parse(rdata::type_number(kind).unwrap(), text).unwrap().wire()
}

const EXAMPLE_NET: &str =
    "257 3 13 GojIhhXUN/u4v54ZQqGSnyhWJwaubCvTmeexv7bR6edbkrSqQpF64cYbcB7wNcP+e+MAnLr+Wi9xMWyQLc8NAA==";

/// A new key.
fn new_key(signs: Signs) -> SigningKey {
    let random = SystemRandom::new();
    let private = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, private.as_ref(), &random).unwrap();
    SigningKey {
        public: pair.public_key().as_ref()[1..].to_vec(),
        private: Secret::new(private.as_ref().to_vec()),
        is_entry_point: true,
        signs,
        for_parent: true,
    }
}

fn signing(keys: Vec<SigningKey>) -> Signing {
    Signing { keys, parent: ParentWish::Trust, validity: 86400, ttl: 3600 }
}

#[test]
fn what_is_signed_is_what_rfc_6605_signs() {
    // RFC 6605 §6.1: www.example.net. 3600 IN A 192.0.2.1, from 2010-08-12 to 2010-09-09 at 10:04:39.
    let period = Period { inception: 1_281_607_479, expiration: 1_284_026_679 };
    let mut message = rrsig_head(rtype::A, 3, 3600, period, 55648, b"\x07example\x03net\x00");
    let set = [Rdata::opaque(&[192, 0, 2, 1])];
    canonical::append(&mut message, b"\x03www\x07example\x03net\x00", rtype::A, 3600, &set);
    let signature =
        "qx6wLYqmh+l9oCKTN6qIc+bw6ya+KJ8oMz0YP107epXAyGmt+3SNruPFKG7tZoLBLlUzGGus7ZwmwWep666VCw==";
    let public = [&[4][..], &bytes("DNSKEY", EXAMPLE_NET)[4..]].concat();
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, public);
    key.verify(&message, &bytes("OPENPGPKEY", signature)).unwrap();
}

#[test]
fn every_key_signs_what_it_is_there_for() {
    let apex: Name = "example".parse().unwrap();
    let keys = [Signs::Nothing, Signs::Keys, Signs::Zone, Signs::Everything].map(new_key);
    let tags = keys.each_ref().map(|key| key_tag(&data(key)));
    let ring = Keyring::new(&apex, &signing(keys.to_vec())).unwrap();
    let signer = ring.at(Timestamp::from_seconds(1_700_000_000));
    for (number, wanted) in [
        (rtype::DNSKEY, [tags[1], tags[3]]),
        (rtype::CDS, [tags[1], tags[3]]),
        (rtype::CDNSKEY, [tags[1], tags[3]]),
        (rtype::SOA, [tags[2], tags[3]]),
        (rtype::A, [tags[2], tags[3]]),
    ] {
        let orders = signer.orders(apex.wire(), number, 60, &[Rdata::opaque(b"x")]);
        let signed: Vec<u16> = orders.map(|(head, _)| u16::from_be_bytes([head[16], head[17]])).collect();
        assert_eq!(signed, wanted, "{number}");
    }
}

#[test]
fn a_wildcard_has_one_label_less() {
    let apex: Name = "example".parse().unwrap();
    let ring = Keyring::new(&apex, &signing(vec![new_key(Signs::Everything)])).unwrap();
    let signer = ring.at(Timestamp::from_seconds(1_700_000_000));
    for (owner, wanted) in [("*.example", 1), ("*.a.example", 2), ("a.*.example", 3), ("example", 1)] {
        let owner: Name = owner.parse().unwrap();
        let (head, _) = signer.orders(owner.wire(), rtype::A, 60, &[]).next().unwrap();
        assert_eq!(head[3], wanted, "{owner}");
    }
}

#[test]
fn refuses_keys_that_cannot_sign() {
    let apex: Name = "example".parse().unwrap();
    let good = new_key(Signs::Everything);
    let tag = key_tag(&data(&good));
    let refused = |key: SigningKey| Keyring::new(&apex, &signing(vec![key])).unwrap_err();
    let broken = SigningKey { private: Secret::new(b"?".to_vec()), ..good.clone() };
    assert_eq!(refused(broken), InvalidKey::Private(tag));
    let other = SigningKey { private: new_key(Signs::Zone).private, ..good.clone() };
    assert_eq!(refused(other), InvalidKey::Mismatch(tag));
    assert_eq!(refused(SigningKey { public: vec![1; 63], ..good.clone() }), InvalidKey::Public(63));
    assert_eq!(refused(SigningKey { signs: Signs::Zone, ..good.clone() }), InvalidKey::Missing("the keys"));
    assert_eq!(refused(SigningKey { signs: Signs::Keys, ..good }), InvalidKey::Missing("the zone"));
}

#[test]
fn the_parent_is_asked_for_what_is_wished() {
    let apex: Name = "example".parse().unwrap();
    let (mut trusted, mut other) = (new_key(Signs::Everything), new_key(Signs::Nothing));
    (trusted.for_parent, other.for_parent) = (true, false);
    let mut signing = signing(vec![trusted.clone(), other]);
    let of = |signing: &Signing, number| {
        let sets = apex_sets(&apex, signing).into_iter();
        sets.filter(|(own, _)| *own == number).map(|(_, data)| data).collect::<Vec<_>>()
    };
    assert_eq!(of(&signing, rtype::DNSKEY).len(), 2);
    assert_eq!(of(&signing, rtype::CDNSKEY), [data(&trusted)]);
    assert_eq!(of(&signing, rtype::CDS), [ds(&apex, &data(&trusted), DigestType::Sha256)]);
    signing.parent = ParentWish::Delete;
    assert_eq!(of(&signing, rtype::CDS), [bytes("CDS", "0 0 0 00")]);
    assert_eq!(of(&signing, rtype::CDNSKEY), [bytes("CDNSKEY", "0 3 0 AA==")]);
    signing.parent = ParentWish::Silent;
    assert_eq!(apex_sets(&apex, &signing).len(), 2);
}
