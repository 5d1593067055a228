//! Who may do what, and how they prove who they are.

use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};

use super::{PATIENCE, Reply, World, world};
use crate::authenticate::User;

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1/namespaces/default";

/// Waits until a path answers `code`.
async fn until(world: &World, path: &str, code: u16) -> Reply {
    let poll = async {
        loop {
            let reply = world.get(path).await;
            if reply.code == code {
                return reply;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, poll).await.expect("the answer changes in time")
}

#[tokio::test]
async fn rights_follow_their_objects() {
    let mut world = world().await;
    let role = json!({"metadata": {"name": "reader"},
        "rules": [{"verbs": ["list"], "apiGroups": [""], "resources": ["configmaps"]}]});
    assert_eq!(world.post(&format!("{RBAC}/roles"), role).await.code, 201);
    let binding = json!({"metadata": {"name": "b"}, "roleRef": {"apiGroup": "rbac.authorization.k8s.io",
        "kind": "Role", "name": "reader"}, "subjects": [{"kind": "User", "name": "bob"}]});
    assert_eq!(world.post(&format!("{RBAC}/rolebindings"), binding).await.code, 201);
    world.becoming(User::authenticated("bob", []));
    until(&world, "/api/v1/namespaces/default/configmaps", 200).await;
    let refused = world.get("/api/v1/namespaces/default/secrets").await;
    assert_eq!((refused.code, refused.reason()), (403, "Forbidden"));
    assert_eq!(
        refused.body["message"],
        "secrets is forbidden: User \"bob\" cannot list resource \"secrets\" in API group \"\" in the namespace \"default\""
    );
    let ask = |resource: &str| json!({"spec": {"resourceAttributes": {"verb": "list", "resource": resource, "namespace": "default"}}});
    let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    assert_eq!(world.post(path, ask("configmaps")).await.body["status"]["allowed"], true);
    assert_eq!(world.post(path, ask("secrets")).await.body["status"]["allowed"], false);
    let rules = world
        .post(
            "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews",
            json!({"spec": {"namespace": "default"}}),
        )
        .await;
    let rules = rules.body["status"]["resourceRules"].as_array().unwrap().clone();
    assert!(rules.iter().any(|rule| rule["resources"] == json!(["configmaps"])), "{rules:?}");
}

#[tokio::test]
async fn tokens_stand_for_accounts() {
    let mut world = world().await;
    let accounts = "/api/v1/namespaces/default/serviceaccounts";
    world.post(accounts, json!({"metadata": {"name": "robot"}})).await;
    let reply =
        world.post(&format!("{accounts}/robot/token"), json!({"spec": {"expirationSeconds": 600}})).await;
    assert_eq!(reply.code, 201, "{reply:?}");
    let token = reply.body["status"]["token"].as_str().unwrap().to_owned();
    let review =
        world.post("/apis/authentication.k8s.io/v1/tokenreviews", json!({"spec": {"token": token}})).await;
    assert_eq!(
        review.body["status"]["user"]["username"], "system:serviceaccount:default:robot",
        "{review:?}"
    );
    world.becoming(User::anonymous());
    let who = |token: String| {
        let world = &world;
        async move {
            let request = Request::post("/apis/authentication.k8s.io/v1/selfsubjectreviews")
                .header("authorization", format!("Bearer {token}"))
                .header("content-type", "application/json");
            Reply::read(world.send(request.body(Full::from("{}")).unwrap()).await).await
        }
    };
    let reply = who(token).await;
    assert_eq!(
        reply.body["status"]["userInfo"]["username"], "system:serviceaccount:default:robot",
        "{reply:?}"
    );
    assert_eq!(who("nonsense".to_owned()).await.code, 401);
}

#[tokio::test]
async fn impersonation_needs_a_right() {
    let mut world = world().await;
    async fn name(world: &World) -> Value {
        let request = Request::post("/apis/authentication.k8s.io/v1/selfsubjectreviews")
            .header("impersonate-user", "carol")
            .header("impersonate-group", "ops")
            .header("content-type", "application/json");
        Reply::read(world.send(request.body(Full::from("{}")).unwrap()).await).await.body
    }
    let who = name(&world).await;
    assert_eq!(
        who["status"]["userInfo"],
        json!({"username": "carol", "groups": ["ops", "system:authenticated"]})
    );
    world.becoming(User::authenticated("bob", []));
    assert_eq!(name(&world).await["code"], 403);
}

#[tokio::test]
async fn nobody_gives_away_what_they_do_not_hold() {
    let mut world = world().await;
    let role = |name: &str, rule: Value| json!({"metadata": {"name": name}, "rules": [rule]});
    let writer = json!({"verbs": ["create", "get"], "apiGroups": ["rbac.authorization.k8s.io"],
        "resources": ["roles", "rolebindings"]});
    let binding = |name: &str, role: &str| {
        json!({"metadata": {"name": name}, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": role},
            "subjects": [{"kind": "User", "name": "bob"}]})
    };
    let secrets = json!({"verbs": ["get"], "apiGroups": [""], "resources": ["secrets"]});
    world.post(&format!("{RBAC}/roles"), role("writer", writer.clone())).await;
    world.post(&format!("{RBAC}/roles"), role("secrets", secrets.clone())).await;
    world.post(&format!("{RBAC}/rolebindings"), binding("b", "writer")).await;
    world.becoming(User::authenticated("bob", []));
    until(&world, &format!("{RBAC}/roles/writer"), 200).await;
    assert_eq!(world.post(&format!("{RBAC}/roles"), role("same", writer)).await.code, 201);
    let refused = world.post(&format!("{RBAC}/roles"), role("more", secrets)).await;
    assert_eq!(refused.code, 403);
    let message = refused.body["message"].as_str().unwrap();
    assert!(message.contains("attempting to grant RBAC permissions not currently held"), "{message}");
    assert_eq!(world.post(&format!("{RBAC}/rolebindings"), binding("c", "secrets")).await.code, 403);
    assert_eq!(world.post(&format!("{RBAC}/rolebindings"), binding("d", "same")).await.code, 201);
}
