//! The floods themselves.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;

use super::network::{connecting, flooding};
use super::{A, ANY, TXT, Traffic, ZONE, question};

/// What a server is flooded with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flood {
    /// Datagrams that are no queries, or torn ones.
    Malformed,
    /// Names that do not exist, each another.
    RandomNames,
    /// Every type of one name.
    Any,
    /// The longest answer of the zone, by clients that take the longest datagrams.
    LargeAnswers,
    /// Ten thousand connections that say nothing.
    Opens,
    /// Connections that ask and do not read.
    SlowReaders,
    /// TLS handshakes that are broken off.
    TornHandshakes,
}

/// What a flood is aimed at, and how hard.
#[derive(Clone, Debug)]
pub struct Aim {
    /// Over UDP and TCP.
    pub server: SocketAddr,
    /// Over TLS.
    pub tls: SocketAddr,
    /// Datagrams a second.
    pub per_second: u32,
    /// The first message of a TLS handshake.
    pub hello: Vec<u8>,
}

/// Connections of the flood of connections.
const N_OPENS: usize = 10_000;

/// Connections that do not read, of all networks together.
const N_SLOW: usize = 1_000;

/// Handshakes broken off in a second.
const TORN_PER_SECOND: u32 = 500;

/// Senders of datagrams, each with an address of its own.
const N_SENDERS: u8 = 16;

/// How often a paced flood catches up with its rate.
const BEAT: Duration = Duration::from_millis(5);

/// How long answers are waited for that are still on their way.
const REST: Duration = Duration::from_millis(300);

// === impl Flood ===

impl Flood {
    /// Every flood, in the order in which they are run.
    pub const ALL: [Self; 7] = [
        Self::Malformed,
        Self::RandomNames,
        Self::Any,
        Self::LargeAnswers,
        Self::Opens,
        Self::SlowReaders,
        Self::TornHandshakes,
    ];

    /// Its name in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::RandomNames => "random names",
            Self::Any => "ANY",
            Self::LargeAnswers => "large answers",
            Self::Opens => "10,000 opens",
            Self::SlowReaders => "slow readers",
            Self::TornHandshakes => "torn handshakes",
        }
    }

    /// Floods until told to stop.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn run(self, aim: &Aim, stop: &Arc<AtomicBool>) -> Result<Traffic> {
        match self {
            Self::Malformed | Self::RandomNames | Self::Any | Self::LargeAnswers => {
                datagrams(aim, stop, |number| self.datagram(number))
            }
            Self::Opens => connections(aim, Arc::clone(stop), open),
            Self::SlowReaders => connections(aim, Arc::clone(stop), ask_without_reading),
            Self::TornHandshakes => connections(aim, Arc::clone(stop), tear_handshakes),
        }
    }

    /// The datagram of this number.
    fn datagram(self, number: u64) -> Vec<u8> {
        let id = number as u16;
        let good = || question(id, &[b"www", ZONE[0], ZONE[1]], A, 1232, &[]);
        match self {
            Self::Malformed => {
                let mut packet = good();
                match number % 4 {
                    // Torn somewhere, counts that lie, options that do not fit, a label longer than there may be.
                    0 => packet.truncate(3 + number as usize % (packet.len() - 3)),
                    1 => packet[7] = 200,
                    2 => *packet.last_mut().expect("it is not empty") = 200,
                    _ => packet[12] = 0x7f,
                }
                packet
            }
            Self::RandomNames => {
                let label = format!("x{number:x}");
                question(id, &[label.as_bytes(), ZONE[0], ZONE[1]], A, 1232, &[])
            }
            Self::Any => question(id, &[b"many", ZONE[0], ZONE[1]], ANY, 4096, &[]),
            _ => question(id, &[b"large", ZONE[0], ZONE[1]], TXT, u16::MAX, &[]),
        }
    }
}

/// Sends datagrams at a pace, and counts what comes back.
fn datagrams(aim: &Aim, stop: &AtomicBool, datagram: impl Fn(u64) -> Vec<u8>) -> Result<Traffic> {
    let sockets = (1..=N_SENDERS).map(|host| {
        let socket = UdpSocket::bind((flooding(host), 0))?;
        socket.connect(aim.server)?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    });
    let sockets = sockets.collect::<io::Result<Vec<_>>>().context("failed to bind the senders of a flood")?;
    let (mut traffic, start, mut buffer) = (Traffic::default(), Instant::now(), [0; 4096]);
    let mut stopped: Option<Instant> = None;
    while stopped.is_none_or(|stopped| stopped.elapsed() < REST) {
        if stopped.is_none() && stop.load(Ordering::Relaxed) {
            stopped = Some(Instant::now());
        }
        let due = (start.elapsed().as_secs_f64() * f64::from(aim.per_second)) as u64;
        while stopped.is_none() && traffic.n_sent < due {
            let packet = datagram(traffic.n_sent);
            let socket = &sockets[traffic.n_sent as usize % sockets.len()];
            traffic.n_sent += 1;
            // What the kernel does not take was not sent.
            traffic.bytes_sent += socket.send(&packet).unwrap_or(0) as u64;
        }
        for socket in &sockets {
            while let Ok(length) = socket.recv(&mut buffer) {
                traffic.bytes_received += length as u64;
            }
        }
        std::thread::park_timeout(BEAT);
    }
    Ok(traffic)
}

/// Runs one of the floods of connections on a runtime of its own.
fn connections<F>(aim: &Aim, stop: Arc<AtomicBool>, flood: fn(Aim, Arc<AtomicBool>) -> F) -> Result<Traffic>
where
    F: Future<Output = u64>,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let n_sent = runtime.context("failed to start a runtime")?.block_on(flood(aim.clone(), stop));
    Ok(Traffic { n_sent, ..Traffic::default() })
}

async fn connect(number: usize, server: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((connecting(number), 0).into())?;
    tokio::time::timeout(Duration::from_secs(5), socket.connect(server)).await?
}

/// Opens connections, holds them and says nothing. Those that the server ends are not opened again.
async fn open(aim: Aim, stop: Arc<AtomicBool>) -> u64 {
    let (mut held, mut number) = (Vec::with_capacity(N_OPENS), 0);
    while number < N_OPENS {
        let mut opening = JoinSet::new();
        for _ in 0..64 {
            opening.spawn(connect(number, aim.server));
            number += 1;
        }
        while let Some(opened) = opening.join_next().await {
            held.extend(opened.into_iter().flatten());
        }
    }
    until(&stop).await;
    number as u64
}

async fn until(stop: &AtomicBool) {
    let mut beat = tokio::time::interval(BEAT);
    while !stop.load(Ordering::Relaxed) {
        beat.tick().await;
    }
}

/// Asks for the longest answer as often as the connection takes it, and reads none.
async fn ask_without_reading(aim: Aim, stop: Arc<AtomicBool>) -> u64 {
    let packet = question(7, &[b"large", ZONE[0], ZONE[1]], TXT, u16::MAX, &[]);
    let framed = [&(packet.len() as u16).to_be_bytes()[..], &packet].concat();
    let asking = |number: usize| {
        let (framed, server) = (framed.clone(), aim.server);
        async move {
            let Ok(mut stream) = connect(number, server).await else { return };
            // Ends when the server ends the connection.
            while stream.write_all(&framed).await.is_ok() {}
        }
    };
    let (mut slow, mut number) = (JoinSet::new(), 0);
    while !stop.load(Ordering::Relaxed) {
        while slow.len() < N_SLOW {
            slow.spawn(asking(number));
            number += 1;
        }
        // Either somebody was cut off, or it is time to look at the clock.
        let _ = tokio::time::timeout(BEAT, slow.join_next()).await;
    }
    number as u64
}

/// Begins handshakes and goes: at once, or when the server has done its part.
async fn tear_handshakes(aim: Aim, stop: Arc<AtomicBool>) -> u64 {
    let hello: Arc<[u8]> = aim.hello.into();
    let tearing = |number: usize| {
        let (hello, server) = (Arc::clone(&hello), aim.tls);
        async move {
            let Ok(mut stream) = connect(number, server).await else { return };
            if stream.write_all(&hello).await.is_ok() && number.is_multiple_of(2) {
                let _ = tokio::time::timeout(Duration::from_secs(5), stream.read(&mut [0; 64])).await;
            }
        }
    };
    let (mut torn, mut number, start) = (JoinSet::new(), 0, Instant::now());
    let mut beat = tokio::time::interval(BEAT);
    while !stop.load(Ordering::Relaxed) {
        let due = (start.elapsed().as_secs_f64() * f64::from(TORN_PER_SECOND)) as usize;
        while number < due {
            torn.spawn(tearing(number));
            number += 1;
        }
        while torn.try_join_next().is_some() {}
        beat.tick().await;
    }
    number as u64
}
