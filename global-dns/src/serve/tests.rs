//! A server as its clients meet it: over UDP and TCP, before and after there is something to serve.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hickory_proto::op::Message;
use koinon_types::names::{AnswerReport, Check, EndpointProbe, NameTable, Probe, ProbeOutcome};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};

use super::*;
use crate::snapshot::tests::support::{query, record, show, zone};

/// Longer than anything here takes on a busy machine.
const SOON: Duration = Duration::from_secs(20);

struct Served {
    running: Running,
    table: watch::Sender<Arc<NameTable>>,
    probes: mpsc::Receiver<ProbeReport>,
    answers: mpsc::Receiver<AnswerReport>,
    stop: watch::Sender<bool>,
}

fn serve() -> Served {
    let (table, follow) = watch::channel(Arc::default());
    let ((probe_sender, probes), (answer_sender, answers)) = (mpsc::channel(64), mpsc::channel(64));
    let (stop, stopped) = watch::channel(false);
    let listen = "127.0.0.1:0".parse().unwrap();
    let config = Config { listen, n_threads: 2, vantage: "test".into(), seed: [3, 5] };
    let running = start(config, follow, probe_sender, answer_sender, stopped).unwrap();
    Served { running, table, probes, answers, stop }
}

async fn udp(server: SocketAddr, packet: &[u8]) -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.send_to(packet, server).await.unwrap();
    let mut answer = [0; 1500];
    let length = tokio::time::timeout(SOON, socket.recv(&mut answer)).await.unwrap().unwrap();
    show(&answer[..length])
}

async fn tcp(server: SocketAddr, packets: &[Vec<u8>]) -> Vec<String> {
    let mut stream = TcpStream::connect(server).await.unwrap();
    for packet in packets {
        stream.write_all(&(packet.len() as u16).to_be_bytes()).await.unwrap();
        stream.write_all(packet).await.unwrap();
    }
    let mut answers = Vec::new();
    for _ in packets {
        let length = stream.read_u16().await.unwrap();
        let mut answer = vec![0; length.into()];
        stream.read_exact(&mut answer).await.unwrap();
        answers.push(show(&answer));
    }
    answers
}

#[tokio::test]
async fn serves_what_the_host_says_over_both_transports() {
    let mut served = serve();
    let server = served.running.address();
    assert_eq!(udp(server, &query("shop.global.example", "A")).await, "REFUSED");
    let records = vec![record("shop.global.example", &[("a", "192.0.2.1", 1)])];
    served.table.send_replace(Arc::new(NameTable {
        generation: 2,
        zones: vec![zone("global.example", "")],
        records,
    }));
    let report = served.answers.recv().await.unwrap();
    assert_eq!((report.generation, report.answers.len()), (2, 1));
    let wanted = "NOERROR aa\nan shop.global.example 30 A 192.0.2.1";
    assert_eq!(udp(server, &query("shop.global.example", "A")).await, wanted);
    let pipelined = [query("shop.global.example", "A"), query("nowhere.global.example", "A")];
    let answers = tcp(server, &pipelined).await;
    assert_eq!(answers, [wanted, "NXDOMAIN aa\nns global.example 60 SOA"]);

    // A table from the past changes nothing.
    served.table.send_replace(Arc::new(NameTable { generation: 1, zones: Vec::new(), records: Vec::new() }));
    assert_eq!(udp(server, &query("shop.global.example", "A")).await, wanted);

    let told = crate::explain::explain(
        &served.running.snapshots()(),
        "shop.global.example",
        "a",
        "127.0.0.1".parse().unwrap(),
        now(),
    );
    let told = told.unwrap();
    let asked = Message::from_vec(&query("shop.global.example", "A")).unwrap();
    assert_eq!(asked.queries.len(), 1);
    assert_eq!(told["answers"], serde_json::json!(["shop.global.example. 30 IN A 192.0.2.1"]));
    assert_eq!(
        (&told["zone"], &told["rcode"]),
        (&serde_json::json!("global.example"), &serde_json::json!("NOERROR"))
    );
    served.stop.send_replace(true);
    tokio::time::timeout(SOON, served.running.run()).await.unwrap();
}

#[tokio::test]
async fn an_endpoint_that_stops_answering_leaves_the_answers() {
    let mut served = serve();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    // The second endpoint is an address of nobody on loopback: refused.
    let mut shop = record("shop.global.example", &[("a", "127.0.0.1", 1), ("b", "127.77.0.9", 1)]);
    shop.check = Some(Check {
        probe: Probe::Tcp,
        port,
        interval_ms: 20,
        timeout_ms: 20,
        failure_threshold: 2,
        success_threshold: 1,
    });
    served.table.send_replace(Arc::new(NameTable {
        generation: 1,
        zones: vec![zone("global.example", "")],
        records: vec![shop],
    }));
    let judged = async {
        loop {
            let report = served.probes.recv().await.unwrap();
            let outcome = |cluster: &str| {
                report
                    .endpoints
                    .iter()
                    .find(|endpoint| endpoint.cluster == cluster)
                    .map(|EndpointProbe { outcome, .. }| outcome.clone())
            };
            let failing = ProbeOutcome::Failing { reason: "refused".into() };
            if outcome("a") == Some(ProbeOutcome::Passing) && outcome("b") == Some(failing) {
                return;
            }
        }
    };
    tokio::time::timeout(SOON, judged).await.unwrap();
    let answer = udp(served.running.address(), &query("shop.global.example", "A")).await;
    assert!(answer.ends_with("A 127.0.0.1"), "{answer}");
}
