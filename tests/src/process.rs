//! Processes that never outlive the test, with their output in a file.
//!
//! Each one has a thread that starts it and waits for it. The kernel kills the process when that thread ends,
//! so a test that is killed leaves nothing behind; and only that thread reaps the process, under a lock, so a
//! signal never reaches a stranger that got the same number.

use std::fs::{File, OpenOptions};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use futures::stream::{FuturesUnordered, StreamExt as _};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};
use tokio::sync::watch;

/// A running process.
pub struct Process {
    name: String,
    log: PathBuf,
    pid: Pid,
    /// Held while a signal is sent and while the process is reaped.
    reaping: Arc<Mutex<()>>,
    exit: watch::Receiver<Option<ExitStatus>>,
    thread: Option<JoinHandle<()>>,
}

/// Waits for `work`, but no longer than every one of `processes` lives.
///
/// # Errors
/// What `work` answers; or how the first process ended, and what it said last.
pub async fn unless_ended<T>(
    processes: impl IntoIterator<Item = &Process>,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    let mut ends: FuturesUnordered<_> = processes.into_iter().map(Process::end).collect();
    tokio::select! {
        done = work => done,
        Some(error) = ends.next() => Err(error),
    }
}

// === impl Process ===

impl Process {
    /// Starts `command`; its output is appended to `log`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(name: &str, mut command: Command, log: &Path) -> Result<Self> {
        let output = open_log(log)?;
        command
            .stdin(Stdio::null())
            .stderr(output.try_clone().context("failed to share a log")?)
            .stdout(output);
        let (started, pid) = mpsc::channel();
        let (exited, exit) = watch::channel(None);
        let reaping = Arc::new(Mutex::new(()));
        let reaping_there = Arc::clone(&reaping);
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || supervise(command, &started, &reaping_there, &exited))
            .context("failed to start a thread")?;
        let pid = pid.recv().unwrap_or_else(|_| Err(anyhow!("its thread ended")));
        let pid = pid.with_context(|| format!("failed to start {name}"))?;
        Ok(Self { name: name.to_owned(), log: log.to_owned(), pid, reaping, exit, thread: Some(thread) })
    }

    /// Its number, for `/proc`.
    pub fn id(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// Where its output goes.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// How it ended, when it has.
    pub fn exit(&self) -> Option<ExitStatus> {
        *self.exit.borrow()
    }

    /// Waits until it ends: how it did, and what it said last, as the error that this usually is.
    pub async fn end(&self) -> anyhow::Error {
        let mut exit = self.exit.clone();
        let ended = exit.wait_for(Option::is_some).await.map(|status| *status);
        let status =
            ended.ok().flatten().map_or("nobody waited for it".to_owned(), |status| status.to_string());
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let last = text.lines().next_back().unwrap_or("nothing");
        anyhow!("{} ended: {status}; it said last: {last}", self.name)
    }

    /// Sends a signal, if the process is still there.
    pub fn signal(&self, signal: Signal) {
        let _guard = self.reaping.lock().unwrap_or_else(PoisonError::into_inner);
        if self.exit().is_none() {
            // The lock keeps the number ours, so the only refusal left is that it is ending already.
            let _ = rustix::process::kill_process(self.pid, signal);
        }
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    /// When it has not within `deadline`.
    pub async fn ended(&self, deadline: Duration) -> Result<ExitStatus> {
        let mut exit = self.exit.clone();
        let ended = tokio::time::timeout(deadline, exit.wait_for(Option::is_some)).await;
        let ended = ended.map_err(|_| anyhow!("{} did not end within {deadline:?}", self.name))?;
        ended.context("nobody waits for the process")?.context("a process that ended has a status")
    }

    /// Kills it the hard way and waits until it is gone.
    ///
    /// # Errors
    /// When the kernel does not let go of it.
    pub async fn kill(&self) -> Result<()> {
        self.signal(Signal::KILL);
        self.ended(Duration::from_secs(10)).await.map(drop)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
        if let Some(thread) = self.thread.take() {
            // A killed process ends at once, and its thread with it.
            let _ = thread.join();
        }
    }
}

/// Starts the process, says so, waits for its end, says so.
fn supervise(
    mut command: Command,
    started: &mpsc::Sender<Result<Pid>>,
    reaping: &Mutex<()>,
    exited: &watch::Sender<Option<ExitStatus>>,
) {
    let parent = rustix::process::getpid();
    // SAFETY: between fork and exec the closure makes two system calls and touches no memory of the parent.
    unsafe {
        command.pre_exec(move || {
            rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
            // The parent may have died before the request above: then nobody would ever kill us.
            if rustix::process::getppid() == Some(parent) {
                Ok(())
            } else {
                Err(std::io::ErrorKind::NotFound.into())
            }
        });
    }
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            // Nobody listens only if the one who asked is gone.
            let _ = started.send(Err(error.into()));
            return;
        }
    };
    let pid = Pid::from_child(&child);
    let _ = started.send(Ok(pid));
    // Leaves the process reapable, so that its number stays taken until the lock is held.
    let wait = || rustix::process::waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT);
    while wait().is_err_and(|error| error == rustix::io::Errno::INTR) {}
    let _guard = reaping.lock().unwrap_or_else(PoisonError::into_inner);
    exited.send_replace(child.wait().ok());
}

fn open_log(path: &Path) -> Result<File> {
    let opened = OpenOptions::new().create(true).append(true).open(path);
    opened.with_context(|| format!("failed to open {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::story;

    const SOON: Duration = Duration::from_secs(10);

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn output_goes_to_the_log_and_the_end_is_told() {
        story("output_goes_to_the_log", SOON, async |world| {
            let log = world.folder().join("one.log");
            let process = Process::start("one", shell("echo said; exit 3"), &log)?;
            assert_eq!(process.ended(SOON).await?.code(), Some(3));
            assert!(process.end().await.to_string().ends_with("it said last: said"));
            Ok(())
        });
    }

    #[test]
    fn a_dropped_process_is_gone() {
        story("a_dropped_process_is_gone", SOON, async |world| {
            let process =
                Process::start("two", shell("exec tail -f /dev/null"), &world.folder().join("two.log"))?;
            let proc = PathBuf::from(format!("/proc/{}", process.id()));
            assert!(process.exit().is_none() && proc.exists());
            drop(process);
            assert!(!proc.exists());
            Ok(())
        });
    }

    #[test]
    fn a_program_that_is_not_there_is_told() {
        story("a_program_that_is_not_there", SOON, async |world| {
            let started =
                Process::start("none", Command::new("./no-such-program"), &world.folder().join("n.log"));
            assert_eq!(started.err().map(|error| error.to_string()).as_deref(), Some("failed to start none"));
            Ok(())
        });
    }
}
