//! Rows as kubectl users know them.

use super::*;

fn row(group: &str, kind: &str, object: &Value) -> Vec<String> {
    let now = "2026-11-24T12:00:00Z".parse().unwrap();
    let columns = built_in(group, kind);
    let show = |cell: Value| cell.as_str().map_or_else(|| cell.to_string(), str::to_owned);
    columns.iter().map(|column| show(column.cell(object, now))).collect()
}

#[test]
fn a_deployment_tells_how_much_is_ready() {
    let object = json!({
        "metadata": {"name": "web", "creationTimestamp": "2026-11-24T11:57:30Z"},
        "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "web"}},
                 "template": {"spec": {"containers": [{"name": "a", "image": "x:1"}, {"name": "b", "image": "y:2"}]}}},
        "status": {"readyReplicas": 2, "updatedReplicas": 3, "availableReplicas": 2},
    });
    assert_eq!(
        row("apps", "Deployment", &object),
        ["web", "2/3", "3", "2", "2m30s", "a,b", "x:1,y:2", "app=web"]
    );
}

#[test]
fn a_service_tells_where_it_is_reached() {
    let mut object = json!({
        "metadata": {"name": "web", "creationTimestamp": "2026-11-20T12:00:00Z"},
        "spec": {"type": "LoadBalancer", "clusterIP": "10.96.0.9", "selector": {"app": "web"},
                 "ports": [{"port": 80, "nodePort": 30080, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}]},
    });
    assert_eq!(
        row("", "Service", &object),
        ["web", "LoadBalancer", "10.96.0.9", "<pending>", "80:30080/TCP,53/UDP", "4d", "app=web"]
    );
    object["status"] = json!({"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}});
    assert_eq!(row("", "Service", &object)[3], "192.0.2.1");
}

#[test]
fn a_pod_tells_what_it_waits_for() {
    let object = json!({
        "metadata": {"name": "p"}, "spec": {"containers": [{}, {}]},
        "status": {"phase": "Running", "containerStatuses": [{"ready": true, "restartCount": 2}, {"ready": false, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]},
    });
    assert_eq!(row("", "Pod", &object)[..4], ["p", "1/2", "CrashLoopBackOff", "2"]);
}

#[test]
fn kinds_without_columns_have_a_name_and_an_age() {
    let object = json!({"metadata": {"name": "x", "creationTimestamp": "2026-11-24T11:59:00Z"}});
    assert_eq!(row("example.org", "Thing", &object), ["x", "60s"]);
}

#[test]
fn ages_are_as_people_say_them() {
    let rows = [
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (599, "9m59s"),
        (600, "10m"),
        (3 * 3600, "3h"),
        (4 * 3600 + 60, "4h1m"),
        (9 * 3600, "9h"),
        (50 * 3600, "2d2h"),
        (30 * 86400, "30d"),
        (800 * 86400, "2y70d"),
        (-5, "<invalid>"),
    ];
    for (seconds, wanted) in rows {
        assert_eq!(human_duration(seconds), wanted, "{seconds}");
    }
}

#[test]
fn paths_of_custom_columns_are_followed() {
    let object = json!({"status": {"conditions": [{"type": "A", "status": "False"}, {"type": "Ready", "status": "True"}], "n": 3},
        "spec": {"clusters": [{"name": "a"}, {"name": "b"}]}});
    let cell = |path: &str, kind: &str| path::cell(&object, path, kind);
    assert_eq!(cell(r#".status.conditions[?(@.type=="Ready")].status"#, "string"), "True");
    assert_eq!(cell(".spec.clusters[*].name", "string"), "a,b");
    assert_eq!(cell(".spec.clusters[1].name", "string"), "b");
    assert_eq!(cell(".status.n", "integer"), 3);
    assert_eq!(cell(".status.missing", "string"), Value::Null);
}
