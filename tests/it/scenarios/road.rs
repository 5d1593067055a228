//! From a template and its policy to the members and back, until it is deleted.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::world::{World, policy, web};

const DEPLOYMENT: (&str, &str) = ("apps/v1", "Deployment");

async fn shop() -> Result<World> {
    let world = World::start().await?;
    let named = json!({"name": "web", "namespace": "shop"});
    world.create("ConfigMap", json!({"metadata": named, "data": {"greeting": "hello"}})).await?;
    world.create("Secret", json!({"metadata": named, "stringData": {"password": "opensesame"}})).await?;
    world.create("PropagationPolicy", policy(&[DEPLOYMENT])).await?;
    Ok(world)
}

#[tokio::test]
async fn a_workload_is_divided_and_what_it_needs_travels_along() -> Result<()> {
    let world = shop().await?;
    let before = world.is_quiet().await?;
    world.create("Deployment", web()).await?;
    world.runs([Some(6), Some(2), Some(2)]).await?;
    world.is_rolled_out().await?;
    world
        .until("what it needs is there", |world| {
            for member in ["on-prem", "cloud-a", "cloud-b"] {
                let settings = world.members.held(member, "ConfigMap", "web").unwrap_or_default();
                ensure!(settings["data"]["greeting"] == "hello", "{member} has {settings}");
                for (kind, name) in [("Secret", "web"), ("Namespace", "shop")] {
                    ensure!(world.members.held(member, kind, name).is_some(), "{member} lacks the {kind}");
                }
            }
            Ok(())
        })
        .await?;
    let n_writes = world.is_quiet().await? - before;
    let binding = world.binding("web-deployment")?;
    ensure!(binding["status"]["readyReplicas"] == 10, "{}", binding["status"]);
    ensure!(binding["spec"]["reasons"][2]["message"] == "share of 10 over {1, 1, 3}", "{}", binding["spec"]);
    // Its own five, a binding with its status for each of the two objects that it needs, and the policy's count.
    ensure!(n_writes <= 10, "{n_writes} writes");
    world
        .until("the policy counts what it decides about", |world| {
            let policy = world.get("PropagationPolicy", "shop", "shop")?;
            ensure!(policy["status"]["matched"] == 1, "{}", policy["status"]);
            Ok(())
        })
        .await?;
    world.end().await;
    Ok(())
}

#[tokio::test]
async fn what_the_owner_changes_arrives() -> Result<()> {
    let world = shop().await?;
    world.create("Deployment", web()).await?;
    world.runs([Some(6), Some(2), Some(2)]).await?;
    world.patch("ConfigMap", "web", json!({"data": {"greeting": "good day"}})).await?;
    world.patch("Deployment", "web", json!({"metadata": {"labels": {"tier": "gold"}}})).await?;
    world.patch("Deployment", "web", json!({"spec": {"replicas": 5}})).await?;
    world.runs([Some(3), Some(1), Some(1)]).await?;
    world.is_rolled_out().await?;
    world
        .until("every change is there", |world| {
            let settings = world.members.held("cloud-a", "ConfigMap", "web").unwrap_or_default();
            ensure!(settings["data"]["greeting"] == "good day", "{settings}");
            let web = world.members.held("cloud-a", "Deployment", "web").unwrap_or_default();
            ensure!(web["metadata"]["labels"]["tier"] == "gold", "{web}");
            Ok(())
        })
        .await?;
    world.end().await;
    Ok(())
}

#[tokio::test]
async fn one_cluster_differs_as_the_override_says_and_a_bad_override_is_told() -> Result<()> {
    let world = shop().await?;
    world.create("Deployment", web()).await?;
    let rule = |overriders: Value| {
        json!({"metadata": {"name": "eu", "namespace": "shop"}, "spec": {
            "resourceSelectors": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}],
            "overrideRules": [{"targetCluster": {"clusterNames": ["cloud-b"]}, "overriders": overriders}]}})
    };
    let image = json!([{"component": "Registry", "operator": "replace", "value": "mirror.example.org"}]);
    world.create("OverridePolicy", rule(json!({"imageOverrider": image}))).await?;
    let image_in = |world: &World, member: &str| {
        let web = world.members.held(member, "Deployment", "web").unwrap_or_default();
        web["spec"]["template"]["spec"]["containers"][0]["image"].as_str().unwrap_or_default().to_owned()
    };
    world
        .until("the image differs in one cluster", |world| {
            let images = ["cloud-a", "cloud-b"].map(|member| image_in(world, member));
            ensure!(images == ["example.org/web:1", "mirror.example.org/web:1"], "{images:?}");
            Ok(())
        })
        .await?;
    let missing = json!({"plaintext": [{"path": "/spec/none", "operator": "remove"}]});
    world.patch("OverridePolicy", "eu", json!({"spec": rule(missing)["spec"]})).await?;
    world
        .until("the policy that fails is named", |world| {
            let binding = world.binding("web-deployment")?;
            let told = binding["status"]["clusters"].as_array().cloned().unwrap_or_default();
            let told = told.iter().find(|told| told["name"] == "cloud-b").cloned().unwrap_or_default();
            let message = told["message"].as_str().unwrap_or_default();
            ensure!(told["state"] == "Failed" && message.starts_with("shop/eu: "), "{told}");
            Ok(())
        })
        .await?;
    ensure!(image_in(&world, "cloud-b") == "mirror.example.org/web:1", "nothing is half applied");
    world.end().await;
    Ok(())
}

#[tokio::test]
async fn a_deleted_template_is_removed_everywhere_and_a_dead_member_is_waited_for() -> Result<()> {
    let world = shop().await?;
    world.create("Deployment", web()).await?;
    world.runs([Some(6), Some(2), Some(2)]).await?;
    world.lose("on-prem").await?;
    world.delete("Deployment", "web").await?;
    world
        .until("the living have removed everything", |world| {
            for member in ["cloud-a", "cloud-b"] {
                for kind in ["Deployment", "ConfigMap", "Secret"] {
                    ensure!(world.members.held(member, kind, "web").is_none(), "{member} has the {kind}");
                }
            }
            let removing = world.binding("web-deployment")?["spec"]["removing"].clone();
            ensure!(removing == json!(["on-prem"]), "{removing} is waited for");
            Ok(())
        })
        .await?;
    world.regain("on-prem").await?;
    world
        .until("the last copy and the bindings are gone", |world| {
            ensure!(world.members.replicas("on-prem").is_none(), "on-prem still has it");
            for binding in ["web-deployment", "web-configmap", "web-secret"] {
                ensure!(world.binding(binding).is_err(), "{binding} is there");
            }
            Ok(())
        })
        .await?;
    world.end().await;
    Ok(())
}

#[tokio::test]
async fn neither_a_lost_policy_nor_a_lost_binding_takes_anything_away() -> Result<()> {
    let world = shop().await?;
    world.create("Deployment", web()).await?;
    world.is_rolled_out().await?;
    world.delete("ResourceBinding", "web-deployment").await?;
    world
        .until("the binding is there again", |world| {
            let binding = world.binding("web-deployment")?;
            ensure!(binding["metadata"]["deletionTimestamp"].is_null(), "it is going");
            ensure!(binding["status"]["readyReplicas"] == 10, "{}", binding["status"]);
            Ok(())
        })
        .await?;
    world.delete("PropagationPolicy", "shop").await?;
    world.is_quiet().await?;
    world.runs([Some(6), Some(2), Some(2)]).await?;
    for told in world.members.history() {
        ensure!(told.values().sum::<i64>() <= 10, "{told:?}");
    }
    ensure!(world.binding("web-deployment").is_ok(), "the decision stands");
    world.end().await;
    Ok(())
}

#[tokio::test]
async fn a_namespace_that_goes_takes_its_objects_out_of_the_members() -> Result<()> {
    let world = shop().await?;
    world.create("Deployment", web()).await?;
    world.is_rolled_out().await?;
    world.delete("Namespace", "shop").await?;
    world.runs([None, None, None]).await?;
    world.end().await;
    Ok(())
}

#[tokio::test]
async fn every_kind_is_told_once_and_then_the_host_is_at_rest() -> Result<()> {
    let world = World::start().await?;
    let named = || json!({"name": "one", "namespace": "shop"});
    let pods =
        || json!({"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "c"}]}});
    let with_pods = |more: Value| {
        let mut spec = json!({"selector": {"matchLabels": {"a": "b"}}, "template": pods()});
        for (field, value) in more.as_object().into_iter().flatten() {
            spec[field] = value.clone();
        }
        json!({"metadata": named(), "spec": spec})
    };
    let mut job = pods();
    job["spec"]["restartPolicy"] = "Never".into();
    let port = json!([{"port": 80}]);
    let ingress = json!({"defaultBackend": {"service": {"name": "one", "port": {"number": 80}}}});
    let claim = json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}});
    let objects = [
        ("apps/v1", "Deployment", with_pods(json!({}))),
        ("apps/v1", "StatefulSet", with_pods(json!({"serviceName": "one"}))),
        ("apps/v1", "ReplicaSet", with_pods(json!({}))),
        ("apps/v1", "DaemonSet", with_pods(json!({}))),
        ("batch/v1", "Job", json!({"metadata": named(), "spec": {"template": job}})),
        ("v1", "Service", json!({"metadata": named(), "spec": {"type": "LoadBalancer", "ports": port}})),
        ("networking.k8s.io/v1", "Ingress", json!({"metadata": named(), "spec": ingress})),
        ("v1", "PersistentVolumeClaim", json!({"metadata": named(), "spec": claim})),
        ("v1", "ConfigMap", json!({"metadata": named()})),
    ];
    let kinds: Vec<(&str, &str)> = objects.iter().map(|(version, kind, _)| (*version, *kind)).collect();
    world.create("PropagationPolicy", policy(&kinds)).await?;
    let before = world.is_quiet().await?;
    let n_objects = objects.len();
    for (_, kind, object) in objects {
        world.create(kind, object).await?;
    }
    let n_writes = world.is_quiet().await? - before;
    ensure!(n_writes <= 5 * n_objects as u64, "{n_writes} writes for {n_objects} objects");
    let status = |kind: &str| anyhow::Ok(world.get(kind, "shop", "one")?["status"].clone());
    ensure!(status("StatefulSet")?["readyReplicas"] == 1, "{}", status("StatefulSet")?);
    ensure!(status("DaemonSet")?["numberAvailable"] == 3, "{}", status("DaemonSet")?);
    ensure!(status("Job")?["conditions"][1]["type"] == "Complete", "{}", status("Job")?);
    ensure!(status("Service")?["loadBalancer"]["ingress"][0]["ip"] == "192.0.2.1", "{}", status("Service")?);
    ensure!(status("PersistentVolumeClaim")?["phase"] == "Bound", "{}", status("PersistentVolumeClaim")?);
    world.end().await;
    Ok(())
}

#[tokio::test]
async fn what_is_suspended_waits_and_goes_on() -> Result<()> {
    let world = shop().await?;
    world.create("Deployment", web()).await?;
    world.is_rolled_out().await?;
    let suspended = |wanted: bool| json!({"spec": {"suspension": {"dispatching": wanted}}});
    world.patch("PropagationPolicy", "shop", suspended(true)).await?;
    world
        .until("the binding says so", |world| {
            let binding = world.binding("web-deployment")?;
            ensure!(binding["status"]["clusters"][0]["state"] == "Suspended", "{}", binding["status"]);
            Ok(())
        })
        .await?;
    world.patch("Deployment", "web", json!({"spec": {"replicas": 5}})).await?;
    world.is_quiet().await?;
    world.runs([Some(6), Some(2), Some(2)]).await?;
    world.patch("PropagationPolicy", "shop", suspended(false)).await?;
    world.runs([Some(3), Some(1), Some(1)]).await?;
    world.is_rolled_out().await?;
    world.end().await;
    Ok(())
}

#[tokio::test]
async fn a_member_that_leaves_gives_its_replicas_to_the_others() -> Result<()> {
    let world = shop().await?;
    world.create("Deployment", web()).await?;
    world.is_rolled_out().await?;
    let held = |finalizers: Value| json!({"metadata": {"finalizers": finalizers}});
    world.patch("Cluster", "cloud-b", held(json!(["example.org/held"]))).await?;
    world.delete("Cluster", "cloud-b").await?;
    world
        .until("the others run all of it", |world| {
            let run = ["on-prem", "cloud-a"].map(|name| world.members.replicas(name).unwrap_or(0));
            ensure!(run.iter().sum::<i64>() == 10, "they run {run:?}");
            Ok(())
        })
        .await?;
    world.patch("Cluster", "cloud-b", held(Value::Null)).await?;
    world
        .until("nothing is waited for", |world| {
            let binding = world.binding("web-deployment")?;
            ensure!(binding["spec"]["removing"].is_null(), "{}", binding["spec"]);
            Ok(())
        })
        .await?;
    world.end().await;
    Ok(())
}
