//! kubectl, as a person uses it: a kubeconfig, arguments, what it prints.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::assets;

/// No command that a test gives takes longer, save those that wait; they say so themselves.
const COMMAND_MAX: Duration = Duration::from_secs(120);

/// A kubectl that talks to one server.
#[derive(Clone, Debug)]
pub struct Kubectl {
    program: PathBuf,
    kubeconfig: PathBuf,
    cache: PathBuf,
}

/// What a command printed and how it ended.
#[derive(Debug)]
pub struct Answer {
    /// Whether it ended with zero.
    pub success: bool,
    /// What it printed.
    pub stdout: String,
    /// What it complained of.
    pub stderr: String,
}

// === impl Kubectl ===

impl Kubectl {
    /// The pinned kubectl with a kubeconfig; `cache` keeps what it remembers of servers.
    ///
    /// # Errors
    /// When it has not been built.
    pub fn new(kubeconfig: &Path, cache: &Path) -> Result<Self> {
        Ok(Self {
            program: assets::kubernetes("kubectl")?,
            kubeconfig: kubeconfig.to_owned(),
            cache: cache.to_owned(),
        })
    }

    /// The older kubectl, for the same server.
    ///
    /// # Errors
    /// When it has not been built.
    pub fn older(&self) -> Result<Self> {
        Ok(Self { program: assets::kubernetes("kubectl-older")?, ..self.clone() })
    }

    /// Runs kubectl and gives what it printed.
    ///
    /// # Errors
    /// When it ends with a failure: with the command and what it complained of.
    pub async fn run<S: AsRef<str>>(&self, arguments: impl IntoIterator<Item = S>) -> Result<String> {
        self.run_with_input(arguments, "").await
    }

    /// Applies manifests, YAML or JSON.
    ///
    /// # Errors
    /// When kubectl refuses them.
    pub async fn apply(&self, manifests: &str) -> Result<String> {
        self.run_with_input(["apply", "--filename=-"], manifests).await
    }

    /// Runs kubectl with something on its standard input.
    ///
    /// # Errors
    /// When it ends with a failure: with the command and what it complained of.
    pub async fn run_with_input<S: AsRef<str>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
        input: &str,
    ) -> Result<String> {
        let arguments: Vec<String> =
            arguments.into_iter().map(|argument| argument.as_ref().to_owned()).collect();
        let answer = self.answer(&arguments, input).await?;
        if !answer.success {
            bail!("kubectl {} failed: {}", arguments.join(" "), answer.stderr.trim());
        }
        Ok(answer.stdout)
    }

    /// Runs kubectl and gives all there is to know, a failure included.
    ///
    /// # Errors
    /// When it cannot be run or hangs.
    pub async fn answer(&self, arguments: &[String], input: &str) -> Result<Answer> {
        let mut command = Command::new(&self.program);
        command.arg("--kubeconfig").arg(&self.kubeconfig).arg("--cache-dir").arg(&self.cache).args(arguments);
        finish(command, input).await.with_context(|| format!("failed to run kubectl {}", arguments.join(" ")))
    }
}

/// Runs any command to its end, with `input` on its standard input.
///
/// # Errors
/// When it cannot be run or hangs.
pub async fn finish(mut command: Command, input: &str) -> Result<Answer> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().context("failed to start it")?;
    let mut stdin = child.stdin.take().context("a piped input is there")?;
    let written = async {
        // A command that does not read its input ends before it was all written; its exit tells.
        let _ = stdin.write_all(input.as_bytes()).await;
        drop(stdin);
    };
    let ended = async { tokio::join!(written, child.wait_with_output()).1 };
    let output = tokio::time::timeout(COMMAND_MAX, ended).await.context("it hangs")?;
    let Output { status, stdout, stderr } = output.context("failed to wait for it")?;
    Ok(Answer {
        success: status.success(),
        stdout: String::from_utf8_lossy(&stdout).into_owned(),
        stderr: String::from_utf8_lossy(&stderr).into_owned(),
    })
}
