//! Real connections: TLS with a client certificate, and the end of a server.

use std::sync::Arc;

use http::Request;
use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;

use super::{PATIENCE, world};

#[tokio::test]
async fn certificates_say_who_asks_and_the_end_ends_streams() {
    let world = world().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let names = ["127.0.0.1".to_owned()];
    let serving = world.server.serve(listener, &names, stopped);
    let asking = async {
        let mut roots = RootCertStore::empty();
        roots.add(world.server.authority().certificate_der().clone()).unwrap();
        let keyed = world.server.authority().client_certificate("ann", "system:masters").unwrap();
        let chain = vec![CertificateDer::from_pem_slice(keyed.certificate_pem.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(keyed.key_pem.as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder =
            ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let mut config = builder.with_root_certificates(roots).with_client_auth_cert(chain, key).unwrap();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let stream = TcpStream::connect(address).await.unwrap();
        let name = address.ip().into();
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
        let (mut send, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        let connection = tokio::spawn(connection);
        let url = format!("https://{address}/api/v1/namespaces?watch=true");
        let request = Request::get(url).body(Empty::<bytes::Bytes>::new()).unwrap();
        let answer = send.send_request(request).await.unwrap();
        assert_eq!(answer.status(), 200);
        let mut body = answer.into_body();
        assert!(body.frame().await.unwrap().unwrap().is_data(), "namespaces are there");
        stop.send_replace(true);
        while let Some(frame) = body.frame().await {
            frame.expect("a stream that ends in good order");
        }
        drop(send);
        connection.await.unwrap().unwrap();
    };
    let both = async { tokio::join!(serving, asking) };
    let (served, ()) = tokio::time::timeout(PATIENCE, both).await.expect("the end in time");
    served.unwrap();
}
