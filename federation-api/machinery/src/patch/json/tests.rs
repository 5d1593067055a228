//! What JSON patches do to an object, and how they fail.

use serde_json::json;

use super::*;

fn patched(object: &Value, patch: &str) -> Result<Value, Status> {
    let mut object = object.clone();
    Patch::parse(patch.as_bytes())?.apply(&mut object)?;
    Ok(object)
}

#[test]
fn applies_operations_in_order() {
    let object = json!({"a": {"b": [1, 2, 3]}, "c": "x", "d~e/f": 1});
    for (patch, expected) in [
        (r#"[]"#, json!({"a": {"b": [1, 2, 3]}, "c": "x", "d~e/f": 1})),
        (
            r#"[{"op":"add","path":"/a/b/1","value":9},{"op":"add","path":"/a/b/-","value":4}]"#,
            json!({"a": {"b": [1, 9, 2, 3, 4]}, "c": "x", "d~e/f": 1}),
        ),
        (
            r#"[{"op":"remove","path":"/d~0e~1f"},{"op":"replace","path":"/c","value":null}]"#,
            json!({"a": {"b": [1, 2, 3]}, "c": null}),
        ),
        (
            r#"[{"op":"move","from":"/c","path":"/a/c"},{"op":"copy","from":"/a/b/0","path":"/n"}]"#,
            json!({"a": {"b": [1, 2, 3], "c": "x"}, "d~e/f": 1, "n": 1}),
        ),
        (
            r#"[{"op":"test","path":"/c","value":"x"},{"op":"test","path":"/none","value":null},{"op":"remove","path":"/a"}]"#,
            json!({"c": "x", "d~e/f": 1}),
        ),
    ] {
        assert_eq!(patched(&object, patch), Ok(expected), "{patch}");
    }
}

#[test]
fn tells_a_malformed_patch_from_one_that_does_not_fit() {
    let object = json!({"a": [1], "c": "x"});
    for (patch, code, cause) in [
        ("{", 400, ""),
        ("{}", 400, ""),
        ("[1]", 400, ""),
        (r#"[{"op":"test","path":"/c","value":"y"}]"#, 422, "test /c: value did not match"),
        (r#"[{"op":"remove","path":"/none"}]"#, 422, "remove /none: path is invalid"),
        (r#"[{"op":"add","path":"/none/x","value":1}]"#, 422, "add /none/x: path is invalid"),
        (r#"[{"op":"replace","path":"/none","value":1}]"#, 422, "replace /none: path is invalid"),
        (r#"[{"op":"add","path":"/a/5","value":1}]"#, 422, "add /a/5: path is invalid"),
        (r#"[{"op":"copy","from":"/none","path":"/x"}]"#, 422, r#"copy /x: "from" path is invalid"#),
        (r#"[{"op":"jump","path":"/c"}]"#, 422, "unknown variant"),
        (r#"[{"op":"add","path":"/c"}]"#, 422, "missing field `value`"),
    ] {
        let status = patched(&object, patch).unwrap_err();
        assert_eq!(status.code, code, "{patch}");
        let message =
            status.details.and_then(|details| details.causes.first().cloned()).unwrap_or_default().message;
        assert!(message.contains(cause), "{patch}: {message}");
    }
    let unfit = patched(&object, r#"[{"op":"remove","path":"/none"}]"#).unwrap_err();
    assert_eq!(unfit.message, "the server rejected our request due to an error in our request");
    assert_eq!(unfit.reason, Reason::Invalid);
}

#[test]
fn reports_unknown_and_repeated_fields_of_operations() {
    let patch = Patch::parse(br#"[{"op":"add","path":"/a","value":1,"foo":2,"op":"add"}]"#).unwrap();
    assert_eq!(
        patch.findings,
        [r#"json patch duplicate field "[0].op""#, r#"json patch unknown field "[0].foo""#]
    );
}

#[test]
fn bounds_what_a_patch_may_grow() {
    let many = format!("[{}]", vec![r#"{"op":"test","path":"","value":{}}"#; OPERATIONS_MAX + 1].join(","));
    assert_eq!(Patch::parse(many.as_bytes()).unwrap_err().code, 413);
    let doubling: Vec<String> =
        (0..40).map(|n| format!(r#"{{"op":"copy","from":"","path":"/x{n}"}}"#)).collect();
    let status = patched(&json!({"a": "x".repeat(1000)}), &format!("[{}]", doubling.join(","))).unwrap_err();
    assert_eq!(status.code, 422);
}
