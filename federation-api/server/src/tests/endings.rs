//! What ends by itself: namespaces with all that is in them, and dependents.

use serde_json::{Value, json};

use super::{PATIENCE, World, world};

const CONFIG_MAPS: &str = "/api/v1/namespaces/default/configmaps";

async fn dependent(world: &World, name: &str, owner: &Value) -> Value {
    let reference = json!({"apiVersion": "v1", "kind": "ConfigMap", "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"], "blockOwnerDeletion": true});
    let reply =
        world.post(CONFIG_MAPS, json!({"metadata": {"name": name, "ownerReferences": [reference]}})).await;
    assert_eq!(reply.code, 201, "{reply:?}");
    reply.body
}

#[tokio::test]
async fn a_namespace_takes_everything_along() {
    let world = world().await;
    world.post("/api/v1/namespaces", json!({"metadata": {"name": "shop"}})).await;
    let inside = "/api/v1/namespaces/shop/configmaps";
    world.post(inside, json!({"metadata": {"name": "a"}})).await;
    world.post(inside, json!({"metadata": {"name": "held", "finalizers": ["example.com/hold"]}})).await;
    world.delete("/api/v1/namespaces/shop", json!({})).await;
    world.gone(&format!("{inside}/a")).await;
    let told = async {
        loop {
            let namespace = world.get("/api/v1/namespaces/shop").await.body;
            if namespace["status"]["conditions"][0]["type"] == "NamespaceContentRemaining" {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, told).await.expect("the namespace says what it waits for");
    let lift = json!({"metadata": {"finalizers": null}});
    world.patch(&format!("{inside}/held"), "application/merge-patch+json", lift).await;
    world.gone("/api/v1/namespaces/shop").await;
}

#[tokio::test]
async fn dependents_follow_their_owner() {
    let world = world().await;
    let owner = world.config_map("owner", json!({})).await;
    let child = dependent(&world, "child", &owner).await;
    dependent(&world, "grandchild", &child).await;
    world.config_map("other", json!({})).await;
    world.delete(&format!("{CONFIG_MAPS}/owner"), json!({"propagationPolicy": "Background"})).await;
    world.gone(&format!("{CONFIG_MAPS}/grandchild")).await;
    assert_eq!(world.get(CONFIG_MAPS).await.names(), ["other"]);
}

#[tokio::test]
async fn an_owner_waits_in_the_foreground() {
    let world = world().await;
    let owner = world.config_map("owner", json!({})).await;
    let child = dependent(&world, "child", &owner).await;
    dependent(&world, "grandchild", &child).await;
    world.delete(&format!("{CONFIG_MAPS}/owner"), json!({"propagationPolicy": "Foreground"})).await;
    world.gone(&format!("{CONFIG_MAPS}/owner")).await;
    assert!(world.get(CONFIG_MAPS).await.names().is_empty(), "the owner goes last");
}

#[tokio::test]
async fn orphans_stay() {
    let world = world().await;
    let owner = world.config_map("owner", json!({})).await;
    dependent(&world, "child", &owner).await;
    world.delete(&format!("{CONFIG_MAPS}/owner"), json!({"propagationPolicy": "Orphan"})).await;
    world.gone(&format!("{CONFIG_MAPS}/owner")).await;
    let child = world.get(&format!("{CONFIG_MAPS}/child")).await.body;
    assert!(child["metadata"]["ownerReferences"].as_array().is_none_or(Vec::is_empty), "{child}");
}

#[tokio::test]
async fn a_dependent_of_what_never_was_goes() {
    let world = world().await;
    let owner = json!({"metadata": {"name": "ghost", "uid": "no-such-uid"}});
    dependent(&world, "child", &owner).await;
    world.gone(&format!("{CONFIG_MAPS}/child")).await;
}
