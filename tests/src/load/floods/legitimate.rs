//! The clients that a server is for: they ask once, and count what is answered rightly and in time.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use super::network::{elsewhere, flooding};
use super::{A, ANSWER_MAX, Success, ZONE, question};

/// A client.
#[derive(Clone)]
pub enum Client {
    /// From another network than any flood, over UDP.
    Elsewhere,
    /// From the midst of the flood, over UDP, with a cookie that shows that it is real.
    AmongThem,
    /// Over TCP, each question on a connection of its own.
    Tcp,
    /// The same over TLS.
    Tls(TlsConnector, ServerName<'static>),
}

/// Questions a second of a client over UDP: what a busy resolver asks one authority.
const UDP_PER_SECOND: u32 = 200;

/// How often a client over connections asks.
const TURN: Duration = Duration::from_millis(50);

/// How often a client over UDP looks for answers.
const BEAT: Duration = Duration::from_millis(5);

/// A client's half of a cookie (RFC 7873 §4).
const COOKIE: [u8; 8] = *b"a client";

// === impl Client ===

impl Client {
    /// Asks `server` until told to stop.
    ///
    /// # Errors
    /// When it cannot ask at all.
    pub fn run(self, server: SocketAddr, stop: &Arc<AtomicBool>) -> Result<Success> {
        match self {
            Self::Elsewhere => datagrams(elsewhere(1), server, stop, &[]),
            Self::AmongThem => {
                let cookie = cookie(flooding(200), server)?;
                datagrams(flooding(200), server, stop, &cookie)
            }
            Self::Tcp => streams(server, stop, async || {
                let stream = connect(elsewhere(2), server).await?;
                ask(stream).await
            }),
            Self::Tls(connector, name) => streams(server, stop, async || {
                let stream = connect(elsewhere(3), server).await?;
                ask(connector.connect(name.clone(), stream).await?).await
            }),
        }
    }
}

fn www(id: u16, options: &[u8]) -> Vec<u8> {
    question(id, &[b"www", ZONE[0], ZONE[1]], A, 1232, options)
}

/// Whether this is an answer with a record.
fn is_answer(packet: &[u8]) -> bool {
    packet.len() > 12 && packet[2] & 0x82 == 0x80 && packet[3] & 0xf == 0 && packet[6..8] != [0, 0]
}

/// The option with the cookie that the server gives.
fn cookie(from: Ipv4Addr, server: SocketAddr) -> Result<Vec<u8>> {
    let socket = UdpSocket::bind((from, 0)).context("failed to bind a client")?;
    socket.connect(server)?;
    socket.set_read_timeout(Some(ANSWER_MAX))?;
    socket.send(&www(1, &[&[0, 10, 0, 8][..], &COOKIE].concat()))?;
    let mut answer = [0; 1500];
    let length = socket.recv(&mut answer).context("the server gives no cookie")?;
    let told = answer[..length]
        .windows(12)
        .position(|window| window[..4] == [0, 10, 0, 24] && window[4..] == COOKIE);
    let at = told.context("the server gives no cookie")?;
    ensure!(at + 28 <= length, "the cookie is torn");
    Ok(answer[at..at + 28].to_vec())
}

fn datagrams(from: Ipv4Addr, server: SocketAddr, stop: &AtomicBool, options: &[u8]) -> Result<Success> {
    let socket = UdpSocket::bind((from, 0)).context("failed to bind a client")?;
    socket.connect(server)?;
    socket.set_nonblocking(true)?;
    let mut asked_at: Vec<Option<Instant>> = vec![None; 1 << 16];
    let (mut success, start, mut stopped, mut buffer) = (Success::default(), Instant::now(), None, [0; 1500]);
    while stopped.is_none_or(|stopped: Instant| stopped.elapsed() < ANSWER_MAX) {
        if stopped.is_none() && stop.load(Ordering::Relaxed) {
            stopped = Some(Instant::now());
        }
        let due = (start.elapsed().as_secs_f64() * f64::from(UDP_PER_SECOND)) as u64;
        while stopped.is_none() && success.n_asked < due {
            let id = success.n_asked as u16;
            asked_at[usize::from(id)] = Some(Instant::now());
            socket.send(&www(id, options)).context("failed to ask")?;
            success.n_asked += 1;
        }
        while let Ok(length) = socket.recv(&mut buffer) {
            let id = u16::from_be_bytes([buffer[0], buffer[1]]);
            let asked = asked_at[usize::from(id)].take();
            let is_in_time = asked.is_some_and(|asked| asked.elapsed() < ANSWER_MAX);
            success.n_answered += u64::from(is_in_time && is_answer(&buffer[..length]));
        }
        if stopped.is_some() && success.n_answered == success.n_asked {
            break;
        }
        std::thread::park_timeout(BEAT);
    }
    Ok(success)
}

fn streams(
    server: SocketAddr,
    stop: &AtomicBool,
    ask: impl AsyncFn() -> io::Result<bool>,
) -> Result<Success> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.with_context(|| format!("failed to start a client of {server}"))?.block_on(async {
        let (mut success, mut turns) = (Success::default(), tokio::time::interval(TURN));
        while !stop.load(Ordering::Relaxed) {
            turns.tick().await;
            success.n_asked += 1;
            let answered = tokio::time::timeout(ANSWER_MAX, ask()).await;
            success.n_answered += u64::from(matches!(answered, Ok(Ok(true))));
        }
        Ok(success)
    })
}

async fn connect(from: Ipv4Addr, server: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((from, 0).into())?;
    socket.connect(server).await
}

async fn ask(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<bool> {
    let packet = www(5, &[]);
    stream.write_all(&[&(packet.len() as u16).to_be_bytes()[..], &packet].concat()).await?;
    let mut answer = vec![0; stream.read_u16().await?.into()];
    stream.read_exact(&mut answer).await?;
    Ok(is_answer(&answer))
}
