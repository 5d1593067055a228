//! ExternalDNS beside Koinon: it reads a zone by transfer and changes it by updates, from objects of the host's own API.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use koinon_tests::host::Host;
use koinon_tests::world::story;
use koinon_tests::{assets, dig, kubectl};
use tokio::process::Command;

use super::updates::{ZONE, serve};

/// Two names of one application; its balancer has an address.
const INGRESS: &str = "
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: app
  namespace: default
spec:
  rules:
  - host: app.global.example
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: app, port: {number: 80}}}}]}
  - host: '*.app.global.example'
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: app, port: {number: 80}}}}]}
";

/// Synchronises once. Shape: what it changed, one line each.
async fn synchronise(host: &Host) -> Result<Vec<String>> {
    let (server, mut command) = (host.dns_address(), Command::new(assets::kubernetes("external-dns")?));
    command.arg(format!("--kubeconfig={}", host.kubeconfig().display()));
    command.args(["--source=ingress", "--policy=sync", "--registry=txt", "--txt-owner-id=test", "--once"]);
    command.arg("--txt-wildcard-replacement=wildcard");
    command.arg(format!("--domain-filter={ZONE}"));
    command.args(["--provider=rfc2136", "--rfc2136-axfr", "--rfc2136-tsig-secret-alg=hmac-sha256"]);
    command.arg(format!("--rfc2136-host={}", server.ip()));
    command.arg(format!("--rfc2136-port={}", server.port()));
    command.arg(format!("--rfc2136-zone={ZONE}"));
    command.arg("--rfc2136-min-ttl=60s");
    command.arg("--rfc2136-tsig-keyname=all.updater");
    command.arg(format!("--rfc2136-tsig-secret={}", BASE64.encode([7; 32])));
    let answer = kubectl::finish(command, "").await.context("failed to run external-dns")?;
    ensure!(answer.success, "external-dns failed: {}", answer.stderr);
    let mut lines: Vec<String> = answer.stdout.lines().map(str::to_owned).collect();
    ensure!(lines.pop().as_deref() == Some("end"), "external-dns said {}", answer.stdout);
    lines.sort();
    Ok(lines)
}

/// The zone's own list: names, types, TTLs and data; of ownership records the first two.
async fn records(host: &Host) -> Result<Vec<String>> {
    const LINES: &str =
        r#"jsonpath={range .spec.records[*]}{.name} {.type} {.ttlSeconds} {.data}{"\n"}{end}"#;
    let text = host.kubectl().run(["get", "dnszone", ZONE, "-o", LINES]).await?;
    let owned = |line: &str| match line.split_once(" \"heritage=external-dns,") {
        Some((record, _)) => record.trim_end_matches(|c: char| c.is_ascii_digit() || c == ' ').to_owned(),
        None => line.to_owned(),
    };
    let mut lines: Vec<String> = text.lines().map(owned).collect();
    lines.sort();
    Ok(lines)
}

/// Gives the application's balancer this address.
async fn balance(host: &Host, address: &str) -> Result<()> {
    let status = format!(r#"{{"status":{{"loadBalancer":{{"ingress":[{{"ip":"{address}"}}]}}}}}}"#);
    let patch =
        ["patch", "ingress", "app", "-n", "default", "--subresource=status", "--type=merge", "-p", &status];
    host.kubectl().run(patch).await?;
    Ok(())
}

#[test]
fn external_dns_creates_changes_and_deletes_records() {
    story("external_dns_creates_changes_and_deletes_records", Duration::from_secs(240), async |world| {
        // Almost all of this small zone is deleted in the end, which would wait for an acknowledgement.
        let host = Host::start(world, "host", &["--dns-removals-max=100"]).await?;
        serve(&host).await?;
        host.kubectl().apply(INGRESS).await?;
        balance(&host, "192.0.2.33").await?;

        let created = synchronise(&host).await?;
        ensure!(
            created == ["create A *.app.global.example 192.0.2.33", "create A app.global.example 192.0.2.33"],
            "it created {created:?}"
        );
        let wanted = |address: &str| {
            [
                format!("*.app.global.example. A 60 {address}"),
                "a-app.global.example. TXT".to_owned(),
                "a-wildcard.app.global.example. TXT".to_owned(),
                format!("app.global.example. A 60 {address}"),
                "www A  192.0.2.80".to_owned(),
            ]
        };
        let served = dig::addresses(host.dns_address(), "any.app.global.example").await?;
        ensure!(served == ["192.0.2.33"], "the name is answered with {served:?}");
        ensure!(records(&host).await? == wanted("192.0.2.33"), "it left {:?}", records(&host).await?);
        ensure!(synchronise(&host).await?.is_empty(), "a second round changed something");

        balance(&host, "192.0.2.34").await?;
        let changed = synchronise(&host).await?;
        ensure!(
            changed == ["update A *.app.global.example 192.0.2.34", "update A app.global.example 192.0.2.34"],
            "it changed {changed:?}"
        );
        let served = dig::addresses(host.dns_address(), "app.global.example").await?;
        ensure!(served == ["192.0.2.34"], "the name is answered with {served:?}");
        ensure!(records(&host).await? == wanted("192.0.2.34"), "it left {:?}", records(&host).await?);
        ensure!(synchronise(&host).await?.is_empty(), "a round after the change changed something");

        host.kubectl().run(["delete", "ingress", "app", "-n", "default"]).await?;
        let deleted = synchronise(&host).await?;
        ensure!(
            deleted.len() == 2 && deleted.iter().all(|line| line.starts_with("delete A ")),
            "{deleted:?}"
        );
        // What is not its own stays.
        ensure!(records(&host).await? == ["www A  192.0.2.80"], "it left {:?}", records(&host).await?);
        ensure!(synchronise(&host).await?.is_empty(), "a round after the end changed something");
        Ok(())
    });
}
