//! What names say, from what members say and what is believed of them.

use koinon_machinery::Value;
use koinon_model::health::Verdict;
use koinon_model::name::ClusterName;
use koinon_policies::failover::ClusterHealth;
use koinon_policies::health::Standing;
use koinon_types::names::{EndpointState, Record};
use koinon_types::sync::{ObjectRef, Observed, Outcome};
use koinon_types::v1alpha1;
use serde_json::json;

use super::*;
use crate::cluster_health::Health;
use crate::testing::{self, Host, eventually};

mod guarded;
mod health;
mod journalled;
mod signing;

struct Bench {
    host: Host,
    desk: guard::Desk,
    history: journal::History,
    vantages: Vantages,
    observations: Observations,
    healths: watch::Sender<Healths>,
    table: watch::Receiver<Arc<NameTable>>,
    parents: watch::Sender<Parents>,
    task: JoinHandle<()>,
    _stop: watch::Sender<bool>,
    _folder: tempfile::TempDir,
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Bench {
    /// A shop in two clusters, with a zone for its names.
    async fn new() -> Self {
        let host = testing::host().await;
        host.namespace("shop", json!({"team": "shop"})).await;
        for cluster in ["a", "b"] {
            host.cluster(cluster).await;
        }
        let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"namespace": "shop", "name": "web"},
            "spec": {"type": "LoadBalancer", "selector": {"app": "web"}, "ports": [{"port": 80}]}});
        host.create(&resources::services(), service).await;
        let [deployments, ..] = resources::workloads();
        for (name, app) in [("web", "web"), ("api", "api")] {
            let pods = json!({"metadata": {"labels": {"app": app, "tier": "front"}},
                              "spec": {"containers": [{"name": "c", "image": "shop:1"}]}});
            let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment",
                "metadata": {"namespace": "shop", "name": name},
                "spec": {"replicas": 8, "selector": {"matchLabels": {"app": app}}, "template": pods}});
            host.create(&deployments, deployment).await;
        }
        host.create(&resources::zones(), zone(&Value::Null)).await;
        Self::over(host)
    }

    fn over(host: Host) -> Self {
        Self::with(host, Self::master(), Arc::default())
    }

    fn master() -> Master {
        Master::Present(MasterKey::new(&[1; MASTER_KEY_LENGTH]))
    }

    /// A start of the host when `served` was served last.
    fn after(host: Host, served: Arc<NameTable>, acknowledged: Vec<(String, String)>) -> Self {
        Self::of(host, Self::master(), served, acknowledged)
    }

    /// A start of the host with this master key, after this table was served.
    fn with(host: Host, master: Master, served: Arc<NameTable>) -> Self {
        Self::of(host, master, served, Vec::new())
    }

    fn of(host: Host, master: Master, served: Arc<NameTable>, acknowledged: Vec<(String, String)>) -> Self {
        let observations = Observations::default();
        let (healths, told) = watch::channel(Healths::default());
        let (sender, table) = watch::channel(Arc::default());
        let (stop, stopped) = watch::channel(false);
        let vantages = Vantages::default();
        let (desk, counter) = guard::desk();
        let folder = tempfile::tempdir().unwrap();
        let (journal, history) = journal::open(folder.path()).unwrap();
        let (parents, seen) = watch::channel(Parents::default());
        let links = Links {
            client: host.client("names"),
            observations: observations.clone(),
            healths: told,
            vantages: vantages.clone(),
            table: sender,
            served,
            guard: guard::Settings::default(),
            acknowledged,
            counter,
            journal,
            authors: host.authors.clone(),
        };
        let keys = KeyLinks { master, parents: seen };
        let task = tokio::spawn(run(links, keys, stopped));
        Self {
            host,
            desk,
            history,
            vantages,
            observations,
            healths,
            table,
            parents,
            task,
            _stop: stop,
            _folder: folder,
        }
    }

    async fn record(&self, name: &str, routing: &Value) {
        let mut spec =
            json!({"host": format!("{name}.example.com"), "endpoints": {"service": {"name": "web"}}});
        if !routing.is_null() {
            spec["routing"] = routing.clone();
        }
        let record = json!({"apiVersion": v1alpha1::API_VERSION, "kind": "GlobalRecord",
            "metadata": {"namespace": "shop", "name": name}, "spec": spec});
        self.host.create(&resources::records(), record).await;
    }

    /// A member says where its Service is reached and how many replicas of `web` are ready.
    fn member_says(&self, cluster: &str, addresses: &[&str], ready: i64) {
        let ingress: Vec<Value> = addresses.iter().map(|ip| json!({"ip": ip})).collect();
        self.say(cluster, "Service", "web", json!({"loadBalancer": {"ingress": ingress}}));
        let status = json!({"observedGeneration": 1, "replicas": ready, "readyReplicas": ready,
                            "updatedReplicas": ready, "availableReplicas": ready});
        self.say(cluster, "Deployment", "web", status);
    }

    fn say(&self, cluster: &str, kind: &str, name: &str, status: Value) {
        let is_core = kind == "Service";
        let object = ObjectRef {
            group: if is_core { String::new() } else { "apps".into() },
            version: "v1".into(),
            kind: kind.into(),
            plural: format!("{}s", kind.to_lowercase()),
            namespaced: true,
            namespace: "shop".into(),
            name: name.into(),
        };
        let observed = Observed {
            generation: 1,
            template_generation: 1,
            replicas_spec: (!is_core).then_some(8),
            status: Some(Arc::new(status)),
            digest: 1,
        };
        self.observations.take(Feedback {
            cluster: cluster.into(),
            object,
            version: 1,
            outcome: Outcome::Applied,
            observed: Some(observed),
        });
    }

    fn believe(&self, cluster: &str, verdict: Verdict, lost: bool, followed: bool) {
        let standing = Standing { verdict, since: clock::now() };
        let health = Health { cluster: ClusterHealth { standing, doubtful: false }, lost, followed };
        let name = ClusterName::try_from(cluster).unwrap();
        self.healths.send_modify(|told| _ = Arc::make_mut(told).insert(name, health));
    }

    fn ready(&self) {
        for cluster in ["a", "b"] {
            self.believe(cluster, Verdict::Ready, false, true);
        }
    }

    fn find(&self, name: &str) -> Option<Record> {
        self.table.borrow().records.iter().find(|record| record.source.name == name).cloned()
    }

    /// Waits until a name has these endpoints: `a 192.0.2.1 6` for one that serves, with a reason for one that does not.
    async fn answers(&self, name: &str, wanted: &[&str]) -> Record {
        eventually(&format!("{name} says {wanted:?}"), || {
            self.find(name).filter(|record| endpoints(record) == wanted)
        })
        .await
    }

    async fn says(&self, name: &str, condition: &str, reason: &str) -> Value {
        eventually(&format!("{name} says {condition} {reason}"), || {
            let status = self.host.read(&resources::records(), "shop", name)["status"].clone();
            let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
            let said = conditions.iter().any(|c| c["type"] == condition && c["reason"] == reason);
            said.then_some(status)
        })
        .await
    }
}

fn zone(allowed: &Value) -> Value {
    let mut spec = json!({"soa": {"mname": "ns1.example.com", "rname": "hostmaster.example.com"},
                          "nameServers": [{"name": "ns1.example.com", "addresses": ["192.0.2.53"]}]});
    if !allowed.is_null() {
        spec["allowedNamespaces"] = allowed.clone();
    }
    json!({"apiVersion": v1alpha1::API_VERSION, "kind": "DnsZone", "metadata": {"name": "example.com"}, "spec": spec})
}

fn endpoints(record: &Record) -> Vec<String> {
    let each = |endpoint: &koinon_types::names::Endpoint| {
        let text = format!("{} {} {}", endpoint.cluster, endpoint.target, endpoint.weight);
        match endpoint.state {
            EndpointState::Serving => text,
            EndpointState::Withdrawn(why) => format!("{text} {why:?}"),
        }
    };
    record.endpoints.iter().map(each).collect()
}

#[tokio::test]
async fn a_name_shares_by_ready_replicas_of_what_its_service_selects() {
    let bench = Bench::new().await;
    bench.ready();
    bench.record("shop", &Value::Null).await;
    bench.member_says("a", &["192.0.2.1"], 6);
    bench.member_says("b", &["192.0.2.2"], 2);
    bench.say("a", "Deployment", "api", json!({"readyReplicas": 40}));
    let record = bench.answers("shop", &["a 192.0.2.1 6", "b 192.0.2.2 2"]).await;
    assert_eq!((record.zone.as_str(), record.unstable), ("example.com", false));
    let status = bench.says("shop", "Served", "Published").await;
    assert_eq!(status["endpoints"][0]["verdict"], "Serving");
    bench.member_says("b", &["192.0.2.2", "192.0.2.3"], 2);
    bench.answers("shop", &["a 192.0.2.1 12", "b 192.0.2.2 2", "b 192.0.2.3 2"]).await;
}

#[tokio::test]
async fn a_lost_cluster_is_out_at_once_and_back_when_it_has_said_what_it_runs() {
    let bench = Bench::new().await;
    bench.ready();
    bench.record("shop", &Value::Null).await;
    bench.member_says("a", &["192.0.2.1"], 6);
    bench.member_says("b", &["192.0.2.2"], 2);
    bench.answers("shop", &["a 192.0.2.1 6", "b 192.0.2.2 2"]).await;
    let before = bench.table.borrow().generation;
    bench.believe("a", Verdict::Unreachable, true, false);
    let lost = bench.answers("shop", &["a 192.0.2.1 6 ClusterUnreachable", "b 192.0.2.2 2"]).await;
    assert!(lost.unstable && bench.table.borrow().generation > before);
    bench.says("shop", "Healthy", "SomeDown").await;
    bench.believe("a", Verdict::Ready, false, false);
    bench.answers("shop", &["a 192.0.2.1 6 NotReady", "b 192.0.2.2 2"]).await;
    bench.member_says("a", &["192.0.2.1"], 0);
    bench.believe("a", Verdict::Ready, false, true);
    bench.answers("shop", &["a 192.0.2.1 0 NotReady", "b 192.0.2.2 2"]).await;
    bench.member_says("a", &["192.0.2.1"], 3);
    bench.answers("shop", &["a 192.0.2.1 3", "b 192.0.2.2 2"]).await;
}

#[tokio::test]
async fn doubt_takes_nothing_out() {
    let bench = Bench::new().await;
    bench.ready();
    bench.record("shop", &Value::Null).await;
    bench.member_says("a", &["192.0.2.1"], 6);
    bench.answers("shop", &["a 192.0.2.1 6"]).await;
    for verdict in [Verdict::ControlPlaneOnly, Verdict::Suspect] {
        bench.believe("a", verdict, false, false);
        let evidence = format!("cluster {verdict}, 6 replicas ready");
        eventually("the verdict is told", || {
            bench.find("shop").filter(|record| record.endpoints[0].evidence == evidence)
        })
        .await;
        bench.answers("shop", &["a 192.0.2.1 6"]).await;
    }
}

#[tokio::test]
async fn static_weights_count_whatever_is_ready_but_nobody_who_has_nothing() {
    let bench = Bench::new().await;
    bench.ready();
    let routing = json!([{"weighted": {"from": "Static", "weights": {"a": 3, "b": 1}}}]);
    bench.record("shop", &routing).await;
    bench.member_says("a", &["192.0.2.1"], 1);
    bench.member_says("b", &["192.0.2.2"], 0);
    bench.answers("shop", &["a 192.0.2.1 3", "b 192.0.2.2 1 NotReady"]).await;
}

#[tokio::test]
async fn a_record_that_cannot_be_served_says_why() {
    let bench = Bench::new().await;
    bench.ready();
    bench.record("shop", &Value::Null).await;
    bench.says("shop", "Served", "NoEndpoints").await;
    let records = resources::records();
    let record = |name: &str, host: &str, service: &str| {
        json!({"apiVersion": v1alpha1::API_VERSION, "kind": "GlobalRecord",
            "metadata": {"namespace": "shop", "name": name},
            "spec": {"host": host, "endpoints": {"service": {"name": service}}}})
    };
    let rows = [
        ("elsewhere", "shop.example.org", "web", "NoZone"),
        ("twin", "shop.example.com", "web", "HostTaken"),
        ("nothing", "nothing.example.com", "missing", "NotFound"),
    ];
    for (name, host, service, reason) in rows {
        bench.host.create(&records, record(name, host, service)).await;
        bench.says(name, "Served", reason).await;
    }
    let mut zone = bench.host.read(&resources::zones(), "", "example.com");
    zone["spec"]["allowedNamespaces"] = json!({"labelSelector": {"matchLabels": {"team": "other"}}});
    bench.host.client.update(&resources::zones(), zone).await.expect("a good zone");
    bench.says("shop", "Served", "NamespaceNotAllowed").await;
    assert_eq!(bench.find("shop"), None);
}

#[tokio::test]
async fn a_start_of_the_host_keeps_what_members_have_not_said_again() {
    let bench = Bench::new().await;
    bench.record("shop", &Value::Null).await;
    let bindings = resources::bindings();
    for (name, api_version, kind) in
        [("web-service", "v1", "Service"), ("web-deployment", "apps/v1", "Deployment")]
    {
        let binding = json!({"apiVersion": v1alpha1::API_VERSION, "kind": "ResourceBinding",
            "metadata": {"namespace": "shop", "name": name},
            "spec": {"resource": {"apiVersion": api_version, "kind": kind, "namespace": "shop", "name": "web"},
                     "observedGeneration": 1, "clusters": [{"name": "a"}, {"name": "b"}]}});
        bench.host.create(&bindings, binding).await;
        let status = json!({"clusters": [{"name": "a", "state": "Applied", "readyReplicas": 6},
                                         {"name": "b", "state": "Applied", "readyReplicas": 2}]});
        bench.host.set_status(&bindings, "shop", name, status).await;
    }
    bench.ready();
    bench.member_says("a", &["192.0.2.1"], 6);
    bench.member_says("b", &["192.0.2.2"], 2);
    bench.answers("shop", &["a 192.0.2.1 6", "b 192.0.2.2 2"]).await;
    eventually("the endpoints are written down", || {
        let status = &bench.host.read(&resources::records(), "shop", "shop")["status"];
        (status["endpoints"].as_array().map(Vec::len) == Some(2)).then_some(())
    })
    .await;
    let generation = bench.table.borrow().generation;
    let lost = json!({"taints": [{"key": crate::cluster_health::UNREACHABLE, "effect": "NoExecute"}]});
    bench.host.set_status(&resources::clusters(), "", "b", lost).await;
    let bench = Bench::over(bench.host.clone());
    bench.answers("shop", &["a 192.0.2.1 6", "b 192.0.2.2 2 ClusterUnreachable"]).await;
    assert!(bench.table.borrow().generation >= generation, "generations do not fall");
}

#[tokio::test]
async fn a_key_lets_its_owner_copy_a_zone_as_soon_as_it_can_be_read() {
    let bench = Bench::new().await;
    let key = json!({"namespace": "shop", "name": "secondary"});
    let mut wanted = zone(&Value::Null);
    wanted["metadata"]["name"] = json!("example.org");
    wanted["spec"]["transfer"] = json!({
        "allow": [{"cidr": "192.0.2.0/24"}, {"cidr": "0.0.0.0/0", "keyRef": key}],
        "notify": [{"address": "192.0.2.53", "keyRef": key}],
    });
    bench.host.create(&resources::zones(), wanted).await;
    let transfer = || {
        let table = bench.table.borrow();
        table.zones.iter().find(|zone| zone.apex == "example.org").map(|zone| zone.transfer.clone())
    };
    let open = eventually("the zone is published", transfer).await;
    assert_eq!((open.allow.len(), open.notify.len()), (1, 0), "what needs the key waits for it: {open:?}");
    let says = |reason: &'static str| {
        let host = &bench.host;
        eventually(reason, move || {
            let status = host.read(&resources::zones(), "", "example.org")["status"].clone();
            let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
            conditions.into_iter().find(|c| c["type"] == "TransfersReady" && c["reason"] == reason)
        })
    };
    let said = says("KeyUnusable").await;
    let message = said["message"].as_str().unwrap_or_default();
    assert!(message.contains("allow[1].keyRef: Secret shop/secondary does not exist"), "{message}");
    assert!(message.contains("notify[0].keyRef"), "{message}");

    let encode = |text: &str| base64::Engine::encode(&base64::engine::general_purpose::STANDARD, text);
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "type": "koinon.io/tsig",
        "metadata": {"namespace": "shop", "name": "secondary"},
        "data": {"name": encode("secondary.example"), "secret": encode(&encode("sixteen bytes or more"))}});
    bench.host.create(&resources::secrets(), secret).await;
    let read = eventually("the key is in the table", || transfer().filter(|t| t.allow.len() == 2)).await;
    let names: Vec<&str> = read.keys().map(|key| key.name.as_str()).collect();
    assert_eq!(names, ["secondary.example", "secondary.example"]);
    says("Accepted").await;
}

#[tokio::test]
async fn a_catalog_lists_the_zones_that_it_selects_and_somebody_may_copy() {
    let bench = Bench::new().await;
    let create = async |apex: &str, labels: Value, spec: serde_json::Value| {
        let mut wanted = zone(&Value::Null);
        wanted["metadata"]["name"] = json!(apex);
        wanted["metadata"]["labels"] = labels;
        for (field, value) in spec.as_object().unwrap() {
            wanted["spec"][field.as_str()] = value.clone();
        }
        bench.host.create(&resources::zones(), wanted).await;
    };
    let open = json!({"transfer": {"allow": [{"cidr": "192.0.2.0/24"}]}});
    let catalog = json!({"selector": {"matchLabels": {"tier": "public"}}, "groupLabel": "group"});
    create("catalog.example", json!({"tier": "public"}), json!({"catalog": catalog})).await;
    create("grouped.example", json!({"tier": "public", "group": "some"}), open.clone()).await;
    create("plain.example", json!({"tier": "public"}), open.clone()).await;
    create("closed.example", json!({"tier": "public"}), json!({})).await;
    create("other.example", json!({"tier": "private"}), open).await;
    let uid = |apex: &str| {
        let object = bench.host.read(&resources::zones(), "", apex);
        object["metadata"]["uid"].as_str().unwrap_or_default().to_owned()
    };
    let (grouped, plain) = (uid("grouped.example"), uid("plain.example"));
    let mut wanted = vec![
        "version.catalog.example TXT \"2\"".to_owned(),
        format!("group.{grouped}.zones.catalog.example TXT \"some\""),
        format!("{grouped}.zones.catalog.example PTR grouped.example."),
        format!("{plain}.zones.catalog.example PTR plain.example."),
    ];
    wanted.sort();
    let listed = || {
        let table = bench.table.borrow();
        let zone = table.zones.iter().find(|zone| zone.apex == "catalog.example")?;
        let line = |record: &koinon_types::names::StaticRecord| {
            format!("{} {} {}", record.name, record.kind, record.data)
        };
        let mut lines: Vec<String> = zone.records.iter().map(line).collect();
        lines.sort();
        (lines == wanted).then_some(())
    };
    eventually("the members are listed", listed).await;
    let said = eventually("the catalog says whom it leaves out", || {
        let status = bench.host.read(&resources::zones(), "", "catalog.example")["status"].clone();
        let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
        conditions.into_iter().find(|c| c["type"] == "MembersListed" && c["reason"] == "MembersClosed")
    })
    .await;
    let message = said["message"].as_str().unwrap_or_default();
    assert!(message.starts_with("2 members; ") && message.ends_with(": closed.example"), "{message}");
}

#[tokio::test]
async fn weights_that_may_only_move_so_fast_set_out_from_where_they_are() {
    let bench = Bench::new().await;
    bench.ready();
    let paced = json!([{"weighted": {"from": "Replicas", "maxChangePerMinute": "1%"}}]);
    bench.record("shop", &paced).await;
    bench.member_says("a", &["192.0.2.1"], 6);
    bench.answers("shop", &["a 192.0.2.1 6"]).await;
    bench.member_says("b", &["192.0.2.2"], 2);
    let record = eventually("both are answered", || {
        let record = bench.find("shop")?;
        let serving = |it: &&koinon_types::names::Endpoint| it.state == EndpointState::Serving;
        (record.endpoints.iter().filter(serving).count() == 2).then_some(record)
    })
    .await;
    // One had all; the other comes from nothing, and slowly.
    let total: u32 = record.endpoints.iter().map(|endpoint| endpoint.weight).sum();
    let least = record.endpoints.iter().map(|endpoint| endpoint.weight).min().unwrap_or_default();
    assert!(total > 8 && least < total / 20 && record.unstable, "{:?}", endpoints(&record));
    bench.believe("a", Verdict::Unreachable, true, false);
    let record = eventually("the lost one is out at once", || {
        let record = bench.find("shop")?;
        (record.endpoints[0].state != EndpointState::Serving).then_some(record)
    })
    .await;
    assert_eq!(endpoints(&record)[1], "b 192.0.2.2 2", "who is left has all, and is there");
}

#[tokio::test]
async fn a_name_for_the_nearest_says_whose_place_nobody_knows() {
    let bench = Bench::new().await;
    bench.ready();
    bench.record("near", &json!([{"geo": {"nearest": {}}}, {"weighted": {"from": "Capacity"}}])).await;
    bench.member_says("a", &["192.0.2.1"], 6);
    let record = bench.answers("near", &["a 192.0.2.1 1"]).await;
    assert_eq!(record.routing, [koinon_types::names::Step::Nearest { places: Vec::new() }]);
    let status = bench.says("near", "Located", "ClusterNotLocated").await;
    assert!(status["conditions"].to_string().contains("nobody is near to a"), "{status}");
}
