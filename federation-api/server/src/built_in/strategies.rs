//! Which built-in kind does what differently: the table.
//!
//! Left out on purpose: the selector and labels that upstream gives a Job from its uid. A Job here is a template for
//! members, each of which gives its own copy those of its own uid, and refuses one that brings others.
//! Source: `pkg/registry/*/strategy.go` and the field label conversions of Kubernetes 1.36.

use koinon_machinery::validate::format;

use super::{BlindUpdate, Generation, Strategy, core, validate};

/// What a built-in kind does differently.
pub(crate) fn strategy(group: &str, plural: &str) -> Strategy {
    match group {
        "" => of_core(plural),
        "apps" => of_apps(plural),
        "batch" => match plural {
            "jobs" => Strategy { validate: validate::job, ..Strategy::spec(&["status.successful"]) },
            _ => Strategy { validate: validate::cron_job, ..Strategy::spec(&[]) },
        },
        "rbac.authorization.k8s.io" => {
            let binds = plural.ends_with("bindings");
            let validate = if binds { validate::binding } else { validate::role };
            Strategy { validate, name: format::path_segment, ..Strategy::PLAIN }
        }
        "networking.k8s.io" => match plural {
            "ingresses" => Strategy { validate: validate::ingress, ..Strategy::spec(&[]) },
            "networkpolicies" => Strategy { validate: validate::network_policy, ..Strategy::spec(&[]) },
            "ingressclasses" => Strategy::spec(&[]),
            _ => Strategy::PLAIN,
        },
        "autoscaling" => Strategy { validate: validate::horizontal_pod_autoscaler, ..Strategy::PLAIN },
        "policy" | "resource.k8s.io" => Strategy::spec(&[]),
        "storage.k8s.io" if plural == "csidrivers" => Strategy::spec(&[]),
        "coordination.k8s.io" => Strategy { blind_update: BlindUpdate::Refused, ..Strategy::PLAIN },
        "discovery.k8s.io" | "scheduling.k8s.io" => Strategy::content(),
        _ => Strategy::PLAIN,
    }
}

fn of_core(plural: &str) -> Strategy {
    match plural {
        "configmaps" => Strategy { validate: validate::config_map, ..Strategy::PLAIN },
        "secrets" => Strategy {
            fields: &["type"],
            fold: core::fold_secret,
            validate: validate::secret,
            ..Strategy::PLAIN
        },
        "namespaces" => Strategy {
            fields: &["status.phase"],
            prepare: core::prepare_namespace,
            name: format::dns_label,
            ..Strategy::PLAIN
        },
        "nodes" => Strategy { fields: &["spec.unschedulable"], ..Strategy::PLAIN },
        "pods" => {
            Strategy { prepare: core::prepare_pod, validate: validate::pod, ..Strategy::spec(POD_FIELDS) }
        }
        "events" => Strategy { fields: EVENT_FIELDS, ..Strategy::PLAIN },
        "persistentvolumeclaims" => Strategy {
            prepare: core::prepare_claim,
            validate: validate::persistent_volume_claim,
            ..Strategy::PLAIN
        },
        "replicationcontrollers" => Strategy::spec(&["status.replicas"]),
        "services" => Strategy {
            fields: &["spec.clusterIP", "spec.type"],
            validate: validate::service,
            name: format::dns_label,
            ..Strategy::PLAIN
        },
        "podtemplates" => Strategy::content(),
        _ => Strategy::PLAIN,
    }
}

fn of_apps(plural: &str) -> Strategy {
    match plural {
        "deployments" => Strategy {
            generation: Generation::SpecOrAnnotations,
            validate: validate::deployment,
            ..Strategy::spec(&[])
        },
        "replicasets" => Strategy { validate: validate::replica_set, ..Strategy::spec(&["status.replicas"]) },
        "statefulsets" => Strategy { validate: validate::stateful_set, ..Strategy::spec(&[]) },
        "daemonsets" => Strategy { validate: validate::daemon_set, ..Strategy::spec(&[]) },
        _ => Strategy::PLAIN,
    }
}

const POD_FIELDS: &[&str] = &[
    "spec.hostNetwork",
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "status.nominatedNodeName",
    "status.phase",
    "status.podIP",
    "status.podIPs",
];

const EVENT_FIELDS: &[&str] = &[
    "involvedObject.apiVersion",
    "involvedObject.fieldPath",
    "involvedObject.kind",
    "involvedObject.name",
    "involvedObject.namespace",
    "involvedObject.resourceVersion",
    "involvedObject.uid",
    "reason",
    "reportingComponent",
    "source",
    "type",
];
