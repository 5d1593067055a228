//! A typed Go controller's informers, as a client that is not ours: Deployments and ConfigMaps.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::assets;

/// The informer gives up by itself after 30 s without its first state.
const SYNC_MAX: Duration = Duration::from_secs(40);

/// How the informers ask for their first state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstState {
    /// One watch that begins with the state and a bookmark.
    WatchList,
    /// A list, then a watch from its resourceVersion.
    ListThenWatch,
}

/// What the informers ask objects in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// `application/json`
    Json,
    /// `application/vnd.kubernetes.protobuf`
    Protobuf,
}

/// Informers that have their first state and follow changes until this is dropped.
pub struct Informer {
    first_state: Vec<String>,
    lines: Lines<BufReader<ChildStdout>>,
    _child: Child,
}

// === impl Informer ===

impl Informer {
    /// Starts the informers on a server and waits for their first state.
    ///
    /// # Errors
    /// When they do not sync, or not in the way that was asked for.
    pub async fn start(kubeconfig: &Path, first_state: FirstState, encoding: Encoding) -> Result<Self> {
        let streaming = first_state == FirstState::WatchList;
        let mut command = Command::new(assets::kubernetes("informer")?);
        command
            .arg(format!("-kubeconfig={}", kubeconfig.display()))
            .arg(format!("-protobuf={}", encoding == Encoding::Protobuf))
            .arg("-follow")
            .env("KUBE_FEATURE_WatchListClient", streaming.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().context("failed to start the informer")?;
        let output = child.stdout.take().context("a piped output is there")?;
        let mut informer =
            Self { first_state: Vec::new(), lines: BufReader::new(output).lines(), _child: child };
        let synced = informer.line(SYNC_MAX).await?;
        ensure!(synced == format!("synced watchlist={streaming}"), "the informer said {synced}");
        loop {
            let line = informer.line(SYNC_MAX).await?;
            match line.strip_prefix("have ") {
                Some(object) => informer.first_state.push(object.to_owned()),
                None if line == "end" => return Ok(informer),
                None => bail!("the informer said {line}"),
            }
        }
    }

    /// The objects of the first state. Shape: `deployments shop/cart`, in order of resource, namespace, name.
    pub fn first_state(&self) -> &[String] {
        &self.first_state
    }

    /// The next change. Shape: `updated deployments shop/cart 812`, the last word is its resourceVersion.
    ///
    /// # Errors
    /// When there is none within `deadline`.
    pub async fn next_change(&mut self, deadline: Duration) -> Result<String> {
        self.line(deadline).await
    }

    async fn line(&mut self, deadline: Duration) -> Result<String> {
        let line = tokio::time::timeout(deadline, self.lines.next_line()).await;
        let line = line.with_context(|| format!("the informer said nothing for {deadline:?}"))?;
        line.context("failed to read the informer")?.context("the informer ended; its complaint is above")
    }
}
