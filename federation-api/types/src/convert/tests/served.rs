//! Mistakes in zones and records, and what becomes of valid ones.

use std::num::NonZeroU32;

use koinon_model::served_name::WeightSource;
use serde_json::{Value, json};

use super::{check, valid};
use crate::convert::{
    CheckedDnssec, CheckedKeys, CheckedPeer, CheckedStep, CheckedTarget, CheckedTransfer, CheckedUpdater,
    dns_zone, global_record,
};
use crate::names::{Geo, GeoRule, Network, UpdateNames};
use crate::v1alpha1::SecretRef;

#[test]
fn every_mistake_in_a_zone_names_its_field() {
    let kind = "DnsZone";
    check(vec![
        (kind, "/soa", Value::Null, "spec.soa", "an object with"),
        (kind, "/soa/mname", json!("-bad-"), "spec.soa.mname", "domain name"),
        (kind, "/soa/refreshSeconds", json!(0), "spec.soa.refreshSeconds", "between 1"),
        (kind, "/nameServers", json!([]), "spec.nameServers", "at least one name server"),
        (kind, "/nameServers/0/addresses", json!([]), "spec.nameServers[0].addresses", "lies in the zone"),
        (kind, "/nameServers/0/addresses/0", json!("ns1"), "spec.nameServers[0].addresses[0]", "IP address"),
        (kind, "/records/0/type", json!("SPF"), "spec.records[0].type", "CNAME"),
        (kind, "/records/0/data", json!("issue x"), "spec.records[0].data", "issuewild"),
        (kind, "/records/1/name", json!("@"), "spec.records[1].type", "never at the apex"),
        (kind, "/records/1/data", json!("lb.example.net"), "spec.records[1].data", "final dot"),
        (
            kind,
            "/records/1/name",
            json!("www.global.example"),
            "spec.records[1].name",
            "end an absolute name",
        ),
        (kind, "/records/1/name", json!("www.example.org."), "spec.records[1].name", "must lie in the zone"),
        (kind, "/records/2/data", json!("2001:db8::1"), "spec.records[2].data", "IPv4"),
        (kind, "/records/3/data", json!("mx.example.net."), "spec.records[3].data", "<preference> <name>"),
        (kind, "/catalog", json!({}), "spec.records", "members alone"),
        (kind, "/catalog", json!({"groupLabel": "a b"}), "spec.catalog.groupLabel", "alphanumeric"),
        (
            kind,
            "/catalog",
            json!({"selector": {"matchLabels": {"": "x"}}}),
            "spec.catalog.selector.matchLabels[]",
            "name part",
        ),
        (kind, "/transfer/allow/0", json!({}), "spec.transfer.allow[0]", "cidr, keyRef or both"),
        (
            kind,
            "/transfer/allow/0/cidr",
            json!("192.0.2.1/24"),
            "spec.transfer.allow[0].cidr",
            "192.0.2.0/24",
        ),
        (
            kind,
            "/transfer/allow/0/keyRef/name",
            json!("A b"),
            "spec.transfer.allow[0].keyRef.name",
            "subdomain",
        ),
        (
            kind,
            "/transfer/allow/0/keyRef/namespace",
            Value::Null,
            "spec.transfer.allow[0].keyRef.namespace",
            "a text",
        ),
        (kind, "/transfer/notify/0/address", json!("ns2"), "spec.transfer.notify[0].address", "IP address"),
        (kind, "/transfer/notify/0/port", json!(0), "spec.transfer.notify[0].port", "between 1 and 65535"),
        (
            kind,
            "/transfer/notify/0/keyRef",
            json!({"name": "a"}),
            "spec.transfer.notify[0].keyRef.namespace",
            "a text",
        ),
        (kind, "/dnssec", json!({"enabled": true}), "spec.dnssec.enabled", "unknown field"),
    ]);
}

#[test]
fn every_mistake_in_who_may_update_a_zone_names_its_field() {
    let kind = "DnsZone";
    check(vec![
        (kind, "/updates/allow/0/keyRef", Value::Null, "spec.updates.allow[0].keyRef", "name, namespace"),
        (
            kind,
            "/updates/allow/0/keyRef/name",
            json!("A b"),
            "spec.updates.allow[0].keyRef.name",
            "subdomain",
        ),
        (kind, "/updates/allow/0/cidr", json!("192.0.2.1"), "spec.updates.allow[0].cidr", "192.0.2.0/24"),
        (
            kind,
            "/updates/allow/0/names/0",
            json!("a.example."),
            "spec.updates.allow[0].names[0]",
            "lie in the zone",
        ),
        (kind, "/updates/allow/0/types/0", json!("SPF"), "spec.updates.allow[0].types[0]", "CNAME"),
        (
            kind,
            "/updates/allow/0/types/0",
            json!("SOA"),
            "spec.updates.allow[0].types[0]",
            "the zone's `soa`",
        ),
    ]);
}

#[test]
fn every_mistake_in_how_a_zone_is_signed_names_its_field() {
    let kind = "DnsZone";
    check(vec![
        (kind, "/dnssec", json!({"keys": "KSK"}), "spec.dnssec.keys", "Split"),
        (
            kind,
            "/dnssec",
            json!({"zoneKeyLifetimeDays": 30}),
            "spec.dnssec.zoneKeyLifetimeDays",
            "needs keys: Split",
        ),
        (
            kind,
            "/dnssec",
            json!({"entryKeyLifetimeDays": 3}),
            "spec.dnssec.entryKeyLifetimeDays",
            "at least 7 days",
        ),
        (
            kind,
            "/dnssec",
            json!({"signatureValidityDays": 0}),
            "spec.dnssec.signatureValidityDays",
            "between 1 and 90",
        ),
        (kind, "/dnssec", json!({"propagationSeconds": -1}), "spec.dnssec.propagationSeconds", "between 0"),
    ]);
}

#[test]
fn a_zone_is_signed_with_what_it_asks_for_and_good_defaults() {
    let signed = |dnssec: Value| {
        let mut zone = valid("DnsZone");
        zone["spec"]["dnssec"] = dnssec;
        dns_zone(&zone).expect("valid").dnssec
    };
    assert_eq!(dns_zone(&valid("DnsZone")).expect("valid").dnssec, None, "nobody asked for it");
    let defaults = CheckedDnssec {
        keys: CheckedKeys::Combined,
        entry_key_lifetime: None,
        validity: 14 * 86_400,
        propagation: 3_600,
    };
    assert_eq!(signed(json!({})), Some(defaults));
    let zone_key_lifetime = NonZeroU32::new(90 * 86_400);
    let split = CheckedDnssec {
        keys: CheckedKeys::Split { zone_key_lifetime },
        entry_key_lifetime: NonZeroU32::new(365 * 86_400),
        validity: 7 * 86_400,
        propagation: 0,
    };
    let asked = json!({"keys": "Split", "entryKeyLifetimeDays": 365,
        "signatureValidityDays": 7, "propagationSeconds": 0});
    assert_eq!(signed(asked), Some(split));
}

#[test]
fn every_mistake_in_a_record_names_its_field() {
    let kind = "GlobalRecord";
    check(vec![
        (kind, "/host", Value::Null, "spec.host", "a text"),
        (kind, "/host", json!("shop..example"), "spec.host", "domain name"),
        (kind, "/endpoints", json!({}), "spec.endpoints", "one of service, ingress or addresses"),
        (kind, "/endpoints/ingress", json!({"name": "x"}), "spec.endpoints", "only one of"),
        (kind, "/endpoints/service/name", json!(""), "spec.endpoints.service.name", "the name of an object"),
        (
            kind,
            "/endpoints",
            json!({"addresses": [{"cluster": "a", "ips": ["1.2.3"]}]}),
            "spec.endpoints.addresses[0].ips[0]",
            "IP address",
        ),
        (
            kind,
            "/endpoints",
            json!({"addresses": [{"cluster": "a"}]}),
            "spec.endpoints.addresses[0].ips",
            "hostname",
        ),
        (
            kind,
            "/endpoints",
            json!({"addresses": [{"cluster": "a", "ips": ["192.0.2.1"]}]}),
            "spec.routing[0].weighted.from",
            "Static",
        ),
        (kind, "/routing/0/latency", json!({}), "spec.routing[0].latency", "unknown field"),
        (
            kind,
            "/routing/0/weighted/from",
            json!("Static"),
            "spec.routing[0].weighted.weights",
            "cluster names",
        ),
        (
            kind,
            "/routing/0/weighted/weights",
            json!({"a": 1}),
            "spec.routing[0].weighted.weights",
            "only with",
        ),
        (kind, "/answer/maxAddresses", json!(0), "spec.answer.maxAddresses", "between 1 and 16"),
        (kind, "/ttlSeconds/unstable", json!(60), "spec.ttlSeconds.unstable", "at most ttlSeconds.stable"),
    ]);
}

#[test]
fn a_zone_is_made_absolute() {
    let zone = dns_zone(&valid("DnsZone")).expect("valid").zone;
    let told: Vec<_> =
        zone.records.iter().map(|record| (record.name.as_str(), record.data.as_str())).collect();
    assert_eq!(told[0], ("global.example", "0 issue \"ca.example.net\""));
    assert_eq!(told[1], ("www.global.example", "shop.global.example."));
    assert_eq!(told[2], ("*.wild.global.example", "192.0.2.9"));
    assert_eq!(told[3], ("mail.global.example", "10 mx.example.net."));
}

/// The findings about a zone with these records: `name type data`, one a line.
fn findings(lines: &str) -> Vec<(String, String)> {
    let mut zone = valid("DnsZone");
    let records = lines.lines().map(str::trim).filter(|line| !line.is_empty()).map(|line| {
        let fields: Vec<&str> = line.splitn(3, ' ').collect();
        json!({"name": fields[0], "type": fields[1], "data": fields[2]})
    });
    zone["spec"]["records"] = records.collect();
    let findings = dns_zone(&zone).err().unwrap_or_default();
    findings.iter().map(|finding| (finding.field.clone(), finding.to_string())).collect()
}

#[test]
fn records_of_every_type_are_let_in_and_written_one_way() {
    let lines = r#"
        _443._tcp TLSA 3 1 1 0d6f ce3a
        _sip._udp SRV 1 2 5060 sip
        @ https 1 . port=443 alpn="h2,h3"
        shop SVCB 0 svc.example.net.
        host SSHFP 4 2 00ff
        enum NAPTR 100 10 "u" "E2U+sip" "!^.*$!sip:a@b!" .
        old DNAME new
        old A 192.0.2.1
        odd TYPE65400 \# 2 00ff
        ptr PTR www
    "#;
    let findings = findings(lines);
    assert!(findings.is_empty(), "{findings:?}");
    let mut zone = valid("DnsZone");
    zone["spec"]["records"][0] = json!({"name": "@", "type": "https", "data": "1 . port=443 alpn=\"h2,h3\""});
    let record = dns_zone(&zone).expect("valid").zone.records.remove(0);
    assert_eq!((record.kind.as_str(), record.data.as_str()), ("HTTPS", "1 . alpn=\"h2,h3\" port=443"));
}

#[test]
fn records_that_contradict_each_other_are_named() {
    for (lines, field, accepted) in [
        ("a CNAME b\na A 192.0.2.1", "spec.records[0].type", "stands alone"),
        ("a A 192.0.2.1\na CNAME b", "spec.records[1].type", "stands alone"),
        ("@ NS ns.example.net.", "spec.records[0].type", "spec.nameServers"),
        ("* NS ns.example.net.", "spec.records[0].type", "cannot be delegated"),
        ("* DNAME new", "spec.records[0].type", "cannot be redirected"),
        ("a DNAME b\na DNAME c", "spec.records[1].type", "at most one DNAME"),
        ("a NS ns.example.net.\na DNAME c", "spec.records[1].type", "RFC 6672 section 2.3"),
        ("x.y.a A 192.0.2.1\na DNAME b", "spec.records[0].name", "must not lie below a.global.example"),
        ("a SVCB 1 . port=x", "spec.records[0].data", "port is a number"),
        ("a SVCB 0 b port=1", "spec.records[0].data", "an alias"),
        ("a DNAME b.c", "spec.records[0].data", "final dot"),
        ("a SOA x", "spec.records[0].type", "the zone's `soa`"),
        ("a RRSIG x", "spec.records[0].type", "signs the zone"),
        ("a AXFR x", "spec.records[0].type", "queries only"),
    ] {
        let findings = findings(lines);
        let found = findings.iter().any(|(at, text)| at == field && text.contains(accepted));
        assert!(found, "{lines}: {findings:?}");
    }
}

#[test]
fn transfers_keep_what_has_to_fit_together() {
    let zone = |transfer: Value| {
        let mut object = valid("DnsZone");
        object["spec"]["transfer"] = transfer;
        dns_zone(&object).expect("valid").transfer
    };
    let network: Network = "192.0.2.0/24".parse().expect("a network");
    let secret = SecretRef { namespace: "dns".into(), name: "secondary".into() };
    let key = json!({"namespace": "dns", "name": "secondary"});
    let told = zone(json!({
        "allow": [
            {"cidr": "192.0.2.0/24"}, {"keyRef": key}, {"cidr": "192.0.2.0/24", "keyRef": key},
            {"keyRef": key, "tls": true},
        ],
        "notify": [{"address": "192.0.2.53"}, {"address": "2001:db8::53", "port": 5353, "keyRef": key}],
    }));
    let both = CheckedPeer::Both(network, secret.clone());
    let with = CheckedPeer::With(secret.clone());
    let encrypted = CheckedPeer::Encrypted(Box::new(with.clone()));
    assert_eq!(told.allow, [CheckedPeer::From(network), with, both, encrypted]);
    let target = |address: &str, key| CheckedTarget { address: address.parse().expect("an address"), key };
    assert_eq!(told.notify, [target("192.0.2.53:53", None), target("[2001:db8::53]:5353", Some(secret))]);
    assert_eq!(zone(Value::Null), CheckedTransfer::default());
}

#[test]
fn who_may_update_a_zone_is_told_in_absolute_names_and_numbers() {
    let mut object = valid("DnsZone");
    let key = json!({"namespace": "dns", "name": "updater"});
    object["spec"]["updates"]["allow"] = json!([
        {"keyRef": key, "names": ["@", "www", "*.dyn", "*", "a.global.example."], "types": ["txt", "TYPE65400"]},
        {"keyRef": key, "cidr": "192.0.2.0/24"},
    ]);
    object["metadata"]["generation"] = json!(7);
    let told = dns_zone(&object).expect("valid");
    assert_eq!(told.zone.updates.generation, 7);
    let exactly = |name: &str| UpdateNames::Exactly(name.to_owned());
    let below = |name: &str| UpdateNames::Below(name.to_owned());
    let names = vec![
        exactly("global.example"),
        exactly("www.global.example"),
        below("dyn.global.example"),
        below("global.example"),
        exactly("a.global.example"),
    ];
    let secret = SecretRef { namespace: "dns".into(), name: "updater".into() };
    let network = Some("192.0.2.0/24".parse().expect("a network"));
    let some = CheckedUpdater { key: secret.clone(), network: None, names, types: vec![16, 65400] };
    let all = CheckedUpdater { key: secret, network, names: Vec::new(), types: Vec::new() };
    assert_eq!(told.updates, [some, all]);
}

#[test]
fn every_mistake_in_a_routing_chain_names_its_field() {
    let rule = json!({"continents": ["EU"], "clusters": ["a"]});
    let weighted = json!({"weighted": {"from": "Replicas"}});
    let geo = |field: &str, value: Value| {
        let mut rule = rule.clone();
        rule[field] = value;
        json!([{"geo": {"rules": [rule]}}])
    };
    let many = |n: usize| (0..n).map(|_| rule.clone()).collect::<Vec<_>>();
    let ranges: Vec<String> = (0..1001).map(|n| format!("10.{}.{}.0/24", n / 256, n % 256)).collect();
    let rows = [
        (json!([{}]), "spec.routing[0]", "one of geo, failover or weighted"),
        (
            json!([{"geo": {"nearest": {}}, "failover": {"groups": []}}]),
            "spec.routing[0]",
            "only one of geo, failover and weighted",
        ),
        (json!([weighted, {"geo": {"nearest": {}}}]), "spec.routing[0].weighted", "last step"),
        (
            json!([{"weighted": {"from": "Capacity", "maxChangePerMinute": "0%"}}]),
            "spec.routing[0].weighted.maxChangePerMinute",
            "from 1% to 100%",
        ),
        (json!([{"geo": {}}]), "spec.routing[0].geo", "rules, or nearest"),
        (json!([{"geo": {"nearest": {}, "rules": [rule]}}]), "spec.routing[0].geo.nearest", "only one of"),
        (
            json!([{"geo": {"nearest": {}, "default": ["a"]}}]),
            "spec.routing[0].geo.default",
            "only with rules",
        ),
        (
            json!([{"geo": {"rules": [{"clusters": ["a"]}]}}]),
            "spec.routing[0].geo.rules[0]",
            "at least one of",
        ),
        (geo("clusters", json!([])), "spec.routing[0].geo.rules[0].clusters", "the clusters that answer"),
        (geo("clusters", json!(["A b"])), "spec.routing[0].geo.rules[0].clusters[0]", "must name a Cluster"),
        (geo("countries", json!(["de"])), "spec.routing[0].geo.rules[0].countries[0]", "ISO 3166-1"),
        (geo("countries", json!(["DEU"])), "spec.routing[0].geo.rules[0].countries[0]", "ISO 3166-1"),
        (geo("regions", json!(["US-CA", "CA"])), "spec.routing[0].geo.rules[0].regions[1]", "ISO 3166-2"),
        (geo("continents", json!(["UE"])), "spec.routing[0].geo.rules[0].continents[0]", "one of AF"),
        (geo("asns", json!([-1])), "spec.routing[0].geo.rules[0].asns[0]", "4294967295"),
        (
            geo("cidrs", json!(["10.1.0.0/8"])),
            "spec.routing[0].geo.rules[0].cidrs[0]",
            "written with its first",
        ),
        (geo("cidrs", json!(ranges)), "spec.routing", "at most 1000 cidrs"),
        (json!([{"geo": {"rules": many(129)}}]), "spec.routing", "at most 128 rules"),
        (json!([{"failover": {"groups": []}}]), "spec.routing[0].failover.groups", "the first choice first"),
        (
            json!([{"failover": {"groups": [{"clusters": []}]}}]),
            "spec.routing[0].failover.groups[0].clusters",
            "at least one cluster",
        ),
        (
            json!([{"failover": {"groups": [{"clusters": ["a"]}, {"clusters": ["b", "a"]}]}}]),
            "spec.routing[0].failover.groups[1].clusters[0]",
            "Duplicate value",
        ),
        (Value::from(vec![json!({"geo": {"nearest": {}}}); 9]), "spec.routing", "at most 8 items"),
    ];
    check(rows.map(|(value, field, words)| ("GlobalRecord", "/routing", value, field, words)).to_vec());
}

#[test]
fn a_routing_chain_is_read_in_its_order() {
    let mut object = valid("GlobalRecord");
    object["spec"]["routing"] = json!([
        {"geo": {"rules": [{"countries": ["DE"], "cidrs": ["192.0.2.0/24"], "clusters": ["b", "a"]}], "default": ["c"]}},
        {"failover": {"groups": [{"clusters": ["a"]}, {"clusters": ["b", "c"]}]}},
        {"geo": {"nearest": {}}},
        {"weighted": {"from": "Placement", "maxChangePerMinute": "10%"}},
    ]);
    let routing = global_record(&object).expect("valid").routing;
    assert_eq!((routing.weights, routing.change_percent_max), (Some(WeightSource::Placement), Some(10)));
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let rule = GeoRule {
        countries: texts(&["DE"]),
        networks: vec!["192.0.2.0/24".parse().unwrap()],
        clusters: texts(&["a", "b"]),
        ..GeoRule::default()
    };
    assert_eq!(
        routing.steps,
        [
            CheckedStep::Geo(Geo { rules: vec![rule], default: texts(&["c"]) }),
            CheckedStep::Failover(vec![texts(&["a"]), texts(&["b", "c"])]),
            CheckedStep::Nearest,
        ]
    );
}
