//! Writes the schema table: one line per type, field, kind, group and resource.
//!
//! Text, so that a new Kubernetes version is a readable diff. The grammar is described where it is read, in the
//! machinery's `schema/table.rs`. OpenAPI leads; the Go facts add what it cannot say and must agree on types.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use anyhow::{Context, bail};
use serde_json::Value;

use super::catalog::Catalog;
use super::go::{self, Facts};
use super::openapi::Documents;

/// Types that OpenAPI does not list but bodies carry.
const GO_ONLY: [&str; 2] = [
    "io.k8s.apimachinery.pkg.apis.meta.v1.PartialObjectMetadata",
    "io.k8s.apimachinery.pkg.apis.meta.v1.PartialObjectMetadataList",
];

/// Kinds that OpenAPI lists once per group because they are sent to any.
const IN_EVERY_GROUP: [&str; 2] = ["DeleteOptions", "WatchEvent"];

/// Writes the whole table.
pub(super) fn write(
    version: &str,
    documents: &Documents,
    facts: &Facts,
    catalog: &Catalog,
) -> anyhow::Result<String> {
    let mut out = format!(
        "# Facts about Kubernetes {version}, written by `cargo xtask codegen`: do not edit.\n\
         # The grammar is in schema/table.rs.\n"
    );
    for (name, schema) in documents {
        if leaf(name).is_none() {
            write_type(&mut out, name, schema, facts).with_context(|| format!("type {name}"))?;
        }
    }
    for name in GO_ONLY {
        let ty = facts.types.get(name).with_context(|| format!("the Go types lack {name}"))?;
        writeln!(out, "T {}", short(name))?;
        for field in &ty.fields {
            writeln!(out, "{} {}{}", field.name, shortened(&field.ty), proto_tokens(field))?;
        }
        writeln!(out, "apiVersion s\nkind s")?;
    }
    write_kinds(&mut out, documents, facts)?;
    write_catalog(&mut out, catalog)?;
    Ok(out)
}

fn write_type(out: &mut String, name: &str, schema: &Value, facts: &Facts) -> anyhow::Result<()> {
    let atomic = text(schema, "x-kubernetes-map-type") == Some("atomic");
    writeln!(out, "T {}{}", short(name), if atomic { " atomic" } else { "" })?;
    let required: BTreeSet<&str> = strings(schema, "required").into_iter().collect();
    let go = facts.types.get(name);
    for (field, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let ty = expression(property).with_context(|| format!("field {field}"))?;
        write!(out, "{field} {ty}")?;
        if required.contains(field.as_str()) {
            write!(out, " !")?;
        }
        if let Some(default) = property.get("default") {
            let default = default.to_string();
            if default.contains([' ', '\n']) {
                bail!("field {field}: the default {default} does not fit the table");
            }
            write!(out, " ={default}")?;
        }
        if let Some(strategy) = text(property, "x-kubernetes-patch-strategy") {
            write!(out, " +{strategy}")?;
        }
        if let Some(key) = text(property, "x-kubernetes-patch-merge-key") {
            write!(out, " k:{key}")?;
        }
        if let Some(go) = go.and_then(|go| go.field(field)) {
            agree(&ty, &go.ty).with_context(|| format!("field {field}"))?;
            write!(out, "{}", proto_tokens(go))?;
        }
        writeln!(out)?;
    }
    let fields = go.into_iter().flat_map(|go| &go.fields);
    let mut forgotten =
        fields.filter(|field| schema.pointer(&format!("/properties/{}", field.name)).is_none());
    if let Some(field) = forgotten.next() {
        bail!("OpenAPI lacks the field {}", field.name);
    }
    Ok(())
}

/// The protobuf facts of a field: ` @tag`, pointer, emptiness, form.
fn proto_tokens(field: &go::Field) -> String {
    let mut out = String::new();
    if field.tag == 0 {
        return out;
    }
    let numbers: Vec<String> = field.outer.iter().chain([&field.tag]).map(u16::to_string).collect();
    out += " @";
    out += &numbers.join("/");
    if field.pointer {
        out += " *";
    }
    match field.empty.as_str() {
        "written" => out += " w",
        "omittedzero" => out += " z",
        _ => {}
    }
    if !field.form.is_empty() {
        out += " f:";
        out += &field.form;
    }
    out
}

/// Checks that Go's type of a field is OpenAPI's, list topology and atomicity apart.
fn agree(openapi: &str, go: &str) -> anyhow::Result<()> {
    let mut plain = String::new();
    let mut rest = openapi.replace('~', "");
    while let Some(open) = rest.find(['[', '{']) {
        let close = rest.find([']', '}']).context("brackets come in pairs")?;
        plain += &rest[..=open];
        plain += &rest[close..=close];
        rest = rest[close + 1..].to_owned();
    }
    plain += &rest;
    if plain != shortened(go) {
        bail!("OpenAPI says {plain}, Go says {}", shortened(go));
    }
    Ok(())
}

/// Writes a property's type; see the machinery's `schema/table.rs` for the grammar.
fn expression(property: &Value) -> anyhow::Result<String> {
    let reference = text(property, "$ref").or_else(|| text(property.pointer("/allOf/0")?, "$ref"));
    if let Some(reference) = reference {
        let name = reference.rsplit('/').next().unwrap_or(reference);
        if let Some(leaf) = leaf(name) {
            return Ok(leaf.to_owned());
        }
        return Ok(match text(property, "x-kubernetes-map-type") {
            None => format!("${}", short(name)),
            Some("granular") => format!("~${}", short(name)),
            Some(other) => bail!("the map type {other} beside a reference is not provided for"),
        });
    }
    let inner = |key: &str| expression(property.get(key).with_context(|| format!("{key} is missing"))?);
    Ok(match (text(property, "type"), text(property, "format")) {
        (Some("string"), Some("byte")) => "y".to_owned(),
        (Some("string"), None) => "s".to_owned(),
        (Some("boolean"), None) => "b".to_owned(),
        (Some("integer"), Some("int32")) => "i".to_owned(),
        (Some("integer"), Some("int64")) => "l".to_owned(),
        (Some("number"), Some("double")) => "n".to_owned(),
        (Some("object"), None) => {
            let atomic = text(property, "x-kubernetes-map-type") == Some("atomic");
            format!("{{{}}}{}", if atomic { "atomic" } else { "" }, inner("additionalProperties")?)
        }
        (Some("array"), None) => {
            let topology = match text(property, "x-kubernetes-list-type") {
                None | Some("atomic") => String::new(),
                Some("set") => "set".to_owned(),
                Some("map") => strings(property, "x-kubernetes-list-map-keys").join(","),
                Some(other) => bail!("the list type {other} is not provided for"),
            };
            format!("[{topology}]{}", inner("items")?)
        }
        other => bail!("the type {other:?} is not provided for"),
    })
}

/// The types that are one letter in the table, and those that never occur in bodies.
fn leaf(name: &str) -> Option<&'static str> {
    Some(match name.strip_prefix("io.k8s.")? {
        "apimachinery.pkg.apis.meta.v1.Time" => "T",
        "apimachinery.pkg.apis.meta.v1.MicroTime" => "U",
        "apimachinery.pkg.api.resource.Quantity" => "Q",
        "apimachinery.pkg.util.intstr.IntOrString" => "I",
        "apimachinery.pkg.runtime.RawExtension"
        | "apimachinery.pkg.apis.meta.v1.FieldsV1"
        | "apimachinery.pkg.apis.meta.v1.Patch"
        | "apimachinery.pkg.apis.meta.v1.WatchEvent"
        | "apimachinery.pkg.version.Info" => "?",
        "apiextensions-apiserver.pkg.apis.apiextensions.v1.JSON"
        | "apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrArray"
        | "apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrBool"
        | "apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrStringArray" => "!",
        _ => return None,
    })
}

fn write_kinds(out: &mut String, documents: &Documents, facts: &Facts) -> anyhow::Result<()> {
    let mut kinds: BTreeMap<(String, String, String), &str> = BTreeMap::new();
    for (name, schema) in documents {
        let listed = schema.get("x-kubernetes-group-version-kind").and_then(Value::as_array);
        for gvk in listed.into_iter().flatten() {
            let part = |key: &str| text(gvk, key).unwrap_or_default().to_owned();
            if !IN_EVERY_GROUP.contains(&part("kind").as_str()) {
                kinds.insert((part("group"), part("version"), part("kind")), name);
            }
        }
    }
    for kind in &facts.kinds {
        let listed = documents.contains_key(&kind.ty) || GO_ONLY.contains(&kind.ty.as_str());
        if listed && leaf(&kind.ty).is_none() {
            kinds.insert((kind.group.clone(), kind.version.clone(), kind.kind.clone()), &kind.ty);
        }
    }
    for ((group, version, kind), name) in kinds {
        writeln!(out, "K {} {version} {kind} {}", dashed(&group), short(name))?;
    }
    Ok(())
}

fn write_catalog(out: &mut String, catalog: &Catalog) -> anyhow::Result<()> {
    for group in &catalog.groups {
        writeln!(out, "G {} {}", dashed(&group.name), group.versions.join(","))?;
    }
    for (group_version, resource) in &catalog.resources {
        let kind = if resource.version.is_empty() {
            resource.kind.clone()
        } else if resource.group.is_empty() {
            format!("{}/{}", resource.version, resource.kind)
        } else {
            format!("{}/{}/{}", resource.group, resource.version, resource.kind)
        };
        let scope = if resource.namespaced { "N" } else { "C" };
        writeln!(
            out,
            "R {group_version} {} {} {kind} {scope} {} {} {} {}",
            resource.name,
            dashed(&resource.singular_name),
            dashed(&resource.short_names.join(",")),
            dashed(&resource.categories.join(",")),
            resource.verbs.join(","),
            dashed(&resource.storage_version_hash),
        )?;
    }
    Ok(())
}

fn dashed(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}

/// A name without the prefix that all share.
fn short(name: &str) -> &str {
    name.strip_prefix("io.k8s.").unwrap_or(name)
}

fn shortened(expression: &str) -> String {
    expression.replace("$io.k8s.", "$")
}

fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key).and_then(Value::as_str)
}

fn strings<'a>(value: &'a Value, key: &str) -> Vec<&'a str> {
    value.get(key).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}
