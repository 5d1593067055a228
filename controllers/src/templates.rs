//! The objects that policies may place: which resources they are of, and how one of them is named.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use koinon_api_server::ResourceRef;
use koinon_api_server::local::{Client, Stored};
use koinon_model::labels::Labels;
use koinon_policies::interpret::Kind;
use koinon_policies::matching;
use koinon_types::sync::ObjectRef;
use koinon_types::v1alpha1;

/// Names one object that may be placed. The version is the one that the host stores.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TemplateKey {
    /// API group, empty for the core group.
    pub group: Arc<str>,
    /// Kind.
    pub kind: Arc<str>,
    /// Namespace, empty for cluster scope.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl fmt::Display for TemplateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, namespace, name, .. } = self;
        if namespace.is_empty() { write!(f, "{kind} {name}") } else { write!(f, "{kind} {namespace}/{name}") }
    }
}

/// Every resource whose objects may be placed, by group and kind.
#[derive(Clone, Debug)]
pub(crate) struct Kinds(BTreeMap<(Arc<str>, Arc<str>), ResourceRef>);

impl Kinds {
    /// Those that the host stores and that are not every cluster's own.
    pub(crate) fn of_host(client: &Client) -> Self {
        let placeable = client.resources().into_iter().filter(|resource| {
            let labels = Labels::default();
            let namespace = if resource.namespaced { "any" } else { "" };
            let (group, kind) = (&resource.group, &resource.kind);
            let object = matching::Object { group, kind, namespace, name: "any", labels: &labels };
            matching::unplaceable(object).is_none()
        });
        let by_kind =
            |resource: ResourceRef| ((Arc::clone(&resource.group), Arc::clone(&resource.kind)), resource);
        Self(placeable.map(by_kind).collect())
    }

    /// Every resource.
    pub(crate) fn resources(&self) -> impl Iterator<Item = &ResourceRef> {
        self.0.values()
    }

    /// The resource of a kind.
    pub(crate) fn resource(&self, group: &str, kind: &str) -> Option<&ResourceRef> {
        self.0.get(&(Arc::from(group), Arc::from(kind)))
    }

    /// The object as it is now.
    pub(crate) fn object(&self, client: &Client, key: &TemplateKey) -> Option<Arc<Stored>> {
        client.get(self.resource(&key.group, &key.kind)?, &key.namespace, &key.name)
    }

    /// How a member is told of it; none for a kind that the host does not serve.
    pub(crate) fn order_of(&self, key: &TemplateKey) -> Option<ObjectRef> {
        let resource = self.resource(&key.group, &key.kind)?;
        Some(object_ref(resource, &key.namespace, &key.name))
    }
}

// === impl TemplateKey ===

impl TemplateKey {
    /// Names an object of a resource.
    pub(crate) fn of(resource: &ResourceRef, object: &Stored) -> Self {
        Self {
            group: Arc::clone(&resource.group),
            kind: Arc::clone(&resource.kind),
            namespace: object.namespace().to_owned(),
            name: object.name().to_owned(),
        }
    }

    /// Names the object that members were told of.
    pub(crate) fn ordered(object: &ObjectRef) -> Self {
        Self {
            group: object.group.as_str().into(),
            kind: object.kind.as_str().into(),
            namespace: object.namespace.clone(),
            name: object.name.clone(),
        }
    }

    /// Names the object that a binding is about.
    pub(crate) fn bound(resource: &v1alpha1::ResourceRef) -> Self {
        let group = resource.api_version.split_once('/').map_or("", |(group, _)| group);
        Self {
            group: group.into(),
            kind: resource.kind.as_str().into(),
            namespace: resource.namespace.clone(),
            name: resource.name.clone(),
        }
    }

    /// Names an object of the core group in the same namespace.
    pub(crate) fn beside(&self, kind: &str, name: &str) -> Self {
        Self { group: "".into(), kind: kind.into(), namespace: self.namespace.clone(), name: name.to_owned() }
    }

    /// The kind as policies read it.
    pub(crate) fn reading(&self) -> Kind {
        Kind::of(&self.group, &self.kind)
    }

    /// The object as selectors see it.
    pub(crate) fn selectable<'a>(&'a self, labels: &'a Labels) -> matching::Object<'a> {
        matching::Object {
            group: &self.group,
            kind: &self.kind,
            namespace: &self.namespace,
            name: &self.name,
            labels,
        }
    }
}

/// How members are told of an object.
pub(crate) fn object_ref(resource: &ResourceRef, namespace: &str, name: &str) -> ObjectRef {
    ObjectRef {
        group: resource.group.to_string(),
        version: resource.version.to_string(),
        kind: resource.kind.to_string(),
        plural: resource.plural.to_string(),
        namespaced: resource.namespaced,
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    }
}

/// The labels of an object, as selectors take them.
pub(crate) fn labels(object: &Stored) -> Labels {
    object.labels().collect()
}

/// The labels of an object that is a tree.
pub(crate) fn labels_of(object: &koinon_machinery::Value) -> Labels {
    let labels = object["metadata"]["labels"].as_object().into_iter().flatten();
    labels.filter_map(|(key, value)| Some((key.as_str(), value.as_str()?))).collect()
}
