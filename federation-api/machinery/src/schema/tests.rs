//! Schemas built by hand and read from OpenAPI.

use serde_json::json;

use super::*;

fn kind(kind: &str) -> GroupVersionKind {
    GroupVersionKind::new("example.io", "v1", kind)
}

fn structure(schema: &Schema, id: TypeId) -> &Struct {
    match schema.get(id) {
        Type::Struct(structure) => structure,
        other => panic!("expected a struct, found {other:?}"),
    }
}

/// The type of the field at `path`, from the objects of `gvk`.
fn at<'a>(schema: &'a Schema, gvk: &GroupVersionKind, path: &[&str]) -> &'a Type {
    let mut id = schema.type_of(gvk).unwrap();
    for step in path {
        id = match schema.get(id) {
            Type::Struct(structure) => structure.field(step).unwrap().ty,
            Type::List(list) => list.items,
            Type::Map(map) => map.values,
            other => panic!("nothing below {other:?}"),
        };
    }
    schema.get(id)
}

#[test]
fn a_schema_built_by_hand_answers_by_kind_and_by_field() {
    let mut builder = Builder::new();
    let string = builder.scalar(Scalar::String);
    let port = builder.structure(Struct {
        fields: vec![Field::new("protocol", string).with_default(json!("TCP")), Field::new("name", string)],
        ..Struct::default()
    });
    let ports = builder.map_list(port, &["name"]);
    let root = builder.structure(Struct { fields: vec![Field::new("ports", ports)], ..Struct::default() });
    builder.kind(kind("Thing"), root);
    let schema = builder.finish();

    let names: Vec<_> = structure(&schema, port).fields.iter().map(|field| field.name.as_str()).collect();
    assert_eq!(names, ["name", "protocol"], "fields are sorted");
    assert_eq!(at(&schema, &kind("Thing"), &["ports", "[]", "name"]), &Type::Scalar(Scalar::String));
    assert_eq!(schema.type_of(&kind("Other")), None);
}

#[test]
fn an_extension_sees_the_base_and_leaves_it_alone() {
    let mut builder = Builder::new();
    let string = builder.scalar(Scalar::String);
    let base_kind = builder.structure(Struct { name: "Base".into(), ..Struct::default() });
    builder.kind(kind("Base"), base_kind);
    let base = builder.finish();
    let document = json!({"type": "object", "properties": {"base": {"$ref": "#/components/schemas/Base"}}});
    let extended = base.extend_openapi(&Value::Null, &[(kind("More"), &document)]).unwrap();

    assert_eq!(base.type_of(&kind("More")), None);
    assert_eq!(extended.type_of(&kind("Base")), Some(base_kind));
    assert_eq!(extended.get(string), &Type::Scalar(Scalar::String));
    assert_eq!(structure(&extended, base_kind).name, "Base");
    assert_eq!(extended.kinds().len(), 2);
}

#[test]
fn a_document_of_schemars_is_read_with_its_definitions_and_nullable_spellings() {
    let document = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {
            "spec": {"$ref": "#/$defs/Spec"},
            "status": {"anyOf": [{"$ref": "#/$defs/Status"}, {"type": "null"}]},
        },
        "$defs": {
            "Spec": {"type": "object", "required": ["mode"], "properties": {
                "mode": {"oneOf": [{"type": "string", "const": "A"}, {"type": "string", "const": "B"}]},
                "weight": {"type": ["integer", "null"], "format": "uint32"},
                "port": {"x-kubernetes-int-or-string": true, "anyOf": [{"type": "integer"}, {"type": "string"}]},
                "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                "items": {"type": "array", "items": {"$ref": "#/$defs/Item"},
                    "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
                "raw": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                "which": {"enum": ["x", "y"], "default": "x"},
            }},
            "Status": {"type": "object", "properties": {"ready": {"type": "boolean", "nullable": true}}},
            "Item": {"type": "object", "properties": {
                "name": {"type": "string"},
                "children": {"type": "array", "items": {"$ref": "#/$defs/Item"}}}},
        }
    });
    let gvk = kind("Policy");
    let schema = Schema::default().extend_openapi(&Value::Null, &[(gvk.clone(), &document)]).unwrap();
    let root = structure(&schema, schema.type_of(&gvk).unwrap());
    for name in ["apiVersion", "kind", "metadata", "spec", "status"] {
        assert!(root.field(name).is_some(), "{name}");
    }
    let check =
        |path: &[&str], scalar| assert_eq!(at(&schema, &gvk, path), &Type::Scalar(scalar), "{path:?}");
    check(&["spec", "mode"], Scalar::String);
    check(&["spec", "weight"], Scalar::Int64);
    check(&["spec", "port"], Scalar::IntOrString);
    check(&["spec", "labels", "*"], Scalar::String);
    check(&["spec", "items", "[]", "children", "[]", "name"], Scalar::String);
    check(&["status", "ready"], Scalar::Bool);
    assert_eq!(at(&schema, &gvk, &["spec", "raw"]), &Type::Any);
    let Type::List(list) = at(&schema, &gvk, &["spec", "items"]) else { panic!("not a list") };
    assert_eq!(list.topology, Topology::Map { keys: vec!["name".into()] });
    let Type::Struct(spec) = at(&schema, &gvk, &["spec"]) else { panic!("not a struct") };
    assert!(spec.field("mode").unwrap().required);
    assert_eq!(spec.field("which").unwrap().default, Some(json!("x")));
}

#[test]
fn the_variants_of_a_tagged_union_become_the_fields_of_one_object() {
    let document = json!({"type": "object", "properties": {"action": {"oneOf": [
        {"type": "object", "required": ["fail"], "properties": {"fail": {"type": "string"}}},
        {"type": "object", "required": ["slow"], "properties": {"slow": {"type": "integer"}}},
    ]}}});
    let gvk = kind("Drill");
    let schema = Schema::default().extend_openapi(&Value::Null, &[(gvk.clone(), &document)]).unwrap();
    let Type::Struct(action) = at(&schema, &gvk, &["action"]) else { panic!("not a struct") };
    let fields: Vec<_> = action.fields.iter().map(|field| (field.name.as_str(), field.required)).collect();
    assert_eq!(fields, [("fail", false), ("slow", false)]);
}

#[test]
fn components_may_be_recursive_and_say_their_kind() {
    let components = json!({
        "io.example.v1.Tree": {
            "type": "object",
            "properties": {
                "child": {"allOf": [{"$ref": "#/components/schemas/io.example.v1.Tree"}], "default": {}},
                "selector": {"type": "object", "x-kubernetes-map-type": "atomic",
                    "properties": {"app": {"type": "string"}}},
                "when": {"$ref": "#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.Time"},
            },
            "x-kubernetes-group-version-kind": [{"group": "example.io", "version": "v1", "kind": "Tree"}],
        },
        "io.k8s.apimachinery.pkg.apis.meta.v1.Time": {"type": "string", "format": "date-time"},
    });
    let schema = Schema::default().extend_openapi(&components, &[]).unwrap();
    let gvk = kind("Tree");
    assert_eq!(at(&schema, &gvk, &["child", "child", "when"]), &Type::Scalar(Scalar::Time));
    let Type::Struct(selector) = at(&schema, &gvk, &["selector"]) else { panic!("not a struct") };
    assert!(selector.atomic);
}

#[test]
fn a_reference_that_leads_nowhere_is_refused_with_its_place() {
    let document = json!({"type": "object", "properties": {"x": {"$ref": "#/definitions/Missing"}}});
    let refused = Schema::default().extend_openapi(&Value::Null, &[(kind("Bad"), &document)]).unwrap_err();
    assert_eq!(refused, Invalid::UnknownReference { at: "Bad.x".into(), reference: "Missing".into() });
}

#[test]
fn a_schema_that_nests_without_end_is_refused() {
    let mut document = json!({"type": "string"});
    for _ in 0..(2 * 64) {
        document = json!({"type": "array", "items": document});
    }
    let refused = Schema::default().extend_openapi(&Value::Null, &[(kind("Deep"), &document)]).unwrap_err();
    assert!(matches!(refused, Invalid::TooDeep { .. }));
}
