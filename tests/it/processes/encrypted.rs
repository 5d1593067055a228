//! Names over TLS and HTTPS, asked with `kdig`: a client that is not ours.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use koinon_tests::clock::eventually;
use koinon_tests::host::Host;
use koinon_tests::kubectl;
use koinon_tests::world::story;
use tokio::process::Command;

/// The files are looked at every five seconds, on a busy machine.
const SOON: Duration = Duration::from_secs(30);

const NAME: &str = "ns1.global.example";

/// A zone that may be copied, from anywhere on this machine but over an encrypted connection only.
const ZONE: &str = "
apiVersion: koinon.io/v1alpha1
kind: DnsZone
metadata: {name: global.example}
spec:
  soa: {mname: ns1.global.example, rname: hostmaster.global.example}
  nameServers: [{name: ns.example}]
  records:
  - {name: www, type: A, data: 192.0.2.80, ttlSeconds: 60}
  transfer: {allow: [{cidr: 127.0.0.0/8, tls: true}, {cidr: '::1/128', tls: true}]}
";

/// A certificate that a kubelet would mount: `tls.crt` and `tls.key` behind one link, which a change flips.
struct Mounted {
    folder: PathBuf,
    n_versions: u32,
}

impl Mounted {
    fn new(folder: PathBuf) -> Result<Self> {
        let mut mounted = Self { folder, n_versions: 0 };
        mounted.renew()?;
        for file in ["tls.crt", "tls.key"] {
            std::os::unix::fs::symlink(Path::new("..data").join(file), mounted.folder.join(file))?;
        }
        Ok(mounted)
    }

    fn file(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    /// Flips to a new pair.
    fn renew(&mut self) -> Result<()> {
        let key = rcgen::KeyPair::generate()?;
        let certificate = rcgen::CertificateParams::new(vec![NAME.to_owned()])?.self_signed(&key)?;
        self.flip(&certificate.pem(), &key.serialize_pem())
    }

    fn flip(&mut self, certificate: &str, key: &str) -> Result<()> {
        self.n_versions += 1;
        let version = format!("..{}", self.n_versions);
        let (content, link) = (self.folder.join(&version), self.folder.join("..next"));
        std::fs::create_dir(&content)?;
        std::fs::write(content.join("tls.crt"), certificate)?;
        std::fs::write(content.join("tls.key"), key)?;
        std::os::unix::fs::symlink(version, &link)?;
        std::fs::rename(link, self.folder.join("..data"))?;
        Ok(())
    }
}

/// Asks with `kdig`, whose `options` say how, and gives all that it prints.
async fn kdig(server: SocketAddr, question: [&str; 2], options: &[&str]) -> Result<String> {
    let mut command = Command::new("kdig");
    command.arg(format!("@{}", server.ip())).args(["-p", &server.port().to_string()]);
    command.args(["+timeout=5", "+retry=0"]).args(options).args(question);
    let answer = kubectl::finish(command, "").await.context("failed to run kdig (package knot-dnsutils)")?;
    ensure!(answer.success, "kdig {options:?} {question:?} at {server}: {} {}", answer.stdout, answer.stderr);
    Ok(answer.stdout)
}

/// Where the host says that it listens over a transport.
fn told(host: &Host, transport: &str) -> Result<Vec<SocketAddr>> {
    let log = std::fs::read_to_string(host.log())?;
    let ready = log.lines().find(|line| line.contains("is ready")).context("it is ready")?;
    let marked = format!(", over {transport} at ");
    let addresses = ready.split(&marked).skip(1).map(|rest| rest.split(", ").next().unwrap_or(rest).parse());
    Ok(addresses.collect::<Result<_, _>>()?)
}

#[test]
fn names_are_served_over_encrypted_transports_with_the_certificate_of_the_day() {
    let name = "names_are_served_over_encrypted_transports_with_the_certificate_of_the_day";
    story(name, Duration::from_secs(180), async |world| {
        let mut mounted = Mounted::new(world.room("certificate")?)?;
        let mut options = vec!["--dns-cert".to_owned(), mounted.file("tls.crt")];
        options.extend(["--dns-key".to_owned(), mounted.file("tls.key")]);
        for transport in ["tls", "https", "quic"] {
            options.push(format!("--dns-{transport}-listen=127.0.0.1:0"));
            options.push(format!("--dns-{transport}-listen=[::1]:0"));
        }
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        let host = Host::start(world, "host", &options).await?;
        host.kubectl().apply(ZONE).await?;
        let www = ["www.global.example", "A"];
        let tcp = ["+tcp", "+norec"];
        let served = async || {
            let answer = kdig(host.dns_address(), www, &tcp).await?;
            ensure!(answer.contains("192.0.2.80"), "not yet: {answer}");
            Ok::<_, anyhow::Error>(())
        };
        eventually(SOON, "the zone is served", served).await?;

        // What Debian has of kdig speaks no QUIC; the judge asks over that.
        let ways: [(&str, &[&str]); 3] = [
            ("TLS", &["+tls"]),
            ("HTTPS", &["+https=ns1.global.example/dns-query"]),
            ("HTTPS", &["+https=ns1.global.example/dns-query", "+https-get"]),
        ];
        for (transport, how) in ways {
            let addresses = told(&host, transport)?;
            ensure!(addresses.iter().map(SocketAddr::ip).map(|ip| ip.is_ipv4()).eq([true, false]));
            for address in addresses {
                let checked =
                    ["+tls-hostname=ns1.global.example", &format!("+tls-ca={}", mounted.file("tls.crt"))];
                let options = [how, &checked, &["+norec", "+padding", "+nsid"]].concat();
                let answer = kdig(address, www, &options).await?;
                ensure!(answer.contains("192.0.2.80") && answer.contains("TLS1.3"), "{transport}: {answer}");
                ensure!(answer.contains("Received 468 B"), "{transport} is not padded: {answer}");
            }
        }
        zones_travel_encrypted(&host).await?;
        certificates_change(&host, &mut mounted).await
    });
}

/// A zone whose grant demands it travels over an encrypted connection, and over no other.
async fn zones_travel_encrypted(host: &Host) -> Result<()> {
    let zone = ["global.example", "AXFR"];
    let plain = kdig(host.dns_address(), zone, &[]).await;
    ensure!(!plain.as_ref().is_ok_and(|zone| zone.contains("192.0.2.80")), "copied in the clear: {plain:?}");
    for address in told(host, "TLS")? {
        let copied = kdig(address, zone, &["+tls"]).await?;
        ensure!(copied.matches("SOA").count() == 2 && copied.contains("192.0.2.80"), "over TLS: {copied}");
    }
    Ok(())
}

/// A changed certificate is shown without a restart; a broken one is not.
async fn certificates_change(host: &Host, mounted: &mut Mounted) -> Result<()> {
    let address = told(host, "TLS")?.into_iter().find(|address| matches!(address.ip(), IpAddr::V4(_)));
    let address = address.context("it listens on IPv4")?;
    let known = std::fs::read_to_string(mounted.file("tls.crt"))?;
    let trusted = mounted.folder.join("known.crt");
    std::fs::write(&trusted, known)?;
    let shows = async |certificate: &str| {
        let ca = format!("+tls-ca={certificate}");
        let options = ["+tls", &ca, "+tls-hostname=ns1.global.example", "+norec"];
        kdig(address, ["www.global.example", "A"], &options).await.map(drop)
    };
    let trusted = trusted.display().to_string();
    shows(&trusted).await?;
    mounted.flip("nothing", "nothing")?;
    let complained = async || {
        let log = std::fs::read_to_string(host.log())?;
        ensure!(log.contains("the changed certificate cannot be used"), "it does not say so");
        Ok::<_, anyhow::Error>(())
    };
    eventually(SOON, "the host complains of a broken certificate", complained).await?;
    shows(&trusted).await.context("with a broken pair in place")?;
    mounted.renew()?;
    let current = mounted.file("tls.crt");
    eventually(SOON, "the new certificate is shown", async || shows(&current).await).await?;
    ensure!(shows(&trusted).await.is_err(), "the old certificate is still shown");
    Ok(())
}
