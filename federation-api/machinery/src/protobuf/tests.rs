//! Vectors that Go wrote, and bodies that must be refused.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::wire::{put_bytes, put_varint};
use super::*;

/// Objects as Go clients send them, and the JSON that Go makes of them.
const VECTORS: &str = include_str!("../gen/protobuf-vectors.txt");

fn vectors() -> impl Iterator<Item = (Vec<u8>, Value)> {
    let lines = VECTORS.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| {
        let (envelope, json) = line.split_once(' ').unwrap();
        (STANDARD.decode(envelope).unwrap(), serde_json::from_str(json).unwrap())
    })
}

fn envelope(api_version: &str, kind: &str, raw: &[u8]) -> Vec<u8> {
    let (mut type_meta, mut out) = (Vec::new(), MAGIC.to_vec());
    put_bytes(&mut type_meta, 1, api_version.as_bytes());
    put_bytes(&mut type_meta, 2, kind.as_bytes());
    put_bytes(&mut out, 1, &type_meta);
    put_bytes(&mut out, 2, raw);
    out
}

#[test]
fn bodies_of_go_clients_decode_into_the_json_that_go_writes() {
    let schema = Schema::built_in();
    let mut n_vectors = 0;
    for (envelope, expected) in vectors() {
        let decoded = decode(&envelope, &schema).unwrap();
        pretty_assert(&decoded, &expected);
        n_vectors += 1;
    }
    assert!(n_vectors > 100);
}

#[test]
fn what_is_encoded_decodes_into_the_same_object() {
    let schema = Schema::built_in();
    for (_, object) in vectors() {
        let encoded = encode(&object, &schema).unwrap();
        let mut expected = object.clone();
        without_nulls(&mut expected);
        let mut decoded = decode(&encoded, &schema).unwrap();
        without_nulls(&mut decoded);
        pretty_assert(&decoded, &expected);
    }
}

/// Go's JSON cannot tell a pointer to an empty time from no pointer, so encoding JSON loses it.
fn without_nulls(value: &mut Value) {
    if let Value::Object(object) = value {
        object.retain(|_, value| !value.is_null());
        object.values_mut().for_each(without_nulls);
    } else if let Value::Array(items) = value {
        items.iter_mut().for_each(without_nulls);
    }
}

fn pretty_assert(found: &Value, expected: &Value) {
    if found != expected {
        let (found, expected) =
            (serde_json::to_string_pretty(found).unwrap(), serde_json::to_string_pretty(expected).unwrap());
        let differs = found.lines().zip(expected.lines()).find(|(found, expected)| found != expected);
        panic!("differs at {differs:?}\nfound {found}\nexpected {expected}");
    }
}

#[test]
fn a_zero_behind_a_pointer_is_kept_and_a_plain_zero_is_left_out() {
    let (mut spec, mut raw) = (Vec::new(), Vec::new());
    put_varint(&mut spec, 1, 0);
    put_varint(&mut spec, 5, 0);
    put_bytes(&mut raw, 2, &spec);
    let deployment = decode(&envelope("apps/v1", "Deployment", &raw), &Schema::built_in()).unwrap();
    assert_eq!(deployment["spec"]["replicas"], json!(0));
    assert_eq!(deployment["spec"].get("minReadySeconds"), None);
    assert_eq!(deployment["metadata"], json!({}));
}

#[test]
fn delete_options_are_read_in_whichever_group_they_are_sent() {
    let (mut raw, mut preconditions) = (Vec::new(), Vec::new());
    put_varint(&mut raw, 1, 0);
    put_bytes(&mut preconditions, 1, b"some-uid");
    put_bytes(&mut raw, 2, &preconditions);
    put_bytes(&mut raw, 4, b"Background");
    let options =
        decode(&envelope("koinon.io/v1alpha1", "DeleteOptions", &raw), &Schema::built_in()).unwrap();
    let expected = json!({"apiVersion": "koinon.io/v1alpha1", "kind": "DeleteOptions", "gracePeriodSeconds": 0,
        "preconditions": {"uid": "some-uid"}, "propagationPolicy": "Background"});
    assert_eq!(options, expected);
}

#[test]
fn a_body_that_is_not_an_envelope_of_a_known_kind_is_refused() {
    let schema = Schema::built_in();
    assert_eq!(decode(b"{}", &schema), Err(Error::NoEnvelope));
    let unknown = decode(&envelope("example.io/v1", "Thing", b""), &schema);
    assert!(matches!(unknown, Err(Error::UnknownKind { gvk }) if gvk.kind == "Thing"));
    let mut json = envelope("v1", "ConfigMap", b"");
    put_bytes(&mut json, 4, b"application/json");
    assert_eq!(decode(&json, &schema), Err(Error::Content { content: "application/json".into() }));
}

#[test]
fn a_message_that_the_schema_does_not_describe_is_refused() {
    let mut builder = crate::schema::Builder::new();
    let nested = builder.named("not.defined");
    let proto = crate::schema::Proto {
        tag: 1,
        outer: [0; 2],
        pointer: true,
        empty: crate::schema::Empty::Omitted,
        form: crate::schema::Form::Plain,
    };
    let field = crate::schema::Field { proto: Some(proto), ..crate::schema::Field::new("nested", nested) };
    let root =
        builder.structure(crate::schema::Struct { fields: vec![field], ..crate::schema::Struct::default() });
    builder.kind(GroupVersionKind::new("", "v1", "Odd"), root);
    let schema = builder.finish();
    let mut raw = Vec::new();
    put_bytes(&mut raw, 1, b"");
    let refused = decode(&envelope("v1", "Odd", &raw), &schema);
    assert_eq!(refused, Err(Error::Undescribed { field: "nested".into() }));
}

#[test]
fn bytes_that_break_off_or_contradict_the_type_name_their_field() {
    let schema = Schema::built_in();
    let mut raw = Vec::new();
    put_bytes(&mut raw, 1, &[0x0a, 0x05, b'a']);
    let refused = decode(&envelope("v1", "ConfigMap", &raw), &schema);
    let reason = "the message breaks off";
    assert_eq!(refused, Err(Error::Malformed { field: "metadata".into(), reason }));
    let mut raw = Vec::new();
    put_varint(&mut raw, 1, 1);
    assert!(matches!(
        decode(&envelope("v1", "ConfigMap", &raw), &schema),
        Err(Error::Malformed { field, .. }) if field == "metadata"
    ));
}

#[test]
fn a_field_of_a_newer_version_is_dropped() {
    let mut raw = Vec::new();
    put_bytes(&mut raw, 900, b"new");
    put_varint(&mut raw, 4, 1);
    let decoded = decode(&envelope("v1", "ConfigMap", &raw), &Schema::built_in()).unwrap();
    let expected = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {}, "immutable": true});
    assert_eq!(decoded, expected);
}

#[test]
fn a_small_body_of_very_many_empty_messages_is_refused() {
    let mut spec = Vec::new();
    for _ in 0..300_000 {
        put_bytes(&mut spec, 2, b"");
    }
    let mut raw = Vec::new();
    put_bytes(&mut raw, 2, &spec);
    assert_eq!(decode(&envelope("v1", "Pod", &raw), &Schema::built_in()), Err(Error::TooLarge));
}
