//! The loops of the host and the sessions of its members, wired to each other.
//!
//! ```text
//! placement ─► delivery ─► fleet (orders) ─► sessions ─► observations ─► delivery, names
//!                                               └─► reports ─► health ─► names, placement
//! ```

use std::time::Duration;

use koinon_api_server::Server;
use koinon_controllers::authors::Authors;
use koinon_controllers::cluster_health::{self, Healths};
use koinon_controllers::fleet::Fleet;
use koinon_controllers::members::{self, Settings};
use koinon_controllers::names::Master;
use koinon_controllers::observations::{self, Observations};
use koinon_controllers::vantages::{self, Vantages};
use koinon_controllers::{delivery, names, placement, updates};
use koinon_dns::delegation::Lookup;
use koinon_syncer::session;
use koinon_types::sync::DesiredSet;
use tokio::sync::{mpsc, watch};

use super::host::Tasks;
use super::keys::watch_parents;
use super::names::Ends;

/// From one probe of a member's API to the next: three failures make a verdict well within its six seconds.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);

/// How long a probe may take: a hung member costs its interval and this for each failure that counts.
const PROBE_DEADLINE: Duration = Duration::from_secs(1);

/// Reports of members on their way to the one that judges: a second's worth of a large fleet.
const REPORTS: usize = 1024;

/// What zones are signed with, and how their parents are found.
pub(super) struct Keys {
    pub(super) master: Master,
    pub(super) lookup: Lookup,
}

/// Starts the loops and everything between them.
pub(super) fn start(
    server: &Server,
    dns: Ends,
    (guard, authors, keys): (names::guard::Settings, Authors, Keys),
    stop: &watch::Receiver<bool>,
    tasks: &mut Tasks,
) {
    let (fleet, seen, vantages) = (Fleet::default(), Observations::default(), Vantages::default());
    let (feedback, said) = mpsc::channel(observations::QUEUE);
    let (reports, reported) = mpsc::channel(REPORTS);
    let (healths, told) = watch::channel(Healths::default());

    tasks.spawn("intake of feedback", ends(observations::run(said, seen.clone()), stop));
    // Without a DNS server nobody reports, and the intake has nothing to wait for.
    let intake = vantages::run(dns.probes, dns.answers, vantages.clone());
    tasks.spawn("intake of DNS reports", ends(lasting(intake), stop));
    tasks.spawn("placement", finishes(placement::run(server.client("placement"), stop.clone())));
    let links = delivery::Links {
        client: server.client("delivery"),
        fleet: fleet.clone(),
        observations: seen.clone(),
    };
    tasks.spawn("delivery", finishes(delivery::run(links, stop.clone())));
    let links = cluster_health::Links {
        client: server.client("health"),
        reports: reported,
        vantages: vantages.clone(),
        healths,
    };
    tasks.spawn("health", ends(cluster_health::run(links), stop));
    let (seen_parents, parents) = watch::channel(names::Parents::default());
    let watching = watch_parents(keys.lookup, dns.table.subscribe(), seen_parents);
    tasks.spawn("watch of parent zones", ends(watching, stop));
    let links = names::Links {
        client: server.client("names"),
        observations: seen.clone(),
        healths: told,
        vantages,
        table: dns.table,
        served: dns.kept.served,
        guard,
        acknowledged: dns.kept.acknowledged,
        counter: dns.counter,
        journal: dns.kept.journal,
        authors,
    };
    let keys = names::KeyLinks { master: keys.master, parents };
    tasks.spawn("names", finishes(names::run(links, keys, stop.clone())));
    let links =
        updates::Links { client: server.client(updates::MANAGER), table: dns.follow, requests: dns.updates };
    tasks.spawn("updates", finishes(updates::run(links, stop.clone())));
    let links = members::Links {
        client: server.client("members"),
        fleet,
        observations: seen,
        reports: reports.clone(),
    };
    let connect = move |settings: Settings, desired: DesiredSet, stop: watch::Receiver<bool>| {
        let config = session::Config {
            cluster: settings.cluster.as_str().to_owned(),
            kubeconfig: settings.kubeconfig,
            context: settings.context,
            probe_interval: PROBE_INTERVAL,
            probe_deadline: PROBE_DEADLINE,
        };
        let links = session::Links { desired, feedback: feedback.clone(), reports: reports.clone() };
        session::run(config, links, stop)
    };
    tasks.spawn("members", ends(members::run(links, connect), stop));
}

/// A loop that may have nothing to do, and whose end means nothing.
async fn lasting(run: impl Future<Output = ()>) {
    run.await;
    std::future::pending::<()>().await;
}

/// A loop that ends by itself when the host does, after what it has begun to write.
async fn finishes(run: impl Future<Output = ()>) -> anyhow::Result<()> {
    run.await;
    Ok(())
}

/// A loop that ends when the host does.
fn ends(
    run: impl Future<Output = ()> + Send + 'static,
    stop: &watch::Receiver<bool>,
) -> impl Future<Output = anyhow::Result<()>> + Send + 'static {
    let mut stop = stop.clone();
    async move {
        tokio::select! {
            () = run => Ok(()),
            _ = stop.wait_for(|stop| *stop) => Ok(()),
        }
    }
}
