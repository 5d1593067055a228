//! What templates ask and copies say, row by row.

use serde_json::json;

use super::*;

fn deployment(generation: i64, replicas: i64, status: &Value) -> Reading {
    read(Kind::Deployment, Copy { generation, replicas: Some(replicas), status: Some(status) })
}

#[test]
fn a_deployment_is_healthy_when_all_of_it_is_new_and_available() {
    let status = |observed: i64, counts: [i64; 4]| {
        let [replicas, updated, ready, available] = counts;
        json!({"observedGeneration": observed, "replicas": replicas, "updatedReplicas": updated,
               "readyReplicas": ready, "availableReplicas": available})
    };
    let rows = [
        (status(2, [3, 3, 3, 3]), Health::Healthy, 3),
        (status(2, [3, 3, 2, 2]), Health::Progressing, 3),
        (status(2, [4, 3, 3, 3]), Health::Progressing, 3),
        (status(1, [3, 3, 3, 3]), Health::Progressing, 0),
        (json!({}), Health::Progressing, 0),
    ];
    for (status, health, updated) in rows {
        let reading = deployment(2, 3, &status);
        assert_eq!((reading.health, reading.replicas.unwrap().updated), (health, updated), "{status}");
    }
}

#[test]
fn a_deployment_that_is_stuck_says_why() {
    let stuck = json!({"conditions": [{"type": "Progressing", "status": "False",
        "reason": "ProgressDeadlineExceeded", "message": "timed out"}]});
    let reading = deployment(1, 1, &stuck);
    assert_eq!((reading.health, reading.message.as_str()), (Health::Degraded, "timed out"));
}

#[test]
fn a_job_is_healthy_once_complete() {
    let rows = [
        (json!({"active": 2, "ready": 1, "succeeded": 1}), Health::Progressing, 2),
        (json!({"succeeded": 4, "conditions": [{"type": "Complete", "status": "True"}]}), Health::Healthy, 4),
        (json!({"failed": 1, "conditions": [{"type": "Failed", "status": "True"}]}), Health::Degraded, 0),
    ];
    for (status, health, ready) in rows {
        let reading = read(Kind::Job, Copy { generation: 1, replicas: Some(4), status: Some(&status) });
        assert_eq!((reading.health, reading.replicas.unwrap().ready), (health, ready), "{status}");
    }
}

#[test]
fn what_is_reached_from_outside_is_known_by_its_addresses() {
    let status = json!({"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}, {"hostname": "lb.example"}]}});
    let reading = read(Kind::Service, Copy { generation: 0, replicas: None, status: Some(&status) });
    assert_eq!(reading.addresses, ["192.0.2.1".to_owned(), "lb.example".to_owned()].into());
}

#[test]
fn a_replica_requests_what_its_pod_does() {
    let pod = json!({
        "initContainers": [
            {"restartPolicy": "Always", "resources": {"requests": {"cpu": "100m"}}},
            {"resources": {"requests": {"cpu": "1", "memory": "1Gi"}}}],
        "containers": [
            {"resources": {"requests": {"cpu": "200m", "memory": "64Mi"}}},
            {"resources": {"requests": {"cpu": "300m"}}}],
        "overhead": {"memory": "16Mi"},
    });
    let template = json!({"spec": {"template": {"spec": pod}}});
    let requests = requests(Kind::Deployment, &template);
    let amount = |text: &str| text.parse::<Quantity>().unwrap();
    assert_eq!(requests["cpu"], amount("1100m"), "the init container runs beside its sidecar");
    assert_eq!(requests["memory"], amount("1040Mi"));
    assert_eq!(requests["pods"], amount("1"));
    assert!(super::requests(Kind::Service, &template).is_empty());
}

#[test]
fn only_kinds_with_replicas_ask_for_some() {
    let rows = [
        (Kind::Deployment, json!({"spec": {"replicas": 0}}), Some(0)),
        (Kind::Deployment, json!({"spec": {}}), Some(1)),
        (Kind::Job, json!({"spec": {"parallelism": 5}}), Some(5)),
        (Kind::DaemonSet, json!({"spec": {}}), None),
        (Kind::Other, json!({"spec": {"replicas": 3}}), None),
    ];
    for (kind, template, expected) in rows {
        assert_eq!(replicas(kind, &template), expected, "{kind:?}");
    }
}
