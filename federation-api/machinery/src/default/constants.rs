//! The defaults that upstream sets in code and that do not depend on other fields.
//!
//! OpenAPI tells other defaults; together with these and the rules in the sibling modules they are all there are.

use crate::Value;

/// A default value.
#[derive(Copy, Clone)]
pub(super) enum Constant {
    Text(&'static str),
    Number(i64),
    Bool(bool),
    /// An object without fields.
    Empty,
}

use Constant::{Bool, Empty, Number, Text};

/// What is set in one type: the name without `io.k8s.`, and the fields with their defaults.
///
/// A dotted field is set where its parent is there.
/// Shape: sorted by name.
type Defaults = (&'static str, &'static [(&'static str, Constant)]);

/// What a file of a projected volume may be read by, as a mode in decimal: 0644.
const READABLE: Constant = Number(0o644);

/// The group that role references and subjects mean when they do not say.
pub(super) const RBAC: &str = "rbac.authorization.k8s.io";

const WEBHOOK: &[(&str, Constant)] = &[
    ("failurePolicy", Text("Fail")),
    ("matchPolicy", Text("Equivalent")),
    ("namespaceSelector", Empty),
    ("objectSelector", Empty),
    ("timeoutSeconds", Number(10)),
];

const CONTAINER: &[(&str, Constant)] =
    &[("terminationMessagePath", Text("/dev/termination-log")), ("terminationMessagePolicy", Text("File"))];

const WEBHOOK_SERVICE: &[(&str, Constant)] = &[("port", Number(443))];

const TABLE: &[Defaults] = &[
    (
        "api.admissionregistration.v1.MatchResources",
        &[("matchPolicy", Text("Equivalent")), ("namespaceSelector", Empty), ("objectSelector", Empty)],
    ),
    ("api.admissionregistration.v1.MutatingAdmissionPolicySpec", &[("failurePolicy", Text("Fail"))]),
    (
        "api.admissionregistration.v1.MutatingWebhook",
        &[
            ("failurePolicy", Text("Fail")),
            ("matchPolicy", Text("Equivalent")),
            ("namespaceSelector", Empty),
            ("objectSelector", Empty),
            ("reinvocationPolicy", Text("Never")),
            ("timeoutSeconds", Number(10)),
        ],
    ),
    ("api.admissionregistration.v1.NamedRuleWithOperations", &[("scope", Text("*"))]),
    ("api.admissionregistration.v1.RuleWithOperations", &[("scope", Text("*"))]),
    ("api.admissionregistration.v1.ServiceReference", WEBHOOK_SERVICE),
    ("api.admissionregistration.v1.ValidatingAdmissionPolicySpec", &[("failurePolicy", Text("Fail"))]),
    ("api.admissionregistration.v1.ValidatingWebhook", WEBHOOK),
    ("api.apps.v1.DaemonSetSpec", &[("revisionHistoryLimit", Number(10))]),
    (
        "api.apps.v1.DeploymentSpec",
        &[
            ("progressDeadlineSeconds", Number(600)),
            ("replicas", Number(1)),
            ("revisionHistoryLimit", Number(10)),
        ],
    ),
    ("api.apps.v1.ReplicaSetSpec", &[("replicas", Number(1))]),
    (
        "api.apps.v1.StatefulSetSpec",
        &[
            ("persistentVolumeClaimRetentionPolicy", Empty),
            ("persistentVolumeClaimRetentionPolicy.whenDeleted", Text("Retain")),
            ("persistentVolumeClaimRetentionPolicy.whenScaled", Text("Retain")),
            ("podManagementPolicy", Text("OrderedReady")),
            ("replicas", Number(1)),
            ("revisionHistoryLimit", Number(10)),
        ],
    ),
    ("api.authentication.v1.TokenRequestSpec", &[("expirationSeconds", Number(3600))]),
    ("api.autoscaling.v1.HorizontalPodAutoscalerSpec", &[("minReplicas", Number(1))]),
    ("api.autoscaling.v2.HorizontalPodAutoscalerSpec", &[("minReplicas", Number(1))]),
    (
        "api.batch.v1.CronJobSpec",
        &[
            ("concurrencyPolicy", Text("Allow")),
            ("failedJobsHistoryLimit", Number(1)),
            ("successfulJobsHistoryLimit", Number(3)),
            ("suspend", Bool(false)),
        ],
    ),
    (
        "api.batch.v1.Job",
        &[
            ("spec.completionMode", Text("NonIndexed")),
            ("spec.manualSelector", Bool(false)),
            ("spec.suspend", Bool(false)),
        ],
    ),
    ("api.batch.v1.PodFailurePolicyOnPodConditionsPattern", &[("status", Text("True"))]),
    ("api.core.v1.ConfigMapVolumeSource", &[("defaultMode", READABLE)]),
    ("api.core.v1.Container", CONTAINER),
    ("api.core.v1.DownwardAPIVolumeSource", &[("defaultMode", READABLE)]),
    ("api.core.v1.EndpointPort", &[("protocol", Text("TCP"))]),
    ("api.core.v1.EphemeralContainer", CONTAINER),
    ("api.core.v1.HTTPGetAction", &[("path", Text("/")), ("scheme", Text("HTTP"))]),
    ("api.core.v1.HostPathVolumeSource", &[("type", Text(""))]),
    ("api.core.v1.NamespaceStatus", &[("phase", Text("Active"))]),
    ("api.core.v1.ObjectFieldSelector", &[("apiVersion", Text("v1"))]),
    (
        "api.core.v1.PersistentVolume",
        &[
            ("spec.persistentVolumeReclaimPolicy", Text("Retain")),
            ("spec.volumeMode", Text("Filesystem")),
            ("status.phase", Text("Pending")),
        ],
    ),
    ("api.core.v1.PersistentVolumeClaim", &[("status.phase", Text("Pending"))]),
    ("api.core.v1.PersistentVolumeClaimSpec", &[("volumeMode", Text("Filesystem"))]),
    ("api.core.v1.Pod", &[("spec.enableServiceLinks", Bool(true))]),
    (
        "api.core.v1.PodSpec",
        &[
            ("dnsPolicy", Text("ClusterFirst")),
            ("restartPolicy", Text("Always")),
            ("schedulerName", Text("default-scheduler")),
            ("securityContext", Empty),
            ("terminationGracePeriodSeconds", Number(30)),
        ],
    ),
    (
        "api.core.v1.Probe",
        &[
            ("failureThreshold", Number(3)),
            ("periodSeconds", Number(10)),
            ("successThreshold", Number(1)),
            ("timeoutSeconds", Number(1)),
        ],
    ),
    ("api.core.v1.ProjectedVolumeSource", &[("defaultMode", READABLE)]),
    ("api.core.v1.Secret", &[("type", Text("Opaque"))]),
    ("api.core.v1.SecretVolumeSource", &[("defaultMode", READABLE)]),
    ("api.core.v1.ServiceAccountTokenProjection", &[("expirationSeconds", Number(3600))]),
    ("api.core.v1.ServiceSpec", &[("sessionAffinity", Text("None")), ("type", Text("ClusterIP"))]),
    ("api.discovery.v1.EndpointPort", &[("name", Text("")), ("protocol", Text("TCP"))]),
    (
        "api.flowcontrol.v1.ExemptPriorityLevelConfiguration",
        &[("lendablePercent", Number(0)), ("nominalConcurrencyShares", Number(0))],
    ),
    ("api.flowcontrol.v1.FlowSchemaSpec", &[("matchingPrecedence", Number(1000))]),
    (
        "api.flowcontrol.v1.LimitedPriorityLevelConfiguration",
        &[("lendablePercent", Number(0)), ("nominalConcurrencyShares", Number(30))],
    ),
    (
        "api.flowcontrol.v1.QueuingConfiguration",
        &[("handSize", Number(8)), ("queueLengthLimit", Number(50)), ("queues", Number(64))],
    ),
    ("api.networking.v1.IngressClassParametersReference", &[("scope", Text("Cluster"))]),
    ("api.networking.v1.NetworkPolicyPort", &[("protocol", Text("TCP"))]),
    ("api.rbac.v1.ClusterRoleBinding", &[("roleRef.apiGroup", Text(RBAC))]),
    ("api.rbac.v1.RoleBinding", &[("roleRef.apiGroup", Text(RBAC))]),
    ("api.scheduling.v1.PriorityClass", &[("preemptionPolicy", Text("PreemptLowerPriority"))]),
    (
        "api.storage.v1.CSIDriverSpec",
        &[
            ("attachRequired", Bool(true)),
            ("fsGroupPolicy", Text("ReadWriteOnceWithFSType")),
            ("podInfoOnMount", Bool(false)),
            ("requiresRepublish", Bool(false)),
            ("seLinuxMount", Bool(false)),
            ("storageCapacity", Bool(false)),
        ],
    ),
    (
        "api.storage.v1.StorageClass",
        &[("reclaimPolicy", Text("Delete")), ("volumeBindingMode", Text("Immediate"))],
    ),
    ("apiextensions-apiserver.pkg.apis.apiextensions.v1.ServiceReference", WEBHOOK_SERVICE),
    ("kube-aggregator.pkg.apis.apiregistration.v1.ServiceReference", WEBHOOK_SERVICE),
];

/// Answers the constant defaults of a type, by its name without `io.k8s.`.
pub(super) fn of(name: &str) -> &'static [(&'static str, Constant)] {
    let found = TABLE.binary_search_by(|(other, _)| (*other).cmp(name)).ok();
    found.and_then(|at| TABLE.get(at)).map_or(&[], |(_, defaults)| defaults)
}

impl From<Constant> for Value {
    fn from(constant: Constant) -> Value {
        match constant {
            Text(text) => text.into(),
            Number(number) => number.into(),
            Bool(value) => value.into(),
            Empty => Value::Object(serde_json::Map::new()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{Schema, Type};

    #[test]
    fn the_table_is_sorted_and_names_fields_that_exist() {
        assert!(TABLE.is_sorted_by_key(|(name, _)| *name));
        let schema = Schema::built_in();
        for (name, defaults) in TABLE {
            let root = schema.type_named(&format!("io.k8s.{name}"));
            for (path, _) in *defaults {
                let mut id = root.unwrap_or_else(|| panic!("no type {name}"));
                for step in path.split('.') {
                    let Type::Struct(structure) = schema.get(id) else { panic!("{name}: {path}") };
                    id = structure.field(step).unwrap_or_else(|| panic!("{name}: no field {path}")).ty;
                }
            }
        }
    }
}
