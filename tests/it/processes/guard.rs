//! What would take most names away waits for a person, over restarts; and what names answered is known afterwards.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use koinon_tests::clock::{eventually, throughout};
use koinon_tests::host::Host;
use koinon_tests::world::story;
use serde_json::Value;

const ZONE: &str = "
apiVersion: koinon.io/v1alpha1
kind: DnsZone
metadata: {name: global.example}
spec:
  soa: {mname: ns1.global.example, rname: hostmaster.global.example}
  nameServers: [{name: ns.example}]
";

/// Names of the zone.
const NAMES: usize = 10;

/// Two busy cores.
const SOON: Duration = Duration::from_secs(30);

fn records() -> String {
    let record = |number: usize| {
        format!(
            "---
apiVersion: koinon.io/v1alpha1
kind: GlobalRecord
metadata: {{name: n{number}, namespace: default, labels: {{half: {half}}}}}
spec:
  host: n{number}.global.example
  endpoints: {{addresses: [{{cluster: a, ips: [192.0.2.{number}]}}]}}
",
            half = if number < 7 { "gone" } else { "stays" },
        )
    };
    (0..NAMES).map(record).collect()
}

/// Fails unless exactly these names answer their address.
async fn answers(host: &Host, n_gone: usize) -> Result<()> {
    for number in 0..NAMES {
        let seen = host.addresses(&format!("n{number}.global.example")).await?;
        let wanted = if number < n_gone { Vec::new() } else { vec![format!("192.0.2.{number}")] };
        ensure!(seen == wanted, "n{number} answers {seen:?} and not {wanted:?}");
    }
    Ok(())
}

async fn held(host: &Host) -> Result<Vec<Value>> {
    let answer = host.koinon(&["dns", "acknowledge", "-o", "json"]).await?;
    let told: Value = serde_json::from_str(&answer.stdout).with_context(|| answer.stderr.clone())?;
    Ok(told["held"].as_array().cloned().unwrap_or_default())
}

/// Waits until the loss of seven names is held; gives its digest.
async fn digest(host: &Host) -> Result<String> {
    eventually(SOON, "seven names are held", async || {
        let held = held(host).await?;
        let first = held.first().context("nothing is held")?;
        ensure!(first["namesCount"] == 7, "{first}");
        Ok::<_, anyhow::Error>(first["digest"].as_str().unwrap_or_default().to_owned())
    })
    .await
}

async fn history(host: &Host, options: &[&str]) -> Result<Vec<Value>> {
    let answer = host.koinon(&[&["dns", "history", "-o", "json"], options].concat()).await?;
    ensure!(answer.success, "{}", answer.stderr);
    let told: Value = serde_json::from_str(&answer.stdout)?;
    Ok(told["changes"].as_array().cloned().unwrap_or_default())
}

#[test]
fn most_names_go_only_when_somebody_says_so() {
    story("most_names_go_only_when_somebody_says_so", Duration::from_secs(300), async |world| {
        let mut host = Host::start(world, "host", &[]).await?;
        host.kubectl().apply(&format!("{ZONE}{}", records())).await?;
        eventually(SOON, "all names answer", async || answers(&host, 0).await).await?;

        // One deletion by one selector: seven of ten, and nobody meant it.
        host.kubectl()
            .run(["delete", "globalrecord", "-n", "default", "-l", "half=gone", "--wait=false"])
            .await?;
        let first = digest(&host).await?;
        throughout(Duration::from_secs(1), "nothing has gone", async || answers(&host, 0).await).await?;
        let status = host.koinon(&["status"]).await?;
        ensure!(!status.success && status.stdout.contains("global.example is held back"), "{status:?}");
        let path = "jsonpath={.status.conditions[?(@.type=='Current')].reason}";
        eventually(SOON, "the zone's status says so", async || {
            let said = host.kubectl().run(["get", "dnszone", "global.example", "-o", path]).await?;
            ensure!(said == "RemovalHeld", "it says {said:?}");
            Ok::<_, anyhow::Error>(())
        })
        .await?;

        // A restart without warning compares with what was served, and with nothing else.
        host.kill().await?;
        host.start_again().await?;
        ensure!(digest(&host).await? == first, "the same loss has the same digest");
        answers(&host, 0).await?;

        let wrong = host.koinon(&["dns", "acknowledge", "0123456789abcdef"]).await?;
        ensure!(!wrong.success && wrong.stderr.contains(&first), "{wrong:?}");
        answers(&host, 0).await?;
        let passed = host.koinon(&["dns", "acknowledge", &first]).await?;
        ensure!(passed.success && passed.stdout.contains("- n6.global.example"), "{passed:?}");
        eventually(SOON, "seven names are gone", async || answers(&host, 7).await).await?;
        ensure!(held(&host).await?.is_empty(), "nothing is held any more");

        // kill -9 leaves what was written down.
        let before = eventually(SOON, "the end of a name is told", async || {
            let changes = history(&host, &["n3.global.example"]).await?;
            let last = changes.last().context("nothing is told")?;
            ensure!(last["cause"]["kind"] == "Acknowledged", "{last}");
            ensure!(
                last["cause"]["by"] == "koinon-admin" && last["cause"]["digest"] == first.as_str(),
                "{last}"
            );
            Ok::<_, anyhow::Error>(changes)
        })
        .await?;
        host.kill().await?;
        host.start_again().await?;
        let after = history(&host, &["n3.global.example"]).await?;
        ensure!(after.starts_with(&before), "the history has changed: {after:?}");
        eventually(SOON, "seven names stay gone", async || answers(&host, 7).await).await?;
        ensure!(held(&host).await?.is_empty(), "what was let pass is held again");
        let zone = history(&host, &["--zone", "global.example", "--since", "1h"]).await?;
        ensure!(zone.len() >= 17, "{} changes are told of the zone", zone.len());
        let created = zone.iter().find(|change| change["name"] == "n9.global.example").context("n9")?;
        let cause = &created["cause"];
        ensure!(cause["object"] == "GlobalRecord default/n9" && cause["user"] == "koinon-admin", "{cause}");
        Ok(())
    });
}
