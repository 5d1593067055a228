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
            if let Some(conditions) = namespace["status"]["conditions"].as_array() {
                return conditions.clone();
            }
            tokio::task::yield_now().await;
        }
    };
    let told = tokio::time::timeout(PATIENCE, told).await.expect("the namespace says what it waits for");
    let holding: Vec<&Value> = told.iter().filter(|condition| condition["status"] == "True").collect();
    assert_eq!(told.len(), 5);
    assert_eq!(holding.len(), 2, "{told:?}");
    assert_eq!(holding[0]["message"], "Some resources are remaining: configmaps. has 1 resource instances");
    let finalizers =
        "Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances";
    assert_eq!(holding[1]["message"], finalizers);
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
async fn orphans_stay_however_soon_their_owner_goes() {
    let world = world().await;
    for round in 0..20 {
        let owner = world.config_map(&format!("owner-{round}"), json!({})).await;
        for number in 0..5 {
            dependent(&world, &format!("child-{round}-{number}"), &owner).await;
        }
        let path = format!("{CONFIG_MAPS}/owner-{round}");
        world.delete(&path, json!({"propagationPolicy": "Orphan"})).await;
        world.gone(&path).await;
    }
    let left = world.get(CONFIG_MAPS).await.body;
    let owned = |item: &&Value| item["metadata"]["ownerReferences"].as_array().is_some_and(|o| !o.is_empty());
    let items = left["items"].as_array().unwrap();
    assert_eq!((items.len(), items.iter().filter(owned).count()), (100, 0));
}

#[tokio::test]
async fn what_another_owner_keeps_stays_and_forgets_the_one_that_goes() {
    let world = world().await;
    for propagation in ["Foreground", "Background"] {
        let (goes, stays) =
            (world.config_map("goes", json!({})).await, world.config_map("stays", json!({})).await);
        let reference = |owner: &Value| {
            json!({"apiVersion": "v1", "kind": "ConfigMap", "name": owner["metadata"]["name"],
                "uid": owner["metadata"]["uid"], "blockOwnerDeletion": true})
        };
        let owners = json!([reference(&goes), reference(&stays)]);
        world.post(CONFIG_MAPS, json!({"metadata": {"name": "shared", "ownerReferences": owners}})).await;
        world.delete(&format!("{CONFIG_MAPS}/goes"), json!({"propagationPolicy": propagation})).await;
        world.gone(&format!("{CONFIG_MAPS}/goes")).await;
        let forgotten = async {
            loop {
                let shared = world.get(&format!("{CONFIG_MAPS}/shared")).await.body;
                let owners = &shared["metadata"]["ownerReferences"];
                if owners.as_array().unwrap().len() == 1 {
                    return owners[0]["name"].clone();
                }
                tokio::task::yield_now().await;
            }
        };
        let left = tokio::time::timeout(PATIENCE, forgotten).await.expect("it forgets who is gone");
        assert_eq!(left, "stays", "{propagation}");
        world.delete(&format!("{CONFIG_MAPS}/stays"), json!({})).await;
        world.gone(&format!("{CONFIG_MAPS}/shared")).await;
    }
}

#[tokio::test]
async fn a_dependent_of_what_never_was_goes() {
    let world = world().await;
    let owner = json!({"metadata": {"name": "ghost", "uid": "no-such-uid"}});
    dependent(&world, "child", &owner).await;
    world.gone(&format!("{CONFIG_MAPS}/child")).await;
}
