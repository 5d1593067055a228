//! A server as its clients meet it: over UDP and TCP, before and after there is something to serve.

mod secure;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use koinon_types::names::{
    AnswerReport, Check, EndpointProbe, NameTable, Probe, ProbeOutcome, Secret, TsigAlgorithm, TsigKey,
    UpdateCode, UpdateGrant, UpdateOutcome, Updates,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};

use super::*;
use crate::edge::tsig::Signer;
use crate::snapshot::tests::support::{query, record, show, zone};

/// Longer than anything here takes on a busy machine.
const SOON: Duration = Duration::from_secs(20);

pub(crate) struct Served {
    pub(crate) running: Running,
    pub(crate) table: watch::Sender<Arc<NameTable>>,
    probes: mpsc::Receiver<ProbeReport>,
    answers: mpsc::Receiver<AnswerReport>,
    stop: watch::Sender<bool>,
}

pub(crate) fn serve() -> Served {
    serve_at("127.0.0.1:0", None)
}

fn serve_at(listen: &str, data_dir: Option<PathBuf>) -> Served {
    serve_with(listen, data_dir, None)
}

fn serve_with(listen: &str, data_dir: Option<PathBuf>, secure: Option<Secure>) -> Served {
    let (table, follow) = watch::channel(Arc::default());
    let ((probe_sender, probes), (answer_sender, answers)) = (mpsc::channel(64), mpsc::channel(64));
    let (stop, stopped) = watch::channel(false);
    let listen = listen.parse().unwrap();
    let config = Config {
        listen,
        n_threads: 2,
        vantage: "test".into(),
        nsid: "node-1".try_into().unwrap(),
        secret: CookieSecret::new([9; 32]),
        limit: None,
        seed: [3, 5],
        geo_dbs: Vec::new(),
        secure,
        data_dir,
    };
    let running = start(config, follow, probe_sender, answer_sender, stopped).unwrap();
    Served { running, table, probes, answers, stop }
}

async fn udp(server: SocketAddr, packet: &[u8]) -> String {
    let own = if server.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" };
    let socket = UdpSocket::bind(own).await.unwrap();
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

    let told = crate::explain::explain(
        &served.running.snapshots()(),
        "shop.global.example",
        "a",
        &crate::snapshot::Client::from(std::net::IpAddr::from([127, 0, 0, 1])),
        now(),
    );
    let told = told.unwrap();
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

#[tokio::test]
async fn listens_on_ipv6_on_all_addresses() {
    let mut served = serve_at("[::]:0", None);
    let server = SocketAddr::new(std::net::Ipv6Addr::LOCALHOST.into(), served.running.address().port());
    let records = vec![record("shop.global.example", &[("a", "192.0.2.1", 1)])];
    let zones = vec![zone("global.example", "")];
    served.table.send_replace(Arc::new(NameTable { generation: 1, zones, records }));
    served.answers.recv().await.unwrap();
    let wanted = "NOERROR aa\nan shop.global.example 30 A 192.0.2.1";
    assert_eq!(udp(server, &query("shop.global.example", "A")).await, wanted);
    assert_eq!(tcp(server, &[query("shop.global.example", "A")]).await, [wanted]);
}

#[tokio::test]
async fn answers_without_a_host_from_what_was_kept() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = Some(folder.path().to_owned());
    let mut served = serve_at("127.0.0.1:0", data_dir.clone());
    let records = vec![record("shop.global.example", &[("a", "192.0.2.1", 1)])];
    let zones = vec![zone("global.example", "")];
    served.table.send_replace(Arc::new(NameTable { generation: 9, zones: zones.clone(), records }));
    served.answers.recv().await.unwrap();
    served.stop.send_replace(true);
    tokio::time::timeout(SOON, served.running.run()).await.unwrap();

    let mut served = serve_at("127.0.0.1:0", data_dir);
    let server = served.running.address();
    let asked = query("shop.global.example", "A");
    assert_eq!(udp(server, &asked).await, "NOERROR aa\nan shop.global.example 30 A 192.0.2.1");

    // A host that lost its store begins to count again, and is heard all the same.
    let records = vec![record("shop.global.example", &[("a", "192.0.2.2", 1)])];
    served.table.send_replace(Arc::new(NameTable { generation: 1, zones, records }));
    assert_eq!(served.answers.recv().await.unwrap().generation, 1);
    assert_eq!(udp(server, &asked).await, "NOERROR aa\nan shop.global.example 30 A 192.0.2.2");
}

#[tokio::test]
async fn a_client_that_breaks_off_or_lies_about_lengths_harms_nobody() {
    let served = serve();
    let server = served.running.address();
    let mut torn = TcpStream::connect(server).await.unwrap();
    torn.write_all(&[0, 40, 1, 2, 3]).await.unwrap();
    drop(torn);
    let mut empty = TcpStream::connect(server).await.unwrap();
    empty.write_all(&[0, 0]).await.unwrap();
    // A message without a header deserves no answer, only the end of the connection.
    assert_eq!(tokio::time::timeout(SOON, empty.read(&mut [0; 9])).await.unwrap().unwrap(), 0);
    assert_eq!(tcp(server, &[query("shop.global.example", "A")]).await, ["REFUSED"]);
}

#[tokio::test]
async fn an_update_is_answered_when_its_change_is_served() {
    let mut served = serve();
    let server = served.running.address();
    let key = TsigKey {
        name: "updater".into(),
        algorithm: TsigAlgorithm::HmacSha256,
        secret: Secret::new(vec![1; 32]),
    };
    let grant = UpdateGrant { key: key.clone(), network: None, names: Vec::new(), types: Vec::new() };
    let table = |generation: u64, records: &str| {
        let mut zone = zone("example", records);
        zone.updates = Updates { generation: generation.cast_signed(), allow: vec![grant.clone()] };
        Arc::new(NameTable { generation, zones: vec![zone], records: Vec::new() })
    };
    served.table.send_replace(table(1, ""));
    served.answers.recv().await.unwrap();

    let mut packet = b"\xab\xcd\x28\0\0\x01\0\0\0\0\0\0\x07example\0\0\x06\0\x01".to_vec();
    let mut signer = Signer::new(&key).unwrap();
    let length = packet.len();
    packet.resize(length + signer.room(), 0);
    let length = signer.sign(&mut packet, length, now());
    packet.truncate(length);

    let mut updates = served.running.updates().unwrap();
    let asking = tokio::spawn({
        let packet = packet.clone();
        async move { udp(server, &packet).await }
    });
    let request = updates.recv().await.unwrap();
    assert_eq!(request.message.message, packet);
    // What this server serves then is not the change yet; the next table is.
    served.table.send_replace(table(2, ""));
    served.answers.recv().await.unwrap();
    request.answer.send(UpdateOutcome { code: UpdateCode::NoError, generation: Some(3) }).unwrap();
    tokio::task::yield_now().await;
    assert!(!asking.is_finished());
    served.table.send_replace(table(3, "www.example 60 A 192.0.2.1"));
    assert!(asking.await.unwrap().starts_with("NOERROR"));
    assert!(udp(server, &query("www.example", "A")).await.starts_with("NOERROR aa"));

    for (code, wanted) in [(UpdateCode::YxRrset, "YXRRSET"), (UpdateCode::NotZone, "NOTZONE")] {
        let asking = tokio::spawn({
            let packet = packet.clone();
            async move { tcp(server, &[packet]).await }
        });
        updates.recv().await.unwrap().answer.send(UpdateOutcome::failed(code)).unwrap();
        assert!(asking.await.unwrap()[0].starts_with(wanted));
    }
    // Nobody is there to apply it.
    drop(updates);
    assert!(tcp(server, &[packet]).await[0].starts_with("SERVFAIL"));
}
