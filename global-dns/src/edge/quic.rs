//! DNS over QUIC (RFC 9250): a stream per question.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::BytesMut;
use quinn::crypto::rustls::QuicServerConfig;
use quinn::{
    Connection, Endpoint, EndpointConfig, IdleTimeout, Incoming, ReadToEndError, RecvStream, SendStream,
    ServerConfig, TransportConfig, VarInt,
};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tracing::debug;

use super::desk::{Caller, Desk, Said};
use super::framed::PREFIX;
use super::handler::Transport;
use super::message::{Reading, read};
use super::room::{Doing, Overstay, Place, Room};
use super::streams::HANDSHAKE_MAX;
use super::tls::{IdentityError, Shown, server_config};
use crate::metrics::End;

/// The protocol's name in the handshake (RFC 9250 §7.1).
const ALPN: &[u8] = b"doq";

/// Error codes (RFC 9250 §8.4).
const NO_ERROR: VarInt = VarInt::from_u32(0);
const INTERNAL_ERROR: VarInt = VarInt::from_u32(1);
const PROTOCOL_ERROR: VarInt = VarInt::from_u32(2);
const EXCESSIVE_LOAD: VarInt = VarInt::from_u32(4);

/// Questions at once over one connection; resolvers ask some ten.
const STREAMS_MAX: u32 = 32;

/// Bytes of one question on its way: the longest message and its length.
const QUESTION_MAX: usize = PREFIX + u16::MAX as usize;

/// Bytes that all questions, or all answers, of one connection may have on their way.
const WINDOW: u32 = 4 * 64 * 1024;

/// A connection of which nothing was heard for so long is forgotten. The room ends it before.
const SILENCE_MAX_MS: u32 = 30_000;

/// Handshakes with addresses that may be forged, beyond which each new one is first asked to show that it is not (Retry,
/// RFC 9000 §8.1.2). An answer to a first packet is up to three times as long as it; one that asks back is a tenth. So a
/// client pays a round trip more only while many come at once.
const UNPROVEN_MAX: usize = 64;

/// Handshakes that wait to be begun: more than arrive while the runtime is busy for a few milliseconds.
const INCOMING_MAX: usize = 256;

/// How long saying goodbye to all clients may take.
const GOODBYE_MAX: Duration = Duration::from_secs(1);

/// Messages of a zone that are packed ahead of a reader.
const MESSAGES_AHEAD: usize = 4;

/// Binds an endpoint.
///
/// # Errors
/// When the address cannot be had, or TLS not be set up.
pub(crate) fn bind(address: SocketAddr, shown: &Shown) -> Result<Endpoint, BindError> {
    let tls = QuicServerConfig::try_from(server_config(shown, &[ALPN])?)
        .map_err(|error| BindError::Socket(io::Error::other(error)))?;
    let mut config = ServerConfig::with_crypto(Arc::new(tls));
    config.transport_config(Arc::new(transport()));
    config.max_incoming(INCOMING_MAX);
    // Grants and counts go by the address that a connection began with.
    config.migration(false);
    let socket = UdpSocket::bind(address)?;
    Ok(Endpoint::new(EndpointConfig::default(), Some(config), socket, Arc::new(quinn::TokioRuntime))?)
}

/// Why an endpoint cannot be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BindError {
    #[error("{0}")]
    Tls(#[from] IdentityError),
    #[error("{0}")]
    Socket(#[from] io::Error),
}

fn transport() -> TransportConfig {
    let mut config = TransportConfig::default();
    config
        .max_concurrent_bidi_streams(STREAMS_MAX.into())
        // One, so that whoever opens it can be told what is wrong with that.
        .max_concurrent_uni_streams(1_u32.into())
        .stream_receive_window(VarInt::from_u32(QUESTION_MAX as u32))
        .receive_window(VarInt::from_u32(WINDOW))
        .send_window(WINDOW.into())
        .datagram_receive_buffer_size(None)
        .max_idle_timeout(Some(IdleTimeout::from(VarInt::from_u32(SILENCE_MAX_MS))));
    config
}

/// Accepts connections until asked to stop.
pub(crate) async fn run(endpoint: Endpoint, desk: Desk, room: Room, mut stop: watch::Receiver<bool>) {
    let n_unproven = Arc::new(AtomicUsize::new(0));
    let mut connections = JoinSet::new();
    loop {
        let incoming = tokio::select! {
            incoming = endpoint.accept() => incoming,
            Some(_) = connections.join_next() => continue,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        let Some(incoming) = incoming else { break };
        let is_proven = incoming.remote_address_validated();
        if !is_proven && n_unproven.load(Ordering::Relaxed) >= UNPROVEN_MAX {
            // It can only fail for who is proven.
            let _ = incoming.retry();
            continue;
        }
        let place = match room.admit(incoming.remote_address().ip()) {
            Ok(place) => place,
            Err(refusal) => {
                desk.metrics.connections.ended(Transport::Quic, refusal.into());
                incoming.refuse();
                continue;
            }
        };
        let unproven = (!is_proven).then(|| Unproven::new(&n_unproven));
        let desk = desk.clone();
        connections.spawn(async move {
            let metrics = Arc::clone(&desk.metrics);
            let _open = metrics.connections.open(Transport::Quic);
            let end = greet(incoming, desk, Arc::new(place), unproven).await;
            metrics.connections.ended(Transport::Quic, end);
        });
    }
    endpoint.close(NO_ERROR, b"");
    // Whoever does not hear of it finds out by itself.
    let _ = tokio::time::timeout(GOODBYE_MAX, endpoint.wait_idle()).await;
}

/// Counts a handshake with an address that may be forged while it lasts.
struct Unproven(Arc<AtomicUsize>);

impl Unproven {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for Unproven {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn greet(incoming: Incoming, desk: Desk, place: Arc<Place>, unproven: Option<Unproven>) -> End {
    place.set(Doing::Awaited);
    let Ok(connecting) = incoming.accept() else { return End::Handshake };
    let connection = tokio::select! {
        connected = tokio::time::timeout(HANDSHAKE_MAX, connecting) => match connected {
            Ok(Ok(connection)) => connection,
            Ok(Err(_)) | Err(_) => return End::Handshake,
        },
        overstay = place.overstayed() => return End::of(overstay, End::Handshake),
    };
    drop(unproven);
    place.set(Doing::Idle);
    converse(&connection, desk, &place).await
}

/// Answers until either side has enough, and says why it ended.
async fn converse(connection: &Connection, desk: Desk, place: &Arc<Place>) -> End {
    let mut questions = JoinSet::new();
    let mut overstayed = std::pin::pin!(place.overstayed());
    loop {
        tokio::select! {
            opened = connection.accept_bi() => match opened {
                Ok((send, receive)) => {
                    let caller = Caller { peer: connection.remote_address(), transport: Transport::Quic, idle_max: None };
                    place.set(Doing::Awaited);
                    questions.spawn(exchange(send, receive, desk.clone(), caller, Arc::clone(place)));
                }
                Err(_) => return closed(connection),
            },
            opened = connection.accept_uni() => {
                if opened.is_ok() {
                    // RFC 9250 §4.3.3.
                    connection.close(PROTOCOL_ERROR, b"questions have streams of both directions");
                    return End::Protocol;
                }
                return closed(connection);
            }
            Some(ended) = questions.join_next() => match ended {
                Ok(Ok(())) => {
                    place.set(if questions.is_empty() { Doing::Idle } else { Doing::Awaited });
                }
                Ok(Err(Fault(reason))) => {
                    connection.close(PROTOCOL_ERROR, reason.as_bytes());
                    return End::Protocol;
                }
                Err(_) => {
                    connection.close(INTERNAL_ERROR, b"");
                    return End::Failed;
                }
            },
            overstay = &mut overstayed => {
                let code = match overstay {
                    Overstay::Idle => NO_ERROR,
                    Overstay::Stalled | Overstay::Shed => EXCESSIVE_LOAD,
                };
                connection.close(code, b"");
                return End::of(overstay, End::SlowReader);
            }
        }
    }
}

fn closed(connection: &Connection) -> End {
    match connection.close_reason() {
        Some(quinn::ConnectionError::ApplicationClosed(_)) => End::Closed,
        Some(quinn::ConnectionError::TimedOut) => End::Idle,
        Some(quinn::ConnectionError::LocallyClosed) => End::Stopped,
        reason => {
            debug!(?reason, "a QUIC connection broke off");
            End::Failed
        }
    }
}

/// What a client did that ends its connection (RFC 9250 §4.3.3).
struct Fault(&'static str);

/// Answers one question.
async fn exchange(
    mut send: SendStream,
    mut receive: RecvStream,
    mut desk: Desk,
    caller: Caller,
    place: Arc<Place>,
) -> Result<(), Fault> {
    let stream = match receive.read_to_end(QUESTION_MAX).await {
        Ok(stream) => stream,
        Err(ReadToEndError::TooLong) => return Err(Fault("a stream has one question")),
        // The client thinks better of it, or is gone.
        Err(ReadToEndError::Read(_)) => return Ok(()),
    };
    let question = question(&stream)?;
    let mut out = BytesMut::zeroed(PREFIX);
    match desk.answer(question, caller, &mut out) {
        Some(Said::Message) => {
            let length = u16::try_from(out.len() - PREFIX).unwrap_or(u16::MAX);
            out[..PREFIX].copy_from_slice(&length.to_be_bytes());
            finish(&mut send, &out).await;
            Ok(())
        }
        Some(Said::Later(work)) => {
            let (sender, mut messages) = mpsc::channel::<Vec<u8>>(MESSAGES_AHEAD);
            // It may have to wait for its turn.
            place.set(Doing::Working);
            let sending = async {
                while let Some(message) = messages.recv().await {
                    place.set(Doing::Awaited);
                    if send.write_all(&message).await.is_err() {
                        return false;
                    }
                }
                true
            };
            let (transferred, is_sent) = tokio::join!(desk.work(work, caller, sender), sending);
            if transferred.is_ok() && is_sent {
                // It cannot have been finished before.
                let _ = send.finish();
            } else {
                let _ = send.reset(INTERNAL_ERROR);
            }
            Ok(())
        }
        None => Err(Fault("a question is expected")),
    }
}

/// Sends an answer. A client that does not want it any more has said so, and that is that.
async fn finish(send: &mut SendStream, answer: &[u8]) {
    if send.write_all(answer).await.is_ok() {
        let _ = send.finish();
    }
}

/// The one message on a stream.
fn question(stream: &[u8]) -> Result<&[u8], Fault> {
    let (length, question) =
        stream.split_first_chunk::<PREFIX>().ok_or(Fault("a question has its length before it"))?;
    if question.len() != usize::from(u16::from_be_bytes(*length)) {
        return Err(Fault("a stream has one question, as long as it says"));
    }
    if question.first_chunk() != Some(&[0, 0]) {
        return Err(Fault("a question has the message id 0"));
    }
    let head = match read(question) {
        Reading::Ignored | Reading::Signed(..) => return Ok(question),
        Reading::Failed(head, _)
        | Reading::Asked(head, _)
        | Reading::Transfer(head, _)
        | Reading::Update(head, _) => head,
    };
    if head.edns.is_some_and(|edns| edns.wants_keepalive) {
        return Err(Fault("a question has no edns-tcp-keepalive option"));
    }
    Ok(question)
}

#[cfg(test)]
mod tests;
