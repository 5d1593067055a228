//! What a probe makes of the things it can meet.

use std::net::SocketAddr;

use koinon_types::names::{Probe, RecordRef};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;
use crate::snapshot::tests::support::tcp_check;

/// An endpoint that reads one request, says `answer` and closes.
async fn endpoint(answer: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 1000];
        let length = stream.read(&mut request).await.unwrap();
        let request = String::from_utf8_lossy(&request[..length]).to_lowercase();
        assert!(request.starts_with("get /ready http/1.1\r\n"), "{request}");
        assert!(request.contains("host: shop.example\r\n"), "{request}");
        stream.write_all(answer.as_bytes()).await.unwrap();
    });
    address
}

async fn probed(address: SocketAddr, probe: Probe) -> Met {
    let check = Check { probe, port: address.port(), ..tcp_check() };
    ask::ask(&Target::Ip(address.ip()), &check, "shop.example").await
}

#[tokio::test]
async fn http_wants_a_status_from_200_to_399() {
    let http = Probe::Http { path: "/ready".into(), host: None };
    for (answer, wanted) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", Met::Good),
        ("HTTP/1.1 204 No Content\r\n\r\n", Met::Good),
        ("HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 2\r\n\r\nhi", Met::Good),
        ("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", Met::Bad("status 404".into())),
        ("HTTP/1.1 503 Service Unavailable\r\n\r\n", Met::Bad("status 503".into())),
    ] {
        assert_eq!(probed(endpoint(answer).await, http.clone()).await, wanted, "{answer}");
    }
    for answer in ["", "SSH-2.0-OpenSSH_9.6\r\n"] {
        let met = probed(endpoint(answer).await, http.clone()).await;
        assert!(matches!(&met, Met::Bad(why) if why.starts_with("HTTP: ")), "{met:?}");
    }
}

#[tokio::test]
async fn tcp_wants_a_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    assert_eq!(probed(address, Probe::Tcp).await, Met::Good);
    drop(listener);
    assert_eq!(probed(address, Probe::Tcp).await, Met::Bad("refused".into()));
}

#[test]
fn first_probes_are_spread_and_early() {
    let assignment = |cluster: usize| Assignment {
        probed: Probed {
            record: RecordRef { namespace: "shop".into(), name: "shop".into() },
            cluster: cluster.to_string(),
            target: Target::Ip([192, 0, 2, 1].into()),
        },
        check: tcp_check(),
        host: "shop.example".into(),
    };
    let waits: Vec<Duration> = (0..100).map(|cluster| first_wait(&assignment(cluster), "node-1")).collect();
    assert!(waits.iter().all(|wait| *wait <= FIRST_WITHIN));
    let n_early = waits.iter().filter(|wait| **wait < FIRST_WITHIN / 2).count();
    assert!((30..70).contains(&n_early), "{n_early} of 100 in the first half");
    assert_ne!(first_wait(&assignment(0), "node-1"), first_wait(&assignment(0), "node-2"));
}
