//! HTTP/1.1, in the clear or over TLS: is the status one of those wanted, does the body hold what it must?

use ::http::header::{CONNECTION, HOST, HeaderName, HeaderValue, USER_AGENT};
use ::http::{Method, Request};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use koinon_types::names::{BODY_BYTES_MAX, BodyMatch, HttpMethod, HttpProbe, PATTERN_BYTES_MAX};
use regex::bytes::{Regex, RegexBuilder};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::ask::AGENT;
use super::tls::Tls;

/// An HTTP probe, ready to be sent.
pub(super) struct Http {
    request: Request<()>,
    statuses: Vec<(u16, u16)>,
    body: Option<Wanted>,
    tls: Option<Tls>,
}

/// What a body must hold.
enum Wanted {
    Text(Vec<u8>),
    Pattern(Regex),
}

// === impl Http ===

impl Http {
    pub(super) fn new(probe: &HttpProbe, host: &str) -> Result<Self, String> {
        let method = match probe.method {
            HttpMethod::Get => Method::GET,
            HttpMethod::Head => Method::HEAD,
        };
        let mut request = Request::builder()
            .method(method)
            .uri(&probe.path)
            .header(HOST, probe.host.as_deref().unwrap_or(host))
            .header(USER_AGENT, AGENT)
            .header(CONNECTION, HeaderValue::from_static("close"));
        if let Some(headers) = request.headers_mut() {
            for (name, value) in &probe.headers {
                let name: HeaderName = name.parse().map_err(|_| format!("header {name} is none"))?;
                let value: HeaderValue = value.parse().map_err(|_| format!("header {name} has no value"))?;
                // A header that is given twice is sent twice; one that the probe has itself is replaced.
                if name == USER_AGENT {
                    headers.insert(name, value);
                } else {
                    headers.append(name, value);
                }
            }
        }
        let request = request.body(()).map_err(|error| format!("the request cannot be made: {error}"))?;
        let body = match &probe.body {
            None => None,
            Some(BodyMatch::Contains(text)) => Some(Wanted::Text(text.clone().into_bytes())),
            Some(BodyMatch::Matches(pattern)) => {
                let built = RegexBuilder::new(pattern).size_limit(PATTERN_BYTES_MAX).build();
                Some(Wanted::Pattern(built.map_err(|error| format!("body pattern: {error}"))?))
            }
        };
        let tls = probe.tls.as_ref().map(|tls| Tls::new(tls, host, b"http/1.1")).transpose()?;
        Ok(Self { request, statuses: probe.statuses.clone(), body, tls })
    }

    pub(super) async fn ask(&self, stream: TcpStream) -> Result<(), String> {
        match &self.tls {
            None => self.ask_over(stream).await,
            Some(tls) => self.ask_over(tls.connect(stream).await?).await,
        }
    }

    async fn ask_over<Io>(&self, stream: Io) -> Result<(), String>
    where
        Io: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let told = |error: hyper::Error| format!("HTTP: {error}");
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(told)?;
        let request = self.request.clone().map(|()| Empty::<Bytes>::new());
        let mut judging = std::pin::pin!(async {
            let answer = sender.send_request(request).await.map_err(told)?;
            self.judge(answer).await
        });
        tokio::select! {
            judged = &mut judging => judged,
            // The connection may end with the answer, which is then still to be read, or without.
            _ = connection => judging.await,
        }
    }

    async fn judge(&self, answer: ::http::Response<Incoming>) -> Result<(), String> {
        let status = answer.status().as_u16();
        if !self.statuses.iter().any(|(first, last)| (*first..=*last).contains(&status)) {
            return Err(format!("status {status}"));
        }
        let Some(wanted) = &self.body else { return Ok(()) };
        let mut body = answer.into_body();
        let mut seen = Vec::new();
        while seen.len() < BODY_BYTES_MAX
            && let Some(frame) = body.frame().await
        {
            let frame = frame.map_err(|error| format!("HTTP: {error}"))?;
            let Ok(data) = frame.into_data() else { continue };
            let room = BODY_BYTES_MAX - seen.len();
            seen.extend_from_slice(&data[..data.len().min(room)]);
        }
        let is_there = match wanted {
            Wanted::Text(text) => seen.windows(text.len()).any(|window| window == text),
            Wanted::Pattern(pattern) => pattern.is_match(&seen),
        };
        if is_there { Ok(()) } else { Err(format!("status {status}, body without what is wanted")) }
    }
}
