//! gRPC's health service, `grpc.health.v1.Health/Check`, over HTTP/2.
//!
//! Its two messages have one field each, so they are written and read here; a gRPC stack would bring a code generator and a
//! runtime of its own. Source: gRPC's `doc/health-checking.md` and `doc/PROTOCOL-HTTP2.md`; Protocol Buffers' encoding.

use ::http::header::{CONTENT_TYPE, TE, USER_AGENT};
use ::http::{HeaderMap, Request, Uri};
use bytes::{BufMut as _, Bytes, BytesMut};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use koinon_types::names::GrpcProbe;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::ask::AGENT;
use super::tls::Tls;

const PATH: &str = "/grpc.health.v1.Health/Check";

/// Bytes before a message: whether it is compressed, and its length.
const PREFIX: usize = 5;

/// Longest answer that is read: a message of one small number, with room for fields to come.
const ANSWER_BYTES_MAX: usize = 1_024;

/// `HealthCheckResponse.ServingStatus` by number.
const SERVING: u64 = 1;
const STATUSES: [&str; 4] = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];

/// Codes of `grpc-status` that a health check meets in practice.
const CODES: [(&str, &str); 5] = [
    ("5", "the service is not known there"),
    ("7", "permission denied"),
    ("12", "there is no health service"),
    ("14", "unavailable"),
    ("16", "unauthenticated"),
];

/// A check, ready to be sent.
pub(super) struct Grpc {
    uri: Uri,
    message: Bytes,
    tls: Option<Tls>,
}

// === impl Grpc ===

impl Grpc {
    pub(super) fn new(probe: &GrpcProbe, host: &str) -> Result<Self, String> {
        let tls = probe.tls.as_ref().map(|tls| Tls::new(tls, host, b"h2")).transpose()?;
        let named = probe.tls.as_ref().and_then(|tls| tls.server_name.as_deref());
        let authority = named.unwrap_or(host).trim_start_matches("*.");
        let uri = Uri::builder()
            .scheme(if tls.is_some() { "https" } else { "http" })
            .authority(authority)
            .path_and_query(PATH)
            .build()
            .map_err(|error| format!("the request cannot be made: {error}"))?;
        Ok(Self { uri, message: request(&probe.service), tls })
    }

    pub(super) async fn ask(&self, stream: TcpStream) -> Result<(), String> {
        match &self.tls {
            None => self.ask_over(stream).await,
            Some(tls) => self.ask_over(tls.connect(stream).await?).await,
        }
    }

    async fn ask_over<Io>(&self, stream: Io) -> Result<(), String>
    where
        Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let told = |error: hyper::Error| format!("HTTP/2: {error}");
        let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
        let (mut sender, connection) = handshake.await.map_err(told)?;
        let request = Request::post(self.uri.clone())
            .header(CONTENT_TYPE, "application/grpc")
            .header(TE, "trailers")
            .header(USER_AGENT, AGENT)
            .body(Full::new(self.message.clone()))
            .map_err(|error| format!("the request cannot be made: {error}"))?;
        let mut judging = std::pin::pin!(async {
            let answer = sender.send_request(request).await.map_err(told)?;
            judge(answer).await
        });
        tokio::select! {
            judged = &mut judging => judged,
            _ = connection => judging.await,
        }
    }
}

/// `HealthCheckRequest{service}` with its prefix.
fn request(service: &str) -> Bytes {
    let mut message = BytesMut::new();
    // A field that has its default, the empty text, is not written.
    if !service.is_empty() {
        message.put_u8(1 << 3 | 2);
        put_number(&mut message, service.len());
        message.put_slice(service.as_bytes());
    }
    let mut framed = BytesMut::with_capacity(PREFIX + message.len());
    framed.put_u8(0);
    framed.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    framed.put_slice(&message);
    framed.freeze()
}

/// Base 128, the least significant first.
fn put_number(out: &mut BytesMut, mut number: usize) {
    while number >= 0x80 {
        out.put_u8((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.put_u8(number as u8);
}

async fn judge(answer: ::http::Response<Incoming>) -> Result<(), String> {
    let status = answer.status();
    if status != ::http::StatusCode::OK {
        return Err(format!("status {}", status.as_u16()));
    }
    let (parts, mut body) = answer.into_parts();
    // A server that has nothing else to say puts its status into the headers.
    if let Some(failed) = failure(&parts.headers) {
        return Err(failed);
    }
    let mut message = Vec::new();
    let mut trailers = None;
    while let Some(frame) = body.frame().await {
        match frame.map_err(|error| format!("HTTP/2: {error}"))?.into_data() {
            Ok(data) if message.len() + data.len() > ANSWER_BYTES_MAX => {
                return Err("gRPC: the answer is too long".to_owned());
            }
            Ok(data) => message.extend_from_slice(&data),
            Err(frame) => trailers = frame.into_trailers().ok(),
        }
    }
    if let Some(failed) = trailers.as_ref().and_then(failure) {
        return Err(failed);
    }
    match serving_status(&message) {
        Some(SERVING) => Ok(()),
        Some(number) => {
            let known = usize::try_from(number).ok().and_then(|number| STATUSES.get(number));
            Err(format!("gRPC: {}", known.unwrap_or(&"a status that is not known")))
        }
        None => Err("gRPC: the answer cannot be read".to_owned()),
    }
}

/// What `grpc-status` says, unless it says nothing or that all is well.
fn failure(headers: &HeaderMap) -> Option<String> {
    let code = headers.get("grpc-status")?.to_str().unwrap_or_default();
    if code == "0" {
        return None;
    }
    let known = CODES.iter().find(|(number, _)| *number == code);
    Some(known.map_or_else(|| format!("gRPC: code {code}"), |(_, words)| format!("gRPC: {words}")))
}

/// `HealthCheckResponse.status` of a message with its prefix; fields that are not known are skipped.
fn serving_status(framed: &[u8]) -> Option<u64> {
    let (prefix, mut message) = framed.split_at_checked(PREFIX)?;
    let length = u32::from_be_bytes([prefix[1], prefix[2], prefix[3], prefix[4]]);
    if prefix[0] != 0 || usize::try_from(length).ok() != Some(message.len()) {
        return None;
    }
    let mut status = 0;
    while !message.is_empty() {
        let tag = take_number(&mut message)?;
        match (tag >> 3, tag & 7) {
            (1, 0) => status = take_number(&mut message)?,
            (_, 0) => drop(take_number(&mut message)?),
            (_, 1) => message = message.get(8..)?,
            (_, 2) => {
                let length = usize::try_from(take_number(&mut message)?).ok()?;
                message = message.get(length..)?;
            }
            (_, 5) => message = message.get(4..)?,
            _ => return None,
        }
    }
    Some(status)
}

fn take_number(message: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = message.split_first()?;
        *message = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_those_of_protocol_buffers() {
        assert_eq!(&request("")[..], [0, 0, 0, 0, 0]);
        assert_eq!(&request("shop")[..], [&[0, 0, 0, 0, 6, 0x0a, 4][..], b"shop"].concat());
        let long = "s".repeat(300);
        assert_eq!(request(&long)[..8], [0, 0, 0, 1, 47, 0x0a, 0xac, 0x02]);
    }

    #[test]
    fn the_status_is_found_among_fields_that_are_not_known() {
        let framed = |message: &[u8]| [&[0, 0, 0, 0, message.len() as u8][..], message].concat();
        for (message, wanted) in [
            (&[8, 1][..], Some(1)),
            (&[], Some(0)),
            (&[8, 2], Some(2)),
            (&[0x12, 2, 9, 9, 8, 1], Some(1)),
            (&[0x1d, 1, 2, 3, 4, 8, 1], Some(1)),
            (&[0x21, 1, 2, 3, 4, 5, 6, 7, 8, 8, 3], Some(3)),
            (&[8, 0x81, 0x01], Some(129)),
            (&[8], None),
            (&[8, 0x80], None),
            (&[0x12, 9, 1], None),
            (&[0x0b], None),
        ] {
            assert_eq!(serving_status(&framed(message)), wanted, "{message:?}");
        }
        assert_eq!(serving_status(&[1, 0, 0, 0, 2, 8, 1]), None, "compressed");
        assert_eq!(serving_status(&[0, 0, 0, 0, 3, 8, 1]), None, "cut");
        assert_eq!(serving_status(&[0, 0]), None);
    }
}
