//! `koinon unjoin`: takes a cluster out of the fleet, cleaning it or leaving it as it is, as asked.

use std::time::Duration;

use anyhow::bail;
use serde_json::json;

use crate::args::{Leftovers, UnjoinArgs};
use crate::commands::join::SYSTEM_NAMESPACE;
use crate::commands::paths;
use crate::exit::Outcome;
use crate::host::Host;
use crate::render;

/// Takes a cluster out.
pub(crate) async fn run(args: UnjoinArgs) -> anyhow::Result<Outcome> {
    let host = Host::connect(&args.host).await?;
    let path = format!("{}/{}", paths::CLUSTERS, args.name);
    let Some(cluster) = host.find(&path).await? else {
        let clusters = host.list(paths::CLUSTERS).await?;
        let names: Vec<&str> = clusters.iter().filter_map(|c| c["metadata"]["name"].as_str()).collect();
        bail!("no cluster {} in the fleet; there are: {}", args.name, names.join(", "));
    };
    let on_unjoin = match args.objects {
        Leftovers::Prune => "Prune",
        Leftovers::Preserve => "Preserve",
    };
    host.merge(&path, &json!({"spec": {"onUnjoin": on_unjoin}})).await?;
    host.delete(&path).await?;
    let deadline = tokio::time::Instant::now() + Duration::from_secs(args.wait);
    while host.find(&path).await?.is_some() {
        if tokio::time::Instant::now() >= deadline {
            render::print(&format!(
                "cluster {} is leaving; its objects are not all settled yet (koinon explain cluster/{} tells what is left)\n",
                args.name, args.name
            ));
            return Ok(Outcome::Degraded);
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let secret = &cluster["spec"]["connection"]["secretRef"];
    if secret["namespace"] == SYSTEM_NAMESPACE && secret["name"] == format!("cluster-{}", args.name).as_str()
    {
        host.delete(&format!("/api/v1/namespaces/{SYSTEM_NAMESPACE}/secrets/cluster-{}", args.name)).await?;
    }
    let left = match args.objects {
        Leftovers::Prune => "what Koinon had placed there is deleted",
        Leftovers::Preserve => "what Koinon had placed there keeps running and is no longer managed",
    };
    render::print(&format!("cluster {} has left the fleet; {left}\n", args.name));
    Ok(Outcome::Ok)
}
