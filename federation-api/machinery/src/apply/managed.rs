//! `metadata.managedFields`: the owners of an object's fields.

use serde_json::json;

use super::compare::Change;
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
}

/// Somebody else owns fields that an apply would change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The owner, as people read it: `"kubectl" using apps/v1`.
    pub owner: String,
    /// The fields; at least one.
    pub fields: FieldSet,
}

/// Whether a writer applied before what it applies now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claim {
    /// The same fields, in the same version.
    Same,
    /// Others.
    New,
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
        let api_version = text("apiVersion");
        if api_version.is_empty() {
            return Err("apiVersion must not be empty");
        }
        Ok(Self {
            manager: text("manager"),
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

    /// What tells owners apart, in the order in which they are named.
    fn identity(&self) -> (&str, Operation, &str, &str) {
        let version = match self.operation {
            Operation::Apply => "",
            Operation::Update => self.api_version.as_str(),
        };
        (&self.manager, self.operation, version, &self.subresource)
    }

    fn shown(&self) -> String {
        let mut text = format!("\"{}\"", self.manager);
        if !self.subresource.is_empty() {
            text.push_str(&format!(" with subresource \"{}\"", self.subresource));
        }
        if self.operation == Operation::Update {
            text.push_str(&format!(" using {}", self.api_version));
        }
        text
    }
}

// === impl Managers ===

impl Managers {
    /// Reads `metadata.managedFields`; null and an empty list are nobody. Of entries of one owner the last counts.
    ///
    /// # Errors
    /// With the first entry that means nothing.
    pub fn read(value: &Value) -> Result<Self, Unreadable> {
        let mut entries: Vec<Entry> = Vec::new();
        for (index, entry) in value.as_array().into_iter().flatten().enumerate() {
            let entry = Entry::read(entry).map_err(|reason| Unreadable { index, reason })?;
            entries.retain(|other| other.identity() != entry.identity());
            entries.push(entry);
        }
        Ok(Self { entries })
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

    /// The entry of what a writer applied last.
    pub(super) fn applied(&self, writer: Writer<'_>) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.is_of(writer, Operation::Apply))
    }

    /// What anybody owns.
    pub(super) fn union(&self) -> FieldSet {
        self.entries.iter().fold(FieldSet::default(), |all, entry| all.union(&entry.fields))
    }

    /// Makes `fields` what a writer applies.
    pub(super) fn claim_applied(&mut self, writer: Writer<'_>, fields: FieldSet) -> Claim {
        let entry = self.entry(writer, Operation::Apply);
        let is_same = entry.fields == fields && entry.api_version == writer.api_version;
        entry.fields = fields;
        writer.api_version.clone_into(&mut entry.api_version);
        if is_same { Claim::Same } else { Claim::New }
    }

    /// Adds what a writer wrote to what it owns, and takes away what it removed.
    pub(super) fn claim_updated(&mut self, writer: Writer<'_>, change: &Change) {
        let written = change.written();
        let entry = self.entry(writer, Operation::Update);
        entry.fields = entry.fields.difference(&change.removed).union(&written);
        if !written.is_empty() {
            writer.time.clone_into(&mut entry.time);
        }
    }

    /// Notes that a writer changed something now.
    pub(super) fn date(&mut self, writer: Writer<'_>, operation: Operation) {
        writer.time.clone_into(&mut self.entry(writer, operation).time);
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
        let mut others: Vec<&Entry> =
            self.entries.iter().filter(|entry| !entry.is_of(writer, operation)).collect();
        others.sort_by_key(|entry| entry.identity());
        let conflicts = others
            .into_iter()
            .map(|entry| Conflict { owner: entry.shown(), fields: entry.fields.intersection(written) });
        conflicts.filter(|conflict| !conflict.fields.is_empty()).collect()
    }

    /// Takes from everybody else what a writer wrote, and what is gone.
    pub(super) fn release(&mut self, writer: Writer<'_>, operation: Operation, change: &Change) {
        let written = change.written();
        for entry in self.entries.iter_mut().filter(|entry| !entry.is_of(writer, operation)) {
            entry.fields = entry.fields.difference(&written).outside(&change.removed);
        }
    }

    /// Drops who owns nothing.
    pub(super) fn drop_empty(&mut self) {
        self.entries.retain(|entry| !entry.fields.is_empty());
    }

    /// Draws the oldest updaters of each version together until there are few enough. A version that only one of
    /// them wrote in keeps its writer.
    pub(super) fn draw_together(&mut self) {
        let mut updaters: Vec<Entry> =
            self.entries.extract_if(.., |entry| entry.operation == Operation::Update).collect();
        updaters.sort_by(|a, b| (&a.time, a.identity()).cmp(&(&b.time, b.identity())));
        let mut at = 0;
        while updaters.len() > UPDATERS_MAX && at < updaters.len() {
            let version = updaters[at].api_version.clone();
            let Some(first) = updaters[..at].iter().position(|other| other.api_version == version) else {
                at += 1;
                continue;
            };
            let newer = updaters.remove(at);
            let is_ancient = |entry: &Entry| {
                entry.manager == ANCIENT && entry.api_version == version && entry.subresource.is_empty()
            };
            let bucket = updaters.iter().position(is_ancient).unwrap_or(first);
            let entry = &mut updaters[bucket];
            ANCIENT.clone_into(&mut entry.manager);
            entry.subresource.clear();
            entry.fields = entry.fields.union(&newer.fields);
            entry.time = newer.time;
        }
        self.entries.append(&mut updaters);
    }
}
