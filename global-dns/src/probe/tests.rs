//! What a probe makes of the things it can meet, each a real server on loopback.

mod servers;

use std::net::SocketAddr;

use koinon_types::names::{
    BodyMatch, DnsProbe, DnsTransport, GrpcProbe, HttpMethod, HttpProbe, Probe, ProbeTls, RecordRef, Trust,
};
use tokio::net::TcpListener;

use self::servers::{Tls, dns_server, grpc_server, http_server, raw_server, tls};
use super::*;
use crate::snapshot::tests::support::tcp_check;

/// The name served.
const HOST: &str = "shop.example";

fn asker(address: SocketAddr, probe: Probe) -> Result<Asker, String> {
    Asker::new(&Check { probe, port: address.port(), ..tcp_check() }, HOST)
}

/// What one probe meets, in words; empty for a good answer.
async fn probed(address: SocketAddr, probe: Probe) -> String {
    let asker = asker(address, probe).expect("it can be carried out");
    match asker.ask(&Target::Ip(address.ip())).await {
        Met::Good => String::new(),
        Met::Bad(why) => why,
        Met::Nothing => "nothing".to_owned(),
    }
}

fn get(path: &str) -> HttpProbe {
    HttpProbe {
        method: HttpMethod::Get,
        path: path.into(),
        host: None,
        headers: Vec::new(),
        statuses: vec![(200, 399)],
        body: None,
        tls: None,
    }
}

#[tokio::test]
async fn http_wants_a_status_of_those_expected() {
    let server = http_server(None).await;
    let narrow = |statuses: &[(u16, u16)]| HttpProbe { statuses: statuses.to_vec(), ..get("/404") };
    for (probe, wanted) in [
        (get("/200"), ""),
        (get("/204"), ""),
        (get("/302"), ""),
        (get("/404"), "status 404"),
        (get("/503"), "status 503"),
        (narrow(&[(200, 200), (404, 404)]), ""),
        (narrow(&[(200, 299)]), "status 404"),
        (HttpProbe { method: HttpMethod::Head, ..get("/200") }, ""),
        (HttpProbe { method: HttpMethod::Head, ..get("/503") }, "status 503"),
    ] {
        assert_eq!(probed(server, Probe::Http(probe.clone())).await, wanted, "{probe:?}");
    }
}

#[tokio::test]
async fn http_says_who_asks_for_what() {
    let server = http_server(None).await;
    // The server says which method, host and headers it got.
    let told = |probe: HttpProbe, wanted: &str| HttpProbe {
        body: Some(BodyMatch::Contains(wanted.to_owned())),
        ..probe
    };
    let header = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
    for probe in [
        told(get("/echo"), "GET host=shop.example "),
        told(get("/echo"), "user-agent=koinon-probe/"),
        told(HttpProbe { host: Some("other.example".into()), ..get("/echo") }, "host=other.example "),
        told(HttpProbe { headers: header("x-probe", "dns"), ..get("/echo") }, "x-probe=dns "),
        told(HttpProbe { headers: header("user-agent", "mine"), ..get("/echo") }, "user-agent=mine "),
    ] {
        assert_eq!(probed(server, Probe::Http(probe.clone())).await, "", "{probe:?}");
    }
}

#[tokio::test]
async fn http_looks_for_what_a_body_must_hold_and_no_further_than_allowed() {
    let server = http_server(None).await;
    let lacks = "status 200, body without what is wanted";
    let contains =
        |path: &str, text: &str| HttpProbe { body: Some(BodyMatch::Contains(text.into())), ..get(path) };
    let matches =
        |path: &str, pattern: &str| HttpProbe { body: Some(BodyMatch::Matches(pattern.into())), ..get(path) };
    for (probe, wanted) in [
        (contains("/200", "is fine"), ""),
        (contains("/200", "is Fine"), lacks),
        (matches("/200", r"^all is (fine|well)$"), ""),
        (matches("/200", r"^fine"), lacks),
        // 64 KiB of zeros, then a word.
        (contains("/long", "the end"), lacks),
        (contains("/long", "0000"), ""),
        (contains("/503", "is fine"), "status 503"),
    ] {
        assert_eq!(probed(server, Probe::Http(probe.clone())).await, wanted, "{probe:?}");
    }
}

#[tokio::test]
async fn what_is_no_http_is_said() {
    let probe = Probe::Http(get("/"));
    for answer in ["", "SSH-2.0-OpenSSH_9.6\r\n"] {
        let met = probed(raw_server(answer).await, probe.clone()).await;
        assert!(met.starts_with("HTTP: "), "{met:?}");
    }
}

#[tokio::test]
async fn https_believes_whom_it_is_told_to() {
    let Tls { config, pem } = tls(&[HOST, "lb.example"]);
    let server = http_server(Some(config)).await;
    let other = tls(&[HOST]).pem;
    let ask = |server_name: Option<&str>, trust: Trust| {
        let tls = ProbeTls { server_name: server_name.map(str::to_owned), trust };
        probed(server, Probe::Http(HttpProbe { tls: Some(tls), ..get("/200") }))
    };
    assert_eq!(ask(None, Trust::Authorities(pem.clone())).await, "");
    assert_eq!(ask(Some("lb.example"), Trust::Authorities(pem.clone())).await, "");
    assert_eq!(ask(Some("other.example"), Trust::Anybody).await, "");
    let met = ask(Some("other.example"), Trust::Authorities(pem)).await;
    assert!(met.starts_with("TLS: ") && met.contains("not valid for name"), "{met}");
    let met = ask(None, Trust::Authorities(other)).await;
    assert!(met.starts_with("TLS: ") && met.contains("certificate"), "{met}");
    assert_eq!(
        probed(server, Probe::Http(HttpProbe { tls: None, ..get("/200") })).await.split(':').next(),
        Some("HTTP")
    );
}

#[tokio::test]
async fn authorities_that_cannot_be_read_are_said_before_anybody_is_asked() {
    let tls = ProbeTls {
        server_name: None,
        trust: Trust::Authorities("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n".into()),
    };
    let probe = Probe::Http(HttpProbe { tls: Some(tls), ..get("/") });
    let error = asker(([127, 0, 0, 1], 1).into(), probe).err().expect("no certificate");
    assert!(error.starts_with("caBundle: "), "{error}");
}

#[tokio::test]
async fn grpc_wants_serving() {
    let Tls { config, pem } = tls(&[HOST]);
    for (server, tls) in [
        (grpc_server(None).await, None),
        (
            grpc_server(Some(config)).await,
            Some(ProbeTls { server_name: None, trust: Trust::Authorities(pem) }),
        ),
    ] {
        for (service, wanted) in [
            ("", ""),
            ("shop.Cart", ""),
            ("shop.Stopping", "gRPC: NOT_SERVING"),
            ("shop.Nothing", "gRPC: the service is not known there"),
            ("shop.Strange", "gRPC: code 99"),
            ("shop.Early", "gRPC: there is no health service"),
        ] {
            let probe = Probe::Grpc(GrpcProbe { service: service.into(), tls: tls.clone() });
            assert_eq!(probed(server, probe).await, wanted, "{service:?}");
        }
    }
    let met =
        probed(http_server(None).await, Probe::Grpc(GrpcProbe { service: String::new(), tls: None })).await;
    assert!(met.starts_with("HTTP/2: "), "{met}");
}

#[tokio::test]
async fn dns_wants_a_response_code_and_an_answer() {
    let served = dns_server();
    let server = served.running.address();
    let ask = |name: &str, kind: u16, rcode: u16, answer: Option<&[u8]>| DnsProbe {
        name: name.into(),
        kind,
        transport: DnsTransport::Udp,
        rcode,
        answer: answer.map(<[u8]>::to_vec),
    };
    // The table is taken in by another task.
    let soa = Probe::Dns(ask("example", 6, 0, None));
    let taken = async {
        while !probed(server, soa.clone()).await.is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), taken).await.expect("the zone is served");
    for (probe, wanted) in [
        (ask("www.example", 1, 0, None), ""),
        (ask("www.example", 1, 0, Some(&[192, 0, 2, 65])), ""),
        // 97 is `a` where 65 is `A`: numbers have no case.
        (ask("www.example", 1, 0, Some(&[192, 0, 2, 97])), "DNS: the answer lacks 192.0.2.97"),
        (ask("old.example", 5, 0, Some(b"\x03WWW\x07Example\0")), ""),
        (ask("missing.example", 1, 3, None), ""),
        (ask("missing.example", 1, 0, None), "DNS: NXDOMAIN"),
        (ask("elsewhere.test", 1, 5, None), ""),
        (ask("elsewhere.test", 1, 0, None), "DNS: REFUSED"),
    ] {
        for transport in [DnsTransport::Udp, DnsTransport::Tcp] {
            let probe = Probe::Dns(DnsProbe { transport, ..probe.clone() });
            assert_eq!(probed(server, probe.clone()).await, wanted, "{probe:?}");
        }
    }
    let nobody = SocketAddr::from(([127, 77, 0, 9], server.port()));
    for transport in [DnsTransport::Udp, DnsTransport::Tcp] {
        let probe = Probe::Dns(DnsProbe { transport, ..ask("www.example", 1, 0, None) });
        assert_eq!(probed(nobody, probe).await, "refused");
    }
}

#[tokio::test]
async fn tcp_wants_a_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    assert_eq!(probed(address, Probe::Tcp).await, "");
    drop(listener);
    assert_eq!(probed(address, Probe::Tcp).await, "refused");
}

#[tokio::test]
async fn an_endpoint_that_fails_is_down_sooner_than_its_interval_allows() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let probed = Probed {
        record: RecordRef { namespace: "shop".into(), name: "shop".into() },
        cluster: "a".into(),
        target: Target::Ip(nobody.ip()),
    };
    // A quarter of the interval is a second: three failures take two, and would take eight.
    let check = Check { port: nobody.port(), interval_ms: 4_000, timeout_ms: 1_000, ..tcp_check() };
    let (findings, mut found) = mpsc::channel(8);
    let shared = Shared { findings, room: Arc::new(Semaphore::new(1)), metrics: Metrics::new() };
    let assignment = Assignment { probed, check, host: HOST.into() };
    let task = tokio::spawn(run(assignment, Duration::ZERO, shared));
    let started = Instant::now();
    let mut wavers = Vec::new();
    loop {
        let finding = found.recv().await.unwrap();
        wavers.push(finding.verdict.wavers);
        if matches!(finding.verdict.outcome, ProbeOutcome::Failing { .. }) {
            break;
        }
    }
    task.abort();
    assert_eq!(wavers, [true, true, false]);
    assert!((2..6).contains(&started.elapsed().as_secs()), "{:?}", started.elapsed());
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
        host: HOST.into(),
    };
    let waits: Vec<Duration> = (0..100).map(|cluster| first_wait(&assignment(cluster), "node-1")).collect();
    assert!(waits.iter().all(|wait| *wait <= FIRST_WITHIN));
    let n_early = waits.iter().filter(|wait| **wait < FIRST_WITHIN / 2).count();
    assert!((30..70).contains(&n_early), "{n_early} of 100 in the first half");
    assert_ne!(first_wait(&assignment(0), "node-1"), first_wait(&assignment(0), "node-2"));
}
