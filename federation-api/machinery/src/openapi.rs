//! OpenAPI v3 documents, one per group version: what `kubectl explain` shows and what clients merge by.
//!
//! Built-in types are written from the schema table: facts, no prose. Kinds of the composer bring a schema of their
//! own, which is published as it is. Paths carry what clients look for: the kind behind each operation, and the
//! query parameters by which they find out whether the server validates fields and dry-runs.
//! Source: KEP-2896; the extensions of `k8s.io/kube-openapi`.

mod paths;
mod types;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, json};

use crate::Value;
use crate::schema::catalog::{Catalog, Resource};
use crate::schema::{Schema, Type, TypeId};

/// The extension that ties a schema or an operation to a kind.
const KIND: &str = "x-kubernetes-group-version-kind";

/// Where schemas stand in a document.
const SCHEMAS: &str = "#/components/schemas/";

/// The metadata of every object.
const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";

/// The document of one group version.
///
/// `own` are the schemas of kinds that are not built in, by kind. Shape: an OpenAPI 3.0 document; empty paths and
/// components for a group version that the catalog does not have.
pub fn document(
    schema: &Schema,
    catalog: &Catalog,
    place: Place<'_>,
    own: &BTreeMap<String, Value>,
) -> Value {
    let resources: Vec<&Resource> = catalog
        .resources
        .iter()
        .filter(|resource| resource.kind.group == place.group && resource.kind.version == place.version)
        .collect();
    let mut components = Components { schema, done: Map::new(), open: Vec::new(), seen: BTreeSet::new() };
    components.kinds_of(&resources, own);
    components.close();
    let mut paths = Map::new();
    for resource in &resources {
        paths::write(&mut paths, place, resource);
    }
    json!({
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": "unversioned"},
        "paths": paths,
        "components": {"schemas": components.done},
    })
}

/// A group version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// The group, empty for the core group.
    pub group: &'a str,
    /// The version.
    pub version: &'a str,
}

// === impl Place ===

impl Place<'_> {
    /// Where its resources are served, without a slash at either end: `api/v1`, `apis/apps/v1`.
    pub fn path(&self) -> String {
        if self.group.is_empty() {
            format!("api/{}", self.version)
        } else {
            format!("apis/{}/{}", self.group, self.version)
        }
    }
}

/// The schemas that a document needs, written once each.
struct Components<'a> {
    schema: &'a Schema,
    done: Map<String, Value>,
    open: Vec<TypeId>,
    seen: BTreeSet<TypeId>,
}

// === impl Components ===

impl Components<'_> {
    /// Writes the kinds of `resources` and of their subresources, and opens what they refer to.
    fn kinds_of(&mut self, resources: &[&Resource], own: &BTreeMap<String, Value>) {
        let mut kinds = BTreeSet::new();
        for resource in resources {
            kinds.insert(resource.kind.clone());
            kinds.extend(resource.subresources.iter().map(|subresource| subresource.kind.clone()));
        }
        for kind in kinds {
            let gvk = json!([{"group": kind.group, "version": kind.version, "kind": kind.kind}]);
            if let Some(published) = own.get(&kind.kind) {
                let name = format!("{}.{}.{}", reversed(&kind.group), kind.version, kind.kind);
                self.done.insert(name, self::own(published, gvk));
                self.refer(OBJECT_META);
                continue;
            }
            let Some(id) = self.schema.type_of(&kind) else { continue };
            let Type::Struct(fields) = self.schema.get(id) else { continue };
            let mut written = types::structure(self, fields);
            written[KIND] = gvk;
            self.seen.insert(id);
            self.done.insert(fields.name.clone(), written);
        }
    }

    /// Writes everything that was referred to, until nothing new comes up.
    fn close(&mut self) {
        while let Some(id) = self.open.pop() {
            if let Type::Struct(fields) = self.schema.get(id) {
                let written = types::structure(self, fields);
                self.done.insert(fields.name.clone(), written);
            }
        }
    }

    fn refer(&mut self, name: &str) {
        if let Some(id) = self.schema.type_named(name) {
            self.open(id);
        }
    }

    fn open(&mut self, id: TypeId) {
        if self.seen.insert(id) {
            self.open.push(id);
        }
    }
}

/// A published schema with what every object has.
fn own(published: &Value, gvk: Value) -> Value {
    let mut written = published.clone();
    let text = |description: &str| json!({"type": "string", "description": description});
    let properties = &mut written["properties"];
    properties["apiVersion"] = text("The group and version of the object's kind.");
    properties["kind"] = text("The object's kind.");
    properties["metadata"] = json!({"allOf": [{"$ref": format!("{SCHEMAS}{OBJECT_META}")}], "default": {},
        "description": "Standard object's metadata."});
    written[KIND] = gvk;
    written
}

/// `koinon.io` as OpenAPI names write it: `io.koinon`.
fn reversed(group: &str) -> String {
    group.split('.').rev().collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apps() -> Value {
        document(
            &Schema::built_in(),
            &Catalog::built_in(),
            Place { group: "apps", version: "v1" },
            &BTreeMap::new(),
        )
    }

    #[test]
    fn every_reference_leads_somewhere() {
        fn references(value: &Value, found: &mut Vec<String>) {
            match value {
                Value::Object(members) => {
                    for (key, member) in members {
                        match member {
                            Value::String(text) if key == "$ref" => found.push(text.clone()),
                            other => references(other, found),
                        }
                    }
                }
                Value::Array(items) => items.iter().for_each(|item| references(item, found)),
                _ => {}
            }
        }
        let document = apps();
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(found.len() > 100);
        for reference in found {
            let name = reference.strip_prefix(SCHEMAS).unwrap();
            assert!(document["components"]["schemas"].get(name).is_some(), "{name} is missing");
        }
    }

    #[test]
    fn says_how_lists_merge_and_what_kinds_are() {
        let document = apps();
        let schemas = &document["components"]["schemas"];
        let deployment = &schemas["io.k8s.api.apps.v1.Deployment"];
        assert_eq!(deployment[KIND], json!([{"group": "apps", "version": "v1", "kind": "Deployment"}]));
        let containers = &schemas["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"];
        assert_eq!(containers["x-kubernetes-patch-merge-key"], "name");
        assert_eq!(containers["x-kubernetes-list-type"], "map");
        let path = &document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"];
        assert_eq!(path["patch"][KIND]["kind"], "Deployment");
        let names: Vec<&Value> = path["patch"]["parameters"]
            .as_array()
            .unwrap()
            .iter()
            .map(|parameter| &parameter["name"])
            .collect();
        assert!(names.contains(&&json!("fieldValidation")) && names.contains(&&json!("dryRun")), "{names:?}");
    }

    #[test]
    fn publishes_schemas_of_others_as_they_are() {
        let schema =
            json!({"type": "object", "description": "A toy.", "properties": {"spec": {"type": "object"}}});
        let published = own(&schema, json!([]));
        assert_eq!(published["description"], "A toy.");
        assert!(published["properties"]["metadata"].is_object());
        assert_eq!(reversed("koinon.io"), "io.koinon");
    }
}
