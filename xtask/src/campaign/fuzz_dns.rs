//! Fuzzing of the DNS server: every target of `global-dns/fuzz` for an equal share of the time.
//!
//! ```text
//! fuzz/corpus (committed) ─► target/fuzz/corpus ─► run ─► merge: the few that reach what nothing kept reaches ─► fuzz/corpus
//! ```
//! An input that breaks a promise is written to `target/fuzz`, and the campaign fails.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::workspace::{self, Workspace, phase};

/// The program that builds targets with instrumentation.
const CARGO_FUZZ: &str = "0.13.2";

/// Longest input. Longer ones are slower and reach nothing else: a question with options has a few hundred bytes.
const INPUT_LENGTH_MAX: u32 = 1024;

/// An input that takes longer is taken for one that hangs.
const INPUT_SECONDS_MAX: u32 = 10;

/// Fuzzes for about `time`.
pub(crate) fn run(workspace: &Workspace, time: Duration) -> Result<()> {
    let folder = workspace.target.join("fuzz");
    let crate_folder = workspace.root.join("global-dns/fuzz");
    let targets = targets(&crate_folder)?;
    let tool = phase("cargo-fuzz", || install(workspace))?;
    phase("build", || build(workspace, &tool, &folder))?;
    let share = time / u32::try_from(targets.len()).unwrap_or(u32::MAX);
    let mut told = serde_json::Map::new();
    for name in &targets {
        let kept = crate_folder.join("corpus").join(name);
        let target = Target { name, folder: &folder, kept: &kept };
        told.insert(name.clone(), phase(name, || target.run(share))?);
    }
    let total: u64 = told.values().filter_map(|told| told["executions"].as_u64()).sum();
    let report = json!({"executions": total, "targets": told});
    let path = folder.join("dns.json");
    fs::write(&path, format!("{report:#}\n"))
        .with_context(|| format!("failed to write {}", path.display()))?;
    println!("{total} executions without a finding; {}", path.display());
    Ok(())
}

/// The names of the targets, in order.
fn targets(crate_folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(crate_folder.join("targets")).context("failed to list the targets")? {
        let path = entry.context("failed to list the targets")?.path();
        names.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
    }
    names.sort();
    ensure!(!names.is_empty(), "there are no targets");
    Ok(names)
}

/// The program `cargo-fuzz` of the pinned version, in the target folder.
fn install(workspace: &Workspace) -> Result<PathBuf> {
    let root = workspace.target.join("tools").join(format!("cargo-fuzz-{CARGO_FUZZ}"));
    let tool = root.join("bin/cargo-fuzz");
    if tool.is_file() {
        println!("{}: there", tool.display());
        return Ok(tool);
    }
    let arguments = ["install", "cargo-fuzz", "--locked", "--version", CARGO_FUZZ, "--root"];
    workspace::run(workspace.cargo(arguments).arg(&root))?;
    Ok(tool)
}

/// Builds every target. Without a sanitizer the stable compiler does, and runs three times as fast; what one would find
/// beside panics is in a few blocks of unsafe code around system calls, which no target reaches.
fn build(workspace: &Workspace, tool: &Path, folder: &Path) -> Result<()> {
    let mut command = Command::new(tool);
    command.args(["fuzz", "build", "--sanitizer=none", "--fuzz-dir=global-dns/fuzz", "--target-dir"]);
    workspace::run(command.arg(folder.join("build")).current_dir(&workspace.root))
}

struct Target<'a> {
    name: &'a str,
    folder: &'a Path,
    /// The committed corpus.
    kept: &'a Path,
}

impl Target<'_> {
    /// Runs it for this long and keeps what it found: how often it ran, in which time, and what is kept.
    fn run(&self, time: Duration) -> Result<Value> {
        let grown = self.folder.join("corpus").join(self.name);
        for folder in [&grown, self.kept] {
            fs::create_dir_all(folder).with_context(|| format!("failed to make {}", folder.display()))?;
        }
        let started = Instant::now();
        let log = self.start(&[
            &format!("-max_total_time={}", time.as_secs().max(1)),
            &grown.to_string_lossy(),
            &self.kept.to_string_lossy(),
        ])?;
        let seconds = started.elapsed().as_secs_f64();
        let executions = executions(&log).with_context(|| format!("{} says no count", self.name))?;
        self.start(&["-set_cover_merge=1", &self.kept.to_string_lossy(), &grown.to_string_lossy()])?;
        let n_kept = fs::read_dir(self.kept).context("failed to count the corpus")?.count();
        println!("{}: {executions} executions in {seconds:.0} s; {n_kept} inputs kept", self.name);
        Ok(json!({"executions": executions, "seconds": seconds, "kept": n_kept}))
    }

    /// Runs the fuzzer to its end: what it says.
    fn start(&self, arguments: &[&str]) -> Result<String> {
        let log = self.folder.join(format!("{}.log", self.name));
        let writer = File::create(&log).with_context(|| format!("failed to create {}", log.display()))?;
        let program = self.folder.join(format!("build/{}-unknown-linux-gnu/release", std::env::consts::ARCH));
        let status = Command::new(program.join(self.name))
            .arg(format!("-max_len={INPUT_LENGTH_MAX}"))
            .arg(format!("-timeout={INPUT_SECONDS_MAX}"))
            .arg(format!("-artifact_prefix={}/{}-", self.folder.display(), self.name))
            .arg("-print_final_stats=1")
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(writer)
            .status()
            .with_context(|| format!("failed to start the target {}", self.name))?;
        let said = fs::read(&log).with_context(|| format!("failed to read {}", log.display()))?;
        let said = String::from_utf8_lossy(&said).into_owned();
        if !status.success() {
            let wrote =
                said.lines().rfind(|line| line.contains("Test unit written to")).unwrap_or("no input kept");
            bail!("{} broke a promise: {wrote}; the log is {}", self.name, log.display());
        }
        Ok(said)
    }
}

/// The count in a fuzzer's final words.
fn executions(log: &str) -> Option<u64> {
    let line = log.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:"))?;
    line.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_count_and_knows_when_there_is_none() {
        let log = "Done 12 runs in 1 second(s)\nstat::number_of_executed_units: 12\nstat::peak_rss_mb: 40\n";
        assert_eq!(executions(log), Some(12));
        assert_eq!(executions("==1== ERROR: libFuzzer: deadly signal\n"), None);
    }
}
