//! Where the programs are that tests run: pinned Kubernetes binaries and our own.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result, bail};

/// Cargo's target folder: above the running test or benchmark.
///
/// # Errors
/// When this program does not lie in a target folder.
pub fn target_folder() -> Result<PathBuf> {
    let program = std::env::current_exe().context("failed to find the running program")?;
    let marked = program.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file());
    marked.map(Path::to_owned).context("the running program does not lie in a cargo target folder")
}

/// One of the pinned Kubernetes binaries, as `cargo xtask kube-assets` lists them.
///
/// # Errors
/// When it has not been built: says how to.
pub fn kubernetes(name: &str) -> Result<PathBuf> {
    let file = target_folder()?.join("kube-assets").join(name);
    if !file.exists() {
        bail!("{name} is missing: run `cargo xtask kube-assets` first (it needs Go, once)");
    }
    Ok(file)
}

/// The `koinon` binary of the profile that runs this test.
///
/// # Errors
/// When it is missing or older than its sources: cargo does not build the binaries of other packages for a
/// test, and a stale one would be judged in place of the code.
pub fn koinon() -> Result<PathBuf> {
    const BUILD: &str =
        "build it first: `cargo build -p koinon` (with --release for benchmarks), or `cargo xtask test`";
    let program = std::env::current_exe().context("failed to find the running program")?;
    let target = target_folder()?;
    let profile = program
        .ancestors()
        .find(|folder| folder.parent() == Some(target.as_path()))
        .context("the running program does not lie in a profile's folder")?;
    let binary = profile.join("koinon");
    let Ok(built) = fs::metadata(&binary).and_then(|metadata| metadata.modified()) else {
        bail!("{} is missing; {BUILD}", binary.display());
    };
    if let Some(source) = newer_source(&profile.join("koinon.d"), built)? {
        bail!("{} is older than {}; {BUILD}", binary.display(), source.display());
    }
    Ok(binary)
}

/// A source of the dependency list that changed after `built`.
fn newer_source(list: &Path, built: SystemTime) -> Result<Option<PathBuf>> {
    let text = fs::read_to_string(list).with_context(|| format!("failed to read {}", list.display()))?;
    let sources = text.split_once(": ").map(|(_, sources)| sources).unwrap_or_default();
    // Cargo writes a space inside a path as `\ `; such a path is left unchecked rather than misread.
    for source in sources.split_whitespace().filter(|source| !source.ends_with('\\')) {
        let modified = fs::metadata(source).and_then(|metadata| metadata.modified());
        if modified.is_ok_and(|modified| modified > built) {
            return Ok(Some(PathBuf::from(source)));
        }
    }
    Ok(None)
}
