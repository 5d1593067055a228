//! What is held back, and what lets it pass.

use koinon_types::names::Target;

use super::*;

/// Records of the zone besides the one under test.
const MANY: usize = 10;

impl Bench {
    /// A zone with ten names of one address each, all published.
    async fn full() -> Self {
        let bench = Self::new().await;
        bench.ready();
        for number in 0..MANY {
            bench.written(&format!("n{number}"), &[("a", &[&format!("192.0.2.{number}")])]).await;
        }
        eventually("all names are published", || (bench.hosts().len() == MANY).then_some(())).await;
        bench
    }

    /// A record with addresses that are written in it.
    async fn written(&self, name: &str, addresses: &[(&str, &[&str])]) {
        let addresses: Vec<Value> =
            addresses.iter().map(|(cluster, ips)| json!({"cluster": cluster, "ips": ips})).collect();
        let record = json!({"apiVersion": v1alpha1::API_VERSION, "kind": "GlobalRecord",
            "metadata": {"namespace": "shop", "name": name},
            "spec": {"host": format!("{name}.example.com"), "endpoints": {"addresses": addresses}}});
        self.host.create(&resources::records(), record).await;
    }

    async fn delete(&self, numbers: impl IntoIterator<Item = usize>) {
        for number in numbers {
            self.host.delete(&resources::records(), "shop", &format!("n{number}")).await;
        }
    }

    /// Three of eleven names may go; with the fourth it is too much.
    async fn lose_eight(&self) {
        self.delete(0..3).await;
        eventually("three names are gone", || (self.hosts().len() == 7).then_some(())).await;
        self.delete(3..8).await;
    }

    fn hosts(&self) -> Vec<String> {
        self.table.borrow().records.iter().map(|record| record.host.clone()).collect()
    }

    async fn held(&self, n_names: u64) -> guard::Held {
        eventually(&format!("{n_names} names are held"), || {
            self.desk.held().iter().find(|held| held.names_count == n_names).cloned()
        })
        .await
    }

    async fn zone_is(&self, truth: &str) {
        eventually(&format!("the zone says that it is current: {truth}"), || {
            let status = self.host.read(&resources::zones(), "", "example.com")["status"].clone();
            let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
            conditions.iter().any(|c| c["type"] == "Current" && c["status"] == truth).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn most_of_a_zone_stays_until_somebody_says_that_it_may_go() {
    let bench = Bench::full().await;
    bench.lose_eight().await;
    let held = bench.held(5).await;
    assert_eq!(held.zone, "example.com");
    assert_eq!(held.why, "8 of 11 names would be gone, and 30 % may go unasked");
    assert_eq!(bench.hosts().len(), 7);
    bench.zone_is("False").await;

    let wrong = bench.desk.acknowledge("0000000000000000".into(), "ann".into()).await;
    assert_eq!(wrong.unwrap_err(), std::slice::from_ref(&held));
    assert_eq!(bench.hosts().len(), 7, "a digest lets nothing else pass");

    let passed = bench.desk.acknowledge(held.digest.clone(), "ann".into()).await;
    assert_eq!(passed, Ok(held));
    assert_eq!(bench.hosts(), ["n8.example.com", "n9.example.com"]);
    assert!(bench.desk.held().is_empty());
    bench.zone_is("True").await;
}

#[tokio::test]
async fn what_is_undone_is_held_no_more() {
    let bench = Bench::full().await;
    bench.lose_eight().await;
    bench.held(5).await;
    for number in 3..8 {
        bench.written(&format!("n{number}"), &[("a", &[&format!("192.0.2.{number}")])]).await;
    }
    eventually("nothing is held", || bench.desk.held().is_empty().then_some(())).await;
    assert_eq!(bench.hosts().len(), 7);
}

#[tokio::test]
async fn a_deleted_zone_is_served_on_and_its_names_follow_health() {
    let bench = Bench::full().await;
    bench.host.delete(&resources::zones(), "", "example.com").await;
    let held = bench.held(11).await;
    assert_eq!(held.why, "11 of 11 names would be gone, and 30 % may go unasked");
    assert_eq!((bench.table.borrow().zones.len(), bench.hosts().len()), (1, 10));
    bench.believe("a", Verdict::Unreachable, true, false);
    bench.answers("n1", &["a 192.0.2.1 1 ClusterUnreachable"]).await;
    bench.believe("a", Verdict::Ready, false, true);
    bench.answers("n1", &["a 192.0.2.1 1"]).await;
    let passed = bench.desk.acknowledge(held.digest, "ann".into()).await;
    assert!(passed.is_ok(), "{passed:?}");
    let table = bench.table.borrow();
    assert_eq!((table.zones.len(), table.records.len()), (0, 0));
}

#[tokio::test]
async fn what_was_served_before_a_start_is_compared_with() {
    let bench = Bench::full().await;
    let served = Arc::clone(&bench.table.borrow());
    let host = bench.host.clone();
    drop(bench);
    for number in 0..8 {
        host.delete(&resources::records(), "shop", &format!("n{number}")).await;
    }
    let bench = Bench::after(host, Arc::clone(&served), Vec::new());
    let held = bench.held(8).await;
    eventually("the table is published", || (bench.hosts().len() == MANY).then_some(())).await;
    assert!(bench.table.borrow().generation > served.generation, "generations do not fall");
    assert_eq!(bench.find("n1").map(|record| endpoints(&record)), Some(vec!["a 192.0.2.1 1".to_owned()]));
    bench.desk.acknowledge(held.digest.clone(), "ann".into()).await.unwrap();
    assert_eq!(bench.hosts().len(), 2);
    // A crash before the new table was kept: what was let pass passes again.
    let host = bench.host.clone();
    drop(bench);
    let bench = Bench::after(host, served, vec![(held.digest, "ann".into())]);
    eventually("the names are gone", || (bench.hosts().len() == 2).then_some(())).await;
    assert!(bench.desk.held().is_empty());
}

#[tokio::test]
async fn addresses_that_go_from_all_names_are_held_and_others_are_not() {
    let bench = Bench::new().await;
    bench.ready();
    for name in ["x", "y", "z"] {
        bench.written(name, &[("a", &["192.0.2.1", "192.0.2.2"]), ("b", &["192.0.2.3"])]).await;
    }
    eventually("all are published", || (bench.hosts().len() == 3).then_some(())).await;
    let rewrite = |name: &'static str, addresses: Value| {
        let bench = &bench;
        async move {
            let mut record = bench.host.read(&resources::records(), "shop", name);
            record["spec"]["endpoints"]["addresses"] = addresses;
            bench.host.client.update(&resources::records(), record).await.expect("a good record");
        }
    };
    // Other addresses are a move.
    for name in ["x", "y", "z"] {
        rewrite(name, json!([{"cluster": "a", "ips": ["192.0.2.11", "192.0.2.12", "192.0.2.13"]}])).await;
    }
    let moved = ["a 192.0.2.11 1", "a 192.0.2.12 1", "a 192.0.2.13 1"];
    for name in ["x", "y", "z"] {
        bench.answers(name, &moved).await;
    }
    // Two of three gone from each: the second name is too much.
    rewrite("x", json!([{"cluster": "a", "ips": ["192.0.2.11"]}])).await;
    bench.answers("x", &["a 192.0.2.11 1"]).await;
    rewrite("y", json!([{"cluster": "a", "ips": ["192.0.2.11"]}])).await;
    let held = eventually("addresses are held", || bench.desk.held().first().cloned()).await;
    assert_eq!((held.names_count, held.addresses_count, held.fewer.len()), (0, 2, 1));
    bench.answers("y", &moved).await;
    bench.says("y", "Current", "RemovalHeld").await;
    // What is added meanwhile is served.
    bench.written("new", &[("b", &["192.0.2.20"])]).await;
    bench.answers("new", &["b 192.0.2.20 1"]).await;
}

#[tokio::test]
async fn a_name_keeps_its_last_address_until_its_record_goes() {
    let bench = Bench::new().await;
    bench.ready();
    bench.record("shop", &Value::Null).await;
    bench.member_says("a", &["192.0.2.1"], 6);
    bench.answers("shop", &["a 192.0.2.1 6"]).await;
    bench.member_says("a", &[], 6);
    bench.says("shop", "Current", "LastAddressKept").await;
    bench.answers("shop", &["a 192.0.2.1 6"]).await;
    bench.host.delete(&resources::services(), "shop", "web").await;
    bench.says("shop", "Served", "Published").await;
    bench.answers("shop", &["a 192.0.2.1 6"]).await;
    bench.host.delete(&resources::records(), "shop", "shop").await;
    eventually("the name is gone", || bench.find("shop").is_none().then_some(())).await;
}

#[tokio::test]
async fn an_address_returns_to_what_members_say() {
    let bench = Bench::new().await;
    bench.ready();
    bench.record("shop", &Value::Null).await;
    bench.member_says("a", &["192.0.2.1"], 6);
    bench.answers("shop", &["a 192.0.2.1 6"]).await;
    bench.member_says("a", &[], 6);
    bench.says("shop", "Current", "LastAddressKept").await;
    bench.member_says("a", &["192.0.2.9"], 6);
    let record = bench.answers("shop", &["a 192.0.2.9 6"]).await;
    assert_eq!(record.endpoints[0].target, Target::Ip([192, 0, 2, 9].into()));
    bench.says("shop", "Current", "Published").await;
}

#[tokio::test]
async fn small_losses_of_many_zones_are_held_together() {
    let bench = Bench::new().await;
    for number in 0..5 {
        let mut small = zone(&Value::Null);
        small["metadata"]["name"] = json!(format!("z{number}.example"));
        small["spec"]["records"] = json!([{"name": "www", "type": "A", "data": "192.0.2.1"}]);
        bench.host.create(&resources::zones(), small).await;
    }
    let n_zones = || bench.table.borrow().zones.len();
    eventually("all zones are published", || (n_zones() == 6).then_some(())).await;
    bench.host.delete(&resources::zones(), "", "z0.example").await;
    eventually("two names of eleven go", || (n_zones() == 5).then_some(())).await;
    for zone in ["z1.example", "z2.example"] {
        bench.host.delete(&resources::zones(), "", zone).await;
    }
    let held =
        eventually("two zones are held", || Some(bench.desk.held()).filter(|held| held.len() == 2)).await;
    for loss in held.iter() {
        assert_eq!(loss.why, "6 of 11 names would be gone, and 30 % may go unasked");
    }
    assert_eq!(n_zones(), 5);
    bench.desk.acknowledge(held[0].digest.clone(), "ann".into()).await.expect("it passes");
    assert_eq!(n_zones(), 4, "and nothing else");
    bench.desk.acknowledge(held[1].digest.clone(), "ann".into()).await.expect("it passes");
    assert_eq!(n_zones(), 3);
}
