//! Deployments by the hundred: the load that propagation is measured with.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, Result};
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{Api, Patch, PatchParams};
use serde_json::{Value, json};

/// The namespace of the load.
pub const NAMESPACE: &str = "load";

/// A Deployment as an ordinary application has it: two containers' worth of fields, no pods wanted.
pub fn manifest(name: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "labels": {"app": name, "team": "load"}},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{
                    "name": "web", "image": "example.org/web:1",
                    "env": [{"name": "MODE", "value": "production"}, {"name": "LEVEL", "value": "info"}],
                    "ports": [{"name": "http", "containerPort": 8080}],
                    "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}},
                }]},
            },
        },
    })
}

/// Server-side applies one Deployment.
///
/// # Errors
/// When the server refuses.
pub async fn apply(deployments: &Api<Deployment>, name: &str) -> Result<()> {
    let parameters = PatchParams::apply("load").force();
    let applied = deployments.patch(name, &parameters, &Patch::Apply(manifest(name))).await;
    applied.map(drop).with_context(|| format!("failed to apply {name}"))
}

/// Applies `names` to every one of `servers`, with `n_clients` requests in flight to each.
///
/// # Errors
/// With the first refusal.
pub async fn apply_all(servers: &[Api<Deployment>], names: &[String], n_clients: usize) -> Result<()> {
    let names: Arc<[String]> = names.into();
    let mut clients = Vec::new();
    for server in servers {
        let next = Arc::new(AtomicUsize::new(0));
        for _ in 0..n_clients {
            let (server, names, next) = (server.clone(), Arc::clone(&names), Arc::clone(&next));
            clients.push(tokio::spawn(async move {
                while let Some(name) = names.get(next.fetch_add(1, Ordering::Relaxed)) {
                    apply(&server, name).await?;
                }
                anyhow::Ok(())
            }));
        }
    }
    for client in clients {
        client.await.context("a client of the load ended badly")??;
    }
    Ok(())
}
