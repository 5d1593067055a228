//! The world of one test: a folder for its processes, and their last words when it fails.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::assets;

/// How much of each log a failure prints: enough for a reason, short enough to read them all.
const LOG_LINES_SHOWN: usize = 30;

/// A folder of one test, kept when the test fails.
pub struct World {
    folder: PathBuf,
    alone: Mutex<Option<File>>,
}

/// Runs one test: `body` succeeds within `deadline`, or the test fails with the last words of its processes.
///
/// # Panics
/// When the story fails: that is how a test says so.
#[expect(clippy::panic, reason = "a test fails by panicking")]
pub fn story(name: &str, deadline: Duration, body: impl AsyncFnOnce(&World) -> Result<()>) {
    let world = World::new(name).unwrap_or_else(|error| panic!("{error:#}"));
    let mut telling = Telling { world: &world, passed: false };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.unwrap_or_else(|error| panic!("failed to start a runtime: {error}"));
    let outcome = runtime.block_on(async {
        match tokio::time::timeout(deadline, body(&world)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(anyhow::anyhow!("{name} was not told within {:.0} s", deadline.as_secs_f64())),
        }
    });
    match outcome {
        Ok(()) => telling.passed = true,
        Err(error) => panic!("{name}: {error:#}"),
    }
}

/// Ends a story on every way out, a panic included.
struct Telling<'a> {
    world: &'a World,
    passed: bool,
}

impl Drop for Telling<'_> {
    fn drop(&mut self) {
        if self.passed {
            // Logs and data of a passed test interest nobody; the next run clears what is left.
            let _ = fs::remove_dir_all(&self.world.folder);
        } else {
            self.world.print_last_words();
        }
    }
}

// === impl World ===

impl World {
    /// Makes an empty folder for the test `name`, below cargo's target folder.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn new(name: &str) -> Result<Self> {
        let folder = assets::target_folder()?.join("tmp/worlds").join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder).with_context(|| format!("failed to clear {}", folder.display()))?;
        }
        fs::create_dir_all(&folder).with_context(|| format!("failed to create {}", folder.display()))?;
        Ok(Self { folder, alone: Mutex::new(None) })
    }

    /// Where the test keeps its files.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A folder below, made on demand.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn room(&self, name: &str) -> Result<PathBuf> {
        let room = self.folder.join(name);
        fs::create_dir_all(&room).with_context(|| format!("failed to create {}", room.display()))?;
        Ok(room)
    }

    /// Waits until no other test of this machine's checkout runs real members, and keeps others waiting until
    /// this world ends: members are heavy, and deadlines mean something only when the cores are ours.
    ///
    /// # Errors
    /// When the lock file cannot be used.
    pub async fn be_alone(&self) -> Result<()> {
        if self.lock_held().is_some() {
            return Ok(());
        }
        let path = assets::target_folder()?.join("tmp/members.lock");
        let locked = tokio::task::spawn_blocking(move || {
            let file = File::create(&path)?;
            file.lock()?;
            std::io::Result::Ok(file)
        });
        let file =
            locked.await.context("the lock was not awaited")?.context("failed to lock members.lock")?;
        *self.lock_held() = Some(file);
        Ok(())
    }

    fn lock_held(&self) -> std::sync::MutexGuard<'_, Option<File>> {
        self.alone.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    #[expect(clippy::print_stderr, reason = "cargo shows what a failed test prints")]
    fn print_last_words(&self) {
        eprintln!("everything is kept in {}", self.folder.display());
        let mut logs = Vec::new();
        collect_logs(&self.folder, &mut logs);
        for log in logs {
            let text = fs::read(&log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
            let text = text.unwrap_or_else(|error| error.to_string());
            let lines: Vec<&str> = text.lines().collect();
            let shown = &lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..];
            eprintln!("--- {} ({} of {} lines)", log.display(), shown.len(), lines.len());
            for line in shown {
                eprintln!("{line}");
            }
        }
    }
}

fn collect_logs(folder: &Path, into: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            collect_logs(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "log") {
            into.push(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_passed_story_leaves_nothing() {
        let mut folder = PathBuf::new();
        story("a_passed_story_leaves_nothing", Duration::from_secs(5), async |world| {
            folder = world.room("host")?;
            fs::write(folder.join("host.log"), "ready\n")?;
            Ok(())
        });
        assert!(!folder.exists());
    }

    #[test]
    #[should_panic(expected = "a_story_has_an_end was not told within 0 s")]
    fn a_story_has_an_end() {
        story("a_story_has_an_end", Duration::from_millis(20), async |_| std::future::pending().await);
    }
}
