//! One question to one endpoint: can it be connected to, does it answer HTTP well?

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

/// Asks; the error says in a few words what was met instead of a good answer.
pub(super) async fn ask(target: &Target, check: &Check, host: &str) -> Result<(), String> {
    let Target::Ip(ip) = target else { return Err("an alias is not probed".to_owned()) };
    let stream = TcpStream::connect(SocketAddr::new(*ip, check.port)).await.map_err(|error| words(&error))?;
    match &check.probe {
        Probe::Tcp => Ok(()),
        Probe::Http { path, host: wanted } => http(stream, path, wanted.as_deref().unwrap_or(host)).await,
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
    let answering = sender.send_request(request);
    let answer = tokio::select! {
        answer = answering => answer.map_err(told)?,
        ended = connection => return Err(ended.err().map_or("the connection ended".to_owned(), told)),
    };
    let status = answer.status();
    if status.is_success() || status.is_redirection() {
        Ok(())
    } else {
        Err(format!("status {}", status.as_u16()))
    }
}

fn words(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::ConnectionRefused => "refused".to_owned(),
        std::io::ErrorKind::ConnectionReset => "reset".to_owned(),
        _ => error.to_string(),
    }
}
