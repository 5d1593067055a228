//! One version of one object as the server keeps it: encoded bytes, and what selectors and lifecycles ask for.
//!
//! The bytes are the JSON that answers a read, `resourceVersion` included, so that a get, a list and every watcher
//! share one encoding. The tree is parsed when somebody asks for it and forgotten when nobody holds it: most objects
//! are only ever read as bytes.
//!
//! ```text
//! store   {"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},…}
//! memory  {"apiVersion":"v1","kind":"ConfigMap","metadata":{"resourceVersion":"7","name":"a"},…}
//! ```

use std::sync::{Arc, Mutex, PoisonError, Weak};

use bytes::{BufMut as _, Bytes, BytesMut};
use jiff::Timestamp;
use koinon_machinery::Value;
use koinon_store::Key;
use serde::Deserialize;

/// Every object starts with its type, so the first occurrence of this is the object's own metadata.
const METADATA: &[u8] = b"\"metadata\":{";

/// The member that a version adds to the metadata, without its digits.
const REVISION: &[u8] = b"\"resourceVersion\":\"";

/// Why stored bytes are not an object.
#[derive(Debug, thiserror::Error)]
pub enum Malformed {
    /// The bytes are not JSON of the expected shape.
    #[error("read an object")]
    Json(#[from] serde_json::Error),
    /// The bytes were not written by [`encode`].
    #[error("find the metadata of an object")]
    NoMetadata,
}

/// Reads the selectable fields of an object, in the order its kind lists them.
pub type Select<'a> = dyn Fn(&Value) -> Box<[Box<str>]> + 'a;

/// One version of one object.
#[derive(Debug)]
pub struct Stored {
    key: Key,
    revision: u64,
    metadata: Metadata,
    /// The values of the selectable fields of the kind, in the order the kind lists them.
    fields: Box<[Box<str>]>,
    json: Bytes,
    /// Where in `json` the digits of the version are.
    revision_at: usize,
    tree: Mutex<Weak<Value>>,
}

/// The metadata that is asked for without parsing the object.
#[derive(Debug, Default)]
struct Metadata {
    uid: Box<str>,
    generation: i64,
    created: Option<Timestamp>,
    deleted: bool,
    labels: Box<[(Box<str>, Box<str>)]>,
    finalizers: Box<[Box<str>]>,
    owners: Box<[Owner]>,
}

/// One entry of `ownerReferences`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Owner {
    /// The API version of the owner.
    pub api_version: String,
    /// The kind of the owner.
    pub kind: String,
    /// The name of the owner.
    pub name: String,
    /// The uid of the owner.
    pub uid: String,
    /// Whether this is the managing controller.
    pub controller: bool,
    /// Whether the owner may not go before this object when deleted in the foreground.
    pub block_owner_deletion: bool,
}

#[derive(Deserialize)]
struct Head {
    metadata: Wire,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Wire {
    uid: Box<str>,
    generation: i64,
    creation_timestamp: Option<Box<str>>,
    deletion_timestamp: Option<Box<str>>,
    labels: Option<std::collections::BTreeMap<Box<str>, Box<str>>>,
    finalizers: Option<Vec<Box<str>>>,
    owner_references: Option<Vec<Owner>>,
}

/// Encodes an object for the store: type first, then metadata without a version, then the rest.
///
/// # Errors
/// Never for a tree of JSON values; the serialiser's signature says it might.
pub fn encode(object: &Value) -> Result<Bytes, serde_json::Error> {
    let empty = serde_json::Map::new();
    let members = object.as_object().unwrap_or(&empty);
    let mut out = BytesMut::with_capacity(1024).writer();
    serde_json::to_writer(&mut out, &Ordered(members))?;
    Ok(out.into_inner().freeze())
}

/// Serialises an object's members with the type first and without `metadata.resourceVersion`.
struct Ordered<'a>(&'a serde_json::Map<String, Value>);

/// Serialises metadata without its version.
struct Unversioned<'a>(&'a Value);

impl serde::Serialize for Ordered<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap as _;
        let mut map = serializer.serialize_map(None)?;
        for key in ["apiVersion", "kind"] {
            if let Some(value) = self.0.get(key) {
                map.serialize_entry(key, value)?;
            }
        }
        map.serialize_entry("metadata", &Unversioned(self.0.get("metadata").unwrap_or(&Value::Null)))?;
        for (key, value) in
            self.0.iter().filter(|(key, _)| !matches!(key.as_str(), "apiVersion" | "kind" | "metadata"))
        {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

impl serde::Serialize for Unversioned<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let members = self.0.as_object().into_iter().flatten();
        serializer.collect_map(members.filter(|(key, _)| key.as_str() != "resourceVersion"))
    }
}

// === impl Stored ===

impl Stored {
    /// Reads stored bytes; `select` reads the selectable fields of the kind. The answer has no version yet.
    ///
    /// # Errors
    /// When the bytes were not written by [`encode`].
    pub fn decode(key: &Key, bytes: &Bytes, select: Option<&Select<'_>>) -> Result<Self, Malformed> {
        let revision_at = find(bytes, METADATA).ok_or(Malformed::NoMetadata)? + METADATA.len();
        let head: Head = serde_json::from_slice(bytes)?;
        let fields = match select {
            Some(select) => select(&serde_json::from_slice(bytes)?),
            None => Box::default(),
        };
        let (key, metadata, json) = (key.clone(), head.metadata.into(), bytes.clone());
        Ok(Self { key, revision: 0, metadata, fields, json, revision_at, tree: Mutex::default() })
    }

    /// Gives an object that was just decoded its version.
    #[must_use]
    pub fn stamp(self, revision: u64) -> Self {
        let (head, rest) = self.json.split_at(self.revision_at);
        let (json, revision_at) = with_revision(head, revision, rest);
        Self { revision, json, revision_at, tree: Mutex::default(), ..self }
    }

    /// The object as JSON, but at the version at which it was deleted.
    pub fn at_revision(&self, revision: u64) -> Bytes {
        let head = &self.json[..self.revision_at - REVISION.len()];
        let digits = self.json[self.revision_at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        // Past the digits come the closing quote and, unless the metadata holds nothing else, a comma.
        let rest = &self.json[self.revision_at + digits + 1..];
        with_revision(head, revision, rest.strip_prefix(b",").unwrap_or(rest)).0
    }

    /// The object as JSON, its version included.
    pub fn json(&self) -> &Bytes {
        &self.json
    }

    /// The object as a tree, its version included.
    pub fn value(&self) -> Arc<Value> {
        let mut tree = self.tree.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(value) = tree.upgrade() {
            return value;
        }
        let value =
            Arc::new(serde_json::from_slice(&self.json).expect("bytes that were read as an object before"));
        *tree = Arc::downgrade(&value);
        value
    }

    /// Where the object is stored.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// The name.
    pub fn name(&self) -> &str {
        self.key.name()
    }

    /// The namespace, empty for cluster-scoped objects.
    pub fn namespace(&self) -> &str {
        self.key.namespace()
    }

    /// The identity, unique in time.
    pub fn uid(&self) -> &str {
        &self.metadata.uid
    }

    /// The generation of the desired state; 0 for kinds that have none.
    pub fn generation(&self) -> i64 {
        self.metadata.generation
    }

    /// The version.
    pub fn resource_version(&self) -> u64 {
        self.revision
    }

    /// When the object was created.
    pub fn created(&self) -> Option<Timestamp> {
        self.metadata.created
    }

    /// Whether the object waits for its finalizers to be deleted.
    pub fn is_deleting(&self) -> bool {
        self.metadata.deleted
    }

    /// The labels, sorted by key.
    pub fn labels(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.metadata.labels.iter().map(|(key, value)| (key.as_ref(), value.as_ref()))
    }

    /// The value of one label.
    pub fn label(&self, key: &str) -> Option<&str> {
        let at = self.metadata.labels.binary_search_by(|(name, _)| name.as_ref().cmp(key)).ok()?;
        self.metadata.labels.get(at).map(|(_, value)| value.as_ref())
    }

    /// The finalizers, in order.
    pub fn finalizers(&self) -> impl Iterator<Item = &str> {
        self.metadata.finalizers.iter().map(AsRef::as_ref)
    }

    /// The owners, in order.
    pub fn owners(&self) -> &[Owner] {
        &self.metadata.owners
    }

    /// The value of the selectable field at `index` of the kind's list.
    pub(crate) fn field(&self, index: usize) -> &str {
        self.fields.get(index).map_or("", AsRef::as_ref)
    }
}

impl From<Wire> for Metadata {
    fn from(wire: Wire) -> Self {
        Self {
            uid: wire.uid,
            generation: wire.generation,
            created: wire.creation_timestamp.and_then(|text| text.parse().ok()),
            deleted: wire.deletion_timestamp.is_some(),
            labels: wire.labels.into_iter().flatten().collect(),
            finalizers: wire.finalizers.unwrap_or_default().into(),
            owners: wire.owner_references.unwrap_or_default().into(),
        }
    }
}

/// Joins `head` and `rest` with the version between them; answers also where its digits are.
fn with_revision(head: &[u8], revision: u64, rest: &[u8]) -> (Bytes, usize) {
    let digits = revision.to_string();
    let mut json = BytesMut::with_capacity(head.len() + REVISION.len() + digits.len() + 2 + rest.len());
    json.put_slice(head);
    json.put_slice(REVISION);
    let at = json.len();
    json.put_slice(digits.as_bytes());
    json.put_u8(b'"');
    if !rest.starts_with(b"}") {
        json.put_u8(b',');
    }
    json.put_slice(rest);
    (json.freeze(), at)
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn stored(object: &Value, revision: u64) -> Stored {
        Stored::decode(&Key::new("as", "", "a"), &encode(object).unwrap(), None).unwrap().stamp(revision)
    }

    #[test]
    fn keeps_the_object_and_adds_its_version() {
        let object = json!({"data": {"metadata": "x"}, "kind": "ConfigMap", "apiVersion": "v1",
            "metadata": {"name": "a", "labels": {"z": "1", "a": "2"}, "resourceVersion": "3"}});
        let stored = stored(&object, 17);
        let mut want = object;
        want["metadata"]["resourceVersion"] = "17".into();
        assert_eq!(*stored.value(), want);
        assert_eq!(stored.label("z"), Some("1"));
        assert_eq!(stored.label("b"), None);
        want["metadata"]["resourceVersion"] = "101".into();
        assert_eq!(serde_json::from_slice::<Value>(&stored.at_revision(101)).unwrap(), want);
    }

    #[test]
    fn survives_empty_metadata() {
        let stored = stored(&json!({"apiVersion": "v1", "kind": "A", "metadata": {}}), 5);
        assert_eq!(
            stored.json().as_ref(),
            br#"{"apiVersion":"v1","kind":"A","metadata":{"resourceVersion":"5"}}"#
        );
        assert_eq!(
            stored.at_revision(12).as_ref(),
            br#"{"apiVersion":"v1","kind":"A","metadata":{"resourceVersion":"12"}}"#
        );
    }

    #[test]
    fn forgets_the_tree_when_nobody_holds_it() {
        let stored = stored(&json!({"apiVersion": "v1", "kind": "A", "metadata": {"name": "a"}}), 5);
        let first = stored.value();
        assert!(Arc::ptr_eq(&first, &stored.value()));
        drop(first);
        assert!(stored.tree.lock().unwrap().upgrade().is_none());
    }
}
