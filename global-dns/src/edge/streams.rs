//! Listeners for connections: TCP as it is, and what is spoken inside of TLS.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tracing::warn;

use super::desk::Desk;
use super::handler::Transport;
use super::room::{Doing, Place, Room};
use super::{framed, https};
use crate::metrics::End;

/// How long a handshake may take: two round trips around the world, with each packet lost once.
pub(super) const HANDSHAKE_MAX: Duration = Duration::from_secs(5);

/// After a failed accept (no file descriptors, most likely), the next attempt waits this long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What is spoken over the connections of a listener.
#[derive(Clone)]
pub(crate) enum Speech {
    /// Messages with their length before them.
    Tcp,
    /// The same inside of TLS.
    Tls(TlsAcceptor),
    /// HTTP inside of TLS.
    Https(TlsAcceptor),
}

/// Accepts connections until asked to stop.
pub(crate) async fn run(
    listener: TcpListener,
    speech: Speech,
    desk: Desk,
    room: Room,
    mut stop: watch::Receiver<bool>,
) {
    let transport = speech.transport();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                warn!(%error, transport = transport.as_str(), "failed to accept a DNS connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let place = match room.admit(peer.ip()) {
            Ok(place) => place,
            Err(refusal) => {
                // The door closes at once, so that the client asks another server.
                desk.metrics.connections.ended(transport, refusal.into());
                reset_on_close(&stream);
                continue;
            }
        };
        let (speech, mut desk, mut stop) = (speech.clone(), desk.clone(), stop.clone());
        tokio::spawn(async move {
            let metrics = Arc::clone(&desk.metrics);
            let _open = metrics.connections.open(transport);
            let end = tokio::select! {
                end = converse(stream, peer, speech, &mut desk, place) => end,
                _ = stop.wait_for(|stop| *stop) => End::Stopped,
            };
            metrics.connections.ended(transport, end);
        });
    }
}

async fn converse(stream: TcpStream, peer: SocketAddr, speech: Speech, desk: &mut Desk, place: Place) -> End {
    // Answers are written whole; waiting to fill a segment would only delay them.
    if stream.set_nodelay(true).is_err() {
        return End::Failed;
    }
    match speech {
        Speech::Tcp => {
            let mut stream = stream;
            let end = framed::converse(&mut stream, peer, Transport::Tcp, desk, &place).await;
            if end == End::Shed {
                reset_on_close(&stream);
            }
            end
        }
        // What these need besides is far more, and is not to be kept for each connection over plain TCP.
        Speech::Tls(acceptor) => Box::pin(converse_tls(stream, peer, acceptor, desk, place)).await,
        Speech::Https(acceptor) => Box::pin(converse_https(stream, peer, acceptor, desk, place)).await,
    }
}

async fn converse_tls(
    stream: TcpStream,
    peer: SocketAddr,
    acceptor: TlsAcceptor,
    desk: &mut Desk,
    place: Place,
) -> End {
    let mut stream = match handshake(stream, &acceptor, &place).await {
        Ok(stream) => stream,
        Err(end) => return end,
    };
    let end = framed::converse(&mut stream, peer, Transport::Tls, desk, &place).await;
    if end == End::Shed {
        reset_on_close(stream.get_ref().0);
    }
    end
}

async fn converse_https(
    stream: TcpStream,
    peer: SocketAddr,
    acceptor: TlsAcceptor,
    desk: &Desk,
    place: Place,
) -> End {
    match handshake(stream, &acceptor, &place).await {
        Ok(stream) => https::converse(stream, peer, desk, place).await,
        Err(end) => end,
    }
}

async fn handshake(
    stream: TcpStream,
    acceptor: &TlsAcceptor,
    place: &Place,
) -> Result<TlsStream<TcpStream>, End> {
    place.set(Doing::Awaited);
    tokio::select! {
        accepted = tokio::time::timeout(HANDSHAKE_MAX, acceptor.accept(stream)) => match accepted {
            Ok(Ok(stream)) => {
                place.set(Doing::Idle);
                Ok(stream)
            }
            // Port scanners, clients with another idea of TLS, and whoever takes too long.
            Ok(Err(_)) | Err(_) => Err(End::Handshake),
        },
        overstay = place.overstayed() => Err(End::of(overstay, End::Handshake)),
    }
}

/// Lets a connection end without a trace: those that nobody waits for must not fill the kernel's tables (TIME_WAIT).
fn reset_on_close(stream: &TcpStream) {
    // A connection that cannot be told so ends all the same.
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}

impl Speech {
    fn transport(&self) -> Transport {
        match self {
            Self::Tcp => Transport::Tcp,
            Self::Tls(_) => Transport::Tls,
            Self::Https(_) => Transport::Https,
        }
    }
}
