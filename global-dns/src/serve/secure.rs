//! The listeners of encrypted transports: bound first, opened when there is something to serve.

use std::net::SocketAddr;
use std::sync::Arc;

use quinn::Endpoint;
use rustix::process::{Resource, getrlimit};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::Secure;
use crate::edge::desk::Desk;
use crate::edge::quic;
use crate::edge::room::{CONNECTIONS_MAX, Room};
use crate::edge::streams::{self, Speech};
use crate::edge::tls::{self, Identity, Shown, server_config};
use crate::fast::{BindError, bind_tcp, remedy};

/// The protocol's name in the handshake (RFC 7858 §3.1).
const DOT: &[&[u8]] = &[b"dot"];

/// What HTTPS is offered with (RFC 7301).
const HTTPS: &[&[u8]] = &[b"h2", b"http/1.1"];

/// Where a server listens over encrypted transports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecureAddresses {
    /// Over TLS.
    pub tls: Vec<SocketAddr>,
    /// Over HTTPS.
    pub https: Vec<SocketAddr>,
    /// Over QUIC.
    pub quic: Vec<SocketAddr>,
}

/// Listeners that nobody accepts from yet.
pub(super) struct Doors {
    identity: Identity,
    shown: Shown,
    tls: Vec<Door>,
    https: Vec<Door>,
    quic: Vec<(SocketAddr, Endpoint)>,
}

struct Door {
    address: SocketAddr,
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

/// Connections that there is room for: half of the files that the process may have open; the rest are its own.
pub(super) fn connections_max() -> usize {
    let files = getrlimit(Resource::Nofile).current.and_then(|files| usize::try_from(files).ok());
    files.map_or(CONNECTIONS_MAX, |files| CONNECTIONS_MAX.min(files / 2))
}

// === impl Doors ===

impl Doors {
    pub(super) fn bind(secure: Secure) -> Result<Self, BindError> {
        let Secure { identity, tls, https, quic } = secure;
        let shown = identity.shown();
        let doors = |addresses: Vec<SocketAddr>, transport, protocols| {
            addresses
                .into_iter()
                .map(|address| Door::bind(address, transport, protocols, &shown))
                .collect::<Result<Vec<_>, _>>()
        };
        let endpoint = |address| {
            let failed = |source| failed(address, "QUIC", source);
            let endpoint = quic::bind(address, &shown).map_err(|error| match error {
                quic::BindError::Socket(source) => failed(source),
                quic::BindError::Tls(error) => failed(std::io::Error::other(error)),
            })?;
            Ok((endpoint.local_addr().map_err(failed)?, endpoint))
        };
        Ok(Self {
            tls: doors(tls, "TLS", DOT)?,
            https: doors(https, "HTTPS", HTTPS)?,
            quic: quic.into_iter().map(endpoint).collect::<Result<_, BindError>>()?,
            identity,
            shown: shown.clone(),
        })
    }

    pub(super) fn addresses(&self) -> SecureAddresses {
        let addresses = |doors: &[Door]| doors.iter().map(|door| door.address).collect();
        SecureAddresses {
            tls: addresses(&self.tls),
            https: addresses(&self.https),
            quic: self.quic.iter().map(|(address, _)| *address).collect(),
        }
    }

    /// Accepts from now on, and follows the certificate.
    pub(super) fn open(
        self,
        tasks: &mut JoinSet<()>,
        desk: &Desk,
        room: &Room,
        stop: &watch::Receiver<bool>,
    ) {
        let doors = self.tls.into_iter().map(|door| (door.listener, Speech::Tls(door.acceptor)));
        let doors =
            doors.chain(self.https.into_iter().map(|door| (door.listener, Speech::Https(door.acceptor))));
        for (listener, speech) in doors {
            tasks.spawn(streams::run(listener, speech, desk.clone(), room.clone(), stop.clone()));
        }
        for (_, endpoint) in self.quic {
            tasks.spawn(quic::run(endpoint, desk.clone(), room.clone(), stop.clone()));
        }
        tasks.spawn(tls::follow(self.identity, self.shown, Arc::clone(&desk.metrics), stop.clone()));
    }
}

impl Door {
    fn bind(
        address: SocketAddr,
        transport: &'static str,
        protocols: &[&[u8]],
        shown: &Shown,
    ) -> Result<Self, BindError> {
        let failed = |source| failed(address, transport, source);
        let config = server_config(shown, protocols).map_err(|error| failed(std::io::Error::other(error)))?;
        let listener = bind_tcp(address).and_then(TcpListener::from_std).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { address, listener, acceptor: TlsAcceptor::from(Arc::new(config)) })
    }
}

fn failed(address: SocketAddr, transport: &'static str, source: std::io::Error) -> BindError {
    BindError { address, transport, remedy: remedy(source.kind()), source }
}
