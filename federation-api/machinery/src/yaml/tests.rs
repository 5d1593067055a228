//! YAML as Kubernetes users write it.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn read(text: &str) -> Value {
    match parse(text.as_bytes()) {
        Ok(parsed) => parsed.value,
        Err(error) => panic!("{text:?}: {error}"),
    }
}

#[test]
fn resolves_scalars_as_kubernetes_does() {
    for (text, expected) in [
        ("yes", json!(true)),
        ("Off", json!(false)),
        ("y", json!(true)),
        ("'yes'", json!("yes")),
        ("\"on\"", json!("on")),
        ("~", json!(null)),
        ("", json!(null)),
        ("''", json!("")),
        ("8080", json!(8080)),
        ("-1", json!(-1)),
        ("+7", json!(7)),
        ("1_000", json!(1000)),
        ("010", json!(8)),
        ("08", json!(8.0)),
        ("0x1f", json!(31)),
        ("0b101", json!(5)),
        ("-0b101", json!(-5)),
        ("0o17", json!(15)),
        ("18446744073709551615", json!(18_446_744_073_709_551_615_u64)),
        ("-9223372036854775808", json!(i64::MIN)),
        ("1.5", json!(1.5)),
        (".5", json!(0.5)),
        ("1e3", json!(1000.0)),
        ("1.2.3", json!("1.2.3")),
        ("v1", json!("v1")),
        ("500m", json!("500m")),
        ("1Gi", json!("1Gi")),
        ("1:30", json!("1:30")),
        ("2026-11-13", json!("2026-11-13")),
        ("2026-11-13T10:00:00Z", json!("2026-11-13T10:00:00Z")),
        ("-", json!([null])),
        ("--flag=x", json!("--flag=x")),
        ("!!str 123", json!("123")),
        ("!!int \"12\"", json!(12)),
        ("!!float 3", json!(3)),
        ("!!binary aGVsbG8=", json!("hello")),
        ("!custom 5", json!(5)),
        ("|\n  a\n  b\n", json!("a\nb\n")),
        ("|-\n  a\n  b\n", json!("a\nb")),
        (">\n  a\n  b\n", json!("a b\n")),
    ] {
        assert_eq!(read(text), expected, "{text:?}");
    }
}

#[test]
fn reads_a_manifest() {
    let text = "# a comment\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: c # trailing\ndata:\n  a: |\n    x: 1\n  b: \"2\"\nlist:\n- one\n- two: 2\n  three: [3, {four: 4}]\n";
    assert_eq!(
        read(text),
        json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"},
            "data": {"a": "x: 1\n", "b": "2"},
            "list": ["one", {"two": 2, "three": [3, {"four": 4}]}],
        })
    );
}

#[test]
fn reads_keys_that_are_not_text_as_text() {
    assert_eq!(read("1: a\ntrue: b\n1.5: c\n\"2\": d"), json!({"1": "a", "true": "b", "1.5": "c", "2": "d"}));
}

#[test]
fn unfolds_anchors_and_merges() {
    let text = "base: &b {x: 1, w: 2}\nover:\n  <<: *b\n  w: 3\nearly:\n  w: 4\n  <<: [*b, {x: 9, z: 9}]\nsame: *b\nquoted:\n  \"<<\": 1\n";
    assert_eq!(
        read(text),
        json!({
            "base": {"x": 1, "w": 2}, "over": {"x": 1, "w": 3}, "early": {"x": 1, "w": 4, "z": 9},
            "same": {"x": 1, "w": 2}, "quoted": {"<<": 1},
        })
    );
}

#[test]
fn names_the_line_of_a_key_set_twice() {
    let parsed = parse(b"a: 1\nb:\n  c: 1\n  c: 2\na: 3\n").unwrap();
    assert_eq!(parsed.value, json!({"a": 3, "b": {"c": 2}}));
    assert_eq!(
        parsed.duplicates,
        [
            "yaml: unmarshal errors:\n  line 4: key \"c\" already set in map\n  line 5: key \"a\" already set in map"
        ]
    );
    let parsed = parse(br#"{"a": 1, "a": 2}"#).unwrap();
    assert_eq!(parsed.duplicates, ["yaml: unmarshal errors:\n  line 1: key \"a\" already set in map"]);
}

#[test]
fn reads_every_document() {
    let text = "---\na: 1\n---\n# nothing\n---\nb: 2\n...\n---\nc: 3\n";
    let values: Vec<Value> =
        parse_documents(text.as_bytes()).unwrap().into_iter().map(|parsed| parsed.value).collect();
    assert_eq!(values, [json!({"a": 1}), json!({"b": 2}), json!({"c": 3})]);
    assert_eq!(parse(text.as_bytes()).unwrap().value, json!({"a": 1}));
    assert_eq!(parse(b"").unwrap().value, Value::Null);
}

#[test]
fn refuses_what_has_no_json_form_or_no_end() {
    let laughs = "a: &a [x,x,x,x,x,x,x,x,x]\n".to_owned()
        + &('b'..='i')
            .zip('a'..='h')
            .map(|(next, last)| format!("{next}: &{next} [{}]\n", vec![format!("*{last}"); 9].join(",")))
            .collect::<String>();
    let deep = "[".repeat(500);
    for text in [
        "a: [1",
        "a: b: c",
        ".nan",
        "-.inf",
        "!!int x",
        "!!binary '*'",
        "{[1]: 2}",
        "~: 1",
        "a: &a [*a]",
        "<<: 1",
        "*unknown",
        laughs.as_str(),
        deep.as_str(),
    ] {
        assert!(parse(text.as_bytes()).is_err(), "{text:.30} {:?}", parse(text.as_bytes()));
    }
    assert!(parse(b"\xff\xfe").is_err());
}

#[test]
fn writes_yaml_as_people_know_it() {
    let value = json!({
        "kind": "ConfigMap",
        "data": {"script": "#!/bin/sh\necho hi\n", "no": "no", "n": "8080", "t": "a\nb", "empty": "", "colon": "a: b", "x": " lead"},
        "list": ["--flag", {"a": 1, "b": [2, [3]]}, [], {}, null, true],
        "nothing": {},
    });
    let text = to_string(&value);
    assert_eq!(
        text,
        r#"data:
  colon: "a: b"
  empty: ""
  "n": "8080"
  "no": "no"
  script: |
    #!/bin/sh
    echo hi
  t: |-
    a
    b
  x: " lead"
kind: ConfigMap
list:
- --flag
- a: 1
  b:
  - 2
  - - 3
- []
- {}
- null
- true
nothing: {}
"#
    );
    assert_eq!(read(&text), value);
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_filter("finite", |number| number.is_finite()).prop_map(Value::from),
        "[ -~\n\t]{0,12}".prop_map(Value::from),
        "\\PC{0,6}".prop_map(Value::from),
        "(yes|no|~|null|1e3|0x1|- a|a: b|#c|&d|\\*e|'f|---|\\.\\.\\.)".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[ -~]{0,5}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn reads_back_what_it_wrote(value in any_value()) {
        let text = to_string(&value);
        let read = Reader::new(text.as_bytes()).unwrap().document().unwrap().unwrap_or_default();
        prop_assert_eq!(read.value, value, "{}", text);
    }
}
