//! Bindings as the loops read and write them: one per template, named after it, in its namespace.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use koinon_api_server::ResourceRef;
use koinon_api_server::local::{Client, Stored};
use koinon_machinery::Value;
use koinon_types::sync;
use koinon_types::v1alpha1::{BindingClusterStatus, BindingSpec, BindingStatus};

use crate::resources;
use crate::templates::TemplateKey;

/// Keeps a binding until every cluster has confirmed that its object is gone there.
pub(crate) const FINALIZER: &str = "koinon.io/prune";

/// What stands for all clusters in `suspended`.
pub(crate) const ALL_CLUSTERS: &str = "*";

/// Names one binding; without a namespace it is a ClusterResourceBinding.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BindingKey {
    /// The namespace of binding and template.
    pub namespace: String,
    /// The binding's name.
    pub name: String,
}

/// One binding, read.
#[derive(Clone, Debug)]
pub(crate) struct Binding {
    pub(crate) key: BindingKey,
    pub(crate) stored: Arc<Stored>,
    pub(crate) spec: BindingSpec,
    pub(crate) status: BindingStatus,
}

impl fmt::Display for BindingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            f.write_str(&self.name)
        } else {
            write!(f, "{}/{}", self.namespace, self.name)
        }
    }
}

/// Both kinds of bindings.
pub(crate) fn resources() -> [ResourceRef; 2] {
    [resources::bindings(), resources::cluster_bindings()]
}

/// Every binding there is.
pub(crate) fn keys(client: &Client) -> Vec<BindingKey> {
    let all = resources().into_iter().flat_map(|resource| client.list(&resource).0);
    all.map(|stored| BindingKey::of_stored(&stored)).collect()
}

/// The binding as it is now; none when there is none, or when its parts cannot be read.
pub(crate) fn read(client: &Client, key: &BindingKey) -> Option<Binding> {
    let stored = client.get(&key.resource(), &key.namespace, &key.name)?;
    let value = stored.value();
    let part = |name: &str| value.get(name).cloned().unwrap_or_default();
    let spec = serde_json::from_value(part("spec")).ok()?;
    let status = match part("status") {
        Value::Null => BindingStatus::default(),
        status => serde_json::from_value(status).ok()?,
    };
    Some(Binding { key: key.clone(), stored, spec, status })
}

// === impl BindingKey ===

impl BindingKey {
    /// Names the binding of a template: `web-deployment`. Kinds of other groups than Kubernetes' own add their group, because
    /// two groups may have kinds of one name; what does not fit an object name is cut and told apart by a digest.
    pub(crate) fn of(template: &TemplateKey) -> Self {
        let kind = template.kind.to_lowercase();
        let group = &template.group;
        let is_own = !group.contains('.') || group.ends_with(".k8s.io");
        let full = if is_own {
            format!("{}-{kind}", template.name)
        } else {
            format!("{}-{kind}.{group}", template.name)
        };
        let name = if is_object_name(&full) { full } else { cut(&full) };
        Self { namespace: template.namespace.clone(), name }
    }

    /// Names a stored binding.
    pub(crate) fn of_stored(stored: &Stored) -> Self {
        Self { namespace: stored.namespace().to_owned(), name: stored.name().to_owned() }
    }

    /// The resource that it is of.
    pub(crate) fn resource(&self) -> ResourceRef {
        if self.namespace.is_empty() { resources::cluster_bindings() } else { resources::bindings() }
    }
}

/// Longest object name. Source: RFC 1123, as Kubernetes applies it.
const NAME_LENGTH_MAX: usize = 253;

fn is_object_name(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
    let label = |label: &str| !label.is_empty() && !label.starts_with('-') && !label.ends_with('-');
    name.len() <= NAME_LENGTH_MAX && name.bytes().all(inner) && name.split('.').all(label)
}

fn cut(full: &str) -> String {
    let digest = format!("{:016x}", sync::digest(&Value::from(full)));
    let kept = full.bytes().map(|byte| match byte {
        b'a'..=b'z' | b'0'..=b'9' => char::from(byte),
        _ => '-',
    });
    let kept: String = kept.take(NAME_LENGTH_MAX - digest.len() - 2).collect();
    format!("{}-{digest}", kept.trim_matches('-'))
}

// === impl Binding ===

impl Binding {
    /// The object that it is about.
    pub(crate) fn template(&self) -> TemplateKey {
        TemplateKey::bound(&self.spec.resource)
    }

    /// Whether the object was deleted at the host, so that all that is left is to remove it everywhere.
    pub(crate) fn is_retired(&self) -> bool {
        self.spec.resource.uid.is_empty() && self.spec.clusters.is_empty()
    }

    /// What was last told of one cluster.
    pub(crate) fn told(&self, cluster: &str) -> Option<&BindingClusterStatus> {
        self.status.clusters.iter().find(|told| told.name == cluster)
    }

    /// Whether the status has taken the present spec into account.
    pub(crate) fn is_observed(&self) -> bool {
        self.status.observed_generation >= self.stored.generation()
    }

    /// Whether a cluster that had to lose the object has confirmed that it did: the status knows of the wish and no longer
    /// of the cluster.
    pub(crate) fn has_left(&self, cluster: &str) -> bool {
        self.is_observed() && self.told(cluster).is_none()
    }

    /// Whether no cluster was ever told how many replicas to run.
    pub(crate) fn is_fresh(&self) -> bool {
        self.status.clusters.iter().all(|told| told.replicas.is_none())
    }

    /// Whether changes for a cluster are held back.
    pub(crate) fn is_suspended(&self, cluster: &str) -> bool {
        self.spec.suspended.iter().any(|name| name == cluster || name == ALL_CLUSTERS)
    }

    /// Replicas that each cluster was last told to run.
    pub(crate) fn ordered(&self) -> BTreeMap<&str, i64> {
        self.status.clusters.iter().filter_map(|told| Some((told.name.as_str(), told.replicas?))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(group: &str, kind: &str, name: &str) -> TemplateKey {
        TemplateKey { group: group.into(), kind: kind.into(), namespace: "shop".into(), name: name.into() }
    }

    #[test]
    fn a_binding_is_named_after_its_template() {
        let name = |group, kind, name: &str| BindingKey::of(&key(group, kind, name)).name;
        assert_eq!(name("apps", "Deployment", "web"), "web-deployment");
        assert_eq!(name("", "Service", "web"), "web-service");
        assert_eq!(name("serving.knative.dev", "Service", "web"), "web-service.serving.knative.dev");
        let odd = name("rbac.authorization.k8s.io", "ClusterRole", "system:Node");
        assert!(is_object_name(&odd) && odd.starts_with("system--ode-clusterrole-"), "{odd}");
        assert_ne!(odd, name("rbac.authorization.k8s.io", "ClusterRole", "system-:ode"));
        let long = name("", "ConfigMap", &"x".repeat(253));
        assert!(is_object_name(&long), "{long}");
    }
}
