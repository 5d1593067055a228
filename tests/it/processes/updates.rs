//! Zones that are changed by DNS messages (RFC 2136), with `nsupdate`: what is asked for, who may, and what is left.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use koinon_tests::clock::eventually;
use koinon_tests::dig;
use koinon_tests::host::Host;
use koinon_tests::nsupdate::{By, update};
use koinon_tests::world::story;
use serde_json::{Value, json};

use super::dns_node::Node;

/// Longer than a change takes to be served on a busy machine.
const SOON: Duration = Duration::from_secs(30);

pub(super) const ZONE: &str = "global.example";

/// A zone with two updaters: `all` may change everything, `acme` the TXT records below `_acme-challenge` names.
fn manifests() -> String {
    let secret = |name: &str, byte: u8| {
        let [algorithm, key, secret] =
            ["hmac-sha256", &format!("{name}.updater"), &BASE64.encode([byte; 32])]
                .map(|text| BASE64.encode(text));
        format!(
            "
apiVersion: v1
kind: Secret
metadata: {{name: {name}, namespace: default}}
type: koinon.io/tsig
data: {{algorithm: {algorithm}, name: {key}, secret: {secret}}}
---"
        )
    };
    format!(
        "{}{}
apiVersion: koinon.io/v1alpha1
kind: DnsZone
metadata: {{name: {ZONE}}}
spec:
  soa: {{mname: ns1.{ZONE}, rname: hostmaster.example}}
  nameServers: [{{name: ns1.{ZONE}, addresses: [192.0.2.53]}}]
  records: [{{name: www, type: A, data: 192.0.2.80}}]
  transfer:
    allow: [{{keyRef: {{namespace: default, name: all}}}}]
  updates:
    allow:
    - {{keyRef: {{namespace: default, name: all}}}}
    - {{keyRef: {{namespace: default, name: acme}}, names: [_acme-challenge.www, '*._acme-challenge'], types: [TXT]}}
---
apiVersion: koinon.io/v1alpha1
kind: GlobalRecord
metadata: {{name: shop, namespace: default}}
spec:
  host: shop.{ZONE}
  endpoints: {{addresses: [{{cluster: a, ips: [192.0.2.1]}}]}}
",
        secret("all", 7),
        secret("acme", 8),
    )
}

/// What `nsupdate -y` takes.
fn key(name: &str, byte: u8) -> String {
    format!("hmac-sha256:{name}.updater:{}", BASE64.encode([byte; 32]))
}

pub(super) async fn serve(host: &Host) -> Result<()> {
    host.kubectl().apply(&manifests()).await?;
    eventually(SOON, "the zone is served", async || {
        let asked = dig::ask(host.dns_address(), &format!("shop.{ZONE}"), "A", &[]).await?;
        ensure!(asked.status == "NOERROR", "{asked:?}");
        Ok(())
    })
    .await
}

/// What one question is answered with, sorted; asked once, because an update that was answered is served.
async fn data(server: SocketAddr, name: &str, kind: &str) -> Result<Vec<String>> {
    let asked = dig::ask(server, &format!("{name}.{ZONE}"), kind, &[]).await?;
    let mut data: Vec<String> = asked.records.into_iter().map(|record| record.data).collect();
    data.sort();
    Ok(data)
}

/// The zone's object.
async fn object(host: &Host) -> Result<Value> {
    let text = host.kubectl().run(["get", "dnszone", ZONE, "-o", "json", "--show-managed-fields"]).await?;
    Ok(serde_json::from_str(&text)?)
}

/// Every form of prerequisite and change, in order: how it is sent, its lines, the response's code, and what a question is
/// answered with right after the response.
type Case =
    (By, &'static [&'static str], &'static str, (&'static str, &'static str, &'static [&'static str]));

const CASES: &[Case] = &[
    (
        By::Udp,
        &["update add a.global.example. 60 A 192.0.2.11", "update add a.global.example. 60 A 192.0.2.12"],
        "NOERROR",
        ("a", "A", &["192.0.2.11", "192.0.2.12"]),
    ),
    (
        By::Tcp,
        &["prereq nxdomain a.global.example.", "update add a.global.example. 60 A 192.0.2.13"],
        "YXDOMAIN",
        ("a", "A", &["192.0.2.11", "192.0.2.12"]),
    ),
    (
        By::Tcp,
        &["prereq yxdomain b.global.example.", "update add b.global.example. 60 A 192.0.2.13"],
        "NXDOMAIN",
        ("b", "A", &[]),
    ),
    (
        By::Udp,
        &["prereq nxrrset a.global.example. A", "update delete a.global.example."],
        "YXRRSET",
        ("a", "A", &["192.0.2.11", "192.0.2.12"]),
    ),
    (
        By::Udp,
        &["prereq yxrrset a.global.example. TXT", "update delete a.global.example."],
        "NXRRSET",
        ("a", "A", &["192.0.2.11", "192.0.2.12"]),
    ),
    (
        By::Udp,
        &["prereq yxrrset a.global.example. A 192.0.2.11", "update delete a.global.example."],
        "NXRRSET",
        ("a", "A", &["192.0.2.11", "192.0.2.12"]),
    ),
    (
        By::Tcp,
        &[
            "prereq yxrrset a.global.example. A 192.0.2.12",
            "prereq yxrrset a.global.example. A 192.0.2.11",
            "prereq yxdomain www.global.example.",
            "prereq nxdomain b.global.example.",
            "prereq nxrrset a.global.example. AAAA",
            "update delete a.global.example. A 192.0.2.11",
        ],
        "NOERROR",
        ("a", "A", &["192.0.2.12"]),
    ),
    (
        By::Tcp,
        &["update add a.global.example. 60 TXT \"two words\" more", "update delete a.global.example. A"],
        "NOERROR",
        ("a", "TXT", &["\"two words\" \"more\""]),
    ),
    (By::Udp, &["update delete a.global.example."], "NOERROR", ("a", "TXT", &[])),
    // An alias beside other records, and other records beside an alias, are passed over (RFC 2136 §3.4.2.2).
    (
        By::Udp,
        &[
            "update add www.global.example. 60 CNAME a.global.example.",
            "update add c.global.example. 60 CNAME www.global.example.",
            "update add c.global.example. 60 TXT x",
        ],
        "NOERROR",
        ("c", "CNAME", &["www.global.example."]),
    ),
    (By::Udp, &["update add a.example.net. 60 A 192.0.2.1"], "NOTZONE", ("a", "A", &[])),
    // One change that may not be made keeps the others from being made.
    (
        By::Udp,
        &["update add d.global.example. 60 A 192.0.2.1", "update add shop.global.example. 60 A 192.0.2.9"],
        "REFUSED",
        ("d", "A", &[]),
    ),
    (By::Udp, &["update delete shop.global.example."], "REFUSED", ("shop", "A", &["192.0.2.1"])),
    (By::Udp, &["update delete ns1.global.example. A"], "REFUSED", ("ns1", "A", &["192.0.2.53"])),
    (By::Udp, &["update add global.example. 60 NS ns.example.net."], "REFUSED", ("d", "A", &[])),
    (By::Udp, &["update delete global.example. NS"], "NOERROR", ("ns1", "A", &["192.0.2.53"])),
    // The door of the API has the last word.
    (By::Udp, &["update add d.global.example. 604801 A 192.0.2.1"], "REFUSED", ("d", "A", &[])),
];

#[test]
fn nsupdate_changes_a_zone_in_every_form() {
    story("nsupdate_changes_a_zone_in_every_form", Duration::from_secs(180), async |world| {
        let host = Host::start(world, "host", &[]).await?;
        serve(&host).await?;
        let (server, all) = (host.dns_address(), key("all", 7));
        for (by, lines, code, (name, kind, wanted)) in CASES {
            let got = update(server, Some(&all), *by, ZONE, lines).await?;
            ensure!(got == *code, "{lines:?}: {got}, and {code} was expected");
            let got = data(server, name, kind).await?;
            ensure!(got == *wanted, "{lines:?}: {name} {kind} is {got:?}");
        }
        let object = object(&host).await?;
        let wanted = json!([
            {"name": "www", "type": "A", "data": "192.0.2.80"},
            {"name": "c.global.example.", "type": "CNAME", "data": "www.global.example.", "ttlSeconds": 60},
        ]);
        ensure!(object["spec"]["records"] == wanted, "kubectl shows {}", object["spec"]["records"]);
        let managers = object["metadata"]["managedFields"].as_array().context("managed fields")?;
        let updates = managers.iter().find(|entry| entry["manager"] == "koinon-dns-update");
        let owned = &updates.context("no entry of the updates")?["fieldsV1"]["f:spec"];
        ensure!(*owned == json!({"f:records": {}}), "updates own {owned}");
        Ok(())
    });
}

#[test]
fn a_key_changes_what_it_is_for_and_nobody_else_does() {
    story("a_key_changes_what_it_is_for_and_nobody_else_does", Duration::from_secs(180), async |world| {
        let host = Host::start(world, "host", &[]).await?;
        serve(&host).await?;
        let server = host.dns_address();
        let (acme, forged) = (key("acme", 8), key("acme", 9));
        let challenge = "update add _acme-challenge.www.global.example. 60 TXT token";
        for (key, line, code) in [
            (None, challenge, "REFUSED"),
            (Some(&acme), challenge, "NOERROR"),
            (Some(&acme), "update add a._acme-challenge.global.example. 60 TXT token", "NOERROR"),
            (Some(&acme), "update add www.global.example. 60 TXT token", "REFUSED"),
            (Some(&acme), "update add _acme-challenge.www.global.example. 60 CNAME www.example.", "REFUSED"),
            (Some(&acme), "update delete www.global.example.", "REFUSED"),
        ] {
            let got = update(server, key.map(String::as_str), By::Udp, ZONE, &[line]).await?;
            ensure!(got == code, "{line}: {got}, and {code} was expected");
        }
        let unproven = update(server, Some(&forged), By::Udp, ZONE, &[challenge]).await;
        ensure!(unproven.is_err(), "a forged key was believed: {unproven:?}");
        let theirs = "update add a.example.net. 60 TXT token";
        let elsewhere = update(server, Some(&acme), By::Udp, "example.net", &[theirs]).await?;
        ensure!(elsewhere == "NOTAUTH", "another's zone: {elsewhere}");
        ensure!(
            data(server, "_acme-challenge.www", "TXT").await? == ["\"token\""],
            "the token is not served"
        );

        let done = ["update delete _acme-challenge.www.global.example. TXT"];
        ensure!(update(server, Some(&acme), By::Tcp, ZONE, &done).await? == "NOERROR", "the token stays");
        ensure!(data(server, "_acme-challenge.www", "TXT").await?.is_empty(), "the token is still served");

        let gone = ["delete", "secret", "acme", "-n", "default"];
        host.kubectl().run(gone).await?;
        eventually(SOON, "the key no longer counts", async || {
            let object = object(&host).await?;
            let conditions = object["status"]["conditions"].as_array().context("conditions")?;
            let ready = conditions.iter().find(|condition| condition["type"] == "UpdatesReady");
            let ready = ready.context("no condition")?;
            ensure!(ready["status"] == "False", "{ready}");
            ensure!(ready["message"] == "spec.updates.allow[1].keyRef: Secret default/acme does not exist");
            Ok(())
        })
        .await?;
        let refused = update(server, Some(&acme), By::Udp, ZONE, &[challenge]).await;
        ensure!(refused.is_err(), "a key that is gone is believed: {refused:?}");
        Ok(())
    });
}

#[test]
fn a_dns_node_hands_updates_to_the_host() {
    story("a_dns_node_hands_updates_to_the_host", Duration::from_secs(180), async |world| {
        let mut host = Host::start(world, "host", &[]).await?;
        serve(&host).await?;
        let node = Node::start(world, &host, "dns-1")?;
        eventually(SOON, "the node serves the zone", async || {
            let www = data(node.dns(), "www", "A").await?;
            ensure!(www == ["192.0.2.80"], "{www:?}");
            Ok(())
        })
        .await?;
        let all = key("all", 7);
        for (by, line) in
            [(By::Udp, "a.global.example. 60 TXT one"), (By::Tcp, "a.global.example. 60 TXT two")]
        {
            let got = update(node.dns(), Some(&all), by, ZONE, &[&format!("update add {line}")]).await?;
            ensure!(got == "NOERROR", "{line}: {got}");
        }
        // The node that answered serves it already.
        let seen = data(node.dns(), "a", "TXT").await?;
        ensure!(seen == ["\"one\"", "\"two\""], "the node serves {seen:?}");

        host.stop().await?;
        let line = ["update add b.global.example. 60 TXT three"];
        let got = update(node.dns(), Some(&all), By::Tcp, ZONE, &line).await?;
        ensure!(got == "SERVFAIL", "without the host: {got}");
        ensure!(data(node.dns(), "b", "TXT").await?.is_empty(), "the node changed the zone by itself");

        host.start_again().await?;
        let kept = object(&host).await?["spec"]["records"].as_array().map(Vec::len);
        ensure!(kept == Some(3), "the host kept {kept:?} records");
        eventually(SOON, "the node hands on again", async || {
            let got = update(node.dns(), Some(&all), By::Tcp, ZONE, &line).await?;
            ensure!(got == "NOERROR", "{got}");
            Ok(())
        })
        .await
    });
}
