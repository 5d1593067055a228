//! Decodes the committed table of facts about Kubernetes.
//!
//! The table is text, so that a new version of Kubernetes is a diff that people can read. Lines starting with `#`
//! are comments. The first word says what a line is; a lower-case first word is a field of the type above it:
//!
//! ```text
//! T <name> [atomic]                  a struct; names lack the prefix "io.k8s." that all share
//! <field> <type> <token>…            a field of it
//! K <group> <version> <kind> <name>  objects of this kind are of that type; the core group is "-"
//! G <group> <version>,…              a group and its versions, the preferred one first
//! R <group/version> <plural>[/<subresource>] <singular> [[<group>/]<version>/]<kind> <N|C>
//!   <short names> <categories> <verbs> <storage hash>   a resource, namespaced or for the cluster; "-" is none
//!
//! type     s string   y bytes     b bool       i int32     l int64   n number   T time   U time in microseconds
//!          Q quantity    I int or string          ? anything, merged    ! anything, replaced whole
//!          $name a struct         ~$name the same, but not atomic
//!          {}type a map           {atomic}type             []type a list         [set]type   [key,…]type
//! token    ! required      =json the default              +a,b the patch strategy   k:field the patch merge key
//!          @[m/[m/]]n the protobuf number, and those of the inlined messages around it
//!          * a pointer     w written when empty           z omitted when zero    f:form see Form
//! ```

use super::catalog::{Catalog, Group, Resource, Subresource, Verb};
use super::{Atomicity, Builder, Empty, Field, Form, Patch, Proto, Scalar, Schema, Struct, Topology, TypeId};
use crate::gvk::{GroupVersion, GroupVersionKind};

/// The committed table.
pub(super) const KUBERNETES: &str = include_str!("../gen/kubernetes.txt");

/// What every type name of the table begins with.
const PREFIX: &str = "io.k8s.";

/// A line that does not follow the grammar.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: expected {expected}")]
pub(super) struct Malformed {
    line: usize,
    expected: &'static str,
}

/// Decodes the types and kinds.
pub(super) fn schema(table: &str) -> Result<Schema, Malformed> {
    let mut reader = Reader { builder: Builder::new(), open: None, granular: Vec::new() };
    for (at, line) in table.lines().enumerate() {
        reader.line(line).map_err(|expected| Malformed { line: at + 1, expected })?;
    }
    Ok(reader.finish())
}

/// Decodes the groups and resources.
pub(super) fn catalog(table: &str) -> Result<Catalog, Malformed> {
    let mut catalog = Catalog::default();
    for (at, line) in table.lines().enumerate() {
        catalog_line(&mut catalog, line).map_err(|expected| Malformed { line: at + 1, expected })?;
    }
    Ok(catalog)
}

// === types ===

struct Reader {
    builder: Builder,
    /// The struct whose fields are being read.
    open: Option<(TypeId, Struct)>,
    /// Structs that stand for another one without its atomicity.
    granular: Vec<(TypeId, TypeId)>,
}

impl Reader {
    fn line(&mut self, line: &str) -> Result<(), &'static str> {
        let mut words = line.split(' ');
        match words.next().unwrap_or_default() {
            "#" | "G" | "R" | "" => Ok(()),
            "T" => {
                self.close();
                let name = words.next().ok_or("a type name")?;
                let id = self.builder.named(&format!("{PREFIX}{name}"));
                let atomic = words.next() == Some("atomic");
                let name = format!("{PREFIX}{name}");
                self.open = Some((id, Struct { name, atomic, ..Struct::default() }));
                Ok(())
            }
            "K" => {
                let mut word = || words.next().ok_or("group, version, kind and type name");
                let gvk = GroupVersionKind::new(undashed(word()?), word()?, word()?);
                let id = self.builder.named(&format!("{PREFIX}{}", word()?));
                self.builder.kind(gvk, id);
                Ok(())
            }
            name => {
                let ty = self.expression(words.next().ok_or("a type")?)?;
                let mut field = Field::new(name, ty);
                for word in words {
                    token(&mut field, word)?;
                }
                let (_, structure) = self.open.as_mut().ok_or("a type line before the fields")?;
                structure.fields.push(field);
                Ok(())
            }
        }
    }

    fn close(&mut self) {
        if let Some((id, structure)) = self.open.take() {
            self.builder.define(id, structure);
        }
    }

    fn finish(mut self) -> Schema {
        self.close();
        for (granular, atomic) in self.granular {
            self.builder.define_granular(granular, atomic);
        }
        self.builder.finish()
    }

    fn expression(&mut self, text: &str) -> Result<TypeId, &'static str> {
        if let Some(name) = text.strip_prefix('$') {
            return Ok(self.builder.named(&format!("{PREFIX}{name}")));
        }
        if let Some(name) = text.strip_prefix("~$") {
            let atomic = self.builder.named(&format!("{PREFIX}{name}"));
            let id = self.builder.structure(Struct::default());
            self.granular.push((id, atomic));
            return Ok(id);
        }
        if let Some((atomicity, values)) = text.strip_prefix('{').and_then(|rest| rest.split_once('}')) {
            let values = self.expression(values)?;
            let atomic = atomicity == "atomic";
            return Ok(self
                .builder
                .map(values, if atomic { Atomicity::Atomic } else { Atomicity::Granular }));
        }
        if let Some((topology, items)) = text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            let items = self.expression(items)?;
            let topology = match topology {
                "" => Topology::Atomic,
                "set" => Topology::Set,
                keys => Topology::Map { keys: keys.split(',').map(str::to_owned).collect() },
            };
            return Ok(self.builder.list(items, topology));
        }
        let scalar = match text {
            "?" => return Ok(self.builder.any()),
            "!" => return Ok(self.builder.atom()),
            "s" => Scalar::String,
            "y" => Scalar::Bytes,
            "b" => Scalar::Bool,
            "i" => Scalar::Int32,
            "l" => Scalar::Int64,
            "n" => Scalar::Number,
            "T" => Scalar::Time,
            "U" => Scalar::MicroTime,
            "Q" => Scalar::Quantity,
            "I" => Scalar::IntOrString,
            _ => return Err("a type"),
        };
        Ok(self.builder.scalar(scalar))
    }
}

/// Adds what one word says to a field.
fn token(field: &mut Field, word: &str) -> Result<(), &'static str> {
    if word == "!" {
        field.required = true;
    } else if let Some(default) = word.strip_prefix('=') {
        field.default = Some(serde_json::from_str(default).map_err(|_| "a default in JSON")?);
    } else if let Some(strategy) = word.strip_prefix('+') {
        let merge_key = field.patch.merge_key.take();
        field.patch = Patch::read(strategy, merge_key.as_deref());
    } else if let Some(key) = word.strip_prefix("k:") {
        field.patch.merge_key = Some(key.to_owned());
    } else if let Some(numbers) = word.strip_prefix('@') {
        field.proto = Some(proto(numbers)?);
    } else {
        let proto = field.proto.as_mut().ok_or("a protobuf number before its flags")?;
        match word {
            "*" => proto.pointer = true,
            "w" => proto.empty = Empty::Written,
            "z" => proto.empty = Empty::OmittedZero,
            "f:raw" => proto.form = Form::Raw,
            "f:strings" => proto.form = Form::Strings,
            "f:schema-or-array" => proto.form = Form::SchemaOrArray,
            "f:schema-or-bool" => proto.form = Form::SchemaOrBool,
            "f:schema-or-strings" => proto.form = Form::SchemaOrStrings,
            _ => return Err("a field token"),
        }
    }
    Ok(())
}

fn proto(numbers: &str) -> Result<Proto, &'static str> {
    let mut proto = Proto { tag: 0, outer: [0; 2], pointer: false, empty: Empty::Omitted, form: Form::Plain };
    let numbers: Result<Vec<u16>, _> = numbers.split('/').map(str::parse).collect();
    match numbers.as_deref() {
        Ok([tag]) => proto.tag = *tag,
        Ok([outer, tag]) => (proto.outer, proto.tag) = ([*outer, 0], *tag),
        Ok([outer, inner, tag]) => (proto.outer, proto.tag) = ([*outer, *inner], *tag),
        _ => return Err("one to three protobuf numbers"),
    }
    Ok(proto)
}

// === resources ===

fn catalog_line(catalog: &mut Catalog, line: &str) -> Result<(), &'static str> {
    let mut words = line.split(' ');
    let kind_of_line = words.next().unwrap_or_default();
    let mut word = || words.next().ok_or("more words");
    match kind_of_line {
        "G" => catalog.groups.push(Group { name: undashed(word()?).to_owned(), versions: list(word()?) }),
        "R" => {
            let group_version: GroupVersion = word()?.parse().map_err(|_| "a group and version")?;
            let (name, singular) = (word()?, word()?.to_owned());
            let (kind, namespaced) = (kind(&group_version, word()?)?, word()? == "N");
            let (short_names, categories, verbs) = (list(word()?), list(word()?), verbs(word()?)?);
            let storage_version_hash = undashed(word()?).to_owned();
            if let Some((plural, name)) = name.split_once('/') {
                let parent = catalog.resources.iter_mut().rev().find(|resource| {
                    resource.plural == plural && resource.kind.group_version() == group_version
                });
                let subresource = Subresource { name: name.to_owned(), kind, verbs };
                parent.ok_or("the resource before its subresources")?.subresources.push(subresource);
            } else {
                catalog.resources.push(Resource {
                    kind,
                    plural: name.to_owned(),
                    singular,
                    namespaced,
                    short_names,
                    categories,
                    verbs,
                    subresources: Vec::new(),
                    storage_version_hash,
                });
            }
        }
        _ => {}
    }
    Ok(())
}

/// Reads a kind that may be of another group and version than the resource's.
fn kind(group_version: &GroupVersion, text: &str) -> Result<GroupVersionKind, &'static str> {
    match text.rsplit_once('/') {
        None => Ok(group_version.with_kind(text)),
        Some((other, kind)) => {
            let other: GroupVersion = other.parse().map_err(|_| "a group and version")?;
            Ok(other.with_kind(kind))
        }
    }
}

fn verbs(text: &str) -> Result<Vec<Verb>, &'static str> {
    text.split(',').map(|verb| Verb::read(verb).ok_or("a verb")).collect()
}

fn list(text: &str) -> Vec<String> {
    if text == "-" { Vec::new() } else { text.split(',').map(str::to_owned).collect() }
}

fn undashed(text: &str) -> &str {
    if text == "-" { "" } else { text }
}

#[cfg(test)]
mod tests {
    use super::super::Type;
    use super::*;

    /// The field at `path` of the objects of a built-in kind.
    fn field<'a>(schema: &'a Schema, gvk: &GroupVersionKind, path: &[&str]) -> &'a Field {
        let (last, parents) = path.split_last().unwrap();
        let mut id = schema.type_of(gvk).unwrap();
        let structure = |mut id: TypeId| loop {
            match schema.get(id) {
                Type::Struct(structure) => return structure,
                Type::List(list) => id = list.items,
                other => panic!("no fields in {other:?}"),
            }
        };
        for step in parents {
            id = structure(id).field(step).unwrap().ty;
        }
        structure(id).field(last).unwrap()
    }

    fn deployment() -> GroupVersionKind {
        GroupVersionKind::new("apps", "v1", "Deployment")
    }

    #[test]
    fn the_committed_table_is_well_formed_and_complete() {
        let schema = schema(KUBERNETES).unwrap();
        let catalog = catalog(KUBERNETES).unwrap();
        for resource in &catalog.resources {
            let id = schema.type_of(&resource.kind);
            assert!(id.is_some_and(|id| matches!(schema.get(id), Type::Struct(_))), "{}", resource.kind);
        }
        let structs = (0..schema.n_types())
            .filter(|at| matches!(schema.get(TypeId(u32::try_from(*at).unwrap())), Type::Struct(_)));
        assert!(structs.count() > 700);
    }

    #[test]
    fn merge_rules_of_a_container_port_are_those_upstream_publishes() {
        let schema = Schema::built_in();
        let ports = field(&schema, &deployment(), &["spec", "template", "spec", "containers", "ports"]);
        let Type::List(list) = schema.get(ports.ty) else { panic!("ports are a list") };
        let keys = vec!["containerPort".to_owned(), "protocol".to_owned()];
        assert_eq!(list.topology, Topology::Map { keys });
        assert_eq!(ports.patch, Patch::read("merge", Some("containerPort")));
        let protocol =
            field(&schema, &deployment(), &["spec", "template", "spec", "containers", "ports", "protocol"]);
        assert_eq!(protocol.default, Some("TCP".into()));
    }

    #[test]
    fn strategies_atomicity_and_requirements_are_read() {
        let schema = Schema::built_in();
        assert!(field(&schema, &deployment(), &["spec", "strategy"]).patch.retain_keys);
        let selector = field(&schema, &deployment(), &["spec", "selector"]);
        assert!(selector.required);
        assert!(matches!(schema.get(selector.ty), Type::Struct(selector) if selector.atomic));
        let volume = GroupVersionKind::new("", "v1", "PersistentVolume");
        let claim = field(&schema, &volume, &["spec", "claimRef"]);
        assert!(
            matches!(schema.get(claim.ty), Type::Struct(claim) if !claim.atomic && claim.field("uid").is_some())
        );
    }

    #[test]
    fn protobuf_facts_tell_pointers_and_inlined_messages() {
        let schema = Schema::built_in();
        let replicas = field(&schema, &deployment(), &["spec", "replicas"]).proto.unwrap();
        assert_eq!((replicas.tag, replicas.pointer, replicas.empty), (1, true, Empty::Omitted));
        let volume = field(&schema, &deployment(), &["spec", "template", "spec", "volumes", "emptyDir"]);
        assert_eq!(volume.proto.unwrap().outer, [2, 0]);
        let policy = GroupVersionKind::new("admissionregistration.k8s.io", "v1", "ValidatingAdmissionPolicy");
        let rules = field(&schema, &policy, &["spec", "matchConstraints", "resourceRules", "apiGroups"])
            .proto
            .unwrap();
        assert_eq!(rules.outer, [2, 2]);
    }

    #[test]
    fn a_resource_has_its_names_and_the_kinds_of_its_subresources() {
        let catalog = Catalog::built_in();
        let deployments = catalog.resources.iter().find(|resource| resource.plural == "deployments").unwrap();
        assert_eq!(deployments.short_names, ["deploy"]);
        assert_eq!(deployments.categories, ["all"]);
        assert_eq!(deployments.verbs, Verb::ALL);
        let scale = deployments.subresource("scale").unwrap();
        assert_eq!(scale.kind, GroupVersionKind::new("autoscaling", "v1", "Scale"));
        assert_eq!(catalog.groups.first().unwrap().name, "");
        let autoscaling = catalog.groups.iter().find(|group| group.name == "autoscaling").unwrap();
        assert_eq!(autoscaling.versions, ["v2", "v1"]);
    }

    #[test]
    fn a_line_that_breaks_the_grammar_is_named() {
        let refused = schema("# a comment\nT x\nname &").unwrap_err();
        assert_eq!(refused, Malformed { line: 3, expected: "a type" });
        assert!(schema("name s").is_err());
        assert!(catalog("R v1 pods/log - Pod N - - get -").is_err());
    }
}
