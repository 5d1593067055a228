//! Connections: listening, TLS, HTTP/1.1 and HTTP/2, limits, and letting go of everything at shutdown.
//!
//! One task accepts; each connection is a task of its own. What a request means is the handler's business; all that a
//! connection adds is who its client certificate says it is.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tracing::{debug, warn};

use crate::authenticate::{User, certificate};
use crate::body::Body;
use crate::identity::{Authority, IdentityError};

/// An idle TLS connection costs some 50 KiB: this many cost 200 MiB at worst.
const CONNECTIONS_MAX: usize = 4096;

/// A client that cannot finish a handshake in this time is not there.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Headers are a few KiB; who needs longer holds the connection for nothing.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);

/// A Go client opens another connection when it has this many requests (watches, mostly) on one.
const STREAMS_MAX: u32 = 256;

/// Finds dead peers behind networks that drop silently; what Kubernetes clients use themselves.
const PING_INTERVAL: Duration = Duration::from_secs(30);

/// How long a peer may take to answer a ping.
const PING_TIMEOUT: Duration = Duration::from_secs(15);

/// How long requests in flight may take at shutdown.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// After a failed accept (no file descriptors, most likely), the next attempt waits this long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Answers requests.
pub(crate) trait Handler: Send + Sync + 'static {
    /// Answers `request`, sent by `peer` as its client certificate has it.
    fn handle(
        self: Arc<Self>,
        peer: Option<User>,
        request: Request<Incoming>,
    ) -> impl Future<Output = Response<Body>> + Send;
}

/// The TLS side of a listener: our certificate, client certificates of our authority welcome, ALPN for both HTTPs.
///
/// # Errors
/// When the certificate cannot be made or used.
pub(crate) fn tls(authority: &Authority, names: &[String]) -> Result<Arc<ServerConfig>, IdentityError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(authority.certificate_der().clone())?;
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .allow_unauthenticated()
        .build()?;
    let (certificate, key) = authority.server_certificate(names)?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(clients)
        .with_single_cert(vec![certificate], key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Accepts connections until `stop` says so, then waits for the requests in flight.
pub(crate) async fn serve<H: Handler>(
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    handler: Arc<H>,
    mut stop: watch::Receiver<bool>,
) {
    let acceptor = TlsAcceptor::from(tls);
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let graceful = GracefulShutdown::new();
    loop {
        let permit = tokio::select! {
            permit = Arc::clone(&room).acquire_owned() => permit.expect("the semaphore is never closed"),
            _ = stop.wait_for(|stop| *stop) => break,
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                let acceptor = acceptor.clone();
                let handler = Arc::clone(&handler);
                let watcher = graceful.watcher();
                tokio::spawn(async move {
                    connection(stream, peer, acceptor, handler, watcher).await;
                    drop(permit);
                });
            }
            Err(error) => {
                warn!(%error, "failed to accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    if tokio::time::timeout(DRAIN_TIMEOUT, graceful.shutdown()).await.is_err() {
        warn!("requests were still in flight at shutdown");
    }
}

async fn connection<H: Handler>(
    stream: TcpStream,
    address: SocketAddr,
    acceptor: TlsAcceptor,
    handler: Arc<H>,
    watcher: hyper_util::server::graceful::Watcher,
) {
    let stream = match handshake(stream, &acceptor).await {
        Ok(stream) => stream,
        // Port scanners and probes: nothing that a person must look at.
        Err(error) => return debug!(%address, %error, "failed to shake hands"),
    };
    let peer = stream.get_ref().1.peer_certificates().and_then(|chain| certificate::user(chain.first()?));
    let service = service_fn(move |request| {
        let handler = Arc::clone(&handler);
        let peer = peer.clone();
        async move { Ok::<_, Infallible>(handler.handle(peer, request).await) }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT);
    let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
    if let Err(error) = watcher.watch(connection).await {
        debug!(%address, %error, "connection ended");
    }
}

async fn handshake(
    stream: TcpStream,
    acceptor: &TlsAcceptor,
) -> io::Result<tokio_rustls::server::TlsStream<TcpStream>> {
    // Answers are written whole; waiting to fill a segment only delays watch events.
    stream.set_nodelay(true)?;
    tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await?
}
