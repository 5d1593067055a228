//! One kind in one version, with everything the server needs to serve it.

use std::sync::Arc;

use koinon_machinery::gvk::GroupVersionKind;
use koinon_machinery::schema::catalog::{self, Subresource, Verb};
use koinon_machinery::schema::{Schema, TypeId};

use super::{ApiGroup, ApiResource, Column, Endpoint, ResourceRef, ScalePaths, Scope};
use crate::built_in::{self, Strategy};

/// One kind in one version.
pub(crate) struct Resource {
    pub(crate) reference: ResourceRef,
    pub(crate) gvk: GroupVersionKind,
    pub(crate) catalog: catalog::Resource,
    pub(crate) ty: TypeId,
    /// The name of the collection in the store.
    pub(crate) storage: Arc<str>,
    pub(crate) origin: Origin,
    pub(crate) serving: Serving,
    pub(crate) strategy: Strategy,
    pub(crate) scale: Option<ScalePaths>,
}

/// Where a kind comes from.
#[derive(Debug, Clone)]
pub(crate) enum Origin {
    /// Kubernetes itself: strategic merge patches, protobuf, columns by hand.
    BuiltIn,
    /// The composer.
    Custom { columns: Vec<Column> },
}

/// What stands behind a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Serving {
    /// Stored objects.
    Stored(View),
    /// A question that is answered and forgotten.
    Review,
}

/// How stored objects look in this version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum View {
    /// As they are stored.
    Same,
    /// Events of `events.k8s.io`, stored as those of the core group.
    Events,
    /// Autoscalers of `autoscaling/v1`, stored as those of `v2`.
    Autoscalers,
}

// === impl Resource ===

impl Resource {
    /// A built-in kind; `None` for those this server has no use for.
    pub(super) fn built_in(source: &catalog::Resource, schema: &Schema) -> Option<Self> {
        let gvk = source.kind.clone();
        let serving = built_in::serving(&gvk.group, &gvk.version, &source.plural)?;
        let mut catalog = source.clone();
        catalog.subresources.retain(|subresource| built_in::serves(&source.plural, &subresource.name));
        let storage = match serving {
            Serving::Stored(View::Events) => "events".into(),
            Serving::Stored(View::Same | View::Autoscalers) | Serving::Review => {
                storage_name(&gvk.group, &source.plural)
            }
        };
        Some(Self {
            reference: reference(&catalog),
            ty: schema.type_of(&gvk)?,
            storage,
            origin: Origin::BuiltIn,
            serving,
            strategy: built_in::strategy(&gvk.group, &source.plural),
            scale: catalog.subresource("scale").map(|_| built_in::scale_paths()),
            gvk,
            catalog,
        })
    }

    /// A kind of the composer.
    pub(super) fn custom(group: &ApiGroup, source: &ApiResource, schema: &Schema) -> Self {
        let gvk = group.gvk(source);
        let mut subresources = Vec::new();
        if source.scale.is_some() {
            let kind = GroupVersionKind::new("autoscaling", "v1", "Scale");
            subresources.push(Subresource { name: "scale".to_owned(), kind, verbs: read_and_change() });
        }
        if source.status == Endpoint::Served {
            subresources.push(Subresource {
                name: "status".to_owned(),
                kind: gvk.clone(),
                verbs: read_and_change(),
            });
        }
        let storage = storage_name(&gvk.group, &source.plural);
        let catalog = catalog::Resource {
            kind: gvk.clone(),
            plural: source.plural.clone(),
            singular: source.singular.clone(),
            namespaced: source.scope == Scope::Namespaced,
            short_names: source.short_names.clone(),
            categories: source.categories.clone(),
            verbs: Verb::ALL.to_vec(),
            subresources,
            storage_version_hash: built_in::storage_hash(&gvk),
        };
        Self {
            reference: reference(&catalog),
            ty: schema.type_of(&gvk).expect("the schema was just extended by this kind"),
            storage,
            origin: Origin::Custom { columns: source.columns.clone() },
            serving: Serving::Stored(View::Same),
            strategy: Strategy::custom(),
            scale: source.scale.clone(),
            gvk,
            catalog,
        }
    }

    /// Whether `/status` is a door of its own, and the status closed to writes through the object.
    pub(crate) fn has_status(&self) -> bool {
        self.catalog.subresource("status").is_some()
    }

    /// Whether the kind is one of Kubernetes' own.
    pub(crate) fn is_built_in(&self) -> bool {
        matches!(self.origin, Origin::BuiltIn)
    }

    /// Group and plural, as errors name them.
    pub(crate) fn names(&self) -> (&str, &str) {
        (&self.gvk.group, &self.catalog.plural)
    }
}

fn reference(catalog: &catalog::Resource) -> ResourceRef {
    let scope = if catalog.namespaced { Scope::Namespaced } else { Scope::Cluster };
    ResourceRef::new(&catalog.kind.group, &catalog.kind.version, &catalog.plural, &catalog.kind.kind, scope)
}

fn storage_name(group: &str, plural: &str) -> Arc<str> {
    if group.is_empty() { plural.into() } else { format!("{group}/{plural}").into() }
}

fn read_and_change() -> Vec<Verb> {
    vec![Verb::Get, Verb::Patch, Verb::Update]
}
