//! DNS nodes beside the host: they follow it, agree, and go on without it.
#![expect(clippy::print_stdout, reason = "cargo shows it when a test fails, or with --nocapture")]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use koinon_tests::address::Address;
use koinon_tests::clock::{eventually, throughout};
use koinon_tests::host::Host;
use koinon_tests::kubectl::Kubectl;
use koinon_tests::process::Process;
use koinon_tests::world::{World, story};
use koinon_tests::{assets, dig};
use rustix::process::Signal;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const NAMES: &str = "
apiVersion: koinon.io/v1alpha1
kind: DnsZone
metadata: {name: global.example}
spec:
  soa: {mname: ns1.global.example, rname: hostmaster.global.example}
  nameServers: [{name: ns.example}]
  records: [{name: www, type: A, data: 192.0.2.1}]
---
apiVersion: koinon.io/v1alpha1
kind: GlobalRecord
metadata: {name: shop, namespace: default}
spec:
  host: shop.global.example
  endpoints: {addresses: [{cluster: a, ips: [127.0.0.1]}]}
  health: {tcp: {port: 1}, intervalSeconds: 1, timeoutSeconds: 1, failureThreshold: 1}
---
apiVersion: koinon.io/v1alpha1
kind: GlobalRecord
metadata: {name: taken, namespace: default}
spec:
  host: www.global.example
  endpoints: {addresses: [{cluster: a, ips: [192.0.2.12]}]}
";

/// Two busy cores.
const SOON: Duration = Duration::from_secs(20);

pub(super) struct Node {
    name: &'static str,
    folder: PathBuf,
    address: Address,
    kubeconfig: PathBuf,
    process: Option<Process>,
}

impl Node {
    pub(super) fn start(world: &World, host: &Host, name: &'static str) -> Result<Self> {
        let kubeconfig = host.data_folder().join("dns-node.kubeconfig");
        let mut node =
            Self { name, folder: world.room(name)?, address: Address::claim()?, kubeconfig, process: None };
        node.start_again()?;
        Ok(node)
    }

    fn start_again(&mut self) -> Result<()> {
        let mut command = Command::new(assets::koinon()?);
        command.args(["dns", "serve", "--node", self.name, "--data-dir"]).arg(self.folder.join("data"));
        command.arg("--dns-listen").arg(self.dns().to_string());
        command.arg("--metrics-listen").arg(self.address.port(9153).to_string());
        command.arg("--kubeconfig").arg(&self.kubeconfig);
        self.process = Some(Process::start(self.name, command, &self.folder.join("log"))?);
        Ok(())
    }

    async fn stop(&mut self) -> Result<()> {
        let process = self.process.take().context("the node runs")?;
        process.signal(Signal::TERM);
        let status = process.ended(SOON).await?;
        ensure!(status.success(), "it ended with {status}");
        Ok(())
    }

    pub(super) fn dns(&self) -> SocketAddr {
        self.address.port(5353)
    }

    /// What a scraper or a probe gets.
    async fn page(&self, path: &str) -> Result<String> {
        let mut stream = TcpStream::connect(self.address.port(9153)).await?;
        let request = format!("GET {path} HTTP/1.1\r\nhost: node\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    }

    /// Fails unless the node says this now.
    async fn says(&self, wanted: &str) -> Result<()> {
        let seen = dig::ask(self.dns(), "www.global.example", "A", &[]).await?;
        let seen: Vec<&str> = seen.records.iter().map(|record| record.data.as_str()).collect();
        ensure!(seen == [wanted], "{} says {seen:?}", self.name);
        Ok(())
    }
}

/// Gives the name another address, and waits until every node says so.
async fn change(host: &Host, nodes: &[Node], address: &str) -> Result<Duration> {
    let patch = format!(r#"[{{"op":"replace","path":"/spec/records/0/data","value":"{address}"}}]"#);
    host.kubectl().run(["patch", "dnszone", "global.example", "--type=json", "-p", &patch]).await?;
    let changed = Instant::now();
    for node in nodes {
        eventually(SOON, format!("{} says {address}", node.name), async || node.says(address).await).await?;
    }
    Ok(changed.elapsed())
}

#[test]
fn nodes_follow_the_host_and_go_on_without_it() {
    story("nodes_follow_the_host_and_go_on_without_it", Duration::from_secs(240), async |world| {
        // The host answers no names itself, so all that is known of them comes from the nodes.
        let mut host = Host::start(world, "host", &["--dns=off"]).await?;
        host.kubectl().apply(NAMES).await?;
        let mut nodes = [Node::start(world, &host, "dns-1")?, Node::start(world, &host, "dns-2")?];
        for node in &nodes {
            eventually(SOON, format!("{} answers", node.name), async || node.says("192.0.2.1").await).await?;
        }
        println!("a change was answered by both nodes after {:?}", change(&host, &nodes, "192.0.2.2").await?);

        // Only who probes can have said the one, and only who answers the other; the host does neither.
        let probed = ("shop", "jsonpath={.status.endpoints[0].verdict}", "ProbesFailing");
        let answered = ("taken", "jsonpath={.status.conditions[?(@.type=='Served')].reason}", "Refused");
        for (name, path, wanted) in [probed, answered] {
            eventually(SOON, format!("the nodes' reports on {name} reach the host"), async || {
                let look = ["get", "globalrecord", name, "-n", "default", "-o", path];
                let seen = host.kubectl().run(look).await?;
                ensure!(seen == wanted, "it says {seen:?}");
                anyhow::Ok(())
            })
            .await?;
        }

        let as_node = Kubectl::new(&host.data_folder().join("dns-node.kubeconfig"), &world.room("cache")?)?;
        let refused = as_node.run(["get", "secrets", "-A"]).await.err().map(|error| format!("{error:#}"));
        ensure!(refused.as_deref().is_some_and(|text| text.contains("forbidden")), "{refused:?}");

        let metrics = nodes[0].page("/metrics").await?;
        ensure!(metrics.contains("koinon_dns_queries_total"), "{metrics}");
        for page in ["/livez", "/readyz"] {
            let answer = nodes[0].page(page).await?;
            ensure!(answer.starts_with("HTTP/1.1 200"), "{page}: {answer}");
        }

        host.kill().await?;
        throughout(Duration::from_secs(2), "both nodes answer without the host", async || {
            for node in &nodes {
                node.says("192.0.2.2").await?;
            }
            anyhow::Ok(())
        })
        .await?;
        nodes[0].stop().await?;
        nodes[0].start_again()?;
        let started = Instant::now();
        eventually(SOON, "a node starts without the host", async || nodes[0].says("192.0.2.2").await).await?;
        println!("a node answered {:?} after its start, without the host", started.elapsed());

        host.start_again().await?;
        println!(
            "after the host's return a change was answered after {:?}",
            change(&host, &nodes, "192.0.2.3").await?
        );
        Ok(())
    });
}
