//! Gets and lists.

use http::Request;
use http_body_util::Full;
use serde_json::json;

use super::{Reply, version, world};

const CONFIG_MAPS: &str = "/api/v1/namespaces/default/configmaps";

#[tokio::test]
async fn pages_show_one_state() {
    let world = world().await;
    for name in ["a", "b", "c", "d", "e"] {
        world.config_map(name, json!({})).await;
    }
    let first = world.get(&format!("{CONFIG_MAPS}?limit=2")).await;
    assert_eq!(first.names(), ["a", "b"]);
    assert_eq!(first.body["metadata"]["remainingItemCount"], 3);
    let token = first.body["metadata"]["continue"].as_str().unwrap();
    // What changes meanwhile is not seen by the pages that follow.
    world.delete(&format!("{CONFIG_MAPS}/c"), json!({})).await;
    world.config_map("bb", json!({})).await;
    let second = world.get(&format!("{CONFIG_MAPS}?limit=2&continue={token}")).await;
    assert_eq!(second.names(), ["c", "d"]);
    assert_eq!(version(&second.body), version(&first.body));
    let token = second.body["metadata"]["continue"].as_str().unwrap();
    let third = world.get(&format!("{CONFIG_MAPS}?limit=2&continue={token}")).await;
    assert_eq!(third.names(), ["e"]);
    assert!(third.body["metadata"].get("continue").is_none());
}

#[tokio::test]
async fn selectors_choose() {
    let world = world().await;
    world.config_map("a", json!({"tier": "web"})).await;
    world.config_map("b", json!({"tier": "db"})).await;
    for (query, want) in [
        ("labelSelector=tier%3Dweb", vec!["a"]),
        ("labelSelector=tier%20in%20(web,db)", vec!["a", "b"]),
        ("labelSelector=!tier", vec![]),
        ("fieldSelector=metadata.name%3Db", vec!["b"]),
        ("fieldSelector=metadata.name!%3Db", vec!["a"]),
    ] {
        assert_eq!(world.get(&format!("{CONFIG_MAPS}?{query}")).await.names(), want, "{query}");
    }
    assert_eq!(world.get(&format!("{CONFIG_MAPS}?fieldSelector=data%3Db")).await.code, 400);
    let selected = world.get(&format!("{CONFIG_MAPS}?labelSelector=tier&limit=1")).await;
    assert!(selected.body["metadata"].get("remainingItemCount").is_none(), "nobody counted");
}

#[tokio::test]
async fn versions_are_honoured() {
    let world = world().await;
    world.config_map("a", json!({})).await;
    let now = world.get(CONFIG_MAPS).await;
    let now = version(&now.body).to_owned();
    for (query, code) in [
        ("resourceVersion=0".to_owned(), 200),
        (format!("resourceVersion={now}&resourceVersionMatch=Exact"), 200),
        (format!("resourceVersion={now}&resourceVersionMatch=NotOlderThan"), 200),
        ("resourceVersion=1&resourceVersionMatch=Exact".to_owned(), 410),
        ("resourceVersion=x".to_owned(), 400),
    ] {
        assert_eq!(world.get(&format!("{CONFIG_MAPS}?{query}")).await.code, code, "{query}");
    }
    let future = world.get(&format!("{CONFIG_MAPS}?resourceVersion=99999")).await;
    assert_eq!((future.code, future.reason()), (504, "Timeout"));
    assert_eq!(future.body["details"]["causes"][0]["reason"], "ResourceVersionTooLarge");
}

#[tokio::test]
async fn answers_as_the_client_accepts() {
    let world = world().await;
    world.config_map("a", json!({"tier": "web"})).await;
    let ask = |path: String, accept: &'static str| {
        let world = &world;
        async move {
            let request = Request::get(path).header("accept", accept).body(Full::default()).unwrap();
            Reply::read(world.send(request).await).await
        }
    };
    let table = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
    let reply = ask(CONFIG_MAPS.to_owned(), table).await;
    assert_eq!(reply.body["kind"], "Table");
    assert_eq!(reply.body["rows"][0]["object"]["metadata"]["name"], "a");
    let partial = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io";
    let reply = ask(CONFIG_MAPS.to_owned(), partial).await;
    assert_eq!(reply.body["items"][0]["metadata"]["labels"]["tier"], "web");
    let reply = ask(format!("{CONFIG_MAPS}/a"), "application/yaml").await;
    assert!(reply.body.as_str().unwrap().contains("name: a\n"), "{reply:?}");
    let reply = ask(format!("{CONFIG_MAPS}/a"), "application/vnd.kubernetes.protobuf").await;
    assert!(reply.body.as_str().unwrap().starts_with("k8s\0"), "{reply:?}");
    assert_eq!(ask(format!("{CONFIG_MAPS}/a"), "text/html").await.code, 406);
}

#[tokio::test]
async fn says_what_is_not_there() {
    let world = world().await;
    let missing = world.get(&format!("{CONFIG_MAPS}/nope")).await;
    assert_eq!(missing.code, 404);
    assert_eq!(missing.body["message"], "configmaps \"nope\" not found");
    assert_eq!(missing.body["details"], json!({"name": "nope", "kind": "configmaps"}));
    for path in ["/apis/nope/v1/things", "/api/v1/nope", "/api/v1/namespaces/default/nodes"] {
        assert_eq!(world.get(path).await.code, 404, "{path}");
    }
}
