//! What real sockets do to a probe: nobody there, somebody silent, somebody else, somebody who does not know us.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;

/// Long enough for loopback on a busy machine.
const DEADLINE: Duration = Duration::from_millis(500);

async fn member(scheme: &str, address: SocketAddr) -> Member {
    let kubeconfig = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\n\
         contexts: [{{name: c, context: {{cluster: c, user: u}}}}]\n\
         clusters: [{{name: c, cluster: {{server: '{scheme}://{address}'}}}}]\n\
         users: [{{name: u, user: {{token: t}}}}]\n"
    );
    Member::from_kubeconfig(&kubeconfig, None).await.expect("a usable kubeconfig")
}

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    (listener, address)
}

/// Probes a server that answers every request with `answer`.
async fn probe_of(answer: &'static str) -> ApiProbe {
    let (listener, address) = listener().await;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4_096];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    probe_at("http", address).await
}

async fn probe_at(scheme: &str, address: SocketAddr) -> ApiProbe {
    let result = member(scheme, address).await.ready(DEADLINE).await;
    outcome(result.err().as_ref(), 0, Duration::ZERO)
}

#[tokio::test]
async fn an_answer_is_told_by_its_status() {
    let rows = [
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", ApiOutcome::Reachable),
        ("HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n", ApiOutcome::Unauthorized),
        ("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n", ApiOutcome::Unauthorized),
        ("HTTP/1.1 500 Internal Server Error\r\ncontent-length: 4\r\n\r\netcd", ApiOutcome::NotReady),
        ("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n", ApiOutcome::NotReady),
        ("", ApiOutcome::Refused),
    ];
    for (answer, wanted) in rows {
        let probe = probe_of(answer).await;
        assert_eq!(probe.outcome, wanted, "{answer:?} was taken as {probe:?}");
    }
}

#[tokio::test]
async fn nobody_listening_is_refused_and_silence_is_hung() {
    let (gone, address) = listener().await;
    drop(gone);
    let probe = probe_at("http", address).await;
    assert_eq!(probe.outcome, ApiOutcome::Refused, "{probe:?}");
    let (_silent, address) = listener().await;
    for scheme in ["http", "https"] {
        let probe = probe_at(scheme, address).await;
        assert_eq!(probe.outcome, ApiOutcome::Hung, "{scheme}: {probe:?}");
    }
}

#[tokio::test]
async fn a_certificate_of_somebody_else_is_told_as_such() {
    let issued = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
    let key = PrivateKeyDer::try_from(issued.signing_key.serialize_der()).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider knows them")
        .with_no_client_auth()
        .with_single_cert(vec![issued.cert.der().clone()], key)
        .expect("key and certificate match");
    let (listener, address) = listener().await;
    let acceptor = TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = acceptor.accept(stream).await;
        }
    });
    let probe = probe_at("https", address).await;
    assert_eq!(probe.outcome, ApiOutcome::Certificate, "{probe:?}");
    assert!(probe.message.contains("certificate"), "{}", probe.message);
}
