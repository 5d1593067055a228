//! Writes of every verb.

use http::Method;
use serde_json::{Value, json};

use super::{World, version, world};

const CONFIG_MAPS: &str = "/api/v1/namespaces/default/configmaps";
const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";
const WIDGETS: &str = "/apis/example.com/v1/namespaces/default/widgets";

const JSON_PATCH: &str = "application/json-patch+json";
const MERGE: &str = "application/merge-patch+json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";
const APPLY: &str = "application/apply-patch+yaml";

fn deployment(name: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": {
        "selector": {"matchLabels": {"app": name}},
        "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}}}})
}

async fn deployed(world: &World) -> Value {
    let reply = world.post(DEPLOYMENTS, deployment("web")).await;
    assert_eq!(reply.code, 201, "{reply:?}");
    reply.body
}

#[tokio::test]
async fn a_new_object_is_complete() {
    let world = world().await;
    let object = deployed(&world).await;
    assert_eq!(object["spec"]["replicas"], 1);
    assert_eq!(object["spec"]["strategy"]["rollingUpdate"]["maxSurge"], "25%");
    assert_eq!(object["spec"]["template"]["spec"]["restartPolicy"], "Always");
    assert_eq!(object["metadata"]["generation"], 1);
    assert_eq!(object["metadata"]["uid"].as_str().unwrap().len(), 36);
    assert_eq!(world.get(&format!("{DEPLOYMENTS}/web")).await.body, object);
    let taken = world.post(DEPLOYMENTS, deployment("web")).await;
    assert_eq!((taken.code, taken.reason()), (409, "AlreadyExists"));
    assert_eq!(taken.body["message"], "deployments.apps \"web\" already exists");
}

#[tokio::test]
async fn names_are_generated() {
    let world = world().await;
    let reply = world.post(CONFIG_MAPS, json!({"metadata": {"generateName": "web-"}})).await;
    let name = reply.body["metadata"]["name"].as_str().unwrap();
    assert!(name.starts_with("web-") && name.len() == 9, "{name}");
}

#[tokio::test]
async fn bodies_must_fit_the_path() {
    let world = world().await;
    for body in [
        json!({"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "a"}}),
        json!({"metadata": {"name": "a", "namespace": "other"}}),
        json!({"metadata": {"name": "a", "resourceVersion": "3"}}),
        json!([]),
    ] {
        assert_eq!(world.post(CONFIG_MAPS, body.clone()).await.code, 400, "{body}");
    }
    let reply = world.call(Method::POST, CONFIG_MAPS, "text/plain", "x").await;
    assert_eq!((reply.code, reply.reason()), (415, "UnsupportedMediaType"));
    assert_eq!(
        world.post("/api/v1/namespaces/nope/configmaps", json!({"metadata": {"name": "a"}})).await.code,
        404
    );
}

#[tokio::test]
async fn updates_compare_versions() {
    let world = world().await;
    let first = world.config_map("a", json!({})).await;
    let mut second = first.clone();
    second["data"] = json!({"x": "1"});
    let second = world.put(&format!("{CONFIG_MAPS}/a"), second).await.body;
    let mut late = first.clone();
    late["data"] = json!({"x": "2"});
    let refused = world.put(&format!("{CONFIG_MAPS}/a"), late.clone()).await;
    assert_eq!((refused.code, refused.reason()), (409, "Conflict"));
    late["metadata"].as_object_mut().unwrap().remove("resourceVersion");
    assert_eq!(
        world.put(&format!("{CONFIG_MAPS}/a"), late).await.code,
        200,
        "blind updates are allowed here"
    );
    assert_eq!(world.put(&format!("{CONFIG_MAPS}/b"), json!({"metadata": {"name": "b"}})).await.code, 404);
    let stale = json!({"preconditions": {"resourceVersion": version(&second)}});
    assert_eq!(world.delete(&format!("{CONFIG_MAPS}/a"), stale).await.code, 409);
}

#[tokio::test]
async fn a_write_that_changes_nothing_is_none() {
    let world = world().await;
    let before = deployed(&world).await;
    let path = format!("{DEPLOYMENTS}/web");
    let after = world.put(&path, before.clone()).await.body;
    assert_eq!(version(&after), version(&before));
    let after = world.patch(&path, STRATEGIC, json!({"spec": {"replicas": 1}})).await.body;
    assert_eq!(version(&after), version(&before));
}

#[tokio::test]
async fn patches_of_every_type() {
    let world = world().await;
    deployed(&world).await;
    let path = format!("{DEPLOYMENTS}/web");
    let patch = json!([{"op": "replace", "path": "/spec/replicas", "value": 2}]);
    assert_eq!(world.patch(&path, JSON_PATCH, patch).await.body["spec"]["replicas"], 2);
    let merged = world.patch(&path, MERGE, json!({"spec": {"replicas": 3}})).await.body;
    assert_eq!((&merged["spec"]["replicas"], &merged["metadata"]["generation"]), (&json!(3), &json!(3)));
    let containers = json!([{"name": "d", "image": "i:2"}]);
    let patch = json!({"spec": {"template": {"spec": {"containers": containers}}}});
    let patched = world.patch(&path, STRATEGIC, patch).await.body;
    assert_eq!(patched["spec"]["template"]["spec"]["containers"].as_array().unwrap().len(), 2);
    let refused =
        world.patch(&path, JSON_PATCH, json!([{"op": "test", "path": "/spec/replicas", "value": 9}])).await;
    assert_eq!(refused.code, 422, "{refused:?}");
    assert_eq!(world.patch(&path, "application/json", json!({})).await.code, 415);
    world
        .post(WIDGETS, json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}}))
        .await;
    assert_eq!(world.patch(&format!("{WIDGETS}/w"), STRATEGIC, json!({})).await.code, 415);
}

#[tokio::test]
async fn apply_creates_then_changes() {
    let world = world().await;
    let path = format!("{DEPLOYMENTS}/web");
    let unnamed = world.patch(&path, APPLY, deployment("web")).await;
    assert_eq!(unnamed.code, 422, "{unnamed:?}");
    let path = format!("{path}?fieldManager=test");
    let created = world.patch(&path, APPLY, deployment("web")).await;
    assert_eq!(created.code, 201, "{created:?}");
    let again = world.patch(&path, APPLY, deployment("web")).await;
    assert_eq!((again.code, version(&again.body)), (200, version(&created.body)));
}

#[tokio::test]
async fn dry_runs_store_nothing() {
    let world = world().await;
    let reply = world.post(&format!("{DEPLOYMENTS}?dryRun=All"), deployment("web")).await;
    assert_eq!((reply.code, &reply.body["spec"]["replicas"]), (201, &json!(1)));
    assert_eq!(world.get(&format!("{DEPLOYMENTS}/web")).await.code, 404);
    deployed(&world).await;
    let patched =
        world.patch(&format!("{DEPLOYMENTS}/web?dryRun=All"), MERGE, json!({"spec": {"replicas": 7}})).await;
    assert_eq!(patched.body["spec"]["replicas"], 7);
    assert_eq!(world.delete(&format!("{DEPLOYMENTS}/web"), json!({"dryRun": ["All"]})).await.code, 200);
    assert_eq!(world.get(&format!("{DEPLOYMENTS}/web")).await.body["spec"]["replicas"], 1);
    assert_eq!(world.post(&format!("{DEPLOYMENTS}?dryRun=x"), deployment("b")).await.code, 422);
}

#[tokio::test]
async fn unknown_fields_are_told() {
    let world = world().await;
    let mut object = deployment("web");
    object["spec"]["nope"] = json!(1);
    let strict = world.post(&format!("{DEPLOYMENTS}?fieldValidation=Strict"), object.clone()).await;
    assert_eq!(strict.code, 400);
    assert!(
        strict.body["message"]
            .as_str()
            .unwrap()
            .ends_with("strict decoding error: unknown field \"spec.nope\""),
        "{strict:?}"
    );
    let warned = world.post(DEPLOYMENTS, object).await;
    assert_eq!((warned.code, warned.warnings.len()), (201, 1), "{warned:?}");
    let twice = r#"{"metadata":{"name":"a"},"data":{"x":"1","x":"2"}}"#;
    let path = format!("{CONFIG_MAPS}?fieldValidation=Strict");
    assert_eq!(world.call(Method::POST, &path, "application/json", twice).await.code, 400);
    let mut object = deployment("b");
    object["spec"]["replicas"] = json!("many");
    assert_eq!(world.post(DEPLOYMENTS, object).await.code, 400);
}

#[tokio::test]
async fn finalizers_hold_what_was_asked_to_go() {
    let world = world().await;
    let path = format!("{CONFIG_MAPS}/a");
    world.post(CONFIG_MAPS, json!({"metadata": {"name": "a", "finalizers": ["example.com/hold"]}})).await;
    let held = world.delete(&path, json!({})).await;
    assert!(held.body["metadata"]["deletionTimestamp"].is_string(), "{held:?}");
    let more = json!({"metadata": {"finalizers": ["example.com/hold", "example.com/more"]}});
    assert_eq!(world.patch(&path, MERGE, more).await.code, 422);
    assert_eq!(world.patch(&path, MERGE, json!({"metadata": {"finalizers": null}})).await.code, 200);
    assert_eq!(world.get(&path).await.code, 404);
}

#[tokio::test]
async fn deletes_say_how_dependents_go() {
    let world = world().await;
    for (policy, want) in [("Foreground", "foregroundDeletion"), ("Orphan", "orphan")] {
        world.config_map("a", json!({})).await;
        let path = format!("{CONFIG_MAPS}/a");
        let held = world.delete(&path, json!({"propagationPolicy": policy})).await;
        assert_eq!(held.body["metadata"]["finalizers"], json!([want]));
        world.gone(&path).await;
    }
    world.config_map("a", json!({})).await;
    let gone = world.delete(&format!("{CONFIG_MAPS}/a"), json!({"propagationPolicy": "Background"})).await;
    assert_eq!(
        (&gone.body["status"], &gone.body["details"]["kind"]),
        (&json!("Success"), &json!("configmaps"))
    );
}

#[tokio::test]
async fn collections_are_deleted_by_selection() {
    let world = world().await;
    world.config_map("a", json!({"tier": "web"})).await;
    world.config_map("b", json!({})).await;
    let reply = world.delete(&format!("{CONFIG_MAPS}?labelSelector=tier"), json!({})).await;
    assert_eq!(reply.names(), ["a"]);
    assert_eq!(world.get(CONFIG_MAPS).await.names(), ["b"]);
}

#[tokio::test]
async fn status_has_its_own_door() {
    let world = world().await;
    let mut object = deployed(&world).await;
    object["status"]["replicas"] = json!(4);
    object["spec"]["replicas"] = json!(9);
    let path = format!("{DEPLOYMENTS}/web");
    let after = world.put(&format!("{path}/status"), object).await.body;
    assert_eq!((&after["spec"]["replicas"], &after["status"]["replicas"]), (&json!(1), &json!(4)));
    assert_eq!(after["metadata"]["generation"], 1);
    let patch = json!({"status": {"replicas": 5}, "spec": {"replicas": 2}});
    let after = world.patch(&path, MERGE, patch).await.body;
    assert_eq!((&after["spec"]["replicas"], &after["status"]["replicas"]), (&json!(2), &json!(4)));
}

#[tokio::test]
async fn scales() {
    let world = world().await;
    deployed(&world).await;
    let path = format!("{DEPLOYMENTS}/web/scale");
    let scale = world.get(&path).await.body;
    assert_eq!((&scale["kind"], &scale["spec"]["replicas"]), (&json!("Scale"), &json!(1)));
    assert_eq!(scale["status"]["selector"], "app=web");
    let after = world.patch(&path, MERGE, json!({"spec": {"replicas": 5}})).await;
    assert_eq!(after.body["spec"]["replicas"], 5, "{after:?}");
    let object = world.get(&format!("{DEPLOYMENTS}/web")).await.body;
    assert_eq!((&object["spec"]["replicas"], &object["metadata"]["generation"]), (&json!(5), &json!(2)));
    assert_eq!(world.put(&path, scale).await.code, 409, "the scale was read before the patch");
    assert_eq!(world.patch(&path, MERGE, json!({"spec": {"replicas": -1}})).await.code, 422);
}

#[tokio::test]
async fn custom_kinds_have_schemas_defaults_and_scales() {
    let world = world().await;
    let new = |name: &str| json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": name}, "spec": {"size": 2}});
    let widget = world.post(WIDGETS, new("w")).await;
    assert_eq!((widget.code, &widget.body["spec"]["color"]), (201, &json!("red")), "{widget:?}");
    let mut wrong = new("x");
    wrong["spec"]["size"] = json!("big");
    let refused = world.post(WIDGETS, wrong).await;
    assert_eq!((refused.code, refused.reason()), (422, "Invalid"));
    let mut blind = new("w");
    blind["spec"]["size"] = json!(3);
    assert_eq!(world.put(&format!("{WIDGETS}/w"), blind).await.code, 422, "a version is required");
    let scaled = world.patch(&format!("{WIDGETS}/w/scale"), MERGE, json!({"spec": {"replicas": 6}})).await;
    assert_eq!(scaled.body["spec"]["replicas"], 6, "{scaled:?}");
}

#[tokio::test]
async fn namespaces_end_in_two_steps() {
    let world = world().await;
    let made = world.post("/api/v1/namespaces", json!({"metadata": {"name": "shop"}})).await;
    assert_eq!(made.body["metadata"]["labels"]["kubernetes.io/metadata.name"], "shop");
    assert_eq!(made.body["status"]["phase"], "Active");
    let held = json!({"metadata": {"name": "held", "finalizers": ["example.com/hold"]}});
    world.post("/api/v1/namespaces/shop/configmaps", held).await;
    let ending = world.delete("/api/v1/namespaces/shop", json!({})).await.body;
    assert_eq!(ending["status"]["phase"], "Terminating");
    let refused = world.post("/api/v1/namespaces/shop/configmaps", json!({"metadata": {"name": "a"}})).await;
    assert_eq!(refused.code, 403);
    assert_eq!(refused.body["details"]["causes"][0]["reason"], "NamespaceTerminating");
    assert_eq!(world.delete("/api/v1/namespaces/default", json!({})).await.code, 403);
    let mut empty = ending;
    empty["spec"]["finalizers"] = json!([]);
    empty["metadata"].as_object_mut().unwrap().remove("resourceVersion");
    assert_eq!(world.put("/api/v1/namespaces/shop/finalize", empty).await.code, 200);
    assert_eq!(world.get("/api/v1/namespaces/shop").await.code, 404);
}

#[tokio::test]
async fn services_get_addresses_that_stay() {
    let world = world().await;
    let path = "/api/v1/namespaces/default/services";
    let ports = json!([{"port": 80}]);
    let service = world.post(path, json!({"metadata": {"name": "a"}, "spec": {"ports": ports}})).await.body;
    let address = service["spec"]["clusterIP"].as_str().unwrap().to_owned();
    assert!(address.starts_with("10.96."), "{address}");
    assert_eq!(service["spec"]["clusterIPs"], json!([address]));
    let blind = json!({"metadata": {"name": "a"}, "spec": {"ports": [{"port": 81}], "type": "NodePort"}});
    let after = world.put(&format!("{path}/a"), blind).await.body;
    assert_eq!(after["spec"]["clusterIP"], address.as_str(), "{after}");
    assert!(after["spec"]["ports"][0]["nodePort"].as_u64().unwrap() >= 30_000);
    let moved = world.patch(&format!("{path}/a"), MERGE, json!({"spec": {"clusterIP": "10.96.9.9"}})).await;
    assert_eq!(moved.code, 422, "{moved:?}");
    let back = world.patch(&format!("{path}/a"), MERGE, json!({"spec": {"type": "ClusterIP"}})).await.body;
    assert!(back["spec"]["ports"][0].get("nodePort").is_none(), "{back}");
    assert!(back["spec"].get("externalTrafficPolicy").is_none(), "{back}");
    let taken = json!({"metadata": {"name": "b"}, "spec": {"ports": [{"port": 80}], "clusterIP": address}});
    assert_eq!(world.post(path, taken).await.code, 422);
}

#[tokio::test]
async fn events_have_two_names() {
    let world = world().await;
    let event = json!({"metadata": {"name": "e"}, "involvedObject": {"kind": "Pod", "name": "p", "namespace": "default"},
        "reason": "Because", "message": "why", "type": "Normal"});
    let reply = world.post("/api/v1/namespaces/default/events", event).await;
    assert_eq!(reply.code, 201, "{reply:?}");
    let other = world.get("/apis/events.k8s.io/v1/namespaces/default/events/e").await.body;
    assert_eq!((&other["note"], &other["regarding"]["name"]), (&json!("why"), &json!("p")));
    let list = world.get("/api/v1/events?fieldSelector=involvedObject.name%3Dp").await;
    assert_eq!(list.names(), ["e"]);
}

#[tokio::test]
async fn autoscalers_have_two_versions() {
    let world = world().await;
    let old = "/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers";
    let target = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"});
    let spec = json!({"scaleTargetRef": target, "maxReplicas": 3, "targetCPUUtilizationPercentage": 70});
    let reply = world.post(old, json!({"metadata": {"name": "a"}, "spec": spec})).await;
    assert_eq!((reply.code, &reply.body["apiVersion"]), (201, &json!("autoscaling/v1")), "{reply:?}");
    let new = world.get("/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers/a").await.body;
    assert_eq!(new["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"], 70, "{new}");
    assert_eq!(world.get(&format!("{old}/a")).await.body["spec"]["targetCPUUtilizationPercentage"], 70);
}

#[tokio::test]
async fn large_bodies_and_objects_are_refused() {
    let world = world().await;
    for (bytes, code) in [(1_000_000, 201), (2_000_000, 422), (4_000_000, 413)] {
        let body = json!({"metadata": {"name": "a"}, "data": {"x": "y".repeat(bytes)}});
        assert_eq!(world.post(CONFIG_MAPS, body).await.code, code, "{bytes}");
    }
    let many = json!({"metadata": {"name": "w"}, "apiVersion": "example.com/v1", "kind": "Widget", "spec": {"color": "y".repeat(2_000_000)}});
    assert_eq!(world.post(WIDGETS, many).await.code, 413);
}

#[tokio::test]
async fn typed_clients_write_protobuf() {
    use koinon_machinery::protobuf;
    use koinon_machinery::schema::Schema;

    let world = world().await;
    let schema = Schema::built_in();
    let object =
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"a": "eA=="}});
    let body = protobuf::encode(&object, &schema).unwrap();
    let path = "/api/v1/namespaces/default/secrets";
    let created = world.call(Method::POST, path, protobuf::MEDIA_TYPE, body).await;
    assert_eq!((created.code, &created.body["data"]["a"]), (201, &json!("eA==")), "{created:?}");
    for (uid, code) in [("another", 409), (created.body["metadata"]["uid"].as_str().unwrap(), 200)] {
        let options = json!({"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid}});
        let body = protobuf::encode(&options, &schema).unwrap();
        let reply = world.call(Method::DELETE, &format!("{path}/s"), protobuf::MEDIA_TYPE, body).await;
        assert_eq!(reply.code, code, "{reply:?}");
    }
}
