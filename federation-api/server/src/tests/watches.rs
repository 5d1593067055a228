//! Watches.

use std::sync::Arc;

use koinon_store::MemoryStore;
use serde_json::json;

use super::{version, world, world_over};

const CONFIG_MAPS: &str = "/api/v1/namespaces/default/configmaps";

#[tokio::test]
async fn shows_what_is_there_and_what_changes() {
    let world = world().await;
    world.config_map("a", json!({})).await;
    let mut watch = world.watch(&format!("{CONFIG_MAPS}?watch=true")).await;
    assert_eq!(watch.word().await, "ADDED a");
    world.config_map("b", json!({})).await;
    assert_eq!(watch.word().await, "ADDED b");
    world
        .patch(&format!("{CONFIG_MAPS}/a"), "application/merge-patch+json", json!({"data": {"x": "y"}}))
        .await;
    assert_eq!(watch.word().await, "MODIFIED a");
    let before = world.get(&format!("{CONFIG_MAPS}/a")).await.body;
    world.delete(&format!("{CONFIG_MAPS}/a"), json!({})).await;
    let gone = watch.next().await.unwrap();
    assert_eq!(gone["type"], "DELETED");
    let number = |object| version(object).parse::<u64>().unwrap();
    assert!(number(&gone["object"]) > number(&before), "a deletion has a version of its own");
    assert_eq!(gone["object"]["data"]["x"], "y");
}

#[tokio::test]
async fn resumes_where_a_list_was() {
    let world = world().await;
    let list = world.get(CONFIG_MAPS).await;
    world.config_map("a", json!({})).await;
    world.delete(&format!("{CONFIG_MAPS}/a"), json!({})).await;
    let mut watch =
        world.watch(&format!("{CONFIG_MAPS}?watch=1&resourceVersion={}", version(&list.body))).await;
    assert_eq!(watch.word().await, "ADDED a");
    assert_eq!(watch.word().await, "DELETED a");
}

#[tokio::test]
async fn objects_enter_and_leave_a_selection() {
    let world = world().await;
    world.config_map("a", json!({"tier": "db"})).await;
    let mut watch = world.watch(&format!("{CONFIG_MAPS}?watch=true&labelSelector=tier%3Dweb")).await;
    for (tier, want) in [("web", "ADDED a"), ("db", "DELETED a"), ("web", "ADDED a")] {
        let patch = json!({"metadata": {"labels": {"tier": tier}}});
        world.patch(&format!("{CONFIG_MAPS}/a"), "application/merge-patch+json", patch).await;
        assert_eq!(watch.word().await, want);
    }
}

#[tokio::test]
async fn streams_the_initial_list() {
    let world = world().await;
    world.config_map("a", json!({})).await;
    let path = format!(
        "{CONFIG_MAPS}?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    );
    let mut watch = world.watch(&path).await;
    assert_eq!(watch.word().await, "ADDED a");
    let mark = watch.next().await.unwrap();
    assert_eq!(mark["type"], "BOOKMARK");
    assert_eq!(mark["object"]["kind"], "ConfigMap");
    assert_eq!(mark["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
    let at: u64 = version(&mark["object"]).parse().unwrap();
    let created = world.config_map("b", json!({})).await;
    assert!(version(&created).parse::<u64>().unwrap() > at);
    assert_eq!(watch.word().await, "ADDED b");
}

#[tokio::test]
async fn bookmarks_and_the_end_come_in_time() {
    let world = world().await;
    let list = world.get(CONFIG_MAPS).await;
    let query = format!("watch=1&resourceVersion={}&allowWatchBookmarks=true", version(&list.body));
    let mut watch = world.watch(&format!("{CONFIG_MAPS}?{query}&timeoutSeconds=1")).await;
    world.post("/api/v1/namespaces/default/secrets", json!({"metadata": {"name": "s"}})).await;
    let mark = watch.next().await.unwrap();
    assert_eq!(mark["type"], "BOOKMARK");
    assert!(version(&mark["object"]) > version(&list.body), "progress without an event of its own");
    assert!(watch.next().await.is_none(), "the watch ends when its client said so");
}

#[tokio::test]
async fn says_when_history_does_not_reach_back() {
    let world = world().await;
    let mut watch = world.watch(&format!("{CONFIG_MAPS}?watch=1&resourceVersion=99999999")).await;
    let frame = watch.next().await.unwrap();
    assert_eq!(frame["type"], "ERROR");
    assert_eq!((&frame["object"]["code"], &frame["object"]["reason"]), (&json!(410), &json!("Expired")));
    assert!(watch.next().await.is_none());
}

#[tokio::test]
async fn ends_with_the_server() {
    let world = world().await;
    let mut watch = world.watch(&format!("{CONFIG_MAPS}?watch=true")).await;
    world.server.shutdown().await;
    assert!(watch.next().await.is_none());
}

#[tokio::test]
async fn clients_resume_after_a_restart() {
    let store = Arc::new(MemoryStore::new());
    let before = world_over(&store).await;
    let list = before.get(CONFIG_MAPS).await;
    let created = before.config_map("a", json!({})).await;
    before.server.shutdown().await;
    let after = world_over(&store).await;
    assert_eq!(after.get(&format!("{CONFIG_MAPS}/a")).await.body, created);
    let mut watch =
        after.watch(&format!("{CONFIG_MAPS}?watch=1&resourceVersion={}", version(&list.body))).await;
    assert_eq!(watch.word().await, "ADDED a");
    let next = after.config_map("b", json!({})).await;
    assert!(version(&next).parse::<u64>().unwrap() > version(&created).parse::<u64>().unwrap());
    assert_eq!(watch.word().await, "ADDED b");
}

#[tokio::test]
async fn the_clients_of_the_process_see_what_everyone_writes() {
    use crate::local::Event;
    use crate::{ResourceRef, Scope};

    let world = world().await;
    let resource = ResourceRef::new("", "v1", "configmaps", "ConfigMap", Scope::Namespaced);
    let client = world.server.client("test");
    world.config_map("a", json!({})).await;
    let mut watch = client.watch(&resource);
    assert!(matches!(watch.next().await, Some(Event::Applied(object)) if object.name() == "a"));
    assert!(matches!(watch.next().await, Some(Event::Synced)));
    let object =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "b", "namespace": "default"}});
    let created = client.create(&resource, object).await.unwrap();
    assert!(matches!(watch.next().await, Some(Event::Applied(object)) if object.uid() == created.uid()));
    client.patch_merge(&resource, "default", "b", json!({"data": {"x": "y"}}), None).await.unwrap();
    assert!(matches!(watch.next().await, Some(Event::Applied(object)) if object.value()["data"]["x"] == "y"));
    client.delete(&resource, "default", "b", None).await.unwrap();
    assert!(matches!(watch.next().await, Some(Event::Deleted(object)) if object.name() == "b"));
    assert_eq!(client.list(&resource).0.len(), 1);
    assert_eq!(client.of_kind("v1", "ConfigMap"), Some(resource.clone()));
    let missing = client.delete(&resource, "default", "b", None).await.unwrap_err();
    assert_eq!(missing.code, 404);
    world.server.shutdown().await;
    assert!(watch.next().await.is_none());
}
