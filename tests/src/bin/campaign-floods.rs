//! Floods a DNS node and asks it meanwhile as its clients would: whoever is legitimate is answered, memory stays, and nobody is
//! sent more than was asked for in their name.
//!
//! Run it in a network namespace of its own: `unshare --map-root-user --net`, as `cargo xtask campaign floods` does.
#![expect(clippy::print_stdout, reason = "a campaign prints its table")]

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use koinon_tests::clock::{eventually, throughout};
use koinon_tests::host::Host;
use koinon_tests::load::floods::attacks::{Aim, Flood};
use koinon_tests::load::floods::legitimate::Client;
use koinon_tests::load::floods::{Success, Traffic, network};
use koinon_tests::load::report;
use koinon_tests::process::Process;
use koinon_tests::world::World;
use koinon_tests::{assets, dig, usage};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore};

/// Floods a DNS node.
#[derive(Parser)]
struct Arguments {
    /// How long in all, such as 20s or 5m
    #[arg(long = "for", value_name = "TIME", default_value = "5m", value_parser = duration)]
    span: Duration,
    /// Datagrams a second of a flood over UDP
    #[arg(long, default_value_t = 20_000)]
    per_second: u32,
}

/// Answers to legitimate clients, at least. Units: percent.
const SUCCESS_MIN: f64 = 99.9;

/// Bytes sent to addresses that may be forged, for each byte that came from them, at most, over all of a flood.
const AMPLIFICATION_MAX: f64 = 1.5;

/// Memory that floods may add: a room full of connections, each with the answers that it does not take. Units: MiB.
const GROWTH_MAX: f64 = 128.0;

/// The name in the certificate.
const NAME: &str = "ns1.global.example";

/// Two busy cores and a debug build.
const SOON: Duration = Duration::from_secs(60);

/// One flood and all that was seen meanwhile.
struct Outcome {
    flood: Flood,
    traffic: Traffic,
    success: Success,
    resident_max: f64,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    network::prepare()?;
    let world = World::new("campaign-floods")?;
    let stage = Stage::set(&world)?;
    let aim =
        Aim { server: stage.dns, tls: stage.tls, per_second: arguments.per_second, hello: stage.hello()? };
    let before = usage::resident_mib(stage.node.id())?;
    println!("resident before: {before:.1} MiB");
    println!(
        "{:16} {:>10} {:>12} {:>13} {:>14}",
        "flood", "sent", "success", "amplification", "resident MiB"
    );
    // In a long campaign every flood comes twice, so that what is left of the first round would show in the second.
    let rounds = if arguments.span > Duration::from_secs(60) { 2 } else { 1 };
    let each = arguments.span / (rounds * Flood::ALL.len() as u32);
    let mut outcomes = Vec::new();
    for flood in Flood::ALL.iter().cycle().take(rounds as usize * Flood::ALL.len()) {
        let outcome = stage.endure(*flood, &aim, each)?;
        println!("{}", outcome.line());
        outcomes.push(outcome);
    }
    let after = usage::resident_mib(stage.node.id())?;
    println!("resident after: {after:.1} MiB");
    let figures: Vec<Value> = outcomes.iter().map(Outcome::figures).collect();
    let file =
        report::write("floods", &json!({"before_mib": before, "after_mib": after, "floods": figures}))?;
    println!("{}", file.display());
    for outcome in &outcomes {
        outcome.judge(before)?;
    }
    Ok(())
}

/// The node under test, and the host that it follows.
struct Stage {
    node: Process,
    dns: SocketAddr,
    tls: SocketAddr,
    connector: TlsConnector,
    runtime: Runtime,
    _host: Host,
}

impl Stage {
    fn set(world: &World) -> Result<Self> {
        let runtime = Runtime::new().context("failed to start a runtime")?;
        let host = runtime.block_on(async {
            let host = Host::start(world, "host", &[]).await?;
            host.kubectl().apply(&zone()).await?;
            Ok::<_, anyhow::Error>(host)
        })?;
        let folder = world.room("node")?;
        let connector = certify(&folder)?;
        let (dns, tls) = ((network::SERVER, 53).into(), (network::SERVER, 853).into());
        let mut command = Command::new(assets::koinon()?);
        command.args(["dns", "serve", "--node", "flooded", "--data-dir"]).arg(folder.join("data"));
        command.arg(format!("--dns-listen={dns}")).arg(format!("--dns-tls-listen={tls}"));
        command.arg("--dns-cert").arg(folder.join("tls.crt")).arg("--dns-key").arg(folder.join("tls.key"));
        command.arg("--kubeconfig").arg(host.data_folder().join("dns-node.kubeconfig"));
        let node = Process::start("node", command, &folder.join("log"))?;
        let served = async || {
            let answer = dig::ask(dns, "www.global.example", "A", &["+tcp"]).await?;
            ensure!(answer.records.len() == 1, "not yet: {answer:?}");
            Ok::<_, anyhow::Error>(())
        };
        runtime.block_on(eventually(SOON, "the node serves the zone", served))?;
        Ok(Self { node, dns, tls, connector, runtime, _host: host })
    }

    /// The first message of a handshake.
    fn hello(&self) -> Result<Vec<u8>> {
        let mut client =
            ClientConnection::new(Arc::clone(self.connector.config()), ServerName::try_from(NAME)?)?;
        let mut hello = Vec::new();
        client.write_tls(&mut hello)?;
        Ok(hello)
    }

    /// Floods for a while, with all clients beside it.
    fn endure(&self, flood: Flood, aim: &Aim, span: Duration) -> Result<Outcome> {
        let tls = Client::Tls(self.connector.clone(), ServerName::try_from(NAME)?);
        let clients = [
            (Client::Elsewhere, self.dns),
            (Client::AmongThem, self.dns),
            (Client::Tcp, self.dns),
            (tls, self.tls),
        ];
        let stop = &Arc::new(AtomicBool::new(false));
        std::thread::scope(|scope| {
            let asking = clients.map(|(client, server)| scope.spawn(move || client.run(server, stop)));
            let flooding = scope.spawn(|| flood.run(aim, stop));
            let mut resident_max = 0_f64;
            let watched = self.runtime.block_on(throughout(span, "the node lives", async || {
                resident_max = resident_max.max(usage::resident_mib(self.node.id())?);
                Ok::<_, anyhow::Error>(())
            }));
            stop.store(true, Ordering::Relaxed);
            watched?;
            let mut success = Success::default();
            for client in asking {
                success.add(client.join().map_err(|_| anyhow::anyhow!("a client fell over"))??);
            }
            let traffic = flooding.join().map_err(|_| anyhow::anyhow!("the flood fell over"))??;
            Ok(Outcome { flood, traffic, success, resident_max })
        })
    }
}

impl Outcome {
    /// Bytes back for each that was sent; none over connections, whose addresses cannot be forged.
    fn amplification(&self) -> Option<f64> {
        let Traffic { bytes_sent, bytes_received, .. } = self.traffic;
        (bytes_sent > 0).then(|| bytes_received as f64 / bytes_sent as f64)
    }

    fn line(&self) -> String {
        let (flood, sent) = (self.flood.as_str(), self.traffic.n_sent);
        let Success { n_asked, n_answered } = self.success;
        let amplification = self.amplification().map_or("-".to_owned(), |ratio| format!("{ratio:.2}"));
        let success = format!("{n_answered}/{n_asked}");
        format!("{flood:16} {sent:>10} {success:>12} {amplification:>13} {:>14.1}", self.resident_max)
    }

    fn figures(&self) -> Value {
        json!({
            "flood": self.flood.as_str(),
            "sent": self.traffic.n_sent,
            "asked": self.success.n_asked,
            "answered": self.success.n_answered,
            "amplification": self.amplification(),
            "resident_mib": self.resident_max,
        })
    }

    fn judge(&self, before: f64) -> Result<()> {
        let (flood, success) = (self.flood.as_str(), self.success.percent());
        ensure!(success >= SUCCESS_MIN, "{flood}: {success:.3} % of legitimate questions were answered");
        ensure!(self.traffic.n_sent > 0, "{flood}: there was no flood");
        let ratio = self.amplification().unwrap_or(0.0);
        ensure!(ratio <= AMPLIFICATION_MAX, "{flood}: {ratio:.2} bytes were sent for each received");
        let growth = self.resident_max - before;
        ensure!(growth <= GROWTH_MAX, "{flood}: memory grew by {growth:.1} MiB");
        Ok(())
    }
}

/// A zone with a usual name, one with many types, and one with as long an answer as a datagram takes.
fn zone() -> String {
    let long = "x".repeat(220);
    let texts: String =
        (0..5).map(|n| format!("  - {{name: large, type: TXT, data: '\"{n}{long}\"'}}\n")).collect();
    format!(
        "
apiVersion: koinon.io/v1alpha1
kind: DnsZone
metadata: {{name: global.example}}
spec:
  soa: {{mname: ns1.global.example, rname: hostmaster.global.example}}
  nameServers: [{{name: ns.example}}]
  records:
  - {{name: www, type: A, data: 192.0.2.80}}
  - {{name: many, type: A, data: 192.0.2.81}}
  - {{name: many, type: AAAA, data: '2001:db8::81'}}
  - {{name: many, type: MX, data: 10 mx.example.net.}}
  - {{name: many, type: TXT, data: '\"{long}\"'}}
{texts}"
    )
}

/// Writes a certificate and its key; gives what trusts it.
fn certify(folder: &Path) -> Result<TlsConnector> {
    let authority_key = rcgen::KeyPair::generate()?;
    let mut params = rcgen::CertificateParams::new(Vec::new())?;
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = params.self_signed(&authority_key)?;
    let issuer = rcgen::Issuer::new(params, authority_key);
    let key = rcgen::KeyPair::generate()?;
    let certificate = rcgen::CertificateParams::new(vec![NAME.to_owned()])?.signed_by(&key, &issuer)?;
    std::fs::write(folder.join("tls.crt"), certificate.pem())?;
    std::fs::write(folder.join("tls.key"), key.serialize_pem())?;
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(authority.der().to_vec()))?;
    let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    // Each client is a new one.
    config.resumption = tokio_rustls::rustls::client::Resumption::disabled();
    config.alpn_protocols = vec![b"dot".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

/// A number with its unit: seconds, minutes or hours.
fn duration(text: &str) -> Result<Duration> {
    let accepted = || format!("{text:?} is no time such as 20s, 5m or 2h");
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).with_context(accepted)?;
    let number: u64 = number.parse().ok().with_context(accepted)?;
    let seconds = match unit {
        "s" => number,
        "m" => number * 60,
        "h" => number * 3600,
        _ => anyhow::bail!(accepted()),
    };
    Ok(Duration::from_secs(seconds))
}
