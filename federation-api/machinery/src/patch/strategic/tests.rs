//! What strategic merge patches do: a table of small cases, and what kubectl sends for real kinds.

use serde_json::json;

use super::*;
use crate::gvk::GroupVersionKind;
use crate::schema::{Atomicity, Builder, Field, Scalar, Struct, Topology};
use crate::yaml;

/// The type the cases speak of.
fn item_schema() -> (Schema, TypeId) {
    let mut builder = Builder::new();
    let text = builder.scalar(Scalar::String);
    let number = builder.scalar(Scalar::Int64);
    let any = builder.any();
    let map = builder.map(text, Atomicity::Granular);
    let item = builder.named("item");
    let items = builder.list(item, Topology::Atomic);
    let numbers = builder.list(number, Topology::Atomic);
    let with = |name: &str, ty: TypeId, patch: Patch| Field { patch, ..Field::new(name, ty) };
    let by_name = |strategy: &str| Patch::read(strategy, Some("name"));
    let fields = vec![
        Field::new("name", text),
        Field::new("value", text),
        Field::new("other", text),
        Field::new("map", map),
        Field::new("nested", item),
        Field::new("plainList", items),
        Field::new("plainNumbers", numbers),
        with("list", items, by_name("merge")),
        with("numbers", numbers, Patch::read("merge", None)),
        with("replaced", any, Patch::read("replace", None)),
        with("retained", item, Patch::read("retainKeys", None)),
        with("retainedList", items, by_name("merge,retainKeys")),
    ];
    builder.define(item, Struct { name: "item".to_owned(), fields, ..Struct::default() });
    (builder.finish(), item)
}

fn patched(schema: &Schema, ty: TypeId, current: &Value, patch: &Value) -> Result<Value, Error> {
    let mut object = current.as_object().cloned().unwrap_or_default();
    apply(schema, ty, &mut object, patch.as_object().cloned().unwrap_or_default())?;
    Ok(Value::Object(object))
}

#[test]
fn does_what_the_cases_say() {
    let (schema, ty) = item_schema();
    let cases = yaml::parse_documents(include_bytes!("cases.yaml")).unwrap();
    assert!(cases.len() > 50);
    for case in cases {
        let case = case.value;
        let result = patched(&schema, ty, &case["current"], &case["patch"]);
        match (result, case["error"].as_str()) {
            (Ok(result), None) => assert_eq!(result, case["result"], "{}", case["name"]),
            (Err(error), Some(expected)) => {
                assert!(error.to_string().contains(expected), "{}: {error}", case["name"]);
            }
            (result, expected) => panic!("{}: {result:?} instead of {expected:?}", case["name"]),
        }
    }
}

#[test]
fn patches_deployments_as_kubectl_does() {
    let schema = Schema::built_in();
    let ty = schema.type_of(&GroupVersionKind::new("apps", "v1", "Deployment")).unwrap();
    let deployment = json!({"spec": {
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%"}},
        "template": {"spec": {"containers": [
            {"name": "web", "image": "web:1", "env": [{"name": "A", "value": "1"}], "ports": [{"containerPort": 80}]},
            {"name": "log", "image": "log:1"},
        ], "volumes": [{"name": "tmp", "emptyDir": {}}]}},
    }});
    let set_image = json!({"spec": {"template": {"spec": {
        "$setElementOrder/containers": [{"name": "web"}, {"name": "log"}],
        "containers": [{"name": "log", "image": "log:2"}],
    }}}});
    let result = patched(&schema, ty, &deployment, &set_image).unwrap();
    let containers = &result["spec"]["template"]["spec"]["containers"];
    assert_eq!(containers[0]["image"], "web:1");
    assert_eq!(containers[1], json!({"name": "log", "image": "log:2"}));

    let recreate = json!({"spec": {
        "strategy": {"$retainKeys": ["type"], "rollingUpdate": null, "type": "Recreate"},
        "template": {"spec": {"volumes": [
            {"name": "tmp", "$retainKeys": ["name", "configMap"], "configMap": {"name": "c"}, "emptyDir": null},
        ]}},
    }});
    let result = patched(&schema, ty, &deployment, &recreate).unwrap();
    assert_eq!(result["spec"]["strategy"], json!({"type": "Recreate"}));
    assert_eq!(
        result["spec"]["template"]["spec"]["volumes"],
        json!([{"name": "tmp", "configMap": {"name": "c"}}])
    );
}

#[test]
fn merges_service_ports_by_number_alone() {
    let schema = Schema::built_in();
    let ty = schema.type_of(&GroupVersionKind::new("", "v1", "Service")).unwrap();
    let service = json!({"spec": {"ports": [
        {"name": "tcp", "port": 53, "protocol": "TCP"},
        {"name": "udp", "port": 53, "protocol": "UDP"},
    ]}});
    let patch = json!({"spec": {"ports": [{"port": 53, "protocol": "UDP", "targetPort": 5353}]}});
    let result = patched(&schema, ty, &service, &patch).unwrap();
    assert_eq!(
        result["spec"]["ports"],
        json!([
            {"name": "tcp", "port": 53, "protocol": "UDP", "targetPort": 5353},
            {"name": "udp", "port": 53, "protocol": "UDP"},
        ])
    );
}

#[test]
fn answers_refusals_as_bad_requests() {
    for (error, code) in [
        (Error::RetainKeys, 400),
        (Error::ElementOrder, 400),
        (Error::ListOfLists, 422),
        (Error::MergeKey { item: "{}".to_owned(), key: "name".to_owned() }, 400),
    ] {
        let status = Status::from(&error);
        assert_eq!((status.code, status.message), (code, error.to_string()));
    }
}
