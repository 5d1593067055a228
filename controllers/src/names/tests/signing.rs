//! Keys of zones in a host: made, stored, published, lost, and deleted.

use koinon_types::names::{ParentWish, Signing, Signs};

use super::*;

const ZONE: &str = "signed.example";

/// A zone whose caches forget within a second, so that a step follows the other.
fn signed(dnssec: &Value) -> Value {
    let soa = json!({"mname": "ns.example.net", "rname": "hostmaster.example.net", "ttlSeconds": 1,
                     "negativeTtlSeconds": 0});
    let mut spec = json!({"soa": soa, "nameServers": [{"name": "ns.example.net"}]});
    if !dnssec.is_null() {
        spec["dnssec"] = dnssec.clone();
    }
    json!({"apiVersion": v1alpha1::API_VERSION, "kind": "DnsZone", "metadata": {"name": ZONE}, "spec": spec})
}

impl Bench {
    /// The host stops and starts, with this master key.
    fn restart(self, master: Master) -> Self {
        let (host, kept) = (self.host.clone(), Arc::clone(&self.table.borrow()));
        drop(self);
        Self::with(host, master, kept)
    }

    fn signing(&self) -> Option<Signing> {
        self.table.borrow().zones.iter().find(|zone| zone.apex == ZONE)?.signing.clone()
    }

    async fn is_signed(&self) -> Signing {
        eventually("the zone is signed", || self.signing()).await
    }

    fn zone(&self) -> Value {
        self.host.read(&resources::zones(), "", ZONE)
    }

    /// The Secrets that hold keys.
    fn secrets(&self) -> Vec<Value> {
        let all = self.host.client.list_in(&resources::secrets(), "koinon-system");
        all.iter().map(|secret| Value::clone(&secret.value())).collect()
    }

    /// Waits until a condition of the zone has this reason, and gives its message.
    async fn zone_says(&self, condition: &str, reason: &str) -> String {
        self.zone_says_that(condition, reason, "").await
    }

    /// Waits until it also has these words.
    async fn zone_says_that(&self, condition: &str, reason: &str, words: &str) -> String {
        eventually(&format!("{condition} is {reason}: {words}"), || {
            let conditions = self.zone()["status"]["conditions"].as_array().cloned().unwrap_or_default();
            let said = conditions.iter().find(|c| c["type"] == condition && c["reason"] == reason)?;
            said["message"].as_str().filter(|message| message.contains(words)).map(str::to_owned)
        })
        .await
    }

    async fn change_zone(&self, change: impl Fn(&mut Value)) {
        let mut zone = self.zone();
        zone["metadata"].as_object_mut().expect("an object").remove("resourceVersion");
        change(&mut zone);
        self.host.client.update(&resources::zones(), zone).await.expect("a good zone");
    }

    /// Lets what is remembered be two hours older, when every node is known to serve the zone unsigned.
    async fn let_hours_pass(&self) {
        const HOURS_MS: i64 = 7_200_000;
        let base64 = base64::engine::general_purpose::STANDARD;
        let (mut secret, mut kept) = eventually("the unsigned zone is served", || {
            let secret = self.secrets().into_iter().next()?;
            let bytes = base64::Engine::decode(&base64, secret["data"]["keys"].as_str()?).ok()?;
            let kept: Value = serde_json::from_slice(&bytes).ok()?;
            let last = kept["versions"].as_array()?.last()?.clone();
            let is_served = last["keys"].as_object()?.is_empty() && last["confirmedMs"].is_i64();
            is_served.then_some((secret, kept))
        })
        .await;
        for version in kept["versions"].as_array_mut().expect("a list") {
            let confirmed = version["confirmedMs"].as_i64().expect("all are served");
            version["confirmedMs"] = json!(confirmed - HOURS_MS);
        }
        secret["data"]["keys"] = json!(base64::Engine::encode(&base64, kept.to_string()));
        self.host.client.update(&resources::secrets(), secret).await.expect("nobody else has written");
    }

    async fn is_marked(&self) {
        eventually("the zone is marked", || {
            let finalizers = self.zone()["metadata"]["finalizers"].as_array().cloned().unwrap_or_default();
            finalizers.contains(&json!("koinon.io/dnssec-keys")).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn a_zone_is_signed_and_the_parent_asked_until_it_is_seen_to_trust() {
    let bench = Bench::new().await;
    bench.host.create(&resources::zones(), signed(&json!({"propagationSeconds": 0}))).await;
    let signing = bench.is_signed().await;
    let [key] = signing.keys.as_slice() else { panic!("one key does everything: {signing:?}") };
    assert_eq!((key.signs, key.is_entry_point, key.public.len()), (Signs::Everything, true, 64));
    assert_eq!((signing.parent, signing.validity), (ParentWish::Silent, 14 * 86_400));
    let [secret] = &bench.secrets()[..] else { panic!("one Secret holds the keys") };
    let stored = secret["data"]["keys"].as_str().expect("it is there");
    let stored = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, stored).expect("base64");
    let private = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, key.private.bytes());
    assert!(!String::from_utf8_lossy(&stored).contains(&private[40..]), "the private key is sealed");

    let asked = eventually("the parent is asked", || {
        bench.signing().filter(|signing| signing.parent == ParentWish::Trust)
    })
    .await;
    assert!(asked.keys[0].for_parent);
    bench.zone_says("DelegationSecure", "ParentSilent").await;
    let ds = eventually("the DS record is told", || {
        bench.zone()["status"]["dnssec"]["ds"][0].as_str().map(str::to_owned)
    })
    .await;
    let words: Vec<&str> = ds.split(' ').collect();
    let digest = (0..64).step_by(2).map(|at| u8::from_str_radix(&words[3][at..at + 2], 16).unwrap());
    let record =
        DsRecord { tag: words[0].parse().unwrap(), algorithm: 13, digest_type: 2, digest: digest.collect() };
    let see = |sets: Vec<Vec<DsRecord>>| {
        let seen = ParentDs { at: clock::now(), ttl: 60, sets };
        bench.parents.send_replace([(ZONE.to_owned(), seen)].into());
    };
    see(vec![Vec::new()]);
    let message = bench.zone_says("DelegationSecure", "DsMissing").await;
    assert!(message.contains(words[0]), "it names the key: {message}");
    see(vec![vec![record.clone()]]);
    bench.zone_says("DelegationSecure", "DsPublished").await;
    see(vec![vec![DsRecord { tag: 1, ..record }]]);
    bench.zone_says("DelegationSecure", "DsForeign").await;
}

#[tokio::test]
async fn keys_outlive_the_host_and_are_never_replaced_when_they_cannot_be_opened() {
    let bench = Bench::new().await;
    bench.host.create(&resources::zones(), signed(&json!({"keys": "Split"}))).await;
    let before = bench.is_signed().await;
    assert_eq!(before.keys.len(), 2);
    bench.is_marked().await;

    let host = bench.host.clone();
    drop(bench);
    let again = Bench::over(host);
    assert_eq!(again.is_signed().await, before, "a new start of the host");

    let stranger = again.restart(Master::Present(MasterKey::new(&[2; 32])));
    stranger.zone_says_that("Signed", "KeysLost", "sealed with the master key").await;
    assert_eq!(stranger.is_signed().await, before, "what was published last is signed on with");

    let secret = stranger.secrets().remove(0);
    let name = secret["metadata"]["name"].as_str().expect("a name");
    let deleted = stranger.host.client.delete(&resources::secrets(), "koinon-system", name, None).await;
    assert!(deleted.is_ok(), "{deleted:?}");
    let good = stranger.restart(Bench::master());
    good.zone_says_that("Signed", "KeysLost", "is gone").await;
    assert!(good.secrets().is_empty(), "no new keys are made");
    assert_eq!(good.is_signed().await, before);

    let mut restored = secret.clone();
    for field in ["resourceVersion", "uid", "creationTimestamp", "managedFields"] {
        restored["metadata"].as_object_mut().expect("an object").remove(field);
    }
    good.host.create(&resources::secrets(), restored).await;
    good.zone_says("Signed", "Published").await;
    assert_eq!(good.is_signed().await, before, "a backup was restored");
}

#[tokio::test]
async fn the_keys_of_a_deleted_zone_go_with_it() {
    let bench = Bench::new().await;
    bench.host.create(&resources::zones(), signed(&json!({}))).await;
    bench.is_signed().await;
    bench.is_marked().await;
    bench.host.client.delete(&resources::zones(), "", ZONE, None).await.expect("it is there");
    eventually("the zone is gone", || bench.zone().is_null().then_some(())).await;
    assert!(bench.secrets().is_empty());
}

#[tokio::test]
async fn a_zone_that_nobody_trusts_turns_unsigned_and_forgets_its_keys() {
    let bench = Bench::new().await;
    let dnssec = json!({"propagationSeconds": 0});
    bench.host.create(&resources::zones(), signed(&dnssec)).await;
    bench.is_signed().await;
    bench.is_marked().await;
    bench.change_zone(|zone| drop(zone["spec"].as_object_mut().expect("an object").remove("dnssec"))).await;
    eventually("it is unsigned", || bench.signing().is_none().then_some(())).await;
    bench.zone_says("Signed", "Accepted").await;
    bench.let_hours_pass().await;
    eventually("its keys are gone", || bench.secrets().is_empty().then_some(())).await;
    let zone = bench.zone();
    assert_eq!(zone["metadata"]["finalizers"].as_array().map(Vec::len).unwrap_or_default(), 0, "{zone}");
    eventually("nothing is told of keys", || {
        let status = bench.zone()["status"].clone();
        (status["dnssec"].is_null() && !status["conditions"].to_string().contains("Signed")).then_some(())
    })
    .await;
}
