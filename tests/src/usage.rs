//! What a process has used, from `/proc`.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

/// `/proc` counts processor time in hundredths of a second for every program, whatever the kernel's own tick.
const TICKS_PER_SECOND: f64 = 100.0;

/// Processor time of a process and all of its threads, ended ones too. Units: seconds.
///
/// # Errors
/// When the process is gone.
pub fn cpu_seconds(pid: u32) -> Result<f64> {
    let text = read(pid, "stat")?;
    // The name in parentheses may hold anything; fields are counted after its end. utime is the 14th
    // field of all and stime the 15th, so the 12th and 13th after the name.
    let fields: Vec<&str> =
        text.rsplit_once(')').map(|(_, rest)| rest.split_whitespace().collect()).unwrap_or_default();
    let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<u64>().ok());
    let total = ticks(11).zip(ticks(12)).map(|(user, system)| user + system);
    let total = total.with_context(|| format!("failed to read the processor time of process {pid}"))?;
    #[expect(clippy::cast_precision_loss, reason = "a count of hundredths is exact far beyond any uptime")]
    Ok(total as f64 / TICKS_PER_SECOND)
}

/// Processor time so far of a process and all its descendants, to the nanosecond.
///
/// # Errors
/// When the process is gone, or the kernel keeps no account of threads.
pub fn cpu_time_of_tree(pid: u32) -> Result<Duration> {
    let mut parents = BTreeMap::new();
    for entry in std::fs::read_dir("/proc").context("failed to list processes")? {
        let name = entry.context("failed to list processes")?.file_name();
        let Some(child) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        // A process may end while the list is read.
        let Ok(text) = read(child, "stat") else { continue };
        let fields = text.rsplit_once(')').map(|(_, rest)| rest.split_whitespace());
        if let Some(parent) = fields.and_then(|mut fields| fields.nth(1)?.parse::<u32>().ok()) {
            parents.insert(child, parent);
        }
    }
    let is_ours = |child: u32| {
        std::iter::successors(Some(child), |child| parents.get(child).copied()).any(|p| p == pid)
    };
    let mut total = Duration::ZERO;
    for child in parents.keys().copied().filter(|child| is_ours(*child)) {
        let Ok(threads) = std::fs::read_dir(format!("/proc/{child}/task")) else { continue };
        for thread in threads.flatten() {
            match on_cpu(&thread.path()) {
                Ok(time) => total += time,
                // It ended while the list was read.
                Err(_) if !thread.path().exists() => {}
                Err(error) => return Err(error),
            }
        }
    }
    anyhow::ensure!(total > Duration::ZERO, "process {pid} is gone");
    Ok(total)
}

/// Processor time so far of one thread, by its folder in `/proc`.
pub(crate) fn on_cpu(thread: &Path) -> Result<Duration> {
    let account = std::fs::read_to_string(thread.join("schedstat"))
        .context("failed to read schedstat; the kernel needs CONFIG_SCHED_INFO")?;
    let on_cpu = account.split_whitespace().next().and_then(|number| number.parse().ok());
    Ok(Duration::from_nanos(on_cpu.context("schedstat does not begin with a number")?))
}

/// Resident memory of a process. Units: MiB.
///
/// # Errors
/// When the process is gone.
pub fn resident_mib(pid: u32) -> Result<f64> {
    let text = read(pid, "status")?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib =
        line.and_then(|line| line.split_whitespace().next()).and_then(|number| number.parse::<f64>().ok());
    Ok(kib.with_context(|| format!("failed to read the memory of process {pid}"))? / 1024.0)
}

/// Bytes that the files below a folder take on disk.
///
/// # Errors
/// When a folder cannot be read.
pub fn stored_bytes(folder: &std::path::Path) -> Result<u64> {
    use std::os::unix::fs::MetadataExt as _;
    let mut total = 0;
    let entries =
        std::fs::read_dir(folder).with_context(|| format!("failed to list {}", folder.display()))?;
    for entry in entries {
        let entry = entry.context("failed to list a folder")?;
        let metadata = entry.metadata().context("failed to look at a file")?;
        // Blocks, not length: a store may reserve space that it has not written.
        total += if metadata.is_dir() { stored_bytes(&entry.path())? } else { metadata.blocks() * 512 };
    }
    Ok(total)
}

fn read(pid: u32, file: &str) -> Result<String> {
    std::fs::read_to_string(format!("/proc/{pid}/{file}")).with_context(|| format!("process {pid} is gone"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_use_is_plausible() {
        let pid = std::process::id();
        let resident = resident_mib(pid).unwrap();
        assert!((1.0..10_000.0).contains(&resident), "{resident}");
        assert!(cpu_seconds(pid).unwrap() < 3600.0);
    }

    #[test]
    fn stored_bytes_counts_files_below() {
        let folder = crate::world::World::new("stored_bytes_counts_files_below").unwrap();
        std::fs::write(folder.room("a").unwrap().join("b"), vec![1; 10_000]).unwrap();
        let stored = stored_bytes(folder.folder()).unwrap();
        assert!((10_000..20_000).contains(&stored), "{stored}");
    }
}
