//! The documents a server publishes about itself: made on first request, kept, each with a hash for clients that
//! have it already.
//!
//! What is served never changes while the server runs, so neither do these.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use koinon_machinery::Value;
use koinon_machinery::discovery::{self, Aggregated, Of};
use koinon_machinery::openapi::{self, Place};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::registry::Registry;

/// A document and its name by content.
pub(crate) struct Document {
    pub(crate) bytes: Bytes,
    /// Upper-case hexadecimal, as clients expect hashes of OpenAPI documents.
    pub(crate) hash: String,
}

/// The documents a server publishes about itself.
pub(crate) struct Documents {
    registry: Registry,
    /// Shape: keyed by the path of the group version, such as `apis/apps/v1`.
    openapi: BTreeMap<String, OnceLock<Arc<Document>>>,
    aggregated: [OnceLock<Arc<Document>>; 4],
}

// === impl Document ===

impl Document {
    fn new(value: &Value) -> Self {
        let bytes = Bytes::from(value.to_string());
        let hash = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02X}")).collect();
        Self { bytes, hash }
    }
}

// === impl Documents ===

impl Documents {
    pub(crate) fn new(registry: &Registry) -> Self {
        let mut openapi = BTreeMap::new();
        for group in &registry.catalog().groups {
            for version in &group.versions {
                let place = Place { group: &group.name, version };
                openapi.insert(place.path(), OnceLock::new());
            }
        }
        Self { registry: registry.clone(), openapi, aggregated: [const { OnceLock::new() }; 4] }
    }

    /// The aggregated discovery of the core group or of the named ones.
    pub(crate) fn aggregated(&self, of: Of, version: Aggregated) -> Arc<Document> {
        let at = usize::from(of == Of::Named) + 2 * usize::from(version == Aggregated::V2Beta1);
        let make = || Arc::new(Document::new(&discovery::aggregated(self.registry.catalog(), of, version)));
        Arc::clone(self.aggregated[at].get_or_init(make))
    }

    /// The index of the OpenAPI documents, each at an address that names its content.
    pub(crate) fn openapi_index(&self) -> Value {
        let mut paths = serde_json::Map::new();
        for path in self.openapi.keys() {
            if let Some(document) = self.openapi(path) {
                let address = format!("/openapi/v3/{path}?hash={}", document.hash);
                paths.insert(path.clone(), json!({"serverRelativeURL": address}));
            }
        }
        json!({"paths": paths})
    }

    /// The OpenAPI document of one group version, by its path.
    pub(crate) fn openapi(&self, path: &str) -> Option<Arc<Document>> {
        let place = self.openapi.get(path)?;
        let make = || {
            let mut words = path.trim_start_matches("apis/").trim_start_matches("api/").rsplit('/');
            let version = words.next().unwrap_or_default();
            let group = words.next().unwrap_or_default();
            let own = self.own_schemas(group, version);
            let place = Place { group, version };
            let document = openapi::document(self.registry.schema(), self.registry.catalog(), place, &own);
            Arc::new(Document::new(&document))
        };
        Some(Arc::clone(place.get_or_init(make)))
    }

    fn own_schemas(&self, group: &str, version: &str) -> BTreeMap<String, Value> {
        let groups = self.registry.groups().iter();
        let own = groups.filter(|own| own.group == group && own.version == version);
        own.flat_map(|own| &own.resources)
            .map(|resource| (resource.kind.clone(), resource.schema.clone()))
            .collect()
    }
}
