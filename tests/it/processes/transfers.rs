//! Zones as a whole, asked for with `dig`: by whom a zone names, and by whom it does not.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use koinon_dns::CookieSecret;
use koinon_dns::serve::{self, Config};
use koinon_tests::clock::eventually;
use koinon_tests::dig::{self, Record};
use koinon_tests::host::Host;
use koinon_tests::world::story;
use koinon_types::names::{
    Endpoint, EndpointState, Grant, NameServer, NameTable, OnAllDown, RecordRef, Secret, Soa, Target,
    Transfer, TsigAlgorithm, TsigKey, Ttl, Updates, Zone,
};
use tokio::net::UdpSocket;
use tokio::sync::{mpsc, watch};

/// Longer than a change takes to be served on a busy machine.
const SOON: Duration = Duration::from_secs(30);

const KEY: &str = "secondary.example.net";

/// A zone that lets `peer` and a key copy it, and tells `notified`.
fn manifests(secret: &str, peer: Ipv4Addr, notified: SocketAddr, www: &str) -> String {
    let encode = |text: &str| BASE64.encode(text);
    format!(
        "
apiVersion: v1
kind: Secret
metadata: {{name: secondary, namespace: default}}
type: koinon.io/tsig
data: {{algorithm: {algorithm}, name: {name}, secret: {secret}}}
---
apiVersion: koinon.io/v1alpha1
kind: DnsZone
metadata: {{name: global.example}}
spec:
  soa: {{mname: ns1.global.example, rname: hostmaster.example}}
  nameServers: [{{name: ns1.global.example, addresses: [192.0.2.53]}}]
  records:
  - {{name: www, type: A, data: {www}, ttlSeconds: 60}}
  - {{name: '*.pages', type: CNAME, data: www, ttlSeconds: 60}}
  - {{name: '@', type: MX, data: 10 mx.example.net., ttlSeconds: 60}}
  transfer:
    allow:
    - {{cidr: {peer}/32}}
    - {{keyRef: {{namespace: default, name: secondary}}}}
    notify:
    - {{address: {notified_ip}, port: {notified_port}}}
---
apiVersion: koinon.io/v1alpha1
kind: GlobalRecord
metadata: {{name: shop, namespace: default}}
spec:
  host: shop.global.example
  endpoints: {{addresses: [{{cluster: a, ips: [192.0.2.1]}}, {{cluster: b, ips: [192.0.2.2, '2001:db8::2']}}]}}
  routing: [{{weighted: {{from: Static, weights: {{a: 3, b: 1}}}}}}]
",
        algorithm = encode("hmac-sha256"),
        name = encode(KEY),
        secret = encode(secret),
        notified_ip = notified.ip(),
        notified_port = notified.port(),
    )
}

/// A transfer's records in lines, without its SOAs, and the serial of those.
fn content(records: &[Record]) -> Result<(BTreeSet<String>, u32)> {
    let [first, between @ .., last] = records else {
        bail!("a zone begins and ends with its SOA: {records:?}")
    };
    ensure!(first.kind == "SOA" && first == last, "a zone begins and ends with its SOA: {first:?}, {last:?}");
    let serial = first.data.split(' ').nth(2).context("a SOA has a serial")?.parse()?;
    let line = |record: &Record| format!("{} {} {} {}", record.name, record.ttl, record.kind, record.data);
    Ok((between.iter().map(line).collect(), serial))
}

fn wanted(www: &str) -> BTreeSet<String> {
    let lines = [
        "*.pages.global.example. 60 CNAME www.global.example.",
        "global.example. 3600 NS ns1.global.example.",
        "global.example. 60 MX 10 mx.example.net.",
        "ns1.global.example. 3600 A 192.0.2.53",
        "shop.global.example. 30 A 192.0.2.1",
        "shop.global.example. 30 A 192.0.2.2",
        "shop.global.example. 30 AAAA 2001:db8::2",
        &format!("www.global.example. 60 A {www}"),
    ];
    lines.into_iter().map(str::to_owned).collect()
}

#[test]
fn a_zone_goes_to_whom_it_names_and_to_nobody_else() {
    story("a_zone_goes_to_whom_it_names_and_to_nobody_else", Duration::from_secs(120), async |world| {
        let host = Host::start(world, "host", &[]).await?;
        let server = host.dns_address();
        let (peer, stranger) = (host.ip(), Ipv4Addr::new(127, 9, 9, 9).to_string());
        let secondary = UdpSocket::bind("127.0.0.1:0").await?;
        let (ours, theirs) = (BASE64.encode([7; 32]), BASE64.encode([8; 32]));
        let applied = |www| manifests(&ours, peer, secondary.local_addr().expect("it is bound"), www);
        host.kubectl().apply(&applied("192.0.2.80")).await?;

        let by_address = ["-b", &peer.to_string()];
        let copied = |kind: String, www: &'static str| {
            let by_address = &by_address;
            eventually(SOON, "the zone can be copied", async move || {
                let records = dig::transfer(server, "global.example", &kind, by_address).await?;
                let (content, serial) = content(&records.context("refused")?)?;
                ensure!(content == wanted(www), "the zone holds {content:#?}");
                Ok(serial)
            })
        };
        let first = copied("AXFR".into(), "192.0.2.80").await?;

        let from_stranger = async |key: Option<&str>| {
            let mut options = vec!["-b", &stranger];
            options.extend(key.iter().flat_map(|key| ["-y", *key]));
            dig::transfer(server, "global.example", "AXFR", &options).await
        };
        ensure!(from_stranger(None).await?.is_none(), "a stranger copied the zone");
        let forged = format!("hmac-sha256:{KEY}:{theirs}");
        ensure!(from_stranger(Some(&forged)).await?.is_none(), "a forged key copied the zone");
        let weak = format!("hmac-sha1:{KEY}:{ours}");
        ensure!(from_stranger(Some(&weak)).await?.is_none(), "an old algorithm copied the zone");
        let good = format!("hmac-sha256:{KEY}:{ours}");
        let records = from_stranger(Some(&good)).await?.context("our key was refused")?;
        ensure!(content(&records)? == (wanted("192.0.2.80"), first), "the key got something else");

        told(&secondary, |serial| serial == first).await?;
        host.kubectl().apply(&applied("192.0.2.81")).await?;
        let second = told(&secondary, |serial| serial != first).await?;
        ensure!(second.wrapping_sub(first).cast_signed() > 0, "{second} does not come after {first}");
        let changed = dig::transfer(server, "global.example", &format!("IXFR={first}"), &by_address).await?;
        let changed: Vec<String> = changed.iter().flatten().map(in_short).collect();
        let (old, new) = (format!("SOA {first}"), format!("SOA {second}"));
        let wanted = [&new, &old, "A 192.0.2.80", &new, "A 192.0.2.81", &new];
        ensure!(changed == wanted, "what changed is not what was sent: {changed:?}");
        ensure!(copied("IXFR=1".into(), "192.0.2.81").await? == second, "another serial than told");
        let current = dig::transfer(server, "global.example", &format!("IXFR={second}"), &by_address).await?;
        let kinds: Vec<_> = current.iter().flatten().map(|record| record.kind.as_str()).collect();
        ensure!(kinds == ["SOA"], "what is known already was sent again: {kinds:?}");
        Ok(())
    });
}

/// A record's type and data; of a SOA the serial alone.
fn in_short(record: &Record) -> String {
    let data = match record.kind.as_str() {
        "SOA" => record.data.split(' ').nth(2).unwrap_or_default(),
        _ => &record.data,
    };
    format!("{} {data}", record.kind)
}

/// Waits for a notice of such a serial; answers every notice.
async fn told(secondary: &UdpSocket, is_wanted: impl Fn(u32) -> bool) -> Result<u32> {
    let hearing = async {
        let mut notice = [0; 1500];
        loop {
            let (length, from) = secondary.recv_from(&mut notice).await?;
            ensure!(length > 32 && notice[2] == 0x24, "not a notice: {:?}", &notice[..length]);
            let serial = notice[length - 20..].first_chunk().map(|serial| u32::from_be_bytes(*serial));
            notice[2] |= 0x80;
            notice[4..12].fill(0);
            secondary.send_to(&notice[..12], from).await?;
            match serial {
                Some(serial) if is_wanted(serial) => return Ok(serial),
                Some(_) | None => {}
            }
        }
    };
    tokio::time::timeout(SOON, hearing).await.context("nobody told the secondary")?
}

#[test]
fn a_zone_of_twenty_thousand_names_arrives_whole() {
    story("a_zone_of_twenty_thousand_names_arrives_whole", Duration::from_secs(120), async |_| {
        const N_NAMES: usize = 20_000;
        let (table, follow) = watch::channel(Arc::default());
        let ((probes, _probes), (answers, mut answered)) = (mpsc::channel(8), mpsc::channel(8));
        let (_stop, stopped) = watch::channel(false);
        let config = Config {
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            n_threads: 1,
            vantage: "test".to_owned(),
            nsid: "test".try_into()?,
            secret: CookieSecret::new([1; 32]),
            limit: None,
            seed: [1, 2],
            geo_dbs: Vec::new(),
            secure: None,
            data_dir: None,
        };
        let running = serve::start(config, follow, probes, answers, stopped)?;
        table.send_replace(Arc::new(large(N_NAMES)));
        tokio::time::timeout(SOON, answered.recv()).await?.context("the server ended")?;
        // Some fifty messages, each with a signature that covers the one before it.
        let key = format!("hmac-sha512:{KEY}:{}", BASE64.encode([9; 64]));
        let server = running.address();
        // What can be copied follows what is answered at a small distance.
        let records = eventually(SOON, "the zone can be copied", async || {
            dig::transfer(server, "global.example", "AXFR", &["-y", &key]).await?.context("refused")
        });
        let (content, _) = content(&records.await?)?;
        ensure!(content.len() == 2 * N_NAMES + 1, "{} records arrived", content.len());
        for number in [0, N_NAMES / 2, N_NAMES - 1] {
            let line = format!("shop-{number}.global.example. 30 A 10.1.{}.{}", number >> 8, number & 255);
            ensure!(content.contains(&line), "{line} did not arrive");
        }
        Ok(())
    });
}

fn large(n_names: usize) -> NameTable {
    let soa = Soa {
        mname: "ns.example.net".to_owned(),
        rname: "hostmaster.example.net".to_owned(),
        refresh: 3600,
        retry: 600,
        expire: 86400,
        minimum: 60,
        ttl: 300,
    };
    let secret = Secret::new(vec![9; 64]);
    let key = TsigKey { name: KEY.to_owned(), algorithm: TsigAlgorithm::HmacSha512, secret };
    let zone = Zone {
        apex: "global.example".to_owned(),
        soa,
        name_servers: vec![NameServer { name: "ns.example.net".to_owned(), addresses: Vec::new() }],
        records: Vec::new(),
        transfer: Transfer { allow: vec![Grant::With(key)], notify: Vec::new() },
        updates: Updates::default(),
        signing: None,
    };
    NameTable { generation: 1, zones: vec![zone], records: (0..n_names).map(name).collect() }
}

fn name(number: usize) -> koinon_types::names::Record {
    let [_, _, high, low] = (number as u32).to_be_bytes();
    let endpoint = |cluster: u8| Endpoint {
        cluster: format!("cluster-{cluster}"),
        target: Target::Ip(Ipv4Addr::new(10, cluster, high, low).into()),
        weight: 1,
        state: EndpointState::Serving,
        since_ms: 0,
        evidence: "ready".to_owned(),
        forced: None,
        ramp: None,
    };
    koinon_types::names::Record {
        source: RecordRef { namespace: "load".to_owned(), name: format!("shop-{number}") },
        host: format!("shop-{number}.global.example"),
        zone: "global.example".to_owned(),
        endpoints: [1, 2].map(endpoint).to_vec(),
        routing: Vec::new(),
        addresses_max: 1,
        ttl: Ttl { stable: 30, unstable: 5 },
        unstable: false,
        on_all_down: OnAllDown::LastKnownGood,
        healthy_share_min_percent: 0,
        check: None,
    }
}
