//! `metadata.managedFields`: the owners of an object's fields.

use serde_json::json;

use super::{FieldSet, Writer};
use crate::Value;

/// How many managers are kept that do not apply; the older ones are drawn together, as upstream does.
const UPDATERS_MAX: usize = 10;

/// The manager that the older ones are drawn together in.
const ANCIENT: &str = "ancient-changes";

/// How a manager came to own fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// It applied them.
    Apply,
    /// It wrote them by other means.
    Update,
}

/// One manager and what it owns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The manager.
    pub manager: String,
    /// How.
    pub operation: Operation,
    /// The version it wrote in.
    pub api_version: String,
    /// When its set changed last, in the form of `metav1.Time`; may be empty.
    pub time: String,
    /// The door it wrote through; may be empty.
    pub subresource: String,
    /// What it owns.
    pub fields: FieldSet,
}

/// The owners of an object's fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Managers {
    entries: Vec<Entry>,
    /// The sets as they were read: whose set stays the same keeps its time.
    before: Vec<Entry>,
}

/// Somebody else owns a field that an apply would change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The owner, as people read it: `"kubectl" using apps/v1`.
    pub owner: String,
    /// The field, such as `.spec.replicas`.
    pub path: String,
}

/// Managed fields that mean nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("read metadata.managedFields[{index}]: {reason}")]
pub struct Unreadable {
    /// The entry.
    pub index: usize,
    /// What is wrong with it.
    pub reason: &'static str,
}

// === impl Operation ===

impl Operation {
    fn as_str(self) -> &'static str {
        match self {
            Self::Apply => "Apply",
            Self::Update => "Update",
        }
    }
}

// === impl Entry ===

impl Entry {
    fn read(value: &Value) -> Result<Self, &'static str> {
        let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
        let operation = match value["operation"].as_str() {
            Some("Apply") => Operation::Apply,
            Some("Update") => Operation::Update,
            _ => return Err("operation must be Apply or Update"),
        };
        if value["fieldsType"] != "FieldsV1" {
            return Err("fieldsType must be FieldsV1");
        }
        let fields = match &value["fieldsV1"] {
            Value::Null => FieldSet::default(),
            fields => FieldSet::read(fields).ok_or("fieldsV1 must be a set of fields")?,
        };
        let (manager, api_version) = (text("manager"), text("apiVersion"));
        Ok(Self {
            manager,
            operation,
            api_version,
            time: text("time"),
            subresource: text("subresource"),
            fields,
        })
    }

    fn write(&self) -> Value {
        let mut value = json!({
            "manager": self.manager, "operation": self.operation.as_str(), "apiVersion": self.api_version,
            "fieldsType": "FieldsV1", "fieldsV1": self.fields.write(),
        });
        if !self.time.is_empty() {
            value["time"] = json!(self.time);
        }
        if !self.subresource.is_empty() {
            value["subresource"] = json!(self.subresource);
        }
        value
    }

    /// Whether it is the entry of this writer. An apply has one entry however its version changes.
    fn is_of(&self, writer: Writer<'_>, operation: Operation) -> bool {
        self.operation == operation
            && self.manager == writer.manager
            && self.subresource == writer.subresource
            && (operation == Operation::Apply || self.api_version == writer.api_version)
    }

    fn is_same_owner(&self, other: &Self) -> bool {
        self.operation == other.operation
            && self.manager == other.manager
            && self.subresource == other.subresource
            && self.api_version == other.api_version
    }

    fn shown(&self) -> String {
        let mut text = format!("\"{}\"", self.manager);
        if !self.subresource.is_empty() {
            text.push_str(&format!(" with subresource \"{}\"", self.subresource));
        }
        if self.operation == Operation::Update {
            text.push_str(&format!(" using {}", self.api_version));
            if !self.time.is_empty() {
                text.push_str(&format!(" at {}", self.time));
            }
        }
        text
    }
}

// === impl Managers ===

impl Managers {
    /// Reads `metadata.managedFields`; null and an empty list are nobody.
    ///
    /// # Errors
    /// With the first entry that means nothing.
    pub fn read(value: &Value) -> Result<Self, Unreadable> {
        let mut entries = Vec::new();
        for (index, entry) in value.as_array().into_iter().flatten().enumerate() {
            entries.push(Entry::read(entry).map_err(|reason| Unreadable { index, reason })?);
        }
        Ok(Self { before: entries.clone(), entries })
    }

    /// Writes `metadata.managedFields`. Shape: applies first, then by time, manager, version and door.
    pub fn write(&self) -> Value {
        let mut sorted: Vec<&Entry> = self.entries.iter().collect();
        sorted.sort_by_key(|entry| {
            (entry.operation, &entry.time, &entry.manager, &entry.api_version, &entry.subresource)
        });
        sorted.into_iter().map(Entry::write).collect()
    }

    /// Whether nobody owns anything.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The owners.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// What a writer applied last.
    pub(super) fn applied(&self, writer: Writer<'_>) -> Option<&FieldSet> {
        self.entries.iter().find(|entry| entry.is_of(writer, Operation::Apply)).map(|entry| &entry.fields)
    }

    /// What anybody owns.
    pub(super) fn union(&self) -> FieldSet {
        self.entries.iter().fold(FieldSet::default(), |all, entry| all.union(&entry.fields))
    }

    /// Makes `fields` what a writer applies.
    pub(super) fn claim_applied(&mut self, writer: Writer<'_>, fields: FieldSet) {
        let entry = self.entry(writer, Operation::Apply);
        entry.fields = fields;
        writer.api_version.clone_into(&mut entry.api_version);
    }

    /// Adds what a writer wrote to what it owns, and takes away what it removed.
    pub(super) fn claim_updated(&mut self, writer: Writer<'_>, written: &FieldSet, removed: &FieldSet) {
        let entry = self.entry(writer, Operation::Update);
        entry.fields = entry.fields.difference(removed).union(written);
    }

    fn entry(&mut self, writer: Writer<'_>, operation: Operation) -> &mut Entry {
        let at = self.entries.iter().position(|entry| entry.is_of(writer, operation)).unwrap_or_else(|| {
            self.entries.push(Entry {
                manager: writer.manager.to_owned(),
                operation,
                api_version: writer.api_version.to_owned(),
                time: String::new(),
                subresource: writer.subresource.to_owned(),
                fields: FieldSet::default(),
            });
            self.entries.len() - 1
        });
        &mut self.entries[at]
    }

    /// What others own of `written`.
    pub(super) fn conflicts(
        &self,
        writer: Writer<'_>,
        operation: Operation,
        written: &FieldSet,
    ) -> Vec<Conflict> {
        let others = self.entries.iter().filter(|entry| !entry.is_of(writer, operation));
        let conflicts = others.flat_map(|entry| {
            let owner = entry.shown();
            let paths = entry.fields.intersection(written).paths();
            paths.into_iter().map(move |path| Conflict { owner: owner.clone(), path })
        });
        conflicts.collect()
    }

    /// Takes from everybody else what a writer wrote, and from everybody what is gone.
    pub(super) fn release(
        &mut self,
        writer: Writer<'_>,
        operation: Operation,
        written: &FieldSet,
        removed: &FieldSet,
    ) {
        for entry in &mut self.entries {
            if !entry.is_of(writer, operation) {
                entry.fields = entry.fields.difference(written).outside(removed);
            }
        }
    }

    /// Drops who owns nothing, dates what changed, and draws old managers together.
    pub(super) fn finish(&mut self, time: &str) {
        self.entries.retain(|entry| !entry.fields.is_empty());
        for entry in &mut self.entries {
            let same = self
                .before
                .iter()
                .find(|before| before.is_same_owner(entry) && before.fields == entry.fields);
            match same {
                Some(before) => entry.time.clone_from(&before.time),
                None => time.clone_into(&mut entry.time),
            }
        }
        let updaters = self.entries.iter().filter(|entry| entry.operation == Operation::Update).count();
        if updaters > UPDATERS_MAX {
            self.draw_together(updaters - UPDATERS_MAX + 1);
        }
    }

    fn draw_together(&mut self, n_oldest: usize) {
        let mut updaters: Vec<usize> =
            (0..self.entries.len()).filter(|at| self.entries[*at].operation == Operation::Update).collect();
        updaters.sort_by_key(|at| self.entries[*at].time.clone());
        let mut oldest: Vec<usize> = updaters.into_iter().take(n_oldest).collect();
        oldest.sort_unstable_by(|a, b| b.cmp(a));
        let mut ancient: Vec<Entry> = Vec::new();
        for at in oldest {
            let entry = self.entries.remove(at);
            match ancient.iter_mut().find(|other| other.api_version == entry.api_version) {
                Some(other) => {
                    other.fields = other.fields.union(&entry.fields);
                    other.time = other.time.clone().max(entry.time);
                }
                None => {
                    ancient.push(Entry { manager: ANCIENT.to_owned(), subresource: String::new(), ..entry });
                }
            }
        }
        self.entries.append(&mut ancient);
    }
}
