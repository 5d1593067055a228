//! What owners are told, situation by situation.

use serde_json::json;

use super::*;

/// One cluster for the tests: its part, and the copy that it has.
struct Member {
    name: &'static str,
    role: Role,
    is_reachable: bool,
    delivery: Delivery<'static>,
    template_generation: i64,
    generation: i64,
    replicas: Option<i64>,
    status: Option<Value>,
}

/// A cluster that has applied generation 2 and runs `replicas`, all of them well.
fn settled(name: &'static str, replicas: i64) -> Member {
    Member {
        name,
        role: Role::Holds,
        is_reachable: true,
        delivery: Delivery::Applied,
        template_generation: 2,
        generation: 5,
        replicas: Some(replicas),
        status: Some(json!({
            "observedGeneration": 5, "replicas": replicas, "updatedReplicas": replicas,
            "readyReplicas": replicas, "availableReplicas": replicas,
            "conditions": [{"type": "Available", "status": "True"}],
        })),
    }
}

/// What is wrong, and how to make it so.
type Spoil = (&'static str, fn(&mut Member));

fn told(kind: Kind, template: &Value, members: &[Member]) -> Report {
    let clusters = members
        .iter()
        .map(|member| {
            let copy = member.status.as_ref().map(|status| Copy {
                of_member: interpret::Copy {
                    generation: member.generation,
                    replicas: member.replicas,
                    status: Some(status),
                },
                template_generation: member.template_generation,
            });
            let standing = Standing {
                role: member.role,
                is_reachable: member.is_reachable,
                delivery: member.delivery,
                copy,
            };
            (ClusterName::try_from(member.name).unwrap(), standing)
        })
        .collect();
    aggregate(&Request { kind, template, clusters: &clusters, now: Timestamp::from_seconds(100) })
}

fn deployment(status: &Value) -> Value {
    json!({"metadata": {"name": "web", "generation": 2}, "spec": {"replicas": 10}, "status": status})
}

/// What `kubectl rollout status` decides by.
/// Source: kubectl, `polymorphichelpers/rollout_status.go`.
fn is_rolled_out(template: &Value, status: &Value) -> bool {
    let at = |field: &str| status[field].as_i64().unwrap_or(0);
    let wanted = template["spec"]["replicas"].as_i64().unwrap();
    template["metadata"]["generation"].as_i64().unwrap() <= at("observedGeneration")
        && at("updatedReplicas") >= wanted
        && at("replicas") <= at("updatedReplicas")
        && at("availableReplicas") >= at("updatedReplicas")
}

#[test]
fn a_rollout_is_over_when_every_cluster_says_so() {
    let template = deployment(&json!({"observedGeneration": 1}));
    let all = || vec![settled("a", 6), settled("b", 2), settled("c", 2)];
    let report = told(Kind::Deployment, &template, &all());
    let status = report.template.unwrap();
    assert!(is_rolled_out(&template, &status), "{status}");
    assert_eq!((report.ready, report.health), (Some(10), Health::Healthy));
    assert_eq!(status["conditions"][1]["reason"], "NewReplicaSetAvailable");

    let spoils: [Spoil; 6] = [
        ("it was not applied yet", |m| m.delivery = Delivery::Pending),
        ("its copy is of the generation before", |m| m.template_generation = 1),
        ("it has not looked at it", |m| m.generation = 6),
        ("it cannot be asked", |m| m.is_reachable = false),
        ("it has no copy", |m| m.status = None),
        ("a replica is not available", |m| m.status.as_mut().unwrap()["availableReplicas"] = 1.into()),
    ];
    for (why, spoil) in spoils {
        let mut members = all();
        spoil(&mut members[1]);
        let status = told(Kind::Deployment, &template, &members).template.unwrap();
        assert!(!is_rolled_out(&template, &status), "{why}: {status}");
    }
}

#[test]
fn a_status_that_says_nothing_new_is_the_same_to_the_letter() {
    let template = deployment(&json!({"observedGeneration": 1}));
    let members = [settled("a", 10)];
    let first = told(Kind::Deployment, &template, &members).template.unwrap();
    let mut later = deployment(&first);
    for condition in later["status"]["conditions"].as_array_mut().unwrap() {
        condition["lastTransitionTime"] = "2001-01-01T00:00:00Z".into();
        condition["lastUpdateTime"] = "2001-01-01T00:00:00Z".into();
    }
    assert_eq!(told(Kind::Deployment, &later, &members).template.unwrap(), later["status"]);
}

#[test]
fn replicas_on_their_way_out_still_count_but_do_not_hold_a_rollout_up() {
    let template = deployment(&json!({}));
    let mut leaving = settled("c", 2);
    (leaving.role, leaving.template_generation) = (Role::Leaves, 1);
    let report = told(Kind::Deployment, &template, &[settled("a", 10), leaving]);
    assert_eq!(report.ready, Some(12));
    let status = report.template.unwrap();
    assert_eq!((&status["observedGeneration"], &status["updatedReplicas"]), (&json!(2), &json!(10)));
    let removing = &report.clusters["c"];
    assert_eq!(removing.state, State::Removing);
}

#[test]
fn one_word_per_cluster_says_how_far_it_is() {
    let change = |change: fn(&mut Member)| {
        let mut member = settled("a", 10);
        change(&mut member);
        member
    };
    let rows = [
        (settled("a", 10), State::Applied, Health::Healthy, ""),
        (change(|m| m.delivery = Delivery::Pending), State::Pending, Health::Healthy, ""),
        (
            change(|m| m.delivery = Delivery::Conflict("not ours")),
            State::Conflict,
            Health::Degraded,
            "not ours",
        ),
        (change(|m| m.delivery = Delivery::Failed("denied")), State::Failed, Health::Degraded, "denied"),
        (change(|m| m.is_reachable = false), State::Unreachable, Health::Unknown, "cannot be asked"),
        (
            change(|m| m.delivery = Delivery::Suspended),
            State::Suspended,
            Health::Healthy,
            "held back by the policy",
        ),
    ];
    for (member, state, health, message) in rows {
        let report = told(Kind::Deployment, &deployment(&json!({})), &[member]);
        let told = &report.clusters["a"];
        assert_eq!((told.state, told.health, told.message.as_str()), (state, health, message));
    }
}

#[test]
fn a_stateful_set_is_settled_when_every_cluster_is() {
    let template = json!({"metadata": {"name": "db", "generation": 2}, "spec": {"replicas": 4},
        "status": {"observedGeneration": 1, "currentRevision": "db-1", "updateRevision": "db-1"}});
    let member = |name, current: &str| {
        let mut member = settled(name, 2);
        member.status.as_mut().unwrap()["currentRevision"] = current.into();
        member.status.as_mut().unwrap()["updateRevision"] = "db-new".into();
        member
    };
    let status =
        told(Kind::StatefulSet, &template, &[member("a", "db-new"), member("b", "db-old")]).template.unwrap();
    assert_eq!((&status["currentRevision"], &status["updateRevision"]), (&json!("db-1"), &json!("db-2")));
    let status =
        told(Kind::StatefulSet, &template, &[member("a", "db-new"), member("b", "db-new")]).template.unwrap();
    assert_eq!((&status["currentRevision"], &status["replicas"]), (&json!("db-2"), &json!(4)));
}

#[test]
fn a_job_is_complete_when_every_cluster_has_done_its_part() {
    let template = json!({"metadata": {"name": "j"}, "spec": {"parallelism": 2}});
    let member = |name, status| Member { status: Some(status), template_generation: 0, ..settled(name, 1) };
    let done = || {
        json!({"succeeded": 2, "completionTime": "2026-01-01T00:00:02Z",
        "conditions": [{"type": "Complete", "status": "True"}]})
    };
    let running = json!({"active": 1, "succeeded": 1, "startTime": "2026-01-01T00:00:01Z"});
    let status = told(Kind::Job, &template, &[member("a", done()), member("b", running)]).template.unwrap();
    assert_eq!(status, json!({"active": 1, "succeeded": 3, "startTime": "2026-01-01T00:00:01Z"}));
    let status = told(Kind::Job, &template, &[member("a", done()), member("b", done())]).template.unwrap();
    assert_eq!(status["conditions"][1]["type"], "Complete");
    assert_eq!(status["completionTime"], "2026-01-01T00:00:02Z");
}

#[test]
fn a_service_has_the_addresses_of_all_clusters() {
    let member = |name, ip: &str| Member {
        status: Some(json!({"loadBalancer": {"ingress": [{"ip": ip}]}})),
        template_generation: 0,
        ..settled(name, 0)
    };
    let members = [member("a", "192.0.2.1"), member("b", "192.0.2.2"), member("c", "192.0.2.1")];
    let report = told(Kind::Service, &json!({}), &members);
    let expected = json!({"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}, {"ip": "192.0.2.2"}]}});
    assert_eq!((report.template.unwrap(), report.ready), (expected, None));
    assert_eq!(told(Kind::Other, &json!({}), &members).template, None);
}
