//! Objects as tables and as metadata alone.

use std::sync::Arc;

use koinon_machinery::Value;
use koinon_machinery::status::Status;
use serde_json::json;

use crate::negotiate::MetaVersion;
use crate::registry::Resource;
use crate::request::Query;

use super::respond::ListMeta;

/// What a row carries of its object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Include {
    /// Nothing.
    Nothing,
    /// Its metadata.
    Metadata,
    /// All of it.
    Object,
}

/// Whether a table says what its columns are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Header {
    /// It does.
    Shown,
    /// It was said before.
    Omitted,
}

/// Reads `includeObject`.
///
/// # Errors
/// 400 when it means nothing.
pub(crate) fn include(query: &Query) -> Result<Include, Status> {
    match query.text("includeObject") {
        "" | "Metadata" => Ok(Include::Metadata),
        "None" => Ok(Include::Nothing),
        "Object" => Ok(Include::Object),
        other => Err(Status::bad_request(format!("unrecognized includeObject value: \"{other}\""))),
    }
}

/// Objects as rows.
pub(crate) fn table(
    _resource: &Resource,
    objects: &[Arc<Value>],
    version: MetaVersion,
    include: Include,
    header: Header,
    meta: &ListMeta,
) -> Value {
    let columns = json!([
        {"name": "Name", "type": "string", "format": "name", "description": "Name", "priority": 0},
        {"name": "Created At", "type": "date", "format": "", "description": "Created", "priority": 0},
    ]);
    let rows: Vec<Value> = objects
        .iter()
        .map(|object| {
            let cells = json!([object["metadata"]["name"], object["metadata"]["creationTimestamp"]]);
            match include {
                Include::Nothing => json!({"cells": cells}),
                Include::Metadata => json!({"cells": cells, "object": partial(object, version)}),
                Include::Object => json!({"cells": cells, "object": object}),
            }
        })
        .collect();
    let columns = if header == Header::Shown { columns } else { json!(null) };
    json!({"kind": "Table", "apiVersion": version.api_version(), "metadata": meta.to_value(),
        "columnDefinitions": columns, "rows": rows})
}

/// Type and metadata alone.
pub(crate) fn partial(object: &Value, version: MetaVersion) -> Value {
    json!({"kind": "PartialObjectMetadata", "apiVersion": version.api_version(), "metadata": object["metadata"]})
}
