//! DNS over HTTPS (RFC 8484): GET and POST at `/dns-query`, over HTTP/2 and HTTP/1.1.

mod freshness;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::{Bytes, BytesMut};
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Body;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;

use super::desk::{Caller, Desk, Said};
use super::framed::PREFIX;
use super::handler::{RESPONSE_MAX, Transport};
use super::room::{Doing, Place};
use crate::metrics::End;

/// Where questions are asked.
const PATH: &str = "/dns-query";

/// The media type of messages (RFC 8484 §6).
const MEDIA_TYPE: &str = "application/dns-message";

/// The name of the parameter that holds a message (RFC 8484 §4.1).
const PARAMETER: &str = "dns=";

/// How long the headers of a request may take over HTTP/1.1; over both, the room ends who stalls.
const HEADERS_MAX: Duration = Duration::from_secs(5);

/// Bytes of a request's headers: a message of 4 KiB by GET, and what browsers add.
const HEADERS_LENGTH_MAX: usize = 16 * 1024;

/// Questions at once over one connection; resolvers ask some ten.
const STREAMS_MAX: u32 = 32;

/// Answers until either side has enough, and says why it ended.
pub(crate) async fn converse<S>(stream: S, peer: SocketAddr, desk: &Desk, place: Place) -> End
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (desk, seat) = (desk.clone(), Arc::new(Seat { place, n_open: AtomicU32::new(0) }));
    let asking = Arc::clone(&seat);
    let service = service_fn(move |request| {
        let (desk, open) = (desk.clone(), Open::new(&asking));
        async move {
            let response = respond(request, peer, desk).await;
            drop(open);
            Ok::<_, Infallible>(response)
        }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_MAX)
        .max_buf_size(HEADERS_LENGTH_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEADERS_LENGTH_MAX as u32)
        .initial_stream_window_size(RESPONSE_MAX as u32)
        .initial_connection_window_size(2 * RESPONSE_MAX as u32)
        .max_send_buf_size(RESPONSE_MAX);
    tokio::select! {
        ended = builder.serve_connection(TokioIo::new(stream), service) => match ended {
            Ok(()) => End::Closed,
            Err(_) => End::Failed,
        },
        overstay = seat.place.overstayed() => End::of(overstay, End::SlowSender),
    }
}

/// A connection's place, and how many requests are open.
struct Seat {
    place: Place,
    n_open: AtomicU32,
}

/// A request, open until it is answered or the client thinks better of it.
struct Open(Arc<Seat>);

impl Open {
    fn new(seat: &Arc<Seat>) -> Self {
        seat.n_open.fetch_add(1, Ordering::Relaxed);
        seat.place.set(Doing::Awaited);
        Self(Arc::clone(seat))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let Seat { place, n_open } = &*self.0;
        let is_last = n_open.fetch_sub(1, Ordering::Relaxed) == 1;
        place.set(if is_last { Doing::Idle } else { Doing::Awaited });
    }
}

/// Answers one request.
async fn respond<B>(request: Request<B>, peer: SocketAddr, mut desk: Desk) -> Response<Full<Bytes>>
where
    B: Body + Send,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let message = match question(request).await {
        Ok(message) => message,
        Err(refusal) => return refusal.into(),
    };
    let caller = Caller { peer, transport: Transport::Https, idle_max: None };
    let mut out = BytesMut::new();
    match desk.answer(&message, caller, &mut out) {
        Some(Said::Message) => {}
        // No zone comes this way, so this is an update, and its answer is one message.
        Some(Said::Later(work)) => {
            let (sender, mut messages) = mpsc::channel(1);
            let (_, message) = tokio::join!(desk.work(work, caller, sender), messages.recv());
            out.extend_from_slice(
                message.as_ref().and_then(|message| message.get(PREFIX..)).unwrap_or_default(),
            );
        }
        // Nothing is to be said to what is no query.
        None => return Refusal::Message.into(),
    }
    let mut response = Response::new(Full::new(Bytes::new()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    headers.insert(CACHE_CONTROL, cache_control(&out));
    *response.body_mut() = Full::new(out.freeze());
    response
}

/// For how long the client may keep an answer; nobody between may, because it can depend on who asks.
fn cache_control(message: &[u8]) -> HeaderValue {
    let seconds = freshness::seconds(message).unwrap_or(0);
    HeaderValue::try_from(format!("private, max-age={seconds}"))
        .unwrap_or(HeaderValue::from_static("no-store"))
}

/// Why a request is not answered with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    Path,
    Method,
    MediaType,
    TooLong,
    Message,
}

/// Reads the message out of a request.
async fn question<B>(request: Request<B>) -> Result<Bytes, Refusal>
where
    B: Body + Send,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    if request.uri().path() != PATH {
        return Err(Refusal::Path);
    }
    if request.method() == Method::GET {
        let query = request.uri().query().unwrap_or_default();
        let encoded = query.split('&').find_map(|pair| pair.strip_prefix(PARAMETER));
        let message = encoded.and_then(|encoded| URL_SAFE_NO_PAD.decode(encoded).ok());
        return message.map(Bytes::from).ok_or(Refusal::Message);
    }
    if request.method() != Method::POST {
        return Err(Refusal::Method);
    }
    let media_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = media_type.map(|text| text.split(';').next().unwrap_or(text).trim());
    if !essence.is_some_and(|essence| essence.eq_ignore_ascii_case(MEDIA_TYPE)) {
        return Err(Refusal::MediaType);
    }
    match Limited::new(request.into_body(), RESPONSE_MAX).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => Err(Refusal::TooLong),
        Err(_) => Err(Refusal::Message),
    }
}

impl From<Refusal> for Response<Full<Bytes>> {
    fn from(refusal: Refusal) -> Self {
        let (status, text) = match refusal {
            Refusal::Path => (StatusCode::NOT_FOUND, "questions are asked at /dns-query\n"),
            Refusal::Method => (StatusCode::METHOD_NOT_ALLOWED, "ask by GET or POST\n"),
            Refusal::MediaType => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "a POST has the content type application/dns-message\n")
            }
            Refusal::TooLong => (StatusCode::PAYLOAD_TOO_LARGE, "a message has at most 65535 bytes\n"),
            Refusal::Message => (
                StatusCode::BAD_REQUEST,
                "a DNS query is expected: by GET as ?dns= in base64url without padding\n",
            ),
        };
        let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
        *response.status_mut() = status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        if refusal == Refusal::Method {
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, POST"));
        }
        response
    }
}

#[cfg(test)]
mod tests;
