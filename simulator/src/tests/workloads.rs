//! What members do about workloads and services.

use std::net::{IpAddr, SocketAddr};

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, StatefulSet};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Node, Pod, Service};
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use serde_json::json;

use super::{
    api, ask, balanced, client, create, eventually, member, patch, pods, rolled_out, shop, template,
};

#[tokio::test]
async fn nodes_are_ready_when_a_member_has_started() {
    let member = member(1).await;
    let nodes: Api<Node> = Api::all(client(&member).await);
    let nodes = nodes.list(&ListParams::default()).await.unwrap().items;
    assert_eq!(nodes.len(), 2);
    for node in nodes {
        let status = node.status.unwrap();
        assert_eq!(status.allocatable.unwrap()["cpu"].0, "2");
        assert!(status.conditions.unwrap().iter().any(|held| held.type_ == "Ready" && held.status == "True"));
    }
    member.stop().await;
}

#[tokio::test]
async fn a_deployment_becomes_ready_scales_and_rolls() {
    let member = member(2).await;
    let client = client(&member).await;
    create(&client, &shop(4, "100m")).await;
    rolled_out(&client, 4).await;
    for replicas in [6, 2, 4] {
        patch(&client, json!({"spec": {"replicas": replicas}})).await;
        rolled_out(&client, replicas).await;
    }
    let containers = json!([{"name": "web", "image": "web:2"}]);
    patch(&client, json!({"spec": {"template": {"spec": {"containers": containers}}}})).await;
    let mut fewest = usize::MAX;
    eventually("the new image everywhere", async || {
        let pods = pods(&client).await;
        fewest = fewest.min(pods.iter().filter(|pod| is_ready(pod)).count());
        assert!(pods.len() <= 5, "more than a quarter over four");
        pods.len() == 4 && pods.iter().all(|pod| is_ready(pod) && image(pod) == "web:2")
    })
    .await;
    assert!(fewest >= 3, "only {fewest} of four were ready during the roll-out");
    rolled_out(&client, 4).await;
    member.stop().await;
}

#[tokio::test]
async fn pods_without_room_wait_and_take_the_room_that_others_leave() {
    let member = member(3).await;
    let client = client(&member).await;
    // Two nodes of two CPUs: three pods of 1.5 CPUs are one too many.
    create(&client, &shop(3, "1500m")).await;
    eventually("one pod without room", async || {
        let pods = pods(&client).await;
        let ready = pods.iter().filter(|pod| is_ready(pod)).count();
        ready == 2 && pods.iter().filter(|pod| is_unschedulable(pod)).count() == 1
    })
    .await;
    let before = pods(&client).await;
    let waiting = before.iter().find(|pod| is_unschedulable(pod)).unwrap();
    patch(&client, json!({"spec": {"replicas": 2}})).await;
    rolled_out(&client, 2).await;
    assert!(
        pods(&client).await.iter().all(|pod| pod.metadata.uid != waiting.metadata.uid),
        "ready ones stay"
    );

    // A pod that nothing would make anew is given a node, not replaced.
    let spec = template("alone", "1500m")["spec"].clone();
    let alone: Pod = serde_json::from_value(
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "alone"}, "spec": spec}),
    )
    .unwrap();
    create(&client, &alone).await;
    eventually("no room for it", async || is_unschedulable(&api::<Pod>(&client).get("alone").await.unwrap()))
        .await;
    let uid = api::<Pod>(&client).get("alone").await.unwrap().metadata.uid;
    patch(&client, json!({"spec": {"replicas": 1}})).await;
    eventually("room for it", async || is_ready(&api::<Pod>(&client).get("alone").await.unwrap())).await;
    assert_eq!(api::<Pod>(&client).get("alone").await.unwrap().metadata.uid, uid);
    member.stop().await;
}

#[tokio::test]
async fn an_endpoint_answers_while_a_ready_pod_is_selected() {
    let member = member(4).await;
    let client = client(&member).await;
    let address = SocketAddr::new(IpAddr::V4(member.ip()), 8080);
    create(&client, &balanced(8080)).await;
    eventually("nobody there", async || ask(address).await.is_some_and(|(status, _)| status == 503)).await;
    let wanted = Some(member.ip().to_string());
    // The port is open a moment before the Service tells its address.
    eventually("the address", async || {
        let status = api::<Service>(&client).get("shop").await.unwrap().status;
        let ingress = status.and_then(|status| status.load_balancer).and_then(|balancer| balancer.ingress);
        ingress.is_some_and(|ingress| ingress.len() == 1 && ingress[0].ip == wanted)
    })
    .await;
    create(&client, &shop(1, "100m")).await;
    eventually("an answer", async || ask(address).await == Some((200, "blue\n".to_owned()))).await;
    patch(&client, json!({"spec": {"replicas": 0}})).await;
    eventually("nobody again", async || ask(address).await.is_some_and(|(status, _)| status == 503)).await;
    api::<Service>(&client).delete("shop", &DeleteParams::default()).await.unwrap();
    eventually("nothing listening", async || ask(address).await.is_none()).await;
    member.stop().await;
}

#[tokio::test]
async fn the_pods_of_a_deleted_deployment_go() {
    let member = member(5).await;
    let client = client(&member).await;
    create(&client, &shop(2, "100m")).await;
    rolled_out(&client, 2).await;
    api::<Deployment>(&client).delete("shop", &DeleteParams::background()).await.unwrap();
    eventually("no pods", async || pods(&client).await.is_empty()).await;
    member.stop().await;
}

#[tokio::test]
async fn other_workloads_count_what_they_run() {
    let member = member(6).await;
    let client = client(&member).await;
    let selector = json!({"matchLabels": {"app": "data"}});
    let spec = json!({"replicas": 3, "serviceName": "data", "selector": selector, "template": template("data", "10m")});
    let set =
        json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "data"}, "spec": spec});
    create::<StatefulSet>(&client, &serde_json::from_value(set).unwrap()).await;
    let selector = json!({"matchLabels": {"app": "agent"}});
    let spec = json!({"selector": selector, "template": template("agent", "10m")});
    let set =
        json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "agent"}, "spec": spec});
    create::<DaemonSet>(&client, &serde_json::from_value(set).unwrap()).await;
    let mut once = template("once", "10m");
    once["spec"]["restartPolicy"] = "Never".into();
    let spec = json!({"completions": 3, "parallelism": 2, "template": once});
    let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "once"}, "spec": spec});
    create::<Job>(&client, &serde_json::from_value(job).unwrap()).await;
    eventually("three of a StatefulSet", async || data_is_updated(&client).await).await;
    eventually("one of a DaemonSet on each node", async || {
        let status = api::<DaemonSet>(&client).get("agent").await.unwrap().status.unwrap_or_default();
        (status.number_ready, status.desired_number_scheduled) == (2, 2)
    })
    .await;
    let mut agents = pods(&client).await;
    agents.retain(|pod| pod.metadata.name.as_deref().is_some_and(|name| name.starts_with("agent-")));
    let nodes: Vec<_> = agents.iter().map(|pod| pod.spec.as_ref().unwrap().node_name.as_deref()).collect();
    assert_eq!(nodes, [Some("blue-0"), Some("blue-1")]);
    eventually("a Job that is done", async || {
        let status = api::<Job>(&client).get("once").await.unwrap().status.unwrap_or_default();
        status.succeeded == Some(3) && status.active.is_none() && status.conditions.is_some()
    })
    .await;

    let change = json!({"spec": {"template": {"spec": {"containers": [{"name": "web", "image": "web:2"}]}}}});
    let (params, patch) = (PatchParams::default(), Patch::Merge(change));
    api::<StatefulSet>(&client).patch("data", &params, &patch).await.unwrap();
    eventually("three of the new template", async || {
        let pods = pods(&client).await;
        let renewed = pods.iter().filter(|pod| {
            pod.metadata.name.as_deref().is_some_and(|name| name.starts_with("data-"))
                && image(pod) == "web:2"
        });
        renewed.count() == 3 && data_is_updated(&client).await
    })
    .await;
    member.stop().await;
}

async fn data_is_updated(client: &kube::Client) -> bool {
    let set = api::<StatefulSet>(client).get("data").await.unwrap();
    let status = set.status.unwrap_or_default();
    status.observed_generation == set.metadata.generation
        && (status.ready_replicas, status.updated_replicas) == (Some(3), Some(3))
}

fn image(pod: &Pod) -> &str {
    pod.spec.as_ref().and_then(|spec| spec.containers[0].image.as_deref()).unwrap_or_default()
}

fn is_ready(pod: &Pod) -> bool {
    holds(pod, "Ready", "True", None)
}

fn is_unschedulable(pod: &Pod) -> bool {
    holds(pod, "PodScheduled", "False", Some("Unschedulable"))
}

fn holds(pod: &Pod, kind: &str, status: &str, reason: Option<&str>) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    conditions
        .iter()
        .any(|held| held.type_ == kind && held.status == status && held.reason.as_deref() == reason)
}
