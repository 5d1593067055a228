//! One question to one endpoint: can it be connected to, does it answer well?

use std::io;
use std::net::SocketAddr;

use koinon_types::names::{Check, Probe, Target};
use tokio::net::TcpStream;

use super::dns::{self, Asked};
use super::grpc::Grpc;
use super::http::Http;

/// What an operator finds in the logs of what is probed.
pub(super) const AGENT: &str = concat!("koinon-probe/", env!("CARGO_PKG_VERSION"));

/// Errors that speak of this machine alone: it is short of file descriptors, memory or ports.
const OUR_OWN: [i32; 5] = [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM, libc::EADDRNOTAVAIL];

/// What a probe met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Met {
    /// A good answer.
    Good,
    /// Something else, said in a few words.
    Bad(String),
    /// The endpoint was not asked, for reasons of our own.
    Nothing,
}

/// Asks one endpoint again and again: what is costly to prepare is prepared once.
pub(super) struct Asker {
    port: u16,
    how: How,
}

enum How {
    Tcp,
    Http(Http),
    Grpc(Grpc),
    Dns(Asked),
}

// === impl Asker ===

impl Asker {
    /// Prepares a check; `host` is the name served.
    ///
    /// # Errors
    /// When it cannot be carried out on this node, with the reason.
    pub(super) fn new(check: &Check, host: &str) -> Result<Self, String> {
        let how = match &check.probe {
            Probe::Tcp => How::Tcp,
            Probe::Http(probe) => How::Http(Http::new(probe, host)?),
            Probe::Grpc(probe) => How::Grpc(Grpc::new(probe, host)?),
            Probe::Dns(probe) => How::Dns(Asked::new(probe)?),
        };
        Ok(Self { port: check.port, how })
    }

    /// Asks.
    pub(super) async fn ask(&self, target: &Target) -> Met {
        let Target::Ip(ip) = target else { return Met::Nothing };
        let address = SocketAddr::new(*ip, self.port);
        let asked = match &self.how {
            How::Tcp => connect(address).await.map(drop),
            How::Http(http) => match connect(address).await {
                Ok(stream) => http.ask(stream).await.map_err(Unwell::Endpoint),
                Err(unwell) => Err(unwell),
            },
            How::Grpc(grpc) => match connect(address).await {
                Ok(stream) => grpc.ask(stream).await.map_err(Unwell::Endpoint),
                Err(unwell) => Err(unwell),
            },
            How::Dns(asked) => dns::ask(asked, address).await,
        };
        match asked {
            Ok(()) => Met::Good,
            Err(Unwell::Endpoint(why)) => Met::Bad(why),
            Err(Unwell::Ourselves) => Met::Nothing,
        }
    }
}

/// Whose fault it is that there is no good answer.
pub(super) enum Unwell {
    /// The endpoint's, in a few words.
    Endpoint(String),
    /// This machine's.
    Ourselves,
}

impl From<io::Error> for Unwell {
    fn from(error: io::Error) -> Self {
        if error.raw_os_error().is_some_and(|code| OUR_OWN.contains(&code)) {
            return Self::Ourselves;
        }
        Self::Endpoint(words(&error))
    }
}

pub(super) async fn connect(address: SocketAddr) -> Result<TcpStream, Unwell> {
    Ok(TcpStream::connect(address).await?)
}

pub(super) fn words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "refused".to_owned(),
        io::ErrorKind::ConnectionReset => "reset".to_owned(),
        io::ErrorKind::UnexpectedEof => "closed before it answered".to_owned(),
        _ => error.to_string(),
    }
}
