//! What the demo plays on: a host on an embedded store in a temporary folder, and three simulated clusters that have joined it.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use koinon_dns::delegation::Lookup;
use koinon_simulator::{Config, Fault, Member};
use serde_json::Value;
use tempfile::TempDir;

use crate::args::{HostArgs, JoinArgs, SecureArgs, of_system};
use crate::commands::join;
use crate::compose::dns::Serving;
use crate::compose::host::{self, Running, Settings};
use crate::host::Host;
use crate::render;

/// The clusters: name, region, provider, address on loopback, nodes.
const CLUSTERS: [(&str, &str, &str, Ipv4Addr, u32); 3] = [
    ("on-prem", "dc1", "on-prem", Ipv4Addr::new(127, 88, 0, 1), 4),
    ("cloud-a", "eu-west-1", "aws", Ipv4Addr::new(127, 88, 0, 2), 3),
    ("cloud-b", "us-east-1", "gcp", Ipv4Addr::new(127, 88, 0, 3), 3),
];

/// Where the host listens when nobody else does; any free port otherwise.
const API: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 6443);
const DNS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 5353);

/// How long a simulated pod takes to become ready: long enough to be seen, short enough for a demo.
const READY_DELAY: Duration = Duration::from_millis(400);

/// The shop, document by document, with the path that each is applied to.
const SHOP: &str = include_str!("shop.yaml");
const SHOP_PATHS: [&str; 7] = [
    "/api/v1/namespaces/shop",
    "/api/v1/namespaces/shop/configmaps/shop",
    "/apis/apps/v1/namespaces/shop/deployments/shop",
    "/api/v1/namespaces/shop/services/shop",
    "/apis/koinon.io/v1alpha1/namespaces/shop/propagationpolicies/shop",
    "/apis/koinon.io/v1alpha1/dnszones/global.example",
    "/apis/koinon.io/v1alpha1/namespaces/shop/globalrecords/shop",
];

/// The stage.
pub(super) struct Stage {
    folder: TempDir,
    host: Running,
    dns: SocketAddr,
    members: Vec<Played>,
}

struct Played {
    member: Member,
    /// Its API, as its own users reach it.
    api: Host,
    is_lost: bool,
}

// === impl Stage ===

impl Stage {
    /// Starts everything and says so, a line each.
    ///
    /// # Errors
    /// When something does not start.
    pub(super) async fn set() -> anyhow::Result<Self> {
        let began = Instant::now();
        render::print(&format!(
            "{}\n",
            render::strong("One control plane over three clusters, all in this process")
        ));
        let folder = tempfile::Builder::new().prefix("koinon-demo-").tempdir().context("make a folder")?;
        let settings = Settings {
            data_dir: folder.path().to_owned(),
            listen: free_or_any(API),
            advertise: Vec::new(),
            serving: Some(Serving {
                listen: free_or_any(DNS),
                limit: None,
                geo_dbs: Vec::new(),
                cookie_secret: None,
                secure: SecureArgs::default(),
            }),
            guard: koinon_controllers::names::guard::Settings::default(),
            key_encryption_file: None,
            lookup: Lookup { resolver: of_system(), port: 53 },
        };
        let host = host::start(settings).await?;
        let dns = host.dns_address().context("the demo serves names")?;
        line("host", &format!("https://{}  kubeconfig {}", host.api_address(), host.kubeconfig().display()));
        line("names", &format!("{dns}, over UDP and TCP"));
        let mut stage = Self { folder, host, dns, members: Vec::new() };
        for (name, region, provider, ip, nodes) in CLUSTERS {
            stage.join(name, region, provider, ip, nodes).await?;
        }
        line("ready", &format!("after {:.1} s", began.elapsed().as_secs_f64()));
        Ok(stage)
    }

    async fn join(
        &mut self,
        name: &str,
        region: &str,
        provider: &str,
        ip: Ipv4Addr,
        nodes: u32,
    ) -> anyhow::Result<()> {
        let config = Config { nodes, ready_delay: READY_DELAY, ..Config::new(name, ip) };
        let member =
            Member::start(config).await.with_context(|| format!("start the simulated cluster {name}"))?;
        let kubeconfig = self.folder.path().join(format!("{name}.kubeconfig"));
        std::fs::write(&kubeconfig, member.kubeconfig())
            .with_context(|| format!("write {}", kubeconfig.display()))?;
        let args = JoinArgs {
            name: name.to_owned(),
            kubeconfig: kubeconfig.clone(),
            context: None,
            region: Some(region.to_owned()),
            zone: None,
            provider: Some(provider.to_owned()),
            labels: Vec::new(),
            host_kubeconfig: Some(self.host.kubeconfig().to_owned()),
            host_context: None,
        };
        let (_, server) = join::join(&args).await?;
        line(name, &format!("{region}, {nodes} simulated nodes, {server}"));
        let api = Host::connect(&HostArgs { kubeconfig: Some(kubeconfig), context: None }).await?;
        self.members.push(Played { member, api, is_lost: false });
        Ok(())
    }

    /// Applies the shop to the host, as kubectl would.
    ///
    /// # Errors
    /// When the host refuses.
    pub(super) async fn apply_shop(&self) -> anyhow::Result<()> {
        let args = HostArgs { kubeconfig: Some(self.kubeconfig().to_owned()), context: None };
        let host = Host::connect(&args).await?;
        for (path, text) in SHOP_PATHS.iter().zip(SHOP.split("\n---\n")) {
            let object: Value = serde_norway::from_str(text).with_context(|| format!("read {path}"))?;
            host.apply(path, &object).await?;
        }
        Ok(())
    }

    /// Cuts a cluster off: its API and its endpoints refuse connections.
    ///
    /// # Errors
    /// When there is no such cluster, or it is lost already.
    pub(super) async fn lose(&mut self, name: &str) -> anyhow::Result<()> {
        let played = self.find(name)?;
        if played.is_lost {
            bail!("{name} is lost already; get it back with: return {name}");
        }
        played.is_lost = true;
        played.member.fail(Fault::Refused);
        Ok(())
    }

    /// Lets a cluster be reached again, with what it had.
    ///
    /// # Errors
    /// When there is no such cluster, or it is not lost.
    pub(super) async fn get_back(&mut self, name: &str) -> anyhow::Result<()> {
        let played = self.find(name)?;
        if !played.is_lost {
            bail!("{name} is not lost; lose it with: lose {name}");
        }
        played.is_lost = false;
        played.member.heal();
        Ok(())
    }

    fn find(&mut self, name: &str) -> anyhow::Result<&mut Played> {
        let found = self.members.iter_mut().find(|played| played.member.name() == name);
        found.with_context(|| format!("there is no cluster {name}; there are: on-prem, cloud-a, cloud-b"))
    }

    /// Where names are answered.
    pub(super) fn dns(&self) -> SocketAddr {
        self.dns
    }

    /// The host's kubeconfig.
    pub(super) fn kubeconfig(&self) -> &Path {
        self.host.kubeconfig()
    }

    /// Every cluster with the address of its load balancers.
    pub(super) fn members(&self) -> impl Iterator<Item = (&str, Ipv4Addr)> {
        self.members.iter().map(|played| (played.member.name(), played.member.ip()))
    }

    /// The addresses of some clusters.
    pub(super) fn addresses(&self, is_meant: impl Fn(&str) -> bool) -> BTreeSet<Ipv4Addr> {
        self.members().filter(|(name, _)| is_meant(name)).map(|(_, ip)| ip).collect()
    }

    /// Every cluster's own API.
    pub(super) fn apis(&self) -> impl Iterator<Item = (&str, &Host)> {
        self.members.iter().map(|played| (played.member.name(), &played.api))
    }

    /// Whether a cluster is lost now.
    pub(super) fn is_lost(&self, name: &str) -> bool {
        self.members.iter().any(|played| played.member.name() == name && played.is_lost)
    }

    /// Stops everything and removes what was made.
    pub(super) async fn clear(self) {
        self.host.stop().await;
        for played in self.members {
            played.member.stop().await;
        }
    }
}

fn line(what: &str, about: &str) {
    render::print(&format!("   {what:8} {about}\n"));
}

/// The address if nobody listens there, or one of the system's choice.
fn free_or_any(address: SocketAddr) -> SocketAddr {
    let is_free = std::net::TcpListener::bind(address).is_ok() && std::net::UdpSocket::bind(address).is_ok();
    if is_free { address } else { SocketAddr::new(address.ip(), 0) }
}
