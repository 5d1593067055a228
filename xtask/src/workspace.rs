//! Where the workspace is, what it holds, and how a task runs a command in it.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

/// The checkout that a task works on.
pub(crate) struct Workspace {
    pub root: PathBuf,
    pub target: PathBuf,
    pub packages: Vec<Package>,
}

/// One of our crates, as cargo sees it.
#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    pub name: String,
    pub dependencies: Vec<Dependency>,
    /// What a plain `cargo run` starts.
    #[cfg(test)]
    pub default_run: Option<String>,
    #[serde(default)]
    pub features: std::collections::BTreeMap<String, Vec<String>>,
}

/// What a crate says it needs; `path` is there for our own crates.
#[derive(Debug, Deserialize)]
pub(crate) struct Dependency {
    pub name: String,
    pub path: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_root: PathBuf,
    target_directory: PathBuf,
}

impl Workspace {
    /// Asks cargo where the workspace is, whatever the current folder.
    pub(crate) fn find() -> Result<Self> {
        let mut command = Command::new(cargo());
        command.args(["metadata", "--format-version=1", "--no-deps", "--locked"]);
        if let Some(manifest) = std::env::var_os("CARGO_MANIFEST_DIR") {
            command.current_dir(manifest);
        }
        let output = command.output().context("failed to run cargo metadata")?;
        if !output.status.success() {
            bail!("cargo metadata failed:\n{}", String::from_utf8_lossy(&output.stderr));
        }
        let metadata: Metadata =
            serde_json::from_slice(&output.stdout).context("failed to read the answer of cargo metadata")?;
        Ok(Self {
            root: metadata.workspace_root,
            target: metadata.target_directory,
            packages: metadata.packages,
        })
    }

    /// A cargo command in the root of the workspace.
    pub(crate) fn cargo<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(cargo());
        command.args(arguments).current_dir(&self.root);
        command
    }

    /// The files that git tracks or would track, relative to the root, in order.
    pub(crate) fn files(&self) -> Result<Vec<PathBuf>> {
        let output = Command::new("git")
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .current_dir(&self.root)
            .output()
            .context("failed to run git ls-files")?;
        if !output.status.success() {
            bail!("git ls-files failed:\n{}", String::from_utf8_lossy(&output.stderr));
        }
        let listed = String::from_utf8(output.stdout).context("a file name is not UTF-8")?;
        let mut files: Vec<PathBuf> = listed.split_terminator('\0').map(PathBuf::from).collect();
        files.retain(|file| self.root.join(file).is_file());
        files.sort();
        files.dedup();
        Ok(files)
    }
}

/// Runs a command with our own output as its output; a non-zero exit is an error that names the command.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let shown = show(command);
    let status = command.status().with_context(|| format!("failed to start `{shown}`"))?;
    if !status.success() {
        bail!("`{shown}` failed: {status}");
    }
    Ok(())
}

/// Runs one named part of a task and prints how long it took.
pub(crate) fn phase<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    println!("== {name}");
    let start = Instant::now();
    let outcome = work();
    let verdict = if outcome.is_ok() { "ok" } else { "FAILED" };
    println!("== {name}: {verdict} in {:.1} s", start.elapsed().as_secs_f64());
    outcome.with_context(|| format!("{name} failed"))
}

fn show(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}

fn cargo() -> std::ffi::OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The README says `cargo run --release -- demo`; with several binaries cargo must be told which one is meant.
    #[test]
    fn a_plain_cargo_run_starts_koinon() {
        let workspace = Workspace::find().unwrap();
        let defaults: Vec<&str> =
            workspace.packages.iter().filter_map(|package| package.default_run.as_deref()).collect();
        assert_eq!(defaults, ["koinon"]);
    }
}
