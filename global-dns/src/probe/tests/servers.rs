//! Servers to be probed: HTTP, gRPC's health service and DNS, over TLS where wanted.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Empty, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use koinon_types::names::{BODY_BYTES_MAX, NameTable};
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::serve::tests::{Served, serve};
use crate::snapshot::tests::support::zone;

type Body = BoxBody<Bytes, Infallible>;

/// A server's side of TLS, and the certificate that its clients must believe.
pub(super) struct Tls {
    pub(super) config: Arc<rustls::ServerConfig>,
    pub(super) pem: String,
}

/// A self-signed certificate for these names.
pub(super) fn tls(names: &[&str]) -> Tls {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let issued = rcgen::generate_simple_self_signed(names).expect("a certificate");
    let key = PrivateKeyDer::try_from(issued.signing_key.serialize_der()).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider knows them")
        .with_no_client_auth()
        .with_single_cert(vec![issued.cert.der().clone()], key)
        .expect("key and certificate match");
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Tls { config: Arc::new(config), pem: issued.cert.pem() }
}

/// Answers the path's number as status, `/long` with more than a probe reads and `/echo` with what it got.
pub(super) async fn http_server(tls: Option<Arc<rustls::ServerConfig>>) -> SocketAddr {
    listen(tls, |io: Io| async move {
        let service = service_fn(|request| async move { Ok::<_, Infallible>(page(&request)) });
        let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(io), service).await;
    })
    .await
}

fn page(request: &http::Request<Incoming>) -> http::Response<Body> {
    let (status, text) = match request.uri().path() {
        "/long" => (200, "0".repeat(BODY_BYTES_MAX) + "the end"),
        "/echo" => {
            let headers = request.headers().iter();
            let told = headers.map(|(name, value)| format!("{name}={} ", value.to_str().expect("a text")));
            let told: String = told.collect();
            let host = request.headers()["host"].to_str().expect("a text");
            (200, format!("{} host={host} {told}", request.method()))
        }
        path => (path[1..].parse().expect("a number"), "all is fine".to_owned()),
    };
    let body = Full::new(Bytes::from(text)).boxed();
    http::Response::builder().status(status).body(body).expect("a response")
}

/// Says this to whoever connects, once he has asked, and closes.
pub(super) async fn raw_server(answer: &'static str) -> SocketAddr {
    listen(None, move |mut io: Io| async move {
        let mut request = [0; 1000];
        let _ = io.read(&mut request).await;
        let _ = io.write_all(answer.as_bytes()).await;
    })
    .await
}

/// The health service of a shop: of some services it says what it thinks, of others what can go wrong.
pub(super) async fn grpc_server(tls: Option<Arc<rustls::ServerConfig>>) -> SocketAddr {
    listen(tls, |io: Io| async move {
        let service = service_fn(health);
        let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        let _ = builder.serve_connection(TokioIo::new(io), service).await;
    })
    .await
}

async fn health(request: http::Request<Incoming>) -> Result<http::Response<Body>, Infallible> {
    assert_eq!(request.uri().path(), "/grpc.health.v1.Health/Check");
    assert_eq!(request.headers()["content-type"], "application/grpc");
    assert_eq!(request.headers()["te"], "trailers");
    assert_eq!(request.uri().authority().map(http::uri::Authority::as_str), Some("shop.example"));
    let asked = request.into_body().collect().await.expect("a whole request").to_bytes();
    let length = usize::try_from(u32::from_be_bytes(asked[1..5].try_into().unwrap())).unwrap();
    assert_eq!(length, asked.len() - 5);
    let service = asked.get(7..).map(|name| String::from_utf8(name.to_vec()).expect("a text"));
    let (message, code): (&[u8], &'static str) = match service.as_deref().unwrap_or_default() {
        "" | "shop.Cart" => (&[0, 0, 0, 0, 2, 8, 1], "0"),
        "shop.Stopping" => (&[0, 0, 0, 0, 2, 8, 2], "0"),
        "shop.Nothing" => (&[], "5"),
        "shop.Early" => {
            let early = http::Response::builder().header("grpc-status", "12").body(Empty::new().boxed());
            return Ok(early.expect("a response"));
        }
        _ => (&[], "99"),
    };
    let trailers = http::HeaderMap::from_iter([(
        http::HeaderName::from_static("grpc-status"),
        http::HeaderValue::from_static(code),
    )]);
    let message = Full::new(Bytes::copy_from_slice(message));
    let body = message.with_trailers(std::future::ready(Some(Ok(trailers))));
    Ok(http::Response::builder().body(body.boxed()).expect("a response"))
}

/// A name server with a zone of three names.
pub(super) fn dns_server() -> Served {
    let served = serve();
    let records = "
        www.example 60 A 192.0.2.65
        old.example 60 CNAME www.example
    ";
    let table = NameTable { generation: 1, zones: vec![zone("example", records)], records: Vec::new() };
    served.table.send_replace(Arc::new(table));
    served
}

/// Accepts connections for as long as the test's runtime lives.
async fn listen<Talk, Talking>(tls: Option<Arc<rustls::ServerConfig>>, talk: Talk) -> SocketAddr
where
    Talk: Fn(Io) -> Talking + Send + 'static,
    Talking: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("it is bound");
    let acceptor = tls.map(TlsAcceptor::from);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let io: Io = match &acceptor {
                None => Box::new(stream),
                Some(acceptor) => match acceptor.accept(stream).await {
                    Ok(stream) => Box::new(stream),
                    Err(_) => continue,
                },
            };
            tokio::spawn(talk(io));
        }
    });
    address
}

/// A connection of either kind.
type Io = Box<dyn Stream>;

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<Inner: AsyncRead + AsyncWrite + Unpin + Send> Stream for Inner {}
