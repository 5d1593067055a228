//! A DNS node of its own: follows the host's table of names, serves it, and tells what it sees.
//!
//! ```text
//! host /koinon/names ─► table ─► DNS server ─► reports ─► host /koinon/reports
//!                                 └─► updates of zones ─► host /koinon/updates
//! ```
//! A node keeps the last table in its folder, so it starts and goes on without the host, and keeps probing.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use koinon_dns::serve::{self, SecureAddresses};
use koinon_types::names::{AnswerReport, NameTable, NameTableSender, ProbeReport};
use serde_json::Value;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tracing::{info, warn};

use super::dns::{self, Serving};
use super::names::{REPORTS_PATH, Reports};
use super::observe;
use super::pages::{self, Pages};
use super::private::make_private;
use super::table_page::{NAMES, News};
use super::updates;
use crate::host::Host;

/// Waits after a failure to reach the host, the first and the longest: changes arrive soon after it is back.
const RETRY_MIN: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(2);

/// How long reports are gathered before they are posted: a verdict waits no longer, and a busy node posts ten times a second.
const GATHER: Duration = Duration::from_millis(100);

/// Reports that are posted together: as many as fit the host's limit with room to spare.
const TOGETHER_MAX: usize = 1024;

/// Reports that wait to be posted; what finds no room is made again within seconds.
const QUEUE: usize = 4096;

/// How long the host may take to take reports in.
const POST_MAX: Duration = Duration::from_secs(5);

/// How long the server may take to end.
const STOP_MAX: Duration = Duration::from_secs(5);

/// How a node is run.
pub(crate) struct Settings {
    pub(crate) node: String,
    pub(crate) data_dir: PathBuf,
    pub(crate) serving: Serving,
    pub(crate) metrics_listen: Option<SocketAddr>,
    pub(crate) host: Host,
}

/// A node that serves.
pub(crate) struct Running {
    address: SocketAddr,
    secure: SecureAddresses,
    stop: watch::Sender<bool>,
    server: JoinSet<()>,
    /// Ends when it is dropped.
    _links: JoinSet<()>,
}

/// Starts a node; it serves what it kept until the host says otherwise.
///
/// # Errors
/// When it cannot, with what to do about it.
pub(crate) async fn start(settings: Settings) -> anyhow::Result<Running> {
    let Settings { node, data_dir, serving, metrics_listen, host } = settings;
    make_private(&data_dir).with_context(|| {
        format!("make the data folder {}; choose another with --data-dir", data_dir.display())
    })?;
    let scrapers = match metrics_listen {
        Some(address) => Some((pages::listen(address).await?, observe::metrics()?)),
        None => None,
    };
    let (table, follow) = watch::channel(Arc::<NameTable>::default());
    let ((probe_sender, probes), (answer_sender, answers)) = (mpsc::channel(QUEUE), mpsc::channel(QUEUE));
    let (stop, stopped) = watch::channel(false);
    let config = dns::config(&serving, &node, data_dir).context("--node")?;
    let mut running = serve::start(config, follow, probe_sender, answer_sender, stopped)
        .context("serve names; choose another address with --dns-listen, or other files with --geo-db")?;
    let (address, secure) = (running.address(), running.secure().clone());
    let (snapshots, updates) = (running.snapshots(), running.updates());
    let (mut server, mut links) = (JoinSet::new(), JoinSet::new());
    server.spawn(running.run());
    links.spawn(follow_host(host.clone(), table));
    if let Some(requests) = updates {
        links.spawn(updates::forward(host.clone(), requests));
    }
    if let Some((listener, metrics)) = scrapers {
        let missing = move || {
            let has_names = snapshots().table().generation > 0;
            (!has_names).then(|| "no names yet: neither kept from before nor heard from the host".to_owned())
        };
        links.spawn(pages::serve(listener, Pages { metrics, missing: Arc::new(missing) }));
    }
    links.spawn(report(host, probes, answers));
    Ok(Running { address, secure, stop, server, _links: links })
}

// === impl Running ===

impl Running {
    /// Where names are served.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where they are served over encrypted transports.
    pub(crate) fn secure(&self) -> &SecureAddresses {
        &self.secure
    }

    /// Stops serving.
    pub(crate) async fn stop(mut self) {
        self.stop.send_replace(true);
        let ended = async { while self.server.join_next().await.is_some() {} };
        if tokio::time::timeout(STOP_MAX, ended).await.is_err() {
            self.server.abort_all();
        }
    }
}

/// Follows the host's table, generation by generation. A host that cannot be reached changes nothing.
async fn follow_host(host: Host, table: NameTableSender) {
    let mut followed = Followed::default();
    let (mut pause, mut is_reached) = (RETRY_MIN, None);
    loop {
        let asked = host.read(&followed.question()).await;
        match asked.and_then(|told| followed.take(told)) {
            Ok(news) => {
                if is_reached != Some(true) {
                    info!(host = host.server(), "following the host's names");
                }
                (pause, is_reached) = (RETRY_MIN, Some(true));
                if let Some(news) = news {
                    table.send_replace(news);
                }
            }
            Err(error) => {
                if is_reached != Some(false) {
                    warn!(
                        error = format!("{error:#}"),
                        "cannot follow the host's names; serving the last ones"
                    );
                }
                is_reached = Some(false);
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(RETRY_MAX);
            }
        }
    }
}

/// What a node has of the host's table: whole tables and changes go in, whole tables come out.
#[derive(Default)]
struct Followed {
    /// The table, and the run of the host that it is from.
    known: Option<(u64, Arc<NameTable>)>,
}

impl Followed {
    /// What is asked next.
    fn question(&self) -> String {
        match &self.known {
            Some((epoch, table)) => format!("{NAMES}?after={}&epoch={epoch}", table.generation),
            None => NAMES.to_owned(),
        }
    }

    /// Takes the host's answer in: the table that is new, if one is. After an answer that does not follow from what is known
    /// the whole table is asked for.
    fn take(&mut self, told: Value) -> anyhow::Result<Option<Arc<NameTable>>> {
        let known = self.known.take();
        let News { epoch, table, changes } =
            serde_json::from_value(told).context("read the host's names; is it of another version?")?;
        let news = match (table, &known) {
            (Some(table), _) => Some(table),
            (None, Some((_, known))) if !changes.is_empty() => {
                let mut table = Arc::clone(known);
                for change in changes {
                    table = Arc::new(Arc::unwrap_or_clone(change).apply(&table)?);
                }
                Some(table)
            }
            (None, _) => None,
        };
        self.known = match &news {
            Some(table) => Some((epoch, Arc::clone(table))),
            None => known,
        };
        Ok(news)
    }
}

/// Posts what the server reports, gathered.
async fn report(
    host: Host,
    mut probes: mpsc::Receiver<ProbeReport>,
    mut answers: mpsc::Receiver<AnswerReport>,
) {
    loop {
        let mut reports = Reports::default();
        tokio::select! {
            Some(report) = probes.recv() => reports.probes.push(report),
            Some(report) = answers.recv() => reports.answers.push(report),
            else => return,
        }
        tokio::time::sleep(GATHER).await;
        while reports.probes.len() < TOGETHER_MAX
            && let Ok(report) = probes.try_recv()
        {
            reports.probes.push(report);
        }
        while let Ok(report) = answers.try_recv() {
            // Each is complete, so only the last one counts.
            reports.answers = vec![report];
        }
        let body = match serde_json::to_value(&reports) {
            Ok(body) => body,
            Err(error) => {
                warn!(%error, "reports cannot be written");
                continue;
            }
        };
        // That the host is away is told by who follows it; what it missed is reported again.
        let posted = tokio::time::timeout(POST_MAX, host.post(REPORTS_PATH, &body)).await;
        if !matches!(posted, Ok(Ok(_))) {
            tracing::debug!("the host did not take reports");
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn changes_are_applied_and_what_does_not_follow_is_asked_for_whole() {
        let mut followed = Followed::default();
        assert_eq!(followed.question(), NAMES);
        let table = json!({"generation": 7, "zones": [], "records": []});
        let news = followed.take(json!({"epoch": 3, "table": table})).unwrap();
        assert_eq!(news.map(|table| table.generation), Some(7));
        assert_eq!(followed.question(), format!("{NAMES}?after=7&epoch=3"));
        assert_eq!(followed.take(json!({"epoch": 3})).unwrap(), None, "no news");
        let change = |from: u64, generation: u64| {
            json!({"epoch": 3, "changes": [{"from": from, "generation": generation, "zones": [], "gone_zones": [],
                "records": [], "gone_records": []}]})
        };
        let news = followed.take(change(7, 9)).unwrap();
        assert_eq!(news.map(|table| table.generation), Some(9));
        assert!(followed.take(change(7, 10)).is_err(), "it leads from another table");
        assert_eq!(followed.question(), NAMES);
    }
}
