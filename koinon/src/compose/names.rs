//! The DNS server of the host, and what other nodes and people ask of it: the table down, reports up, an answer explained.

use std::future::ready;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use koinon_api_server::{Grant, Page, Visit};
use koinon_controllers::names;
use koinon_controllers::updates::Request;
use koinon_dns::serve::{self, Running};
use koinon_machinery::status::Status;
use koinon_model::time::Timestamp;
use koinon_types::names::{AnswerReport, NameTable, NameTableReceiver, NameTableSender, ProbeReport};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::{mpsc, watch};

use super::dns;
use super::host::Settings;
use super::resolve;
use super::table_page;
use super::updates::{Intake, UPDATES};
use super::{guard, history};

/// Where nodes report.
pub(super) const REPORTS_PATH: &str = "/koinon/reports";

/// Bytes of one post of reports: it grows with the names that a node answers, and the host holds it in memory at once.
const REPORTS_BYTES_MAX: usize = 32 << 20;

/// Where the history of names is, in the data folder.
const HISTORY_FOLDER: &str = "history";

/// What the DNS nodes may do.
pub(super) fn grant() -> Grant {
    let paths = vec![("get", table_page::NAMES), ("post", REPORTS_PATH), ("post", UPDATES)];
    Grant { role: "koinon:dns-node", group: NODES.1, paths }
}

/// The user of dns-node.kubeconfig, and the group that nodes belong to.
pub(super) const NODES: (&str, &str) = ("koinon-dns-node", "koinon:dns-nodes");

/// What a node posts.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Reports {
    pub(super) probes: Vec<ProbeReport>,
    pub(super) answers: Vec<AnswerReport>,
}

/// Reports that wait for the controllers: one per name and second, for as long as a pass over the fleet takes.
const REPORTS: usize = 4096;

/// What the host's own node calls itself.
const VANTAGE: &str = "host";

/// The host's ends of the channels to its DNS node.
pub(super) struct Ends {
    /// Where the table of names is published.
    pub(super) table: NameTableSender,
    /// What probes say.
    pub(super) probes: mpsc::Receiver<ProbeReport>,
    /// What is answered.
    pub(super) answers: mpsc::Receiver<AnswerReport>,
    /// The table as it is published.
    pub(super) follow: NameTableReceiver,
    /// Updates that the table admits.
    pub(super) updates: mpsc::Receiver<Request>,
    /// What other nodes and people ask.
    pub(super) pages: Vec<Page>,
    /// What an earlier run left.
    pub(super) kept: Kept,
    /// Where what is held back is let pass.
    pub(super) counter: names::guard::Counter,
}

/// What outlives the process, besides the store.
pub(super) struct Kept {
    /// The table that an earlier run served last.
    pub(super) served: Arc<NameTable>,
    /// What it let pass after that.
    pub(super) acknowledged: Vec<(String, String)>,
    /// Where every change of what names answer is written down.
    pub(super) journal: names::journal::Journal,
}

/// Starts the DNS server, if names are to be served.
///
/// # Errors
/// When its address cannot be listened on.
pub(super) fn start(
    settings: &Settings,
    stop: watch::Receiver<bool>,
) -> anyhow::Result<(Ends, Option<Running>)> {
    let (table, follow) = watch::channel(Arc::<NameTable>::default());
    let ((probe_sender, probes), (answer_sender, answers)) = (mpsc::channel(REPORTS), mpsc::channel(REPORTS));
    let (intake, updates) = Intake::new(follow.clone());
    let (desk, counter) = names::guard::desk();
    let reports = reports_page(probe_sender.clone(), answer_sender.clone());
    let mut pages =
        vec![table_page::page(follow.clone(), epoch()), reports, intake.page(), guard::page(desk)];
    let (journal, history) = names::journal::open(&settings.data_dir.join(HISTORY_FOLDER))
        .with_context(|| format!("open the history of names in {}", settings.data_dir.display()))?;
    let served = koinon_dns::keep::kept_table(&settings.data_dir);
    let acknowledged = history.acknowledged_after(served.generation).context("read the history of names")?;
    pages.push(history::page(history));
    let kept = Kept { served, acknowledged, journal };
    let mut ends = Ends { table, probes, answers, follow: follow.clone(), updates, pages, kept, counter };
    let Some(serving) = &settings.serving else {
        // Without a server of its own that keeps what it answers, the host keeps what others answer.
        tokio::spawn(koinon_dns::keep::keep_tables(settings.data_dir.clone(), follow, stop));
        return Ok((ends, None));
    };
    let config = dns::config(serving, VANTAGE, settings.data_dir.clone())?;
    let mut running = serve::start(config, follow, probe_sender, answer_sender, stop).context(
        "serve names; choose another address with --dns-listen, other files with --geo-db, or --dns=off",
    )?;
    if let Some(requests) = running.updates() {
        // It ends with the server, whose requests it reads.
        tokio::spawn(intake.run(requests));
    }
    ends.pages.push(resolve::page(&running));
    Ok((ends, Some(running)))
}

/// Where nodes tell what they see and serve.
fn reports_page(probes: mpsc::Sender<ProbeReport>, answers: mpsc::Sender<AnswerReport>) -> Page {
    let answer = move |visit: Visit| {
        let posted: Reports = serde_json::from_slice(&visit.body.unwrap_or_default())
            .map_err(|error| Status::bad_request(format!("the reports cannot be read: {error}")))?;
        // What finds no room is told again within seconds.
        let n_taken = posted.probes.into_iter().filter_map(|report| probes.try_send(report).ok()).count()
            + posted.answers.into_iter().filter_map(|report| answers.try_send(report).ok()).count();
        Ok(json!({"taken": n_taken}))
    };
    Page {
        path: REPORTS_PATH.to_owned(),
        body_bytes_max: Some(REPORTS_BYTES_MAX),
        answer: Arc::new(move |visit| Box::pin(ready(answer(visit)))),
    }
}

/// What tells this run of the host from others.
fn epoch() -> u64 {
    let [epoch, _] = dns::seed();
    epoch
}

pub(super) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
