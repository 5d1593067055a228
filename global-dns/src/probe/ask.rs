//! One question to one endpoint: can it be connected to, does it answer HTTP well?

use std::io;
use std::net::SocketAddr;

use bytes::Bytes;
use http::header::{CONNECTION, HOST, HeaderValue, USER_AGENT};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use koinon_types::names::{Check, Probe, Target};
use tokio::net::TcpStream;

/// What an operator finds in the logs of what is probed.
const AGENT: &str = concat!("koinon-probe/", env!("CARGO_PKG_VERSION"));

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

/// Asks.
pub(super) async fn ask(target: &Target, check: &Check, host: &str) -> Met {
    let Target::Ip(ip) = target else { return Met::Nothing };
    let stream = match TcpStream::connect(SocketAddr::new(*ip, check.port)).await {
        Ok(stream) => stream,
        Err(error) if error.raw_os_error().is_some_and(|code| OUR_OWN.contains(&code)) => {
            return Met::Nothing;
        }
        Err(error) => return Met::Bad(words(&error)),
    };
    match &check.probe {
        Probe::Tcp => Met::Good,
        Probe::Http { path, host: wanted } => {
            let answered = http(stream, path, wanted.as_deref().unwrap_or(host)).await;
            answered.map_or_else(Met::Bad, |()| Met::Good)
        }
    }
}

async fn http(stream: TcpStream, path: &str, host: &str) -> Result<(), String> {
    let told = |error: hyper::Error| format!("HTTP: {error}");
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(told)?;
    let request = http::Request::get(path)
        .header(HOST, host)
        .header(USER_AGENT, AGENT)
        .header(CONNECTION, HeaderValue::from_static("close"))
        .body(Empty::<Bytes>::new())
        .map_err(|error| format!("the request cannot be made: {error}"))?;
    let mut answering = std::pin::pin!(sender.send_request(request));
    let answer = tokio::select! {
        answer = &mut answering => answer,
        // The connection may end with the answer, which is then still to be taken, or without.
        _ = connection => answering.await,
    };
    let status = answer.map_err(told)?.status();
    if status.is_success() || status.is_redirection() {
        Ok(())
    } else {
        Err(format!("status {}", status.as_u16()))
    }
}

fn words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "refused".to_owned(),
        io::ErrorKind::ConnectionReset => "reset".to_owned(),
        _ => error.to_string(),
    }
}
