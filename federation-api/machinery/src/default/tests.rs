//! Defaults of real-life objects.

use serde_json::json;

use super::*;

fn defaulted(group: &str, version: &str, kind: &str, mut object: Value) -> Value {
    apply(&Schema::built_in(), &GroupVersionKind::new(group, version, kind), &mut object);
    object
}

fn deployment(spec: &Value) -> Value {
    let mut object = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "shop"},
        "spec": {
            "selector": {"matchLabels": {"app": "shop"}},
            "template": {
                "metadata": {"labels": {"app": "shop"}},
                "spec": {"containers": [{"name": "web", "image": "web:1"}]},
            },
        },
    });
    crate::patch::merge::apply(&mut object, &json!({"spec": spec}));
    defaulted("apps", "v1", "Deployment", object)
}

#[test]
fn what_a_deployment_leaves_out_is_filled_in() {
    let shop = deployment(&json!({}));
    assert_eq!(shop["spec"]["replicas"], 1);
    assert_eq!(shop["spec"]["revisionHistoryLimit"], 10);
    assert_eq!(shop["spec"]["progressDeadlineSeconds"], 600);
    assert_eq!(
        shop["spec"]["strategy"],
        json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}})
    );
    let pod = &shop["spec"]["template"]["spec"];
    assert_eq!(pod["restartPolicy"], "Always");
    assert_eq!(pod["terminationGracePeriodSeconds"], 30);
    assert_eq!(pod["securityContext"], json!({}));
    assert_eq!(pod["containers"][0]["imagePullPolicy"], "IfNotPresent");
    assert_eq!(pod["containers"][0]["terminationMessagePath"], "/dev/termination-log");
}

/// Go holds these behind pointers, so a zero is a wish.
#[test]
fn a_zero_that_somebody_wants_stays() {
    let shop = deployment(&json!({
        "replicas": 0,
        "revisionHistoryLimit": 0,
        "template": {"spec": {"terminationGracePeriodSeconds": 0}},
    }));
    assert_eq!(shop["spec"]["replicas"], 0);
    assert_eq!(shop["spec"]["revisionHistoryLimit"], 0);
    assert_eq!(shop["spec"]["template"]["spec"]["terminationGracePeriodSeconds"], 0);
}

/// Go holds these themselves, so zero and empty text cannot be told from nothing.
#[test]
fn a_zero_that_go_cannot_tell_from_nothing_is_filled_in() {
    let probe = json!({"httpGet": {"path": "", "port": 80}, "periodSeconds": 0});
    let containers = json!([{"name": "web", "image": "web", "livenessProbe": probe}]);
    let shop = deployment(&json!({"template": {"spec": {"restartPolicy": "", "containers": containers}}}));
    let pod = &shop["spec"]["template"]["spec"];
    assert_eq!(pod["restartPolicy"], "Always");
    assert_eq!(pod["containers"][0]["imagePullPolicy"], "Always");
    let probe = &pod["containers"][0]["livenessProbe"];
    assert_eq!(probe["periodSeconds"], 10);
    assert_eq!(probe["httpGet"]["path"], "/");
}

#[test]
fn a_default_deeper_in_reaches_its_own_type() {
    let job = json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "sum"},
        "spec": {"template": {"spec": {
            "restartPolicy": "Never", "containers": [{"name": "sum", "image": "sum:1"}],
        }}, "suspend": false, "completionMode": ""},
    });
    let job = defaulted("batch", "v1", "Job", job);
    assert_eq!(job["spec"]["completionMode"], "");
    assert_eq!(job["spec"]["suspend"], false);
}
