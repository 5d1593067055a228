//! The kinds of koinon.io as the host's API server takes them: resources, columns, and the check at the door.

use std::sync::Arc;

use koinon_api_server::admission::{Admission, Operation, Request};
use koinon_api_server::registry::{ApiGroup, ApiResource, Column, Endpoint, Scope};
use koinon_machinery::validate::FieldError;
use koinon_types::convert::Door;
use koinon_types::v1alpha1;

/// Every kind of koinon.io, to be registered with the API server.
pub fn group() -> ApiGroup {
    let resources = koinon_types::api::api().into_iter().map(resource).collect();
    ApiGroup { group: v1alpha1::GROUP.to_owned(), version: v1alpha1::VERSION.to_owned(), resources }
}

fn resource(source: koinon_types::api::Resource) -> ApiResource {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    ApiResource {
        plural: source.plural.to_owned(),
        singular: source.singular.to_owned(),
        kind: source.kind.to_owned(),
        short_names: owned(source.short_names),
        categories: owned(source.categories),
        scope: if source.namespaced { Scope::Namespaced } else { Scope::Cluster },
        status: Endpoint::Served,
        scale: None,
        columns: source.columns.iter().map(column).collect(),
        schema: source.schema,
    }
}

fn column(source: &koinon_types::api::Column) -> Column {
    Column {
        name: source.name.to_owned(),
        kind: source.kind.to_owned(),
        format: String::new(),
        description: source.description.to_owned(),
        priority: u32::try_from(source.priority).unwrap_or_default(),
        json_path: source.path.to_owned(),
    }
}

/// What every write to a koinon.io kind must pass.
pub fn admission() -> Arc<dyn Admission> {
    Arc::new(KoinonDoor(Door::new()))
}

/// Shape and sense of koinon.io objects, checked at the door.
struct KoinonDoor(Door);

impl Admission for KoinonDoor {
    fn admit(&self, request: &Request<'_>) -> Result<(), Vec<FieldError>> {
        if *request.resource.group != *v1alpha1::GROUP || request.operation == Operation::Delete {
            return Ok(());
        }
        let errors = self.0.admit(&request.resource.kind, request.new, request.old);
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }
}
