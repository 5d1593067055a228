//! Health and metrics of a process that serves no API: three pages over plain HTTP, for probes and scrapers of the same machine
//! or network.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tracing::debug;

use super::observe::Render;

/// Connections at once: a scraper, two probes and a person, with room to spare.
const CONNECTIONS_MAX: usize = 32;

/// How long a client may take over its request's head.
const HEAD_MAX: Duration = Duration::from_secs(5);

/// After a failed accept (no file descriptors, most likely), the next attempt waits this long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The text format of Prometheus.
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What the pages show.
#[derive(Clone)]
pub(super) struct Pages {
    pub(super) metrics: Render,
    /// What is missing before it serves; none when it does.
    pub(super) missing: Arc<dyn Fn() -> Option<String> + Send + Sync>,
}

/// Listens for scrapers and probes.
///
/// # Errors
/// When the address cannot be listened on.
pub(super) async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        format!("listen on {address} for metrics; choose another address with --metrics-listen")
    })
}

/// Answers until it is dropped.
pub(super) async fn serve(listener: TcpListener, pages: Pages) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let Ok(permit) = Arc::clone(&room).try_acquire_owned() else { continue };
        let pages = pages.clone();
        tokio::spawn(async move {
            converse(stream, pages).await;
            drop(permit);
        });
    }
}

async fn converse(stream: TcpStream, pages: Pages) {
    let answer = service_fn(move |request: Request<Incoming>| {
        let answered = pages.answer(request.method(), request.uri().path());
        async move { Ok::<_, Infallible>(answered) }
    });
    let mut server = hyper::server::conn::http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(HEAD_MAX);
    if let Err(error) = server.serve_connection(TokioIo::new(stream), answer).await {
        debug!(%error, "a scraper's connection broke off");
    }
}

// === impl Pages ===

impl Pages {
    fn answer(&self, method: &Method, path: &str) -> Response<Full<Bytes>> {
        if !matches!(*method, Method::GET | Method::HEAD) {
            return text(StatusCode::METHOD_NOT_ALLOWED, "GET is expected\n".to_owned());
        }
        match path {
            "/livez" => text(StatusCode::OK, "ok\n".to_owned()),
            "/readyz" => match (self.missing)() {
                None => text(StatusCode::OK, "ok\n".to_owned()),
                Some(missing) => text(StatusCode::SERVICE_UNAVAILABLE, missing + "\n"),
            },
            "/metrics" => text(StatusCode::OK, (self.metrics)()),
            _ => text(StatusCode::NOT_FOUND, "there are /livez, /readyz and /metrics\n".to_owned()),
        }
    }
}

fn text(code: StatusCode, text: String) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::from(text));
    *answer.status_mut() = code;
    answer.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(METRICS));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_ready_when_nothing_is_missing() {
        let pages = |missing: Option<&'static str>| Pages {
            metrics: Arc::new(|| "koinon_dns_names_count 3\n".to_owned()),
            missing: Arc::new(move || missing.map(str::to_owned)),
        };
        let codes = |pages: &Pages, method| {
            ["/livez", "/readyz", "/metrics", "/"].map(|path| pages.answer(&method, path).status().as_u16())
        };
        assert_eq!(codes(&pages(None), Method::GET), [200, 200, 200, 404]);
        assert_eq!(codes(&pages(Some("no names yet")), Method::GET), [200, 503, 200, 404]);
        assert_eq!(codes(&pages(None), Method::POST), [405; 4]);
    }
}
