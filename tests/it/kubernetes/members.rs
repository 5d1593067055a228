//! The members themselves: what every other test here takes for granted.
#![expect(clippy::print_stdout, reason = "cargo shows it when a test fails, or with --nocapture")]

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Service;
use koinon_tests::clock::eventually;
use koinon_tests::member::{Member, Shape};
use koinon_tests::world::story;
use kube::api::Api;

const WEB: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: web, image: example.org/web:1, resources: {requests: {cpu: 100m, memory: 64Mi}}}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  type: LoadBalancer
  selector: {app: web}
  ports: [{name: http, port: 8080}]
";

/// Two busy cores; on idle ones it takes two seconds.
const SOON: Duration = Duration::from_secs(60);

#[test]
fn three_members_run_a_deployment_and_serve_it() {
    story("three_members_run_a_deployment", Duration::from_secs(300), async |world| {
        let start = Instant::now();
        let mut members =
            Member::start_all(world, &["on-prem", "cloud-a", "cloud-b"], &Shape::default()).await?;
        println!("three members ready after {:.1} s", start.elapsed().as_secs_f64());
        for member in &members {
            member.kubectl().apply(WEB).await?;
        }
        for member in &members {
            deployment_is_ready(member, 3).await?;
            service_has_the_address_of(member).await?;
            println!("{}: resident MiB {:.0?}", member.name(), member.resident_mib()?);
        }
        println!("three Deployments Ready after {:.1} s", start.elapsed().as_secs_f64());

        let [on_prem, cloud_a, cloud_b] = members.as_mut_slice() else { bail!("three were started") };
        on_prem.stop_api().await?;
        ensure!(on_prem.kubectl().run(["get", "nodes"]).await.is_err(), "a killed API answers");
        cloud_a.kill().await?;
        cloud_b.pause();
        let hung =
            tokio::time::timeout(Duration::from_secs(2), cloud_b.kubectl().run(["get", "nodes"])).await;
        ensure!(hung.is_err(), "a paused API answers: {hung:?}");

        let start = Instant::now();
        tokio::try_join!(on_prem.start_again(), cloud_a.start_again(), cloud_b.resume())?;
        println!("three members back after {:.1} s", start.elapsed().as_secs_f64());
        for member in &members {
            deployment_is_ready(member, 3).await?;
        }
        Ok(())
    });
}

async fn deployment_is_ready(member: &Member, replicas: i32) -> Result<()> {
    let deployments: Api<Deployment> = Api::namespaced(member.client().await?, "default");
    eventually(SOON, format!("Deployment web is Ready in {}", member.name()), async || {
        let status = deployments.get("web").await?.status.context("it has no status")?;
        ensure!(status.ready_replicas == Some(replicas), "its status is {status:?}");
        Ok(())
    })
    .await
}

async fn service_has_the_address_of(member: &Member) -> Result<()> {
    let services: Api<Service> = Api::namespaced(member.client().await?, "default");
    eventually(SOON, format!("Service web has the address of {}", member.name()), async || {
        let balancer = services.get("web").await?.status.and_then(|status| status.load_balancer);
        let ingress = balancer.and_then(|balancer| balancer.ingress).unwrap_or_default();
        let ips: Vec<String> = ingress.into_iter().filter_map(|ingress| ingress.ip).collect();
        ensure!(ips == [member.ip().to_string()], "it has {ips:?}");
        Ok(())
    })
    .await
}
