//! A server as its clients meet it over QUIC and TLS.

use std::sync::Arc;

use koinon_types::names::Grant;
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ApplicationClose, ClientConfig, Connection, ConnectionError, Endpoint};
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::TlsConnector;

use super::*;
use crate::snapshot::tests::support::edns_query;

const NAME: &str = "ns1.example";

/// A server over every transport, on both kinds of addresses, and what trusts its certificate.
async fn serve_secure(folder: &std::path::Path) -> (Served, rustls::ClientConfig) {
    let authority_key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = params.self_signed(&authority_key).unwrap();
    let issuer = rcgen::Issuer::new(params, authority_key);
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate =
        rcgen::CertificateParams::new(vec![NAME.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let files = [folder.join("tls.crt"), folder.join("tls.key")];
    std::fs::write(&files[0], certificate.pem()).unwrap();
    std::fs::write(&files[1], key.serialize_pem()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(authority.der().to_vec())).unwrap();
    let trusting =
        rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_protocol_versions(rustls::ALL_VERSIONS)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();

    let both = || vec!["127.0.0.1:0".parse().unwrap(), "[::1]:0".parse().unwrap()];
    let [certificate, key] = files;
    let identity = Identity::load(certificate, key).unwrap();
    let secure = Secure { identity, tls: both(), https: both(), quic: both() };
    let mut served = serve_with("127.0.0.1:0", None, Some(secure));
    let records = vec![record("shop.example", &[("a", "192.0.2.1", 1)])];
    let mut own = zone("example", "");
    own.transfer.allow = ["127.0.0.0/8", "::1/128"]
        .map(|network| Grant::Encrypted(Box::new(Grant::From(network.parse().unwrap()))))
        .to_vec();
    served.table.send_replace(Arc::new(NameTable { generation: 1, zones: vec![own], records }));
    served.answers.recv().await.unwrap();
    (served, trusting)
}

async fn quic(server: SocketAddr, trusting: &rustls::ClientConfig) -> Connection {
    let own = if server.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" };
    let endpoint = Endpoint::client(own.parse().unwrap()).unwrap();
    let mut config = trusting.clone();
    config.alpn_protocols = vec![b"doq".to_vec()];
    let config = ClientConfig::new(Arc::new(QuicClientConfig::try_from(config).unwrap()));
    let connecting = endpoint.connect_with(config, server, NAME).unwrap();
    tokio::time::timeout(SOON, connecting).await.unwrap().unwrap()
}

/// A message with its length before it, and the id 0.
fn framed(mut packet: Vec<u8>) -> Vec<u8> {
    packet[..2].fill(0);
    [&(packet.len() as u16).to_be_bytes()[..], &packet].concat()
}

/// Sends these bytes on a stream of their own and reads to its end.
async fn exchange(connection: &Connection, bytes: &[u8]) -> Vec<u8> {
    let (mut send, mut receive) = connection.open_bi().await.unwrap();
    send.write_all(bytes).await.unwrap();
    send.finish().unwrap();
    tokio::time::timeout(SOON, receive.read_to_end(1 << 20)).await.unwrap().unwrap()
}

/// The messages of a stream.
fn messages(mut stream: &[u8]) -> Vec<String> {
    let mut messages = Vec::new();
    while let Some((length, rest)) = stream.split_first_chunk() {
        let (message, rest) = rest.split_at(usize::from(u16::from_be_bytes(*length)));
        messages.push(show(message));
        stream = rest;
    }
    messages
}

#[tokio::test]
async fn a_question_over_quic_has_a_stream_of_its_own_and_many_share_a_connection() {
    let folder = tempfile::tempdir().unwrap();
    let (served, trusting) = serve_secure(folder.path()).await;
    let wanted = "NOERROR aa\nan shop.example 30 A 192.0.2.1";
    for address in served.running.secure().quic.clone() {
        let connection = quic(address, &trusting).await;
        for _ in 0..100 {
            let answer = exchange(&connection, &framed(query("shop.example", "A"))).await;
            assert_eq!((messages(&answer), &answer[2..4]), (vec![wanted.to_owned()], &[0, 0][..]));
        }
        assert_eq!(exchange(&connection, &framed(edns_query("shop.example", "A"))).await.len(), 2 + 468);
    }
}

#[tokio::test]
async fn a_zone_travels_over_quic_and_tls_when_its_grant_demands_that_and_not_over_tcp() {
    let folder = tempfile::tempdir().unwrap();
    let (served, trusting) = serve_secure(folder.path()).await;
    let mut axfr = query("example", "A");
    let type_at = axfr.len() - 4;
    axfr[type_at..type_at + 2].copy_from_slice(&252_u16.to_be_bytes());
    // What secondaries are given follows what is served at a small distance.
    let early = quic(served.running.secure().quic[0], &trusting).await;
    while messages(&exchange(&early, &framed(axfr.clone())).await).concat() == "SERVFAIL" {
        tokio::task::yield_now().await;
    }
    for address in served.running.secure().quic.clone() {
        let zone = messages(&exchange(&quic(address, &trusting).await, &framed(axfr.clone())).await).concat();
        assert!(zone.contains("shop.example 30 A 192.0.2.1") && zone.matches("SOA").count() == 2, "{zone}");
    }
    for address in served.running.secure().tls.clone() {
        let connector = TlsConnector::from(Arc::new(trusting.clone()));
        let stream = TcpStream::connect(address).await.unwrap();
        let mut stream = connector.connect(ServerName::try_from(NAME).unwrap(), stream).await.unwrap();
        stream.write_all(&framed(axfr.clone())).await.unwrap();
        let mut answer = vec![0; stream.read_u16().await.unwrap().into()];
        stream.read_exact(&mut answer).await.unwrap();
        assert!(show(&answer).matches("SOA").count() == 2, "{}", show(&answer));
    }
    assert_eq!(tcp(served.running.address(), &[axfr]).await, ["REFUSED"]);
}

#[tokio::test]
async fn who_breaks_the_rules_of_quic_is_told_so_and_ends() {
    let folder = tempfile::tempdir().unwrap();
    let (served, trusting) = serve_secure(folder.path()).await;
    let address = served.running.secure().quic[0];
    let good = framed(query("shop.example", "A"));
    let mut numbered = good.clone();
    numbered[3] = 7;
    let ended = async |connection: Connection| {
        let error = tokio::time::timeout(SOON, connection.closed()).await.unwrap();
        let ConnectionError::ApplicationClosed(ApplicationClose { error_code, .. }) = error else {
            panic!("{error}")
        };
        error_code.into_inner()
    };
    for bad in [numbered, [good.clone(), good.clone()].concat(), good[..9].to_vec(), vec![0; 70_000]] {
        let connection = quic(address, &trusting).await;
        let (mut send, _receive) = connection.open_bi().await.unwrap();
        // It may be told before all is sent.
        let _ = send.write_all(&bad).await;
        let _ = send.finish();
        assert_eq!(ended(connection).await, 2, "{} bytes", bad.len());
    }
    let connection = quic(address, &trusting).await;
    let mut send = connection.open_uni().await.unwrap();
    let _ = send.write_all(&good).await;
    assert_eq!(ended(connection).await, 2);
    let connection = quic(address, &trusting).await;
    served.stop.send_replace(true);
    assert_eq!(ended(connection).await, 0, "at the end of the server");
}

#[tokio::test]
async fn a_handshake_of_an_older_version_or_for_another_protocol_fails_and_harms_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let (served, trusting) = serve_secure(folder.path()).await;
    let address = served.running.secure().tls[0];
    let shake = async |config: rustls::ClientConfig| {
        let stream = TcpStream::connect(address).await.unwrap();
        TlsConnector::from(Arc::new(config))
            .connect(ServerName::try_from(NAME).unwrap(), stream)
            .await
            .is_ok()
    };
    let provider = Arc::clone(trusting.crypto_provider());
    let older = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    assert!(!shake(older).await);
    for (protocol, wanted) in [(Some(&b"dot"[..]), true), (Some(b"h2"), false), (None, true)] {
        let mut config = trusting.clone();
        config.alpn_protocols = protocol.iter().map(|protocol| protocol.to_vec()).collect();
        assert_eq!(shake(config).await, wanted, "{protocol:?}");
    }
}
