//! The load balancers of a member's cloud: gives every Service of type LoadBalancer the member's address.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Context as _, Result};
use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::Service;
use kube::api::{Api, ListParams, Patch, PatchParams, WatchEvent, WatchParams};
use serde_json::json;

use crate::clock;

/// Between two tries while the member's API is away.
const RETRY: Duration = Duration::from_millis(200);

/// Follows the Services of a member for as long as the test runs.
pub(super) async fn run(client: kube::Client, ip: Ipv4Addr) {
    loop {
        // What ends a pass is an API that was stopped or a watch that ran out; both begin anew.
        let _ = follow(&client, ip).await;
        clock::back_off(RETRY).await;
    }
}

async fn follow(client: &kube::Client, ip: Ipv4Addr) -> Result<()> {
    let services: Api<Service> = Api::all(client.clone());
    let listed = services.list(&ListParams::default()).await.context("failed to list Services")?;
    for service in &listed.items {
        give_address(client, service, ip).await?;
    }
    let from = listed.metadata.resource_version.unwrap_or_default();
    let mut events = services.watch(&WatchParams::default(), &from).await?.boxed();
    while let Some(event) = events.try_next().await? {
        match event {
            WatchEvent::Added(service) | WatchEvent::Modified(service) => {
                give_address(client, &service, ip).await?;
            }
            WatchEvent::Error(status) => return Err(anyhow::anyhow!("{status:?}")),
            WatchEvent::Deleted(_) | WatchEvent::Bookmark(_) => {}
        }
    }
    Ok(())
}

async fn give_address(client: &kube::Client, service: &Service, ip: Ipv4Addr) -> Result<()> {
    let is_balanced = service.spec.as_ref().and_then(|spec| spec.type_.as_deref()) == Some("LoadBalancer");
    let status = service.status.as_ref().and_then(|status| status.load_balancer.as_ref());
    let has_address =
        status.and_then(|status| status.ingress.as_ref()).is_some_and(|ingress| !ingress.is_empty());
    let metadata = &service.metadata;
    let (Some(name), Some(namespace)) = (&metadata.name, &metadata.namespace) else { return Ok(()) };
    if !is_balanced || has_address || metadata.deletion_timestamp.is_some() {
        return Ok(());
    }
    let patch = json!({"status": {"loadBalancer": {"ingress": [{"ip": ip.to_string()}]}}});
    let services: Api<Service> = Api::namespaced(client.clone(), namespace);
    services.patch_status(name, &PatchParams::default(), &Patch::Merge(&patch)).await?;
    Ok(())
}
