//! The host as its users run it: `koinon server`, a process with a data folder.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::Signal;

use crate::address::Address;
use crate::clock::eventually;
use crate::dig;
use crate::kubectl::{self, Answer, Kubectl};
use crate::process::{Process, unless_ended};
use crate::world::World;
use crate::{assets, member};

/// Ports on the host's own address.
const API_PORT: u16 = 6443;
const DNS_PORT: u16 = 5353;

/// A line with this word on standard output says that the host serves.
const READY: &str = "ready";

/// Two busy cores and a debug build; the bar on an idle machine is half a second.
const READY_MAX: Duration = Duration::from_secs(30);

/// After SIGTERM: open watches are closed, the last commit is written.
const STOP_MAX: Duration = Duration::from_secs(10);

/// One host.
pub struct Host {
    name: String,
    address: Address,
    folder: PathBuf,
    options: Vec<String>,
    kubectl: Kubectl,
    process: Option<Process>,
}

// === impl Host ===

impl Host {
    /// Starts a host with an empty store and waits until it is ready; `options` are added to `koinon server`.
    ///
    /// # Errors
    /// When it does not get ready.
    pub async fn start(world: &World, name: &str, options: &[&str]) -> Result<Self> {
        let folder = world.room(name)?;
        let kubectl = Kubectl::new(&folder.join("data/admin.kubeconfig"), &folder.join("kubectl-cache"))?;
        let mut host = Self {
            name: name.to_owned(),
            address: Address::claim()?,
            folder,
            options: options.iter().map(|option| (*option).to_owned()).collect(),
            kubectl,
            process: None,
        };
        host.start_again().await?;
        Ok(host)
    }

    /// Starts the process on the same data folder and ports, and waits until it is ready.
    ///
    /// Gives how long that took.
    ///
    /// # Errors
    /// When it does not get ready.
    pub async fn start_again(&mut self) -> Result<Duration> {
        if self.process.as_ref().is_some_and(|process| process.exit().is_none()) {
            bail!("{} runs already", self.name);
        }
        let log = self.folder.join("host.log");
        let said_before = std::fs::metadata(&log).map_or(0, |metadata| metadata.len());
        let mut command = Command::new(assets::koinon()?);
        command
            .arg("server")
            .arg("--data-dir")
            .arg(self.data_folder())
            .arg(format!("--listen={}", self.api_address()))
            .arg(format!("--dns-listen={}", self.dns_address()))
            .args(&self.options);
        let start = Instant::now();
        let process = self.process.insert(Process::start(&self.name, command, &log)?);
        let says_ready = eventually(READY_MAX, format!("{} gets ready", self.name), async || {
            let bytes = std::fs::read(&log).context("failed to read the host's log")?;
            let said = String::from_utf8_lossy(&bytes[usize::try_from(said_before)?..]).into_owned();
            if said.lines().any(|line| line.contains(READY)) {
                Ok(())
            } else {
                bail!("it has not said {READY}")
            }
        });
        unless_ended([&*process], says_ready).await?;
        Ok(start.elapsed())
    }

    /// Kills it without warning (kill -9).
    ///
    /// # Errors
    /// When the kernel does not let go of it.
    pub async fn kill(&mut self) -> Result<()> {
        self.process()?.kill().await
    }

    /// Asks it to stop (SIGTERM) and gives how it ended.
    ///
    /// # Errors
    /// When it does not end.
    pub async fn stop(&mut self) -> Result<ExitStatus> {
        let process = self.process()?;
        process.signal(Signal::TERM);
        process.ended(STOP_MAX).await
    }

    /// Where the API listens.
    pub fn api_address(&self) -> SocketAddr {
        self.address.port(API_PORT)
    }

    /// Where names are answered.
    pub fn dns_address(&self) -> SocketAddr {
        self.address.port(DNS_PORT)
    }

    /// The host's own loopback address.
    pub fn ip(&self) -> Ipv4Addr {
        self.address.ip()
    }

    /// The data folder.
    pub fn data_folder(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// The kubeconfig that the host wrote for its administrator.
    pub fn kubeconfig(&self) -> PathBuf {
        self.data_folder().join("admin.kubeconfig")
    }

    /// What the host printed.
    pub fn log(&self) -> PathBuf {
        self.folder.join("host.log")
    }

    /// The process number, for `/proc`.
    ///
    /// # Errors
    /// When it was never started.
    pub fn pid(&self) -> Result<u32> {
        Ok(self.process()?.id())
    }

    /// kubectl against the host.
    pub fn kubectl(&self) -> &Kubectl {
        &self.kubectl
    }

    /// A typed client as the administrator.
    ///
    /// # Errors
    /// When the kubeconfig cannot be used.
    pub async fn client(&self) -> Result<kube::Client> {
        member::client(&self.kubeconfig()).await
    }

    /// Runs one of the operator's commands, for instance `["status", "-o", "json"]`.
    ///
    /// # Errors
    /// When it cannot be run or hangs; a failure of the command is part of the answer.
    pub async fn koinon(&self, arguments: &[&str]) -> Result<Answer> {
        let mut command = tokio::process::Command::new(assets::koinon()?);
        command.args(arguments).arg("--kubeconfig").arg(self.kubeconfig());
        kubectl::finish(command, "")
            .await
            .with_context(|| format!("failed to run koinon {}", arguments.join(" ")))
    }

    /// Joins a member by the operator's command.
    ///
    /// # Errors
    /// When the command fails.
    pub async fn join(&self, name: &str, member_kubeconfig: &Path, options: &[&str]) -> Result<String> {
        let kubeconfig = member_kubeconfig.to_string_lossy();
        let mut command = tokio::process::Command::new(assets::koinon()?);
        // The member's kubeconfig is what is joined; the host's comes from where every client looks.
        command.args(["join", name, "--kubeconfig", &kubeconfig]).args(options);
        command.env("KUBECONFIG", self.kubeconfig());
        let answer = kubectl::finish(command, "").await.context("failed to run koinon join")?;
        if !answer.success {
            bail!("koinon join {name} failed: {}", answer.stderr.trim());
        }
        Ok(answer.stdout)
    }

    /// The host's answer for the addresses of a name.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn addresses(&self, name: &str) -> Result<Vec<String>> {
        dig::addresses(self.dns_address(), name).await
    }

    /// The sum over all labels of a metric.
    ///
    /// # Errors
    /// When the host does not answer, or has no such metric.
    pub async fn metric(&self, name: &str) -> Result<f64> {
        let request =
            http::Request::get("/metrics").body(Vec::new()).context("the request is well formed")?;
        let text = self.client().await?.request_text(request).await.context("failed to read /metrics")?;
        sum_of_metric(&text, name).with_context(|| format!("{} has no metric {name}", self.name))
    }

    fn process(&self) -> Result<&Process> {
        self.process.as_ref().with_context(|| format!("{} was never started", self.name))
    }
}

/// Adds up the samples of one metric in Prometheus' text format.
fn sum_of_metric(text: &str, name: &str) -> Option<f64> {
    let samples = text.lines().filter_map(|line| {
        let rest = line.strip_prefix(name)?;
        // Labels may hold spaces; the value is what follows their closing brace.
        let value = match rest.strip_prefix('{') {
            Some(labels) => labels.rsplit_once('}')?.1,
            None => rest.starts_with(' ').then_some(rest)?,
        };
        value.split_whitespace().next()?.parse::<f64>().ok()
    });
    samples.reduce(|sum, sample| sum + sample)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_summed_over_its_labels_and_no_other() {
        let text =
            "# TYPE a_total counter\na_total{b=\"x } y\"} 2\na_total{b=\"z\"} 3 1700000000\na_total_c 7\n";
        assert_eq!(sum_of_metric(text, "a_total"), Some(5.0));
        assert_eq!(sum_of_metric(text, "a_total_c"), Some(7.0));
        assert_eq!(sum_of_metric(text, "missing"), None);
    }
}
