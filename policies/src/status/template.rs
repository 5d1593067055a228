//! The template's own status, per kind, as the kind's own controller would write it.
//!
//! Counts are sums over the clusters whose word can be had. Fields that are zero are left out, as the kinds' own writers do. A
//! condition keeps its times while it says the same, so that a status that says nothing new is not written again.

use std::collections::BTreeMap;

use koinon_model::name::ClusterName;
use serde_json::{Map, Value, json};

use super::{Delivery, Read, Request, Role};
use crate::interpret::{Health, Kind, condition, count, items};

/// The new status; none for kinds whose status is nobody's to write.
pub(super) fn status(
    request: &Request<'_>,
    generation: i64,
    reads: &BTreeMap<&ClusterName, Read<'_>>,
) -> Option<Value> {
    let view = View { request, generation, reads };
    Some(match request.kind {
        Kind::Deployment => view.deployment(),
        Kind::StatefulSet => view.stateful_set(),
        Kind::ReplicaSet => view.replica_set(),
        Kind::DaemonSet => view.daemon_set(),
        Kind::Job => view.job(),
        Kind::Service | Kind::Ingress => view.addresses(),
        Kind::PersistentVolumeClaim => view.claim(),
        Kind::CronJob | Kind::Pod | Kind::Other => return None,
    })
}

struct View<'a> {
    request: &'a Request<'a>,
    generation: i64,
    reads: &'a BTreeMap<&'a ClusterName, Read<'a>>,
}

impl View<'_> {
    // === What is there ===

    /// The clusters that hold it.
    fn holding(&self) -> impl Iterator<Item = &Read<'_>> {
        self.reads.values().filter(|read| read.standing.role == Role::Holds)
    }

    /// The statuses of the copies that count: those of reachable clusters, wherever replicas still run.
    fn statuses(&self) -> impl Iterator<Item = (&Read<'_>, &Value)> {
        let counts = |read: &&Read<'_>| read.standing.is_reachable;
        self.reads.values().filter(counts).filter_map(|read| {
            let copy = read.standing.copy?;
            Some((read, copy.of_member.status?))
        })
    }

    /// A field summed over every copy that counts.
    fn sum(&self, field: &str) -> u32 {
        self.statuses().filter_map(|(_, status)| count(&status[field])).fold(0, u32::saturating_add)
    }

    /// A field summed over the copies that were made from the latest generation, have been looked at, and belong there.
    fn sum_current(&self, field: &str) -> u32 {
        let current = self.statuses().filter(|(read, _)| read.is_current);
        current.filter_map(|(_, status)| count(&status[field])).fold(0, u32::saturating_add)
    }

    /// Whether every cluster that holds it has applied the latest generation and has looked at it.
    fn is_current(&self) -> bool {
        self.holding().next().is_some()
            && self.holding().all(|read| read.is_current && read.standing.delivery == Delivery::Applied)
    }

    fn wanted(&self) -> u32 {
        count(&self.request.template["spec"]["replicas"]).unwrap_or(1)
    }

    fn before(&self) -> &Value {
        &self.request.template["status"]
    }

    fn observed_generation(&self) -> i64 {
        let before = self.before()["observedGeneration"].as_i64().unwrap_or(0);
        if self.is_current() { self.generation } else { before.min(self.generation) }
    }

    // === Per kind ===

    fn deployment(&self) -> Value {
        let (replicas, available) = (self.sum("replicas"), self.sum("availableReplicas"));
        let updated = self.sum_current("updatedReplicas");
        let mut status = self.counts(&[
            ("replicas", replicas),
            ("updatedReplicas", updated),
            ("readyReplicas", self.sum("readyReplicas")),
            ("availableReplicas", available),
            ("unavailableReplicas", replicas.max(self.wanted()).saturating_sub(available)),
            ("terminatingReplicas", self.sum("terminatingReplicas")),
        ]);
        let is_available = self.holding().next().is_some()
            && self.holding().all(|read| {
                let said = read.standing.copy.and_then(|copy| copy.of_member.status);
                said.and_then(|status| condition(status, "Available")).is_some_and(|c| c["status"] == "True")
            });
        let available_now = if is_available {
            ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
        } else {
            ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
        };
        let stuck = self.statuses().any(|(_, status)| {
            condition(status, "Progressing").is_some_and(|c| c["reason"] == "ProgressDeadlineExceeded")
        });
        let is_done =
            self.is_current() && updated >= self.wanted() && replicas <= updated && available >= updated;
        let progressing = match (stuck, is_done) {
            (true, _) => ("False", "ProgressDeadlineExceeded", "A cluster has not progressed in time."),
            (false, true) => ("True", "NewReplicaSetAvailable", "Every cluster has successfully progressed."),
            (false, false) => ("True", "ReplicaSetUpdated", "Clusters are progressing."),
        };
        let conditions =
            [self.condition("Available", available_now), self.condition("Progressing", progressing)];
        status.insert("conditions".into(), Value::from(conditions.to_vec()));
        Value::Object(status)
    }

    /// The members' revisions are names of their own; the host's are made of the template's generation. While a cluster
    /// updates, the revisions differ, and `kubectl rollout status` waits.
    fn stateful_set(&self) -> Value {
        let updated = self.sum_current("updatedReplicas");
        let mut status = self.counts(&[
            ("readyReplicas", self.sum("readyReplicas")),
            ("availableReplicas", self.sum("availableReplicas")),
            ("currentReplicas", self.sum("currentReplicas")),
            ("updatedReplicas", updated),
        ]);
        let name = self.request.template["metadata"]["name"].as_str().unwrap_or_default();
        let latest = format!("{name}-{}", self.generation);
        let is_settled = self.is_current()
            && self.statuses().all(|(_, status)| status["currentRevision"] == status["updateRevision"]);
        let current = match self.before()["currentRevision"].as_str() {
            Some(before) if !is_settled => before.to_owned(),
            Some(_) | None => latest.clone(),
        };
        status.insert("replicas".into(), self.sum("replicas").into());
        status.insert("currentRevision".into(), current.into());
        status.insert("updateRevision".into(), latest.into());
        status.insert("collisionCount".into(), 0.into());
        Value::Object(status)
    }

    fn replica_set(&self) -> Value {
        let mut status = self.counts(&[
            ("fullyLabeledReplicas", self.sum("fullyLabeledReplicas")),
            ("readyReplicas", self.sum("readyReplicas")),
            ("availableReplicas", self.sum("availableReplicas")),
        ]);
        status.insert("replicas".into(), self.sum("replicas").into());
        Value::Object(status)
    }

    fn daemon_set(&self) -> Value {
        let mut status = self.counts(&[
            ("updatedNumberScheduled", self.sum_current("updatedNumberScheduled")),
            ("numberAvailable", self.sum("numberAvailable")),
            ("numberUnavailable", self.sum("numberUnavailable")),
        ]);
        for field in ["currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady"]
        {
            status.insert(field.into(), self.sum(field).into());
        }
        Value::Object(status)
    }

    fn job(&self) -> Value {
        let mut status = Map::new();
        for field in ["active", "ready", "succeeded", "failed", "terminating"] {
            insert_unless_zero(&mut status, field, self.sum(field));
        }
        let times = |field: &'static str| {
            self.statuses().filter_map(move |(_, status)| status[field].as_str()).map(str::to_owned)
        };
        if let Some(start) = times("startTime").min() {
            status.insert("startTime".into(), start.into());
        }
        let is = |read: &Read<'_>, kind: &str| {
            let said = read.standing.copy.and_then(|copy| copy.of_member.status);
            said.and_then(|status| condition(status, kind)).is_some_and(|c| c["status"] == "True")
        };
        let is_complete = self.is_current_job() && self.holding().all(|read| is(read, "Complete"));
        let failed = self.holding().any(|read| is(read, "Failed"));
        let mut conditions = Vec::new();
        if is_complete {
            if let Some(end) = times("completionTime").max() {
                status.insert("completionTime".into(), end.into());
            }
            for kind in ["SuccessCriteriaMet", "Complete"] {
                let said = ("True", "CompletionsReached", "Every cluster has completed its part.");
                conditions.push(self.condition(kind, said));
            }
        } else if failed {
            conditions
                .push(self.condition("Failed", ("True", "ClusterFailed", "A cluster has failed its part.")));
        }
        if !conditions.is_empty() {
            status.insert("conditions".into(), conditions.into());
        }
        Value::Object(status)
    }

    /// Jobs say nothing about generations.
    fn is_current_job(&self) -> bool {
        self.holding().next().is_some() && self.holding().all(|read| read.standing.is_reachable)
    }

    fn addresses(&self) -> Value {
        let mut union: Vec<Value> = Vec::new();
        for (read, status) in self.statuses() {
            if read.standing.role == Role::Holds {
                for ingress in items(&status["loadBalancer"]["ingress"]) {
                    if !union.contains(ingress) {
                        union.push(ingress.clone());
                    }
                }
            }
        }
        if union.is_empty() {
            json!({"loadBalancer": {}})
        } else {
            json!({"loadBalancer": {"ingress": union}})
        }
    }

    fn claim(&self) -> Value {
        let worst = self.holding().filter_map(|read| Some(read.reading.as_ref()?.health)).max();
        let heard = self.holding().all(|read| read.reading.is_some());
        let phase = match worst {
            Some(Health::Healthy) if heard => "Bound",
            Some(Health::Degraded) => "Lost",
            Some(Health::Healthy | Health::Progressing | Health::Unknown) | None => "Pending",
        };
        let mut status = Map::from_iter([("phase".to_owned(), Value::from(phase))]);
        if let Some((_, first)) = self.statuses().next() {
            for field in ["accessModes", "capacity"] {
                if let Some(value) = first.get(field) {
                    status.insert(field.into(), value.clone());
                }
            }
        }
        Value::Object(status)
    }

    // === Pieces ===

    /// The observed generation and these counts, without zeros.
    fn counts(&self, counts: &[(&str, u32)]) -> Map<String, Value> {
        let mut status = Map::new();
        let observed = self.observed_generation();
        if observed > 0 {
            status.insert("observedGeneration".into(), observed.into());
        }
        for (field, count) in counts {
            insert_unless_zero(&mut status, field, *count);
        }
        status
    }

    /// A condition with the times that it had while it says the same.
    fn condition(&self, kind: &str, (truth, reason, message): (&str, &str, &str)) -> Value {
        let now = self.request.now.to_string();
        let before = condition(self.before(), kind);
        let kept = |field: &str, is_same: bool| {
            let then = before.filter(|_| is_same).and_then(|before| before[field].as_str());
            then.map_or_else(|| now.clone(), str::to_owned)
        };
        let same_truth = before.is_some_and(|before| before["status"] == truth);
        let same_words = same_truth
            && before.is_some_and(|before| before["reason"] == reason && before["message"] == message);
        let updated = if self.request.kind == Kind::Job { "lastProbeTime" } else { "lastUpdateTime" };
        json!({
            "type": kind, "status": truth, "reason": reason, "message": message,
            "lastTransitionTime": kept("lastTransitionTime", same_truth),
            updated: kept(updated, same_words),
        })
    }
}

fn insert_unless_zero(status: &mut Map<String, Value>, field: &str, count: u32) {
    if count > 0 {
        status.insert(field.to_owned(), count.into());
    }
}
