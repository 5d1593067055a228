//! Names whose answers depend on where the client is, through the real binary and clients that are not ours.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use koinon_tests::clock::eventually;
use koinon_tests::host::Host;
use koinon_tests::kubectl;
use koinon_tests::world::story;
use maxminddb_writer::Database;
use maxminddb_writer::metadata::IpVersion;
use maxminddb_writer::paths::IpAddrWithMask;
use serde_json::{Value, json};
use tokio::net::UdpSocket;
use tokio::process::Command;

/// The window of the weighted answers is as long as the test, so that two questions never fall into two.
const NAMES: &str = "
apiVersion: koinon.io/v1alpha1
kind: DnsZone
metadata: {name: global.example}
spec:
  soa: {mname: ns1.global.example, rname: hostmaster.global.example}
  nameServers: [{name: ns.example}]
---
apiVersion: koinon.io/v1alpha1
kind: GlobalRecord
metadata: {name: shop, namespace: default}
spec:
  host: shop.global.example
  endpoints:
    addresses:
    - {cluster: frankfurt, ips: [192.0.2.1, 192.0.2.2]}
    - {cluster: dublin, ips: [192.0.2.3]}
    - {cluster: oregon, ips: [192.0.2.4]}
  routing:
  - geo:
      rules:
      - {cidrs: [10.0.0.0/8], clusters: [dublin]}
      - {continents: [EU], clusters: [frankfurt, dublin]}
      default: [oregon]
  - failover: {groups: [{clusters: [frankfurt]}, {clusters: [dublin]}]}
  ttlSeconds: {stable: 86400, unstable: 86400}
";

/// Two busy cores.
const SOON: Duration = Duration::from_secs(20);

/// A database that knows one network, in Europe.
fn database(file: &Path) -> Result<()> {
    let mut writer = Database::default();
    writer.metadata.ip_version = IpVersion::V6;
    writer.metadata.database_type = "Test-City".to_owned();
    writer.metadata.binary_format_major_version = 2;
    let entry = json!({"continent": {"code": "EU"}, "country": {"iso_code": "DE"}});
    let entry = writer.insert_value(&entry).context("write an entry")?;
    writer.insert_node("::198.51.100.0/119".parse::<IpAddrWithMask>().context("a network")?, entry);
    std::fs::write(file, writer.write_to(Vec::new()).context("write a database")?)?;
    Ok(())
}

/// The addresses that dig gets for a network, and what it is told of the network.
async fn dig(server: SocketAddr, subnet: &str) -> Result<(Vec<String>, String)> {
    let mut command = Command::new("dig");
    command.args(["-r", &format!("@{}", server.ip()), "-p", &server.port().to_string()]);
    command.args([
        "shop.global.example",
        "A",
        "+norecurse",
        "+tries=1",
        "+time=2",
        "+noall",
        "+comments",
        "+answer",
    ]);
    command.arg(format!("+subnet={subnet}"));
    let said = kubectl::finish(command, "").await?;
    ensure!(said.success, "dig got no answer: {said:?}");
    let told = said.stdout.lines().find_map(|line| line.strip_prefix("; CLIENT-SUBNET: "));
    let data =
        said.stdout.lines().filter_map(|line| line.split_once("\tA\t")).map(|(_, data)| data.to_owned());
    let mut data: Vec<String> = data.collect();
    data.sort();
    Ok((data, told.unwrap_or_default().to_owned()))
}

/// The bytes that a datagram with id 0 gets, asking for a network of three bytes, in hexadecimal digits.
async fn bytes(server: SocketAddr, network: [u8; 3]) -> Result<String> {
    let socket = UdpSocket::bind("127.0.0.1:0").await?;
    let mut query = vec![0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1];
    query.extend(b"\x04shop\x06global\x07example\x00\x00\x01\x00\x01");
    query.extend([0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0, 0, 11, 0, 8, 0, 7, 0, 1, 24, 0]);
    query.extend(network);
    socket.send_to(&query, server).await?;
    let mut response = [0; 1500];
    let length = tokio::time::timeout(SOON, socket.recv(&mut response)).await??;
    Ok(response[..length].iter().map(|byte| format!("{byte:02x}")).collect())
}

async fn resolve(host: &Host, options: &[&str]) -> Result<Value> {
    let arguments = ["resolve", "shop.global.example", "-o", "json"];
    let said = host.koinon(&[&arguments[..], options].concat()).await?;
    ensure!(said.success, "{said:?}");
    serde_json::from_str(&said.stdout).context("read what resolve says")
}

async fn located(host: &Host, wanted: &str) -> Result<()> {
    eventually(SOON, format!("Located says {wanted}"), async || {
        let path = "jsonpath={.status.conditions[?(@.type=='Located')].reason}";
        let seen = host.kubectl().run(["get", "globalrecord", "shop", "-n", "default", "-o", path]).await?;
        ensure!(seen == wanted, "it says {seen:?}");
        anyhow::Ok(())
    })
    .await
}

#[test]
fn clients_are_answered_by_where_they_are() {
    story("clients_are_answered_by_where_they_are", Duration::from_secs(180), async |world| {
        let mut blind = Host::start(world, "blind", &[]).await?;
        blind.kubectl().apply(NAMES).await?;
        located(&blind, "NoLocationDatabase").await?;
        blind.kill().await?;

        let file = world.folder().join("cities.mmdb");
        database(&file)?;
        let host = Host::start(world, "host", &["--geo-db", &file.to_string_lossy()]).await?;
        host.kubectl().apply(NAMES).await?;
        let server = host.dns_address();
        eventually(SOON, "the name is answered", async || {
            let (addresses, _) = dig(server, "203.0.113.0/24").await?;
            ensure!(addresses == ["192.0.2.4"], "{addresses:?}");
            anyhow::Ok(())
        })
        .await?;
        located(&host, "Accepted").await?;
        for (subnet, addresses, told) in [
            ("10.1.2.0/24", &["192.0.2.3"][..], "10.1.2.0/24/8"),
            ("198.51.101.0/24", &["192.0.2.1", "192.0.2.2"], "198.51.101.0/24/23"),
            ("203.0.113.0/24", &["192.0.2.4"], "203.0.113.0/24/5"),
            ("0", &["192.0.2.4"], "0.0.0.0/0/0"),
        ] {
            let (seen, scope) = dig(server, subnet).await?;
            ensure!(seen.iter().all(|address| addresses.contains(&address.as_str())), "{subnet}: {seen:?}");
            ensure!(seen.len() == 1 && scope.trim() == told, "{subnet}: {seen:?}, {scope}");
        }

        let asked = ["--client", "127.0.0.1", "--subnet", "198.51.100.0/24"];
        let told = resolve(&host, &asked).await?;
        let sent = bytes(server, [198, 51, 100]).await?;
        ensure!(told["message"] == sent.as_str(), "resolve says {}, the server {sent}", told["message"]);
        let because = told["because"].as_str().unwrap_or_default();
        ensure!(because.contains("geo: dublin, frankfurt → failover: frankfurt"), "{because}");

        let told =
            resolve(&host, &[&asked[..], &["--if-down", "frankfurt", "--at", "+10m"]].concat()).await?;
        ensure!(
            told["answers"] == json!(["shop.global.example. 86400 IN A 192.0.2.3"]),
            "{}",
            told["answers"]
        );
        let unknown = host.koinon(&["resolve", "shop.global.example", "--if-down", "paris"]).await?;
        let said = unknown.stderr.contains("dublin, frankfurt, oregon");
        ensure!(!unknown.success && said, "{}", unknown.stderr);
        Ok(())
    });
}
