//! The application of the story: what its owner writes, and where it is in the members.

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Secret, Service};
use koinon_tests::member::Member;
use kube::api::Api;

/// Replicas that the owner wants over all clusters.
pub(super) const REPLICAS: i32 = 10;

/// The global name.
pub(crate) const NAME: &str = "shop.global.example";

/// The image that every cluster runs but the one with an override.
pub(super) const IMAGE: &str = "example.org/shop:1";

/// The image that the override gives to `cloud-b`.
pub(super) const IMAGE_OVERRIDDEN: &str = "mirror.example.org/shop:1";

/// What the owner applies to the host: the application, where it goes, and its name.
pub(crate) const MANIFESTS: &str = r#"
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: shop, namespace: shop}
data: {greeting: hello}
---
apiVersion: v1
kind: Secret
metadata: {name: shop, namespace: shop}
stringData: {password: opensesame}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop, namespace: shop, labels: {app: shop}}
spec:
  replicas: 10
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec:
      containers:
      - name: shop
        image: example.org/shop:1
        envFrom: [{configMapRef: {name: shop}}, {secretRef: {name: shop}}]
        resources: {requests: {cpu: 100m, memory: 64Mi}}
---
apiVersion: v1
kind: Service
metadata: {name: shop, namespace: shop}
spec:
  type: LoadBalancer
  selector: {app: shop}
  ports: [{name: http, port: 8080}]
---
apiVersion: koinon.io/v1alpha1
kind: PropagationPolicy
metadata: {name: shop, namespace: shop}
spec:
  resourceSelectors:
  - {apiVersion: apps/v1, kind: Deployment, name: shop}
  - {apiVersion: v1, kind: Service, name: shop}
  placement:
    replicaScheduling:
      type: Divided
      weights:
        static:
        - {targetCluster: {clusterNames: [on-prem]}, weight: 3}
        - {targetCluster: {clusterNames: [cloud-a, cloud-b]}, weight: 1}
  failback: {stabilizationSeconds: 3, pace: {percent: 50, intervalSeconds: 1}}
---
apiVersion: koinon.io/v1alpha1
kind: OverridePolicy
metadata: {name: shop, namespace: shop}
spec:
  resourceSelectors: [{apiVersion: apps/v1, kind: Deployment, name: shop}]
  overrideRules:
  - targetCluster: {clusterNames: [cloud-b]}
    overriders:
      imageOverrider: [{component: Registry, operator: replace, value: mirror.example.org}]
---
apiVersion: koinon.io/v1alpha1
kind: DnsZone
metadata: {name: global.example}
spec:
  soa: {mname: ns1.global.example, rname: hostmaster.global.example}
  nameServers: [{name: ns1.global.example, addresses: [192.0.2.1]}]
---
apiVersion: koinon.io/v1alpha1
kind: GlobalRecord
metadata: {name: shop, namespace: shop}
spec:
  host: shop.global.example
  endpoints: {service: {name: shop}}
  routing: [{weighted: {from: Replicas}}]
  ttlSeconds: {stable: 5, unstable: 1}
  health: {http: {port: 8080, path: /}, intervalSeconds: 1, timeoutSeconds: 1, failureThreshold: 3}
"#;

/// The Deployment as a member has it.
pub(super) async fn deployment(member: &Member) -> Result<Deployment> {
    let deployments: Api<Deployment> = Api::namespaced(member.client().await?, "shop");
    deployments.get("shop").await.with_context(|| format!("{} has no Deployment shop", member.name()))
}

/// Replicas that a member was told to run.
pub(super) async fn replicas(member: &Member) -> Result<i32> {
    Ok(deployment(member).await?.spec.and_then(|spec| spec.replicas).unwrap_or_default())
}

/// Fails unless a member was told to run `wanted` replicas and all of them are ready, of the present generation.
pub(super) async fn runs(member: &Member, wanted: i32) -> Result<()> {
    let deployment = deployment(member).await?;
    let (spec, status) = (deployment.spec.unwrap_or_default(), deployment.status.unwrap_or_default());
    ensure!(spec.replicas == Some(wanted), "{} was told {:?}", member.name(), spec.replicas);
    let ready = status.ready_replicas.unwrap_or_default();
    ensure!(
        ready == wanted && status.observed_generation == deployment.metadata.generation,
        "{} has {ready} of {wanted} ready",
        member.name()
    );
    Ok(())
}

/// The image of the Deployment's only container in a member.
pub(super) async fn image(member: &Member) -> Result<String> {
    let spec = deployment(member).await?.spec.unwrap_or_default();
    let container = spec.template.spec.and_then(|pod| pod.containers.into_iter().next());
    container.and_then(|container| container.image).context("the Deployment has no image")
}

/// Fails unless everything that the Deployment needs is there.
pub(super) async fn needs_are_there(member: &Member) -> Result<()> {
    let client = member.client().await?;
    let settings = Api::<ConfigMap>::namespaced(client.clone(), "shop").get("shop").await?;
    let greeting = settings.data.and_then(|data| data.get("greeting").cloned());
    ensure!(greeting.as_deref() == Some("hello"), "{} has the greeting {greeting:?}", member.name());
    let secret = Api::<Secret>::namespaced(client.clone(), "shop").get("shop").await?;
    let password = secret.data.and_then(|data| data.get("password").cloned());
    ensure!(
        password.is_some_and(|password| password.0 == b"opensesame"),
        "{} has no password",
        member.name()
    );
    let service = Api::<Service>::namespaced(client, "shop").get("shop").await?;
    ensure!(service.spec.is_some_and(|spec| spec.type_.as_deref() == Some("LoadBalancer")), "no balancer");
    Ok(())
}

/// Fails unless nothing of the shop is left.
pub(super) async fn is_gone(member: &Member) -> Result<()> {
    let client = member.client().await?;
    let deployment = Api::<Deployment>::namespaced(client.clone(), "shop").get_opt("shop").await?;
    ensure!(deployment.is_none(), "{} still has the Deployment", member.name());
    let service = Api::<Service>::namespaced(client.clone(), "shop").get_opt("shop").await?;
    ensure!(service.is_none(), "{} still has the Service", member.name());
    let settings = Api::<ConfigMap>::namespaced(client, "shop").get_opt("shop").await?;
    ensure!(settings.is_none(), "{} still has the ConfigMap", member.name());
    Ok(())
}
