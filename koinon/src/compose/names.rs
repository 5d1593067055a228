//! The DNS server of the host: the table down, reports up, and the page that explains an answer.

use std::io::Read as _;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use koinon_api_server::Page;
use koinon_dns::Secret;
use koinon_dns::explain::explain;
use koinon_dns::serve::{self, Config, Running};
use koinon_machinery::status::Status;
use koinon_model::time::Timestamp;
use koinon_types::names::{AnswerReport, NameTable, NameTableSender, ProbeReport};
use tokio::sync::{mpsc, watch};

use super::host::{Settings, write_private};

/// Where an answer is explained.
const RESOLVE: &str = "/koinon/resolve";

/// Reports that wait for the controllers: one per name and second, for as long as a pass over the fleet takes.
const REPORTS: usize = 4096;

/// The file with the secret of cookies, in the data folder.
const SECRET: &str = "dns-cookies.secret";

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
    let ends = Ends { table, probes, answers };
    let Some(listen) = settings.dns_listen else { return Ok((ends, None)) };
    let n_threads = std::thread::available_parallelism().map_or(1, usize::from);
    let data_dir = Some(settings.data_dir.clone());
    let config = Config {
        listen,
        n_threads,
        vantage: VANTAGE.to_owned(),
        nsid: VANTAGE.try_into().context("name the node")?,
        secret: secret(&settings.data_dir)?,
        limit: settings.dns_limit,
        seed: seed(),
        data_dir,
    };
    let running = serve::start(config, follow, probe_sender, answer_sender, stop)
        .context("serve names; choose another address with --dns-listen, or --dns=off")?;
    Ok((ends, Some(running)))
}

/// What cookies are made with: drawn once and kept, so that a restart forgets no client.
fn secret(data_dir: &Path) -> anyhow::Result<Secret> {
    let path = data_dir.join(SECRET);
    let drawn = match std::fs::read(&path) {
        Ok(kept) => kept.try_into().ok(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(error).with_context(|| format!("read {}", path.display())),
    };
    if let Some(kept) = drawn {
        return Ok(Secret::new(kept));
    }
    let mut bytes = [0; 32];
    let mut randomness = std::fs::File::open("/dev/urandom").context("open /dev/urandom")?;
    randomness.read_exact(&mut bytes).context("read /dev/urandom")?;
    write_private(&path, &bytes).with_context(|| format!("write {}", path.display()))?;
    Ok(Secret::new(bytes))
}

/// A key that nobody outside the process can guess: the standard library's own, made from the system's randomness.
fn seed() -> [u64; 2] {
    use std::hash::{BuildHasher as _, RandomState};
    [RandomState::new().hash_one(0_u8), RandomState::new().hash_one(1_u8)]
}

/// The page behind `koinon resolve`.
pub(super) fn resolve_page(dns: &Running) -> Page {
    let snapshots = dns.snapshots();
    Page {
        path: RESOLVE.to_owned(),
        answer: Arc::new(move |query| {
            let client: IpAddr = match query.text("client") {
                "" => IpAddr::from([127, 0, 0, 1]),
                text => text
                    .parse()
                    .map_err(|_| Status::bad_request(format!("client: {text} is no IP address")))?,
            };
            let kind = if query.text("type").is_empty() { "A" } else { query.text("type") };
            explain(&snapshots(), query.text("name"), kind, client, now())
                .map_err(|unclear| Status::bad_request(unclear.to_string()))
        }),
    }
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
