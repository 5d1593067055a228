//! Objects as tables and as metadata alone.

use std::sync::Arc;

use jiff::Timestamp;
use koinon_machinery::Value;
use koinon_machinery::print::{self, Cell, Column};
use koinon_machinery::status::Status;
use serde_json::json;

use crate::negotiate::MetaVersion;
use crate::registry::{Origin, Resource};
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
    resource: &Resource,
    objects: &[Arc<Value>],
    version: MetaVersion,
    include: Include,
    header: Header,
    meta: &ListMeta,
) -> Value {
    let now = Timestamp::now();
    let columns = columns(resource);
    let rows: Vec<Value> = objects
        .iter()
        .map(|object| {
            let cells: Vec<Value> = columns.iter().map(|column| column.cell(object, now)).collect();
            match include {
                Include::Nothing => json!({"cells": cells}),
                Include::Metadata => json!({"cells": cells, "object": partial(object, version)}),
                Include::Object => json!({"cells": cells, "object": object}),
            }
        })
        .collect();
    let definitions = match header {
        Header::Shown => columns.iter().map(Column::definition).collect(),
        Header::Omitted => Value::Null,
    };
    json!({"kind": "Table", "apiVersion": version.api_version(), "metadata": meta.to_value(),
        "columnDefinitions": definitions, "rows": rows})
}

fn columns(resource: &Resource) -> Vec<Column> {
    let own = match &resource.origin {
        Origin::BuiltIn => return print::built_in(&resource.gvk.group, &resource.gvk.kind),
        Origin::Custom { columns } => columns,
    };
    let own = own.iter().map(|column| Column {
        name: column.name.clone(),
        kind: column.kind.clone(),
        format: column.format.clone(),
        description: column.description.clone(),
        priority: column.priority,
        cell: Cell::Path(column.json_path.clone()),
    });
    std::iter::once(print::name()).chain(own).chain([print::age()]).collect()
}

/// Type and metadata alone.
pub(crate) fn partial(object: &Value, version: MetaVersion) -> Value {
    json!({"kind": "PartialObjectMetadata", "apiVersion": version.api_version(), "metadata": object["metadata"]})
}
