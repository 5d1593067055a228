//! Watches.

use serde_json::json;

use super::{version, world};

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
