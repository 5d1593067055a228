//! Mistakes in how endpoints are probed and judged, and what becomes of good settings.

use std::time::Duration;

use koinon_model::endpoint_health::{Damping, Quorum, RampPlan};
use koinon_model::time::Timestamp;
use serde_json::{Value, json};

use super::{check, valid};
use crate::convert::{CheckedRecord, global_record};
use crate::names::{
    BodyMatch, Check, DnsProbe, DnsTransport, GrpcProbe, HttpMethod, HttpProbe, Probe, ProbeTls, Target,
    Trust,
};

/// A certificate, so far as a door looks at it.
const PEM: &str = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";

/// A probe of this kind with the fields that it needs and more.
fn with(kind: &str, mut fields: Value, more: &Value) -> Value {
    let more = more.as_object().expect("an object").clone();
    fields.as_object_mut().expect("an object").extend(more);
    json!({kind: fields})
}

/// Checks rows of settings, the field below `spec.health` that is wrong, and what is said of it.
fn check_health(rows: impl IntoIterator<Item = (Value, &'static str, &'static str)>) {
    let rows = rows.into_iter().map(|(health, field, accepted)| {
        let field: &'static str = Box::leak(format!("spec.health.{field}").into_boxed_str());
        ("GlobalRecord", "/health", health, field, accepted)
    });
    check(rows.collect());
}

#[test]
fn every_mistake_in_an_http_probe_names_its_field() {
    let http = |more: Value| with("http", json!({"port": 443}), &more);
    check_health([
        (http(json!({"port": 70_000})), "http.port", "between 1 and 65535"),
        (http(json!({"path": "healthz"})), "http.path", "begin with '/'"),
        (http(json!({"path": "/a b"})), "http.path", "percent-encoded"),
        (http(json!({"scheme": "FTP"})), "http.scheme", "HTTPS"),
        (http(json!({"method": "POST"})), "http.method", "HEAD"),
        (http(json!({"expectedStatuses": ["200", "299-200"]})), "http.expectedStatuses[1]", "200-299"),
        (http(json!({"expectedStatuses": ["2xx"]})), "http.expectedStatuses[0]", "from 100 to 599"),
        (http(json!({"body": {}})), "http.body", "one of contains and matches"),
        (http(json!({"body": {"contains": "a", "matches": "b"}})), "http.body", "only one of"),
        (http(json!({"body": {"matches": "a("}})), "http.body.matches", "unclosed group"),
        (http(json!({"body": {"matches": "[a-z]{900}{900}"}})), "http.body.matches", "size"),
        (http(json!({"method": "HEAD", "body": {"contains": "a"}})), "http.body", "only with method GET"),
        (http(json!({"httpHeaders": [{"name": "a b"}]})), "http.httpHeaders[0].name", "letters"),
        (http(json!({"httpHeaders": [{"name": "HOST"}]})), "http.httpHeaders[0].name", "sets itself"),
        (
            http(json!({"httpHeaders": [{"name": "a", "value": "b\r\nc: d"}]})),
            "http.httpHeaders[0].value",
            "printable",
        ),
        (http(json!({"tls": {}})), "http.tls", "only with scheme HTTPS"),
        (
            http(json!({"scheme": "HTTPS", "tls": {"caBundle": "no"}})),
            "http.tls.caBundle",
            "BEGIN CERTIFICATE",
        ),
        (
            http(json!({"scheme": "HTTPS", "tls": {"caBundle": PEM, "insecureSkipVerify": true}})),
            "http.tls.caBundle",
            "only without",
        ),
        (http(json!({"scheme": "HTTPS", "tls": {"serverName": "-a"}})), "http.tls.serverName", "subdomain"),
    ]);
}

#[test]
fn every_mistake_in_a_probe_names_its_field() {
    let exactly_one = "one of http, tcp, grpc and dns";
    let dns = |more: Value| with("dns", json!({"name": "shop.example"}), &more);
    check_health([
        (json!({"grpc": {}}), "grpc.port", "whole number"),
        (dns(json!({"name": "a..b"})), "dns.name", "domain name"),
        (dns(json!({"type": "AXFR"})), "dns.type", "such as A"),
        (dns(json!({"expectedRcode": "OK"})), "dns.expectedRcode", "NXDOMAIN"),
        (dns(json!({"expectedAnswer": "x"})), "dns.expectedAnswer", "IPv4"),
        (
            dns(json!({"expectedRcode": "NXDOMAIN", "expectedAnswer": "192.0.2.1"})),
            "dns.expectedAnswer",
            "only with expectedRcode NOERROR",
        ),
        (dns(json!({"protocol": "TLS"})), "dns.protocol", "UDP"),
        (json!({"http": {"port": 1}, "tcp": {"port": 1}}), "tcp", exactly_one),
        (json!({"grpc": {"port": 1}, "dns": {"name": "a"}}), "dns", exactly_one),
        (json!({"failureThreshold": 2}), "failureThreshold", exactly_one),
        (json!({"intervalMilliseconds": 500}), "intervalMilliseconds", exactly_one),
        (json!({"quorum": "All"}), "quorum", exactly_one),
        (json!({"tcp": {"port": 1}, "timeoutSeconds": 9}), "timeoutSeconds", "at most the interval"),
        (
            json!({"tcp": {"port": 1}, "intervalMilliseconds": 500, "timeoutMilliseconds": 501}),
            "timeoutMilliseconds",
            "500 ms",
        ),
        (
            json!({"tcp": {"port": 1}, "intervalSeconds": 1, "intervalMilliseconds": 500}),
            "intervalMilliseconds",
            "only one of",
        ),
        (json!({"tcp": {"port": 1}, "intervalMilliseconds": 99}), "intervalMilliseconds", "between 100"),
    ]);
}

#[test]
fn every_mistake_in_judging_names_its_field() {
    let kind = "GlobalRecord";
    check(vec![
        (kind, "/health/minHealthyShare", json!("half"), "spec.health.minHealthyShare", "percentage"),
        (kind, "/health/onAllDown", json!("Nxdomain"), "spec.health.onAllDown", "LastKnownGood"),
        (kind, "/health/quorum", json!("Most"), "spec.health.quorum", "Majority"),
        (kind, "/health/ramp", json!({"steps": [50, 10]}), "spec.health.ramp.steps", "greater than"),
        (kind, "/health/ramp", json!({"holdSeconds": 0}), "spec.health.ramp.holdSeconds", "between 1"),
        (
            kind,
            "/health/damping",
            json!({"suppressThreshold": 500}),
            "spec.health.damping.reuseThreshold",
            "less than suppressThreshold",
        ),
        (kind, "/forced", json!([{"cluster": "a", "state": "Up"}]), "spec.forced[0].reason", "a text"),
        (
            kind,
            "/forced",
            json!([{"cluster": "a", "state": "Up", "reason": " "}]),
            "spec.forced[0].reason",
            "some words",
        ),
        (
            kind,
            "/forced",
            json!([{"cluster": "a", "state": "Off", "reason": "x"}]),
            "spec.forced[0].state",
            "Down",
        ),
        (
            kind,
            "/forced",
            json!([{"cluster": "a", "state": "Up", "reason": "x", "until": "tomorrow"}]),
            "spec.forced[0].until",
            "such as 2026",
        ),
        (
            kind,
            "/forced",
            json!([{"cluster": "a", "address": "-x-", "state": "Up", "reason": "x"}]),
            "spec.forced[0].address",
            "domain name",
        ),
        (
            kind,
            "/forced",
            json!([{"cluster": "a", "state": "Up", "reason": "x"}, {"cluster": "a", "state": "Down", "reason": "y"}]),
            "spec.forced[1]",
            "uplicate",
        ),
    ]);
}

/// A record with these settings of health, over written addresses.
fn record(health: &Value, forced: &Value) -> Result<CheckedRecord, Vec<String>> {
    let mut object = valid("GlobalRecord");
    let spec = object["spec"].as_object_mut().expect("a spec");
    spec.remove("routing");
    spec.insert(
        "endpoints".into(),
        json!({"addresses": [{"cluster": "a", "ips": ["192.0.2.1", "192.0.2.2"]}]}),
    );
    spec.insert("health".into(), health.clone());
    spec.insert("forced".into(), forced.clone());
    global_record(&object).map_err(|findings| findings.into_iter().map(|finding| finding.field).collect())
}

fn checked(health: &Value) -> Check {
    record(health, &json!([])).expect("valid").health.check.expect("a probe")
}

#[test]
fn decisions_are_about_what_is_written() {
    let forced = |cluster: &str, address: &str| json!([{"cluster": cluster, "address": address, "state": "Down", "reason": "x"}]);
    assert_eq!(record(&json!({}), &forced("b", "")).unwrap_err(), ["spec.forced[0].cluster"]);
    assert_eq!(record(&json!({}), &forced("a", "192.0.2.3")).unwrap_err(), ["spec.forced[0].address"]);
    let both = json!([
        {"cluster": "a", "state": "Down", "reason": "maintenance", "until": "2026-11-24T18:00:00Z"},
        {"cluster": "a", "address": "192.0.2.2", "state": "Up", "reason": "still needed"},
    ]);
    let told = record(&json!({}), &both).expect("valid").forced;
    let targets: Vec<_> = told.iter().map(|forced| forced.target.clone()).collect();
    assert_eq!(targets, [Some(Target::Ip([192, 0, 2, 2].into())), None], "the most specific first");
    assert_eq!(told[1].until, Some(Timestamp::from_seconds(1_795_543_200)));
}

#[test]
fn probes_have_defaults_and_keep_what_is_written() {
    let tcp = checked(&json!({"tcp": {"port": 5432}}));
    assert_eq!((tcp.probe, tcp.port, tcp.interval_ms, tcp.timeout_ms), (Probe::Tcp, 5432, 2_000, 1_000));
    let quick = checked(&json!({"tcp": {"port": 1}, "intervalMilliseconds": 250}));
    assert_eq!((quick.interval_ms, quick.timeout_ms), (250, 250));
    let slow = checked(&json!({"tcp": {"port": 1}, "intervalSeconds": 5, "timeoutMilliseconds": 300}));
    assert_eq!((slow.interval_ms, slow.timeout_ms), (5_000, 300));

    let plain = HttpProbe {
        method: HttpMethod::Get,
        path: "/".into(),
        host: None,
        headers: Vec::new(),
        statuses: vec![(200, 399)],
        body: None,
        tls: None,
    };
    assert_eq!(checked(&json!({"http": {"port": 80}})).probe, Probe::Http(plain.clone()));
    let health = json!({"http": {"port": 443, "scheme": "HTTPS", "path": "/ready?full=1", "host": "shop.example",
        "httpHeaders": [{"name": "X-Probe", "value": "dns"}], "expectedStatuses": ["200", "210-219"],
        "body": {"matches": "^ok"}, "tls": {"serverName": "lb.example", "caBundle": PEM}}});
    let wanted = HttpProbe {
        path: "/ready?full=1".into(),
        host: Some("shop.example".into()),
        headers: vec![("x-probe".into(), "dns".into())],
        statuses: vec![(200, 200), (210, 219)],
        body: Some(BodyMatch::Matches("^ok".into())),
        tls: Some(ProbeTls { server_name: Some("lb.example".into()), trust: Trust::Authorities(PEM.into()) }),
        ..plain
    };
    assert_eq!(checked(&health).probe, Probe::Http(wanted));

    let grpc =
        |tls: Value| checked(&json!({"grpc": {"port": 50051, "service": "shop.Cart", "tls": tls}})).probe;
    let tls = |trust| Some(ProbeTls { server_name: None, trust });
    let probe = |tls| Probe::Grpc(GrpcProbe { service: "shop.Cart".into(), tls });
    assert_eq!(grpc(Value::Null), probe(None));
    assert_eq!(grpc(json!({})), probe(tls(Trust::System)));
    assert_eq!(grpc(json!({"insecureSkipVerify": true})), probe(tls(Trust::Anybody)));

    let dns = checked(&json!({"dns": {"name": "Shop.Example.", "type": "mx", "protocol": "TCP",
                                      "expectedAnswer": "10 mail.example"}}));
    let wanted = DnsProbe {
        name: "shop.example".into(),
        kind: 15,
        transport: DnsTransport::Tcp,
        rcode: 0,
        answer: Some(b"\0\x0a\x04mail\x07example\0".to_vec()),
    };
    assert_eq!((dns.port, dns.probe), (53, Probe::Dns(wanted)));
    let root =
        checked(&json!({"dns": {"port": 5353, "name": ".", "type": "SOA", "expectedRcode": "REFUSED"}}));
    assert!(matches!(root.probe, Probe::Dns(DnsProbe { kind: 6, rcode: 5, name, .. }) if name.is_empty()));
}

#[test]
fn judging_has_defaults() {
    let health = record(&json!({"tcp": {"port": 1}}), &json!([])).expect("valid").health;
    assert_eq!((health.quorum, health.ramp, health.damping), (Quorum::Majority, None, None));
    let settings = json!({"tcp": {"port": 1}, "quorum": "All", "ramp": {}, "damping": {}});
    let health = record(&settings, &json!([])).expect("valid").health;
    let thirty = Duration::from_secs(30);
    assert_eq!(health.ramp, RampPlan::new(&[10, 25, 50, 100], thirty).ok());
    assert_eq!(health.damping, Damping::new(Duration::from_secs(60), 2_500, 750).ok());
    assert_eq!(health.quorum, Quorum::All);
}
