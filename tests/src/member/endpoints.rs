//! What a member serves to the world: a tiny HTTP server on the member's own address.
//!
//! It stands for the data plane, which fails apart from the control plane. It serves, hangs (connections
//! open, nothing answers: what a stopped machine looks like) or is down (connections are refused).

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Result;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::clock::eventually;

/// Longest request head that is read; probes are far shorter.
const HEAD_MAX: usize = 8192;

/// Connections served at once; more wait in the kernel, as on any small server.
const CONNECTIONS_MAX: usize = 256;

/// A port that stays taken for longer is taken by somebody else.
const FREE_MAX: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Serving,
    Hung,
}

/// The endpoints of one member.
pub(super) struct Endpoints {
    name: String,
    address: SocketAddr,
    state: watch::Sender<State>,
    answers: Arc<Answers>,
    task: Option<JoinHandle<()>>,
}

/// What is answered, and how often it was.
struct Answers {
    status: AtomicU16,
    n_answered: AtomicU64,
}

// === impl Endpoints ===

impl Endpoints {
    pub(super) async fn start(name: &str, address: SocketAddr) -> Result<Self> {
        let answers = Arc::new(Answers { status: AtomicU16::new(200), n_answered: AtomicU64::new(0) });
        let mut endpoints = Self {
            name: name.to_owned(),
            address,
            state: watch::Sender::new(State::Serving),
            answers,
            task: None,
        };
        endpoints.start_again().await?;
        Ok(endpoints)
    }

    /// Serves, whatever it did before.
    pub(super) async fn start_again(&mut self) -> Result<()> {
        self.state.send_replace(State::Serving);
        if self.task.is_none() {
            // A child that is just being started holds a copy of the closed listener until it is exec'd.
            let what = format!("{} of {} is free", self.address, self.name);
            let listener = eventually(FREE_MAX, what, async || listen(self.address)).await?;
            let (name, state) = (self.name.clone(), self.state.subscribe());
            self.task = Some(tokio::spawn(serve(listener, name, state, Arc::clone(&self.answers))));
        }
        Ok(())
    }

    /// Refuses connections; open ones break.
    pub(super) async fn stop(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
            // Waits until the listener is closed; an aborted task has no other outcome.
            let _ = task.await;
        }
    }

    /// Answers nothing more, to old connections or new.
    pub(super) fn hang(&self) {
        self.state.send_replace(State::Hung);
    }

    /// Answers with this status from now on.
    pub(super) fn set_status(&self, status: u16) {
        self.answers.status.store(status, Ordering::Relaxed);
    }

    pub(super) fn n_answered(&self) -> u64 {
        self.answers.n_answered.load(Ordering::Relaxed)
    }
}

impl Drop for Endpoints {
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
    }
}

/// A listener that may follow a closed one at once.
fn listen(address: SocketAddr) -> Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket.listen(128)?)
}

async fn serve(listener: TcpListener, name: String, state: watch::Receiver<State>, answers: Arc<Answers>) {
    let mut connections = JoinSet::new();
    let mut serving = state.clone();
    loop {
        // A hung server accepts nothing; the kernel still completes handshakes, up to its backlog.
        if serving.wait_for(|state| *state == State::Serving).await.is_err() {
            return;
        }
        tokio::select! {
            Ok((stream, _)) = listener.accept() => {
                connections.spawn(answer(stream, name.clone(), state.clone(), Arc::clone(&answers)));
            }
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            changed = serving.changed() => if changed.is_err() { return },
        }
        while connections.len() >= CONNECTIONS_MAX {
            connections.join_next().await;
        }
    }
}

/// Reads one request head, answers, closes.
async fn answer(
    mut stream: TcpStream,
    name: String,
    mut state: watch::Receiver<State>,
    answers: Arc<Answers>,
) {
    let mut head = Vec::new();
    while !head.windows(4).any(|window| window == b"\r\n\r\n") && head.len() < HEAD_MAX {
        let mut buffer = [0; 1024];
        match tokio::time::timeout(Duration::from_secs(30), stream.read(&mut buffer)).await {
            Ok(Ok(n_read)) if n_read > 0 => head.extend_from_slice(&buffer[..n_read]),
            // Gone, broken or silent: a probe of the port alone ends like this.
            _ => return,
        }
    }
    if state.wait_for(|state| *state == State::Serving).await.is_err() {
        return;
    }
    let status = answers.status.load(Ordering::Relaxed);
    let response = format!(
        "HTTP/1.1 {status} Member\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{name}\n",
        name.len() + 1
    );
    if stream.write_all(response.as_bytes()).await.is_ok() {
        answers.n_answered.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Address;

    const SHORT: Duration = Duration::from_millis(100);

    async fn get(address: SocketAddr) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(b"GET / HTTP/1.1\r\nHost: member\r\n\r\n").await?;
        let mut text = String::new();
        stream.read_to_string(&mut text).await?;
        Ok(text)
    }

    #[tokio::test]
    async fn serves_hangs_recovers_and_refuses() {
        let claimed = Address::claim().unwrap();
        let address = claimed.port(8080);
        let mut endpoints = Endpoints::start("on-prem", address).await.unwrap();
        let answer = get(address).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\non-prem\n"), "{answer}");

        endpoints.hang();
        let pending = tokio::spawn(get(address));
        assert!(tokio::time::timeout(SHORT, get(address)).await.is_err(), "a hung server answers nothing");
        endpoints.start_again().await.unwrap();
        assert!(pending.await.unwrap().unwrap().ends_with("on-prem\n"));

        endpoints.set_status(503);
        assert!(get(address).await.unwrap().starts_with("HTTP/1.1 503 "));

        endpoints.stop().await;
        let refused = eventually(FREE_MAX, "connections are refused", async || match get(address).await {
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => Ok(()),
            other => Err(format!("{other:?}")),
        });
        refused.await.unwrap();
        endpoints.start_again().await.unwrap();
        get(address).await.unwrap();
        assert!(endpoints.n_answered() >= 4);
    }
}
