//! What the process tells about itself: logs on standard error, metrics for whoever scrapes them.

use std::io::IsTerminal as _;
use std::sync::Arc;

use anyhow::Context as _;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::time::SystemTime;

/// Bounds of every histogram of seconds: from the 50 µs of an answer to the 10 s of a hung member.
const SECONDS_BOUNDS: [f64; 16] = [
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    10.0,
];

/// How often values that nobody scrapes are folded, so that histograms stay bounded.
const UPKEEP_INTERVAL: std::time::Duration = std::time::Duration::from_secs(5);

/// Gives the text of all metrics.
pub(crate) type Render = Arc<dyn Fn() -> String + Send + Sync>;

/// Sends logs to standard error: `RUST_LOG` chooses, warnings and what an operator should know by default.
pub(crate) fn log(default: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let is_terminal = std::io::stderr().is_terminal();
    let subscriber =
        tracing_subscriber::fmt().with_env_filter(filter).with_timer(SystemTime).with_ansi(is_terminal);
    // A second call in one process (tests) keeps the first one's choice.
    let _ = subscriber.with_writer(std::io::stderr).try_init();
}

/// Installs the recorder of the process and gives what renders it.
///
/// # Errors
/// When another recorder is installed already.
pub(crate) fn metrics() -> anyhow::Result<Render> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS_BOUNDS)
        .context("set the bounds of histograms")?
        .install_recorder()
        .context("install the metrics recorder")?;
    koinon_controllers::metrics::describe();
    koinon_store::metrics::describe();
    koinon_dns::metrics::describe();
    koinon_syncer::metrics::describe();
    tokio::spawn(keep_up(handle.clone()));
    Ok(Arc::new(move || handle.render()))
}

async fn keep_up(handle: PrometheusHandle) {
    let mut ticks = tokio::time::interval(UPKEEP_INTERVAL);
    loop {
        ticks.tick().await;
        handle.run_upkeep();
    }
}
