//! Processor time of this process's own threads, by name, to the nanosecond.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::usage::on_cpu;

/// Processor time so far of all threads whose name begins so.
///
/// # Errors
/// When there is no such thread, or the kernel keeps no account of them.
pub fn cpu_time(prefix: &str) -> Result<Duration> {
    let (mut total, mut n_threads) = (Duration::ZERO, 0);
    for thread in fs::read_dir("/proc/self/task").context("failed to list our threads")? {
        let folder = thread.context("failed to list our threads")?.path();
        // A thread may end while the list is read.
        let Ok(name) = fs::read_to_string(folder.join("comm")) else { continue };
        if !name.starts_with(prefix) {
            continue;
        }
        total += on_cpu(&folder)?;
        n_threads += 1;
    }
    ensure!(n_threads > 0, "no thread is called {prefix}…");
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_thread_uses_time_and_an_unknown_one_is_an_error() {
        let thread = std::thread::Builder::new().name("busy-here".into());
        let worked = thread.spawn(|| {
            let deadline = std::time::Instant::now() + Duration::from_secs(20);
            while std::time::Instant::now() < deadline {
                if cpu_time("busy-here").unwrap() > Duration::from_millis(5) {
                    return true;
                }
            }
            false
        });
        assert!(worked.unwrap().join().unwrap());
        assert!(cpu_time("nobody-is-called-this").is_err());
    }
}
