//! Members that cannot be reached or trusted are told of on their Cluster, and hold nobody else up.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use koinon_tests::clock::eventually;
use koinon_tests::host::Host;
use koinon_tests::world::story;

/// Two busy cores.
const SOON: Duration = Duration::from_secs(40);

/// A cluster whose kubeconfig says this.
fn cluster(name: &str, kubeconfig: &str) -> String {
    let indented: Vec<String> = kubeconfig.lines().map(|line| format!("    {line}")).collect();
    format!(
        "apiVersion: v1
kind: Secret
metadata: {{name: {name}, namespace: default}}
stringData:
  kubeconfig: |
{}
---
apiVersion: koinon.io/v1alpha1
kind: Cluster
metadata: {{name: {name}}}
spec:
  connection: {{secretRef: {{namespace: default, name: {name}}}}}
",
        indented.join("\n")
    )
}

async fn condition(host: &Host, cluster: &str) -> Result<String> {
    let path = "jsonpath={.status.conditions[?(@.type==\"ApiReachable\")].reason}";
    host.kubectl().run(["get", "cluster", cluster, "-o", path]).await
}

#[test]
fn members_that_cannot_be_used_are_told_of_and_block_nobody() {
    story("members_that_cannot_be_used_are_told_of", Duration::from_secs(180), async |world| {
        let host = Host::start(world, "host", &["--dns=off"]).await?;
        // A second host is as good a Kubernetes API as any: its own authority is what the first one's kubeconfig lacks.
        let other = Host::start(world, "other", &["--dns=off"]).await?;
        let right = std::fs::read_to_string(other.kubeconfig()).context("failed to read a kubeconfig")?;
        let foreign = std::fs::read_to_string(host.kubeconfig()).context("failed to read a kubeconfig")?;
        let wrong = foreign.replace(&host.api_address().to_string(), &other.api_address().to_string());
        let nobody = right.replace(&other.api_address().port().to_string(), "9");
        host.kubectl().apply(&cluster("refused", &nobody)).await?;
        host.kubectl().apply(&cluster("distrusted", &wrong)).await?;
        host.kubectl().apply(&cluster("unreadable", "this: is no kubeconfig")).await?;
        host.kubectl().apply(&cluster("well", &right)).await?;
        let wanted = [
            ("refused", "ConnectionRefused"),
            ("distrusted", "CertificateInvalid"),
            ("unreadable", "Misconfigured"),
            ("well", "ApiAnswers"),
        ];
        for (name, reason) in wanted {
            eventually(SOON, format!("{name} is told as {reason}"), async || {
                let said = condition(&host, name).await?;
                ensure!(said == reason, "it says {said:?}");
                anyhow::Ok(())
            })
            .await?;
        }
        let listed = host.koinon(&["status"]).await?;
        ensure!(listed.stdout.contains("distrusted"), "koinon status says {}", listed.stdout);
        Ok(())
    });
}
