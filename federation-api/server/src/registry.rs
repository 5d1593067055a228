//! The kinds a server serves.
//!
//! Whoever composes a server chooses among the built-in kinds of machinery's catalog and adds groups of its own. The
//! result never changes while the server runs. What a kind does differently from the others is its strategy, in
//! `built_in`; here is only what is served under which name.

mod group;
mod reference;
mod resource;

use std::collections::BTreeMap;
use std::sync::Arc;

use koinon_machinery::gvk::GroupVersionKind;
use koinon_machinery::schema::Schema;
use koinon_machinery::schema::catalog::{self, Catalog};

pub use group::{ApiGroup, ApiResource, Column, Endpoint, RegistryError, ScalePaths};
pub use reference::{ResourceRef, Scope};
pub(crate) use resource::{Origin, Resource, Serving, View};

/// The kinds a server serves.
#[derive(Clone)]
pub struct Registry {
    schema: Schema,
    catalog: Catalog,
    /// Shape: keyed by (group, version, plural).
    resources: BTreeMap<(String, String, String), Arc<Resource>>,
    groups: Vec<ApiGroup>,
}

// === impl Registry ===

impl Registry {
    /// A registry that knows what the types of `schema` mean and serves none of them yet.
    pub fn new(schema: Schema) -> Self {
        Self { schema, catalog: Catalog::default(), resources: BTreeMap::new(), groups: Vec::new() }
    }

    /// Serves those built-in kinds that `keep` keeps.
    ///
    /// Kinds whose effect this server does not have (admission webhooks, CRDs, API aggregation, priority and
    /// fairness) are left out whatever `keep` says: storing them would promise what does not happen.
    #[must_use]
    pub fn with_built_in(mut self, keep: impl Fn(&catalog::Resource) -> bool) -> Self {
        let built_in = Catalog::built_in();
        for resource in built_in.resources.iter().filter(|resource| keep(resource)) {
            if let Some(resource) = Resource::built_in(resource, &self.schema) {
                self.add(resource);
            }
        }
        self.list_groups(&built_in);
        self
    }

    /// Serves a group of kinds that is not built in.
    ///
    /// # Errors
    /// When the schema of a kind cannot be used.
    pub fn with_api(mut self, group: ApiGroup) -> Result<Self, RegistryError> {
        self.schema = group.extend(&self.schema)?;
        for resource in &group.resources {
            self.add(Resource::custom(&group, resource, &self.schema));
        }
        let versions = vec![group.version.clone()];
        self.catalog.groups.push(catalog::Group { name: group.group.clone(), versions });
        self.groups.push(group);
        Ok(self)
    }

    /// What the fields of every served kind are.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The names of everything that is served, as discovery lists it.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// Every resource whose objects are stored, each once, in the version it is stored in.
    pub fn stored(&self) -> Vec<ResourceRef> {
        let stored =
            self.resources.values().filter(|resource| resource.serving == Serving::Stored(View::Same));
        stored.map(|resource| resource.reference.clone()).collect()
    }

    /// The groups that are not built in.
    pub(crate) fn groups(&self) -> &[ApiGroup] {
        &self.groups
    }

    /// The resource served under a path.
    pub(crate) fn resource(&self, group: &str, version: &str, plural: &str) -> Option<&Arc<Resource>> {
        self.resources.get(&(group.to_owned(), version.to_owned(), plural.to_owned()))
    }

    /// The resource that `reference` names.
    pub(crate) fn of(&self, reference: &ResourceRef) -> Option<&Arc<Resource>> {
        self.resource(&reference.group, &reference.version, &reference.plural)
    }

    /// The resource whose objects have this type.
    pub(crate) fn of_kind(&self, gvk: &GroupVersionKind) -> Option<&Arc<Resource>> {
        let in_version = self.resources.range((gvk.group.clone(), gvk.version.clone(), String::new())..);
        let mut same = in_version
            .map(|(_, resource)| resource)
            .take_while(|resource| resource.gvk.group == gvk.group && resource.gvk.version == gvk.version);
        same.find(|resource| resource.gvk.kind == gvk.kind)
    }

    /// Every resource, in (group, version, plural) order.
    pub(crate) fn resources(&self) -> impl Iterator<Item = &Arc<Resource>> {
        self.resources.values()
    }

    fn add(&mut self, resource: Resource) {
        let key = (resource.gvk.group.clone(), resource.gvk.version.clone(), resource.catalog.plural.clone());
        self.catalog.resources.push(resource.catalog.clone());
        self.resources.insert(key, Arc::new(resource));
    }

    /// Lists the groups and versions of `source` that have something to serve, in its order.
    fn list_groups(&mut self, source: &Catalog) {
        for group in &source.groups {
            let serves = |version: &&String| {
                self.catalog
                    .resources
                    .iter()
                    .any(|own| own.kind.group == group.name && own.kind.version == **version)
            };
            let versions: Vec<String> = group.versions.iter().filter(serves).cloned().collect();
            if !versions.is_empty() {
                self.catalog.groups.push(catalog::Group { name: group.name.clone(), versions });
            }
        }
    }
}
