//! The words of a real API server for objects that users get wrong.

use serde_json::{Value, json};

use super::*;

/// Sets the member at a dotted path.
fn set(object: &mut Value, path: &str, value: Value) {
    let pointer = format!("/{}", path.replace('.', "/"));
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    object.pointer_mut(parent).unwrap()[key] = value;
}

fn workload() -> Value {
    json!({"metadata": {"name": "d"}, "spec": {"selector": {"matchLabels": {"app": "d"}}, "template": {
        "metadata": {"labels": {"app": "d"}},
        "spec": {"restartPolicy": "Always", "containers": [{"name": "c", "image": "i:1"}]}}}})
}

fn check(errors: &[FieldError], want: &[&str], what: &str) {
    let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(texts, want, "{what}");
}

#[test]
fn deployments() {
    let containers = "spec.template.spec.containers";
    let table = [
        (
            "spec.replicas",
            json!(-1),
            vec!["spec.replicas: Invalid value: -1: must be greater than or equal to 0"],
        ),
        (
            "spec.selector",
            Value::Null,
            vec![
                "spec.selector: Required value",
                "spec.template.metadata.labels: Invalid value: {\"app\":\"d\"}: `selector` does not match template `labels`",
            ],
        ),
        (
            "spec.selector",
            json!({}),
            vec!["spec.selector: Invalid value: {}: empty selector is invalid for deployment"],
        ),
        (containers, json!([]), vec!["spec.template.spec.containers: Required value"]),
        (containers, json!([{"name": "c"}]), vec!["spec.template.spec.containers[0].image: Required value"]),
        (
            containers,
            json!([{"name": "c", "image": "i"}, {"name": "c", "image": "i"}]),
            vec!["spec.template.spec.containers[1].name: Duplicate value: \"c\""],
        ),
        (
            containers,
            json!([{"name": "c", "image": "i", "volumeMounts": [{"name": "v", "mountPath": "/x"}]}]),
            vec!["spec.template.spec.containers[0].volumeMounts[0].name: Not found: \"v\""],
        ),
        (
            containers,
            json!([{"name": "c", "image": "i", "resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}}]),
            vec![
                "spec.template.spec.containers[0].resources.requests: Invalid value: \"2\": must be less than or equal to cpu limit of 1",
            ],
        ),
    ];
    check_deployments(&table);
    check(&deployment(&workload(), None), &[], "a good one");
}

#[test]
fn pods_of_deployments() {
    let table = [
        (
            "spec.template.spec.restartPolicy",
            json!("Never"),
            vec![
                "spec.template.spec.restartPolicy: Unsupported value: \"Never\": supported values: \"Always\"",
            ],
        ),
        (
            "spec.template.spec.volumes",
            json!([{"name": "w", "emptyDir": {}, "configMap": {"name": "x"}}]),
            vec![
                "spec.template.spec.volumes[0].configMap: Forbidden: may not specify more than 1 volume type",
            ],
        ),
        (
            "spec.strategy",
            json!({"type": "Recreate", "rollingUpdate": {}}),
            vec![
                "spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'",
            ],
        ),
    ];
    check_deployments(&table);
}

fn check_deployments(table: &[(&str, Value, Vec<&str>)]) {
    for (path, value, want) in table {
        let mut object = workload();
        set(&mut object, path, value.clone());
        check(&deployment(&object, None), want, path);
    }
}

#[test]
fn selectors_stay() {
    let mut moved = workload();
    set(&mut moved, "spec.selector.matchLabels", json!({"app": "d", "x": "y"}));
    set(&mut moved, "spec.template.metadata.labels", json!({"app": "d", "x": "y"}));
    let errors = deployment(&moved, Some(&workload()));
    assert!(errors[0].to_string().ends_with("field is immutable"), "{errors:?}");
}

#[test]
fn jobs_end() {
    let mut object = workload();
    let want = "spec.template.spec.restartPolicy: Required value: valid values: \"OnFailure\", \"Never\"";
    check(&job(&object, None), &[want], "always");
    set(&mut object, "spec.template.spec.restartPolicy", json!("Never"));
    check(&job(&object, None), &[], "never");
}

#[test]
fn services_and_ingresses() {
    let service_of = |spec: Value| service(&json!({"spec": spec}), None);
    check(&service_of(json!({"type": "ClusterIP"})), &["spec.ports: Required value"], "no ports");
    check(
        &service_of(json!({"ports": [{"port": 0}, {"port": 81, "protocol": "X"}]})),
        &[
            "spec.ports[0].name: Required value",
            "spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive",
            "spec.ports[1].name: Required value",
            "spec.ports[1].protocol: Unsupported value: \"X\": supported values: \"SCTP\", \"TCP\", \"UDP\"",
        ],
        "ports",
    );
    check(&service_of(json!({"type": "ExternalName"})), &["spec.externalName: Required value"], "external");
    check(
        &ingress(&json!({"spec": {}}), None),
        &["spec: Invalid value: null: either `defaultBackend` or `rules` must be specified"],
        "empty",
    );
}

#[test]
fn config_maps_and_secrets() {
    check(
        &config_map(&json!({"data": {"a": "x"}, "binaryData": {"a": "eA=="}}), None),
        &["data[a]: Invalid value: \"a\": duplicate of key present in binaryData"],
        "both",
    );
    check(
        &secret(&json!({"type": "kubernetes.io/tls"}), None),
        &["data[tls.crt]: Required value", "data[tls.key]: Required value"],
        "tls",
    );
}

#[test]
fn names_and_finalizers() {
    let rule = koinon_machinery::validate::format::dns_subdomain;
    let meta = |metadata: Value| metadata_of(&json!({"metadata": metadata}), rule);
    check(&meta(json!({})), &["metadata.name: Required value: name or generateName is required"], "no name");
    check(
        &meta(json!({"name": "a", "finalizers": ["xy"]})),
        &[
            "metadata.finalizers[0]: Invalid value: \"xy\": name is neither a standard finalizer name nor is it fully qualified",
        ],
        "finalizer",
    );
    check(&meta(json!({"name": "a-x", "generateName": "a-"})), &[], "generated");
    assert_eq!(meta(json!({"name": "a", "labels": {"a b": "c d"}})).len(), 2);
}

fn metadata_of(object: &Value, rule: NameRule) -> Errors {
    metadata(object, rule, Finalizers::Qualified)
}

#[test]
fn rights() {
    check(
        &role(&json!({"kind": "Role", "rules": [{"verbs": []}]}), None),
        &[
            "rules[0].verbs: Required value: verbs must contain at least one value",
            "rules[0].apiGroups: Required value: resource rules must supply at least one api group",
            "rules[0].resources: Required value: resource rules must supply at least one resource",
        ],
        "role",
    );
}
