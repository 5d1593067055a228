//! What selectors select, and what they refuse to mean.

use serde_json::{Map, Value, json};

use super::*;

fn labels(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}

fn parsed(text: &str) -> LabelSelector {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn selects_by_labels() {
    for (text, set, expected) in [
        ("", json!({}), true),
        ("x", json!({"x": ""}), true),
        ("x", json!({}), false),
        ("!x", json!({}), true),
        ("!x", json!({"x": "a"}), false),
        ("x=a", json!({"x": "a"}), true),
        ("x==a", json!({"x": "a"}), true),
        ("x = a ", json!({"x": "a"}), true),
        ("x=a", json!({"x": "b"}), false),
        ("x=", json!({"x": ""}), true),
        ("x=", json!({}), false),
        ("x=,y=b", json!({"x": "", "y": "b"}), true),
        ("x!=a", json!({"x": "b"}), true),
        ("x!=a", json!({}), true),
        ("x!=a", json!({"x": "a"}), false),
        ("x in (a,b)", json!({"x": "b"}), true),
        ("x in (a, b)", json!({"x": "c"}), false),
        ("x in (a,b)", json!({}), false),
        ("x in ()", json!({"x": ""}), true),
        ("x in (,a)", json!({"x": ""}), true),
        ("x in (a,,b)", json!({"x": ""}), true),
        ("x in (a,)", json!({"x": ""}), true),
        ("x notin (a,b)", json!({"x": "c"}), true),
        ("x notin (a,b)", json!({}), true),
        ("x notin (a)", json!({"x": "a"}), false),
        ("x>1", json!({"x": "2"}), true),
        ("x>1", json!({"x": "1"}), false),
        ("x>1", json!({"x": "b"}), false),
        ("x<1", json!({"x": "0"}), true),
        ("x<1", json!({}), false),
        ("in in (in)", json!({"in": "in"}), true),
        ("notin=in", json!({"notin": "in"}), true),
        ("example.com/x=a,!y,z in (1,2)", json!({"example.com/x": "a", "z": "2"}), true),
        ("example.com/x=a,!y,z in (1,2)", json!({"example.com/x": "a", "z": "2", "y": ""}), false),
    ] {
        assert_eq!(parsed(text).matches(Some(&labels(&set))), expected, "{text} {set}");
    }
    assert!(parsed("!x").matches(None));
}

#[test]
fn writes_selectors_in_one_form() {
    for (text, expected) in [
        ("b,a=1", "a=1,b"),
        ("x in (b,a,b)", "x in (a,b)"),
        ("x notin ( a )", "x notin (a)"),
        ("x== a,y!=b,!z", "x==a,y!=b,!z"),
        ("x>1,y<2", "x>1,y<2"),
    ] {
        assert_eq!(parsed(text).to_string(), expected, "{text}");
    }
}

#[test]
fn explains_why_a_text_is_no_selector() {
    for (text, expected) in [
        ("x in", "unable to parse requirement: found '' expected: '('"),
        ("x in a", "unable to parse requirement: found 'a' expected: '('"),
        ("x in (a", "unable to parse requirement: found '', expected: ',' or ')'"),
        ("x y", "unable to parse requirement: found 'y', expected: in, notin, =, ==, !=, gt, lt"),
        ("x=a y", "found 'y', expected: ',' or 'end of string'"),
        ("x=a,", "found '', expected: identifier after ','"),
        ("=a", "found '=', expected: !, identifier, or 'end of string'"),
        ("!!x", "unable to parse requirement: found '!', expected: identifier"),
        ("!x=a", "found '=', expected: ',' or 'end of string'"),
        ("x==!a", "unable to parse requirement: found '!', expected: identifier"),
        (
            "x>a",
            "unable to parse requirement: values[0]: Invalid value: \"a\": for 'Gt', 'Lt' operators, the value must be an integer",
        ),
        (
            "x=-",
            "unable to parse requirement: values[0][x]: Invalid value: \"-\": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
        ),
        (
            "-x",
            "unable to parse requirement: <nil>: Invalid value: \"-x\": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
        ),
    ] {
        assert_eq!(
            text.parse::<LabelSelector>().map_err(|error| error.to_string()),
            Err(expected.to_owned()),
            "{text}"
        );
    }
}

#[test]
fn reads_selector_objects() {
    let selector = LabelSelector::from_value(&json!({
        "matchLabels": {"app": "a"},
        "matchExpressions": [
            {"key": "tier", "operator": "In", "values": ["x", "y"]},
            {"key": "canary", "operator": "DoesNotExist"},
        ],
    }))
    .unwrap();
    assert_eq!(selector.to_string(), "app=a,!canary,tier in (x,y)");
    assert!(selector.matches(Some(&labels(&json!({"app": "a", "tier": "y"})))));
    assert!(LabelSelector::from_value(&json!({})).unwrap().is_everything());
    assert!(!LabelSelector::from_value(&json!(null)).unwrap().matches(None));
    for (value, expected) in [
        (
            json!({"matchExpressions": [{"key": "a", "operator": "Is"}]}),
            "\"Is\" is not a valid label selector operator",
        ),
        (
            json!({"matchExpressions": [{"key": "a", "operator": "In"}]}),
            "values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty",
        ),
        (
            json!({"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["b"]}]}),
            "values: Invalid value: [\"b\"]: values set must be empty for exists and does not exist",
        ),
    ] {
        assert_eq!(
            LabelSelector::from_value(&value).map_err(|error| error.to_string()),
            Err(expected.to_owned())
        );
    }
}

#[test]
fn selects_by_fields() {
    let field_of = |field: &str| match field {
        "metadata.name" => Some("a,b=c\\d"),
        "status.phase" => Some("Running"),
        _ => None,
    };
    for (text, expected) in [
        ("", true),
        ("metadata.name=a\\,b\\=c\\\\d", true),
        ("metadata.name!=a\\,b\\=c\\\\d", false),
        ("status.phase=Running,status.phase!=Failed", true),
        ("status.phase==Pending", false),
        ("spec.nodeName=", true),
        ("spec.nodeName!=", false),
        ("status.phase=Running,", true),
    ] {
        let selector: FieldSelector = text.parse().unwrap();
        assert_eq!(selector.matches_with(field_of), expected, "{text}");
        assert_eq!(selector.to_string().parse::<FieldSelector>().unwrap(), selector, "{text}");
    }
    let selector: FieldSelector = "metadata.name=x,a!=b".parse().unwrap();
    assert_eq!(selector.required("metadata.name"), Some("x"));
    assert_eq!(selector.required("a"), None);
    assert_eq!(selector.to_string(), "a!=b,metadata.name=x");
}

#[test]
fn explains_why_a_text_is_no_field_selector() {
    for (text, expected) in [
        ("a", "invalid selector: 'a'; can't understand 'a'"),
        ("b=1,a", "invalid selector: 'b=1,a'; can't understand 'a'"),
        ("a=b=c", "invalid field selector: unescaped character in value: 61"),
        ("a=\\b", "invalid field selector: invalid escape sequence: \\b"),
        ("a=b\\", "invalid field selector: invalid escape sequence: \\"),
    ] {
        assert_eq!(
            text.parse::<FieldSelector>().map_err(|error| error.to_string()),
            Err(expected.to_owned()),
            "{text}"
        );
    }
}
