//! Who wins an object, row by row.

use koinon_model::failover::{Failback, FailbackMode, Failover, Pace, Percent};
use koinon_model::labels::LabelSelector;
use koinon_model::policy::{
    CapacityRule, ClusterAffinity, Dependencies, OnConflict, OnDeletion, PlacementIntent, Scheduling,
    Suspension,
};

use super::*;

/// One policy selecting Deployments: `ns/name` or `name`, a priority, and `kind`, `labels:a=b` or `name:x`.
fn policy(key: &str, priority: i32, selector: &str) -> PropagationIntent {
    let key = match key.split_once('/') {
        Some((namespace, name)) => {
            PolicyKey::Namespaced { namespace: namespace.to_owned(), name: name.to_owned() }
        }
        None => PolicyKey::Cluster { name: key.to_owned() },
    };
    let mut selected = ResourceSelector {
        api_version: "apps/v1".into(),
        kind: "Deployment".into(),
        namespace: None,
        name: None,
        labels: None,
    };
    match selector.split_once(':') {
        Some(("name", name)) => selected.name = Some(name.to_owned()),
        Some((_, pair)) => selected.labels = Some(LabelSelector::of_pairs(pair.split_once('='))),
        None => {}
    }
    PropagationIntent {
        key,
        priority,
        selectors: vec![selected],
        placement: PlacementIntent {
            affinity: ClusterAffinity::default(),
            tolerations: vec![],
            scheduling: Scheduling::Duplicated { capacity: CapacityRule::Ignore },
            failover: Failover { cluster_toleration_seconds: None, application_toleration_seconds: None },
            failback: Failback {
                mode: FailbackMode::Never,
                stabilization_seconds: 0,
                pace: Pace { percent: Percent::ALL, interval_seconds: 0 },
            },
        },
        dependencies: Dependencies::Leave,
        on_conflict: OnConflict::Abort,
        suspension: Suspension::None,
        on_deletion: OnDeletion::Prune,
    }
}

/// The policies, the owner, and why each of the others lost.
type Row<'a> = (&'a [(&'a str, i32, &'a str)], &'a str, &'a [Lost]);

/// The Deployment `shop/web` with the label `app=web`.
fn web(labels: &Labels) -> Object<'_> {
    Object { group: "apps", kind: "Deployment", namespace: "shop", name: "web", labels }
}

#[test]
fn one_policy_owns_an_object_and_the_others_are_told_why_not() {
    let labels: Labels = [("app", "web")].into_iter().collect();
    let rows: &[Row<'_>] = &[
        (&[("shop/a", 0, "kind")], "shop/a", &[]),
        (&[("shop/a", 0, "name:web"), ("all", 1, "kind")], "all", &[Lost::Priority { own: 0, owner: 1 }]),
        (
            &[("shop/a", 0, "labels:app=web"), ("shop/b", 0, "kind"), ("all", 0, "name:web")],
            "all",
            &[Lost::LessSpecific, Lost::LessSpecific],
        ),
        (&[("all", 0, "kind"), ("shop/z", 0, "kind")], "shop/z", &[Lost::ClusterWide]),
        (&[("shop/b", 0, "kind"), ("shop/a", 0, "kind")], "shop/a", &[Lost::LaterName]),
        // Those that do not select it are not heard at all.
        (
            &[("other/a", 9, "kind"), ("x", 9, "labels:app=db"), ("y", 9, "name:db"), ("z", 0, "kind")],
            "z",
            &[],
        ),
    ];
    for (policies, owner, lost) in rows {
        let policies: Vec<_> = policies.iter().map(|(k, p, s)| policy(k, *p, s)).collect();
        let claim = claim(web(&labels), &policies).unwrap();
        assert_eq!(claim.owner.key.to_string(), *owner);
        assert_eq!(claim.losers.iter().map(|(_, lost)| *lost).collect::<Vec<_>>(), *lost, "{owner}");
        let mut reversed = policies.clone();
        reversed.reverse();
        let again = super::claim(web(&labels), &reversed).unwrap();
        assert_eq!(again, claim, "the order of the policies does not matter");
    }
}

#[test]
fn nobody_owns_what_nobody_selects() {
    let labels = Labels::default();
    assert_eq!(claim(web(&labels), &[policy("shop/a", 0, "labels:app=web")]), None);
    assert_eq!(claim(web(&labels), &[]), None);
}

#[test]
fn what_every_cluster_makes_for_itself_is_not_placed() {
    let labels = Labels::default();
    let rows = [
        ("", "ConfigMap", "shop", "settings", true),
        ("", "ConfigMap", "shop", "kube-root-ca.crt", false),
        ("", "ServiceAccount", "shop", "default", false),
        ("", "Secret", "koinon-system", "on-prem", false),
        ("", "Namespace", "", "shop", true),
        ("", "Namespace", "", "kube-system", false),
        ("", "Event", "shop", "e", false),
        ("koinon.io", "Cluster", "", "a", false),
        ("coordination.k8s.io", "Lease", "shop", "l", false),
        ("example.com", "Widget", "shop", "w", true),
    ];
    for (group, kind, namespace, name, may) in rows {
        let object = Object { group, kind, namespace, name, labels: &labels };
        assert_eq!(unplaceable(object).is_none(), may, "{group} {kind} {namespace}/{name}");
    }
}

#[test]
fn an_override_without_selectors_is_about_everything_it_reaches() {
    let labels = Labels::default();
    let key = |namespace: &str| PolicyKey::Namespaced { namespace: namespace.into(), name: "o".into() };
    let intent = |namespace| OverrideIntent { key: key(namespace), selectors: vec![], rules: vec![] };
    assert!(overrides(&intent("shop"), web(&labels)));
    assert!(!overrides(&intent("other"), web(&labels)));
}
