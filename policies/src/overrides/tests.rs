//! Manifests, row by row.

use koinon_model::json::Json;
use koinon_model::overriding::{
    Containers, EnvEdit, ImagePart, ListEdit, MapEdit, OverrideRule, PatchOperation, TextEdit,
};
use koinon_model::policy::ClusterAffinity;
use serde_json::json;

use super::*;

fn name(text: &str) -> ClusterName {
    ClusterName::try_from(text).unwrap()
}

fn intent(key: &str, overriders: Vec<Overrider>) -> OverrideIntent {
    let key = match key.split_once('/') {
        Some((namespace, name)) => {
            PolicyKey::Namespaced { namespace: namespace.to_owned(), name: name.to_owned() }
        }
        None => PolicyKey::Cluster { name: key.to_owned() },
    };
    OverrideIntent {
        key,
        selectors: vec![],
        rules: vec![OverrideRule { target: ClusterAffinity::default(), overriders }],
    }
}

fn deployment() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web"}},
        "spec": {"replicas": 10, "template": {"spec": {"containers": [
            {"name": "web", "image": "example.org/web:1", "args": ["-a", "-b"], "env": [{"name": "A", "value": "1"}]},
            {"name": "side", "image": "side:1"}]}}},
    })
}

fn rendered(template: &Value, part: Option<Part>, policies: &[&OverrideIntent]) -> Result<Value, Failed> {
    let cluster = Cluster::named(name("a"));
    let kind = template["kind"].as_str().unwrap();
    let group = template["apiVersion"].as_str().unwrap().split_once('/').map_or("", |(group, _)| group);
    render(&Request { template, kind: Kind::of(group, kind), cluster: &cluster, part, policies })
}

#[test]
fn what_the_server_wrote_stays_at_the_host() {
    let mut template = deployment();
    let clean = deployment();
    for (field, value) in [
        ("uid", json!("u")),
        ("resourceVersion", json!("7")),
        ("generation", json!(3)),
        ("creationTimestamp", json!("2026-01-01T00:00:00Z")),
        ("managedFields", json!([{}])),
        ("ownerReferences", json!([{}])),
        ("finalizers", json!(["x/y"])),
        (
            "annotations",
            json!({"kubectl.kubernetes.io/last-applied-configuration": "{}", "koinon.io/x": "y"}),
        ),
    ] {
        template["metadata"][field] = value;
    }
    template["status"] = json!({"replicas": 3});
    assert_eq!(rendered(&template, None, &[]).unwrap(), clean);
}

#[test]
fn what_the_host_allocated_stays_and_what_the_owner_chose_travels() {
    let service = json!({"apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "web", "managedFields": [{"fieldsV1": {"f:spec": {"f:ports": {
            r#"k:{"port":80,"protocol":"TCP"}"#: {".": {}, "f:nodePort": {}},
            r#"k:{"port":81,"protocol":"TCP"}"#: {".": {}}}}}}]},
        "spec": {"clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"], "ipFamilies": ["IPv4"], "type": "NodePort",
            "ports": [{"port": 80, "protocol": "TCP", "nodePort": 30080}, {"port": 81, "nodePort": 30081}]}});
    let spec = &rendered(&service, None, &[]).unwrap()["spec"];
    let expected = json!({"type": "NodePort",
        "ports": [{"port": 80, "protocol": "TCP", "nodePort": 30080}, {"port": 81}]});
    assert_eq!(*spec, expected);
    let headless = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
        "spec": {"clusterIP": "None", "clusterIPs": ["None"]}});
    assert_eq!(rendered(&headless, None, &[]).unwrap()["spec"], headless["spec"]);
    let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j"}, "spec": {
        "selector": {"matchLabels": {"batch.kubernetes.io/controller-uid": "u"}},
        "template": {"metadata": {"labels": {"app": "j", "job-name": "j", "controller-uid": "u"}}}}});
    let spec = &rendered(&job, None, &[]).unwrap()["spec"];
    assert_eq!(*spec, json!({"template": {"metadata": {"labels": {"app": "j"}}}}));
}

#[test]
fn each_cluster_gets_its_part() {
    let part = |replicas, completions| Some(Part { replicas, completions });
    let manifest = rendered(&deployment(), part(6, None), &[]).unwrap();
    assert_eq!(manifest["spec"]["replicas"], 6);
    let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j"},
        "spec": {"parallelism": 5, "completions": 20}});
    let manifest = rendered(&job, part(3, Some(12)), &[]).unwrap();
    assert_eq!(manifest["spec"], json!({"parallelism": 3, "completions": 12}));
}

#[test]
fn completions_follow_the_replicas() {
    let placed = |counts: &[(&str, u32)]| counts.iter().map(|&(c, n)| (name(c), n)).collect::<Placement>();
    let divided = completions(20, 5, &placed(&[("a", 3), ("b", 1), ("c", 1)]));
    assert_eq!(divided.into_values().collect::<Vec<_>>(), [12, 4, 4]);
    let duplicated = completions(20, 5, &placed(&[("a", 5), ("b", 5)]));
    assert_eq!(duplicated.into_values().collect::<Vec<_>>(), [20, 20]);
}

#[test]
fn overrides_apply_in_order_and_the_namespace_has_the_last_word() {
    let image = |tag: &str| Overrider::Image {
        containers: Containers::Named("web".into()),
        part: ImagePart::Tag,
        edit: TextEdit::Replace(tag.into()),
    };
    let own = intent("shop/a", vec![image("namespace")]);
    let wide = intent("z", vec![image("cluster")]);
    let manifest = rendered(&deployment(), None, &[&own, &wide]).unwrap();
    let containers = &manifest["spec"]["template"]["spec"]["containers"];
    assert_eq!(containers[0]["image"], "example.org/web:namespace");
    assert_eq!(containers[1]["image"], "side:1", "only the one that is named");
}

#[test]
fn every_sort_of_override_does_what_it_says() {
    let all = Containers::All;
    let web = || Containers::Named("web".into());
    let pairs = |key: &str, value: &str| [(key.to_owned(), value.to_owned())].into();
    let overriders = vec![
        Overrider::Labels(MapEdit {
            set: pairs("tier", "gold"),
            replace: pairs("missing", "x"),
            remove: ["app".to_owned()].into(),
        }),
        Overrider::Annotations(MapEdit { set: pairs("note", "eu"), ..MapEdit::default() }),
        Overrider::Env {
            containers: web(),
            edit: EnvEdit { set: pairs("B", "2"), replace: pairs("A", "9"), ..EnvEdit::default() },
        },
        Overrider::Args { containers: web(), edit: ListEdit::Remove(["-a".to_owned()].into()) },
        Overrider::Command { containers: all, edit: ListEdit::Replace(vec!["/run".into()]) },
        Overrider::JsonPatch(vec![PatchOperation::Add {
            path: "/spec/template/spec/priorityClassName".into(),
            value: Json::String("high".into()),
        }]),
    ];
    let manifest = rendered(&deployment(), None, &[&intent("shop/a", overriders)]).unwrap();
    assert_eq!(manifest["metadata"]["labels"], json!({"tier": "gold"}));
    assert_eq!(manifest["metadata"]["annotations"], json!({"note": "eu"}));
    let pod = &manifest["spec"]["template"]["spec"];
    let expected = json!({"name": "web", "image": "example.org/web:1", "command": ["/run"], "args": ["-b"],
        "env": [{"name": "A", "value": "9"}, {"name": "B", "value": "2"}]});
    assert_eq!(pod["containers"][0], expected);
    assert_eq!(pod["priorityClassName"], "high");
}

#[test]
fn an_override_that_fails_names_its_policy_and_path_and_leaves_nothing_behind() {
    let patch = Overrider::JsonPatch(vec![
        PatchOperation::Add { path: "/spec/x".into(), value: Json::Bool(true) },
        PatchOperation::Remove { path: "/spec/missing".into() },
    ]);
    let failed = rendered(&deployment(), None, &[&intent("shop/a", vec![patch])]).unwrap_err();
    let said = failed.to_string();
    assert!(
        said.starts_with("shop/a: spec.overrideRules[0].overriders: plaintext[1]: /spec/missing"),
        "{said}"
    );
}

#[test]
fn a_rule_for_other_clusters_changes_nothing() {
    let mut other = intent("shop/a", vec![Overrider::Labels(MapEdit::default())]);
    other.rules[0].target.names = [name("b")].into();
    assert_eq!(rendered(&deployment(), None, &[&other]).unwrap(), deployment());
}
