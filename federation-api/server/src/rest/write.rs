//! The one pipeline that every write goes through, whatever its verb and wherever it comes from.
//!
//! ```text
//! edit ─► settle: normal form, server's metadata, door, kind, defaults, field managers, generation
//!      ─► judge: validation, admissions
//!      ─► commit: compare and set; somebody was faster ─► again from the edit, a few times
//! ```
//! The edit is made anew on each attempt, so a patch is applied to the object it is committed over. A write that
//! changes nothing is not committed: the version stays.

use std::sync::Arc;

use jiff::Timestamp;
use koinon_machinery::Value;
use koinon_machinery::status::Status;

use crate::admission::Operation;
use crate::api::Api;
use crate::authenticate::User;
use crate::built_in::{BlindUpdate, autoscalers, events};
use crate::object::{self, Stored};
use crate::registry::{Resource, Serving, View};
use crate::storage::Raced;

use super::door::Door;
use super::options::{DryRun, WriteOptions};
use super::{edit, judge, managed, metadata};

pub(crate) use super::edit::{Edit, Patch};

/// How often a write is tried when others are faster: what upstream tries.
pub(super) const ATTEMPTS_MAX: usize = 5;

/// How often a generated name may be taken; with 14 million suffixes, more means the prefix is full.
const NAMES_MAX: usize = 8;

/// One write on its way.
pub(crate) struct Write<'a> {
    pub(super) api: &'a Api,
    pub(super) resource: &'a Arc<Resource>,
    pub(super) door: Door,
    pub(super) user: &'a User,
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
    pub(crate) options: WriteOptions,
    /// What is wrong with the text of the body: fields that are there twice.
    pub(crate) findings: Vec<String>,
}

/// What came of a write.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) effect: Effect,
    pub(crate) object: Object,
    /// What the client should know although the write succeeded.
    pub(crate) warnings: Vec<String>,
}

/// What a write did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// The object is new.
    Created,
    /// The object is there, changed or not.
    Kept,
    /// The object is gone.
    Deleted,
}

/// An object that is answered with.
#[derive(Debug, Clone)]
pub(crate) enum Object {
    /// As it is stored, in the stored version's form.
    Stored(Arc<Stored>),
    /// As it would be, or in another form.
    Tree(Arc<Value>),
}

/// What came of one attempt.
pub(super) enum Attempt {
    Done(Outcome),
    Raced,
}

// === impl Outcome ===

impl Outcome {
    /// The stored object of a write that was not a dry run.
    pub(crate) fn stored(self) -> Result<Arc<Stored>, Status> {
        match self.object {
            Object::Stored(stored) => Ok(stored),
            Object::Tree(_) => Err(Status::internal("the write was not stored")),
        }
    }
}

// === impl Write ===

impl<'a> Write<'a> {
    pub(crate) fn new(
        api: &'a Api,
        resource: &'a Arc<Resource>,
        door: Door,
        user: &'a User,
        namespace: &'a str,
        name: &'a str,
        options: WriteOptions,
    ) -> Self {
        Self { api, resource, door, user, namespace, name, options, findings: Vec::new() }
    }

    /// Adds an object.
    pub(crate) async fn create(&self, body: Value) -> Result<Outcome, Status> {
        let mut new = body;
        metadata::set_type(&mut new, self.resource)?;
        metadata::set_namespace(&mut new, self.resource, self.namespace)?;
        if !metadata::text(&new, "resourceVersion").is_empty() {
            return Err(Status::bad_request("resourceVersion should not be set on objects to be created"));
        }
        let mut warnings = self.check_fields(&new)?;
        let generated =
            metadata::text(&new, "name").is_empty() && !metadata::text(&new, "generateName").is_empty();
        if !generated {
            return self.add(new, warnings).await;
        }
        let prefix = metadata::text(&new, "generateName").to_owned();
        for _ in 0..NAMES_MAX {
            let name = metadata::generate_name(&prefix, self.api.random)?;
            metadata::of(&mut new).insert("name".to_owned(), name.into());
            match self.add(new.clone(), std::mem::take(&mut warnings)).await {
                Err(status) if status.reason == koinon_machinery::status::Reason::AlreadyExists => {}
                other => return other,
            }
        }
        let (group, plural) = self.resource.names();
        Err(Status::generated_name_taken(group, plural, &prefix))
    }

    /// Adds an object that has its name.
    async fn add(&self, body: Value, warnings: Vec<String>) -> Result<Outcome, Status> {
        let mut new = body;
        self.check_namespace(&new)?;
        let now = Timestamp::now();
        metadata::begin(&mut new, self.resource.strategy.generation, metadata::uid(self.api.random)?, now);
        Door::confine_new(&mut new, self.resource);
        self.normalize(&mut new);
        managed::update(self, None, &mut new, now)?;
        self.finish_new(new, warnings).await
    }

    /// Adds an object that an apply began.
    async fn add_applied(&self, applied: &Value) -> Result<Attempt, Status> {
        let mut new = applied.clone();
        metadata::set_type(&mut new, self.resource)?;
        metadata::set_namespace(&mut new, self.resource, self.namespace)?;
        metadata::set_name(&mut new, self.name)?;
        if self.door != Door::Object {
            return Err(self.not_found());
        }
        let warnings = self.check_fields(&new)?;
        // A version does not keep an apply from creating, only an identity does; so says upstream's server.
        if !metadata::text(&new, "uid").is_empty() {
            return Err(self.conflict(metadata::MODIFIED));
        }
        self.check_namespace(&new)?;
        let now = Timestamp::now();
        let mut new = managed::apply(self, None, &new, now)?;
        metadata::begin(&mut new, self.resource.strategy.generation, metadata::uid(self.api.random)?, now);
        Door::confine_new(&mut new, self.resource);
        self.normalize(&mut new);
        match self.finish_new(new, warnings).await {
            Err(status) if status.reason == koinon_machinery::status::Reason::AlreadyExists => {
                Ok(Attempt::Raced)
            }
            other => other.map(Attempt::Done),
        }
    }

    async fn finish_new(&self, mut new: Value, warnings: Vec<String>) -> Result<Outcome, Status> {
        self.prepare(&mut new, None)?;
        judge::check(self, &new, None, Operation::Create)?;
        let name = metadata::text(&new, "name").to_owned();
        if self.options.dry_run == DryRun::All {
            let (group, plural) = self.resource.names();
            if self.api.storage.get(self.resource, self.namespace, &name).is_some() {
                return Err(Status::already_exists(group, plural, &name));
            }
            return Ok(Outcome { effect: Effect::Created, object: Object::Tree(Arc::new(new)), warnings });
        }
        let bytes = self.encode(new)?;
        match self.api.storage.create(self.resource, self.namespace, &name, bytes).await? {
            Ok(stored) => Ok(Outcome { effect: Effect::Created, object: Object::Stored(stored), warnings }),
            Err(Raced) => {
                let (group, plural) = self.resource.names();
                Err(Status::already_exists(group, plural, &name))
            }
        }
    }

    /// Changes an object; an apply may also create it.
    pub(crate) async fn change(&self, edit: &Edit) -> Result<Outcome, Status> {
        for _ in 0..ATTEMPTS_MAX {
            let attempt = match self.api.storage.get(self.resource, self.namespace, self.name) {
                Some(old) => self.attempt(edit, &old).await?,
                None => match edit {
                    Edit::Apply(applied) => self.add_applied(applied).await?,
                    Edit::Replace(_) | Edit::Patch(_) | Edit::With(_) => return Err(self.not_found()),
                },
            };
            match attempt {
                Attempt::Done(outcome) => return Ok(outcome),
                Attempt::Raced => {}
            }
        }
        Err(self.conflict(metadata::MODIFIED))
    }

    async fn attempt(&self, edit: &Edit, stored: &Arc<Stored>) -> Result<Attempt, Status> {
        let old = self.shown(stored);
        let now = Timestamp::now();
        let mut new = edit::result(self, edit, &old)?;
        let mut warnings = Vec::new();
        metadata::set_type(&mut new, self.resource)?;
        metadata::set_namespace(&mut new, self.resource, self.namespace)?;
        metadata::set_name(&mut new, self.name)?;
        if !matches!(edit, Edit::With(_)) {
            warnings.extend(self.check_fields(&new)?);
        }
        self.check_pins(&new, &old, edit)?;
        if let Edit::Apply(_) = edit {
            new = managed::apply(self, Some(&old), &new, now)?;
        }
        metadata::carry(&mut new, &old);
        self.door.confine(&mut new, &old, self.resource);
        managed::keep_wish(&mut new);
        self.normalize(&mut new);
        if !matches!(edit, Edit::Apply(_)) {
            managed::update(self, Some(&old), &mut new, now)?;
        }
        if self.door == Door::Object {
            self.prepare(&mut new, Some(&old))?;
        }
        metadata::count_generation(&mut new, &old, self.resource.strategy.generation);
        judge::check(self, &new, Some(&old), Operation::Update)?;
        self.finish(new, &old, stored, warnings).await
    }

    /// Commits what became of an object: nothing, a change, or its end when the last finalizer went.
    pub(super) async fn finish(
        &self,
        new: Value,
        old: &Value,
        stored: &Arc<Stored>,
        warnings: Vec<String>,
    ) -> Result<Attempt, Status> {
        let done = |effect, object| Ok(Attempt::Done(Outcome { effect, object, warnings: warnings.clone() }));
        if managed::is_same(&new, old) {
            return done(Effect::Kept, self.object(stored));
        }
        let ends = new["metadata"].get("deletionTimestamp").is_some() && !is_held(&new);
        if self.options.dry_run == DryRun::All {
            let effect = if ends { Effect::Deleted } else { Effect::Kept };
            return done(effect, Object::Tree(Arc::new(new)));
        }
        if ends {
            return match self.api.storage.delete(stored).await? {
                Ok(()) => done(Effect::Deleted, Object::Tree(Arc::new(new))),
                Err(Raced) => Ok(Attempt::Raced),
            };
        }
        let bytes = self.encode(new)?;
        match self.api.storage.update(stored, bytes).await? {
            Ok(stored) => done(Effect::Kept, self.object(&stored)),
            Err(Raced) => Ok(Attempt::Raced),
        }
    }

    /// What the object looks like in the version of the request.
    pub(super) fn shown(&self, stored: &Stored) -> Arc<Value> {
        show(self.resource, stored)
    }

    fn object(&self, stored: &Arc<Stored>) -> Object {
        Object::Stored(Arc::clone(stored))
    }

    /// Encodes an object in the stored version's form.
    fn encode(&self, mut new: Value) -> Result<bytes::Bytes, Status> {
        match self.resource.serving {
            Serving::Stored(View::Events) => events::to_core(&mut new),
            Serving::Stored(View::Autoscalers) => autoscalers::to_v2(&mut new),
            Serving::Stored(View::Same) | Serving::Review => {}
        }
        let bytes = object::encode(&new).map_err(|error| Status::internal(&error.to_string()))?;
        if bytes.len() > OBJECT_BYTES_MAX {
            return Err(Status::too_large(&format!(
                "the object has {} bytes, the limit is {OBJECT_BYTES_MAX}",
                bytes.len()
            )));
        }
        Ok(bytes)
    }

    /// Fills in what the server decides, after it is settled who owns what.
    fn prepare(&self, new: &mut Value, old: Option<&Value>) -> Result<(), Status> {
        (self.resource.strategy.prepare)(new, old);
        self.api.services.allocate(&self.api.storage, self.resource, new, old)
    }

    /// Writes the object as upstream's server would hold it: defaults filled in, canonical spellings, no nulls.
    fn normalize(&self, new: &mut Value) {
        (self.resource.strategy.fold)(new);
        edit::normalize(&self.api.registry, self.resource, new);
    }

    /// Finds unknown fields, and refuses or reports them as the client wishes.
    fn check_fields(&self, new: &Value) -> Result<Vec<String>, Status> {
        judge::fields(self, new)
    }

    fn check_pins(&self, new: &Value, old: &Value, edit: &Edit) -> Result<(), Status> {
        let blind = metadata::text(new, "resourceVersion").is_empty();
        if blind
            && matches!(edit, Edit::Replace(_))
            && self.resource.strategy.blind_update == BlindUpdate::Refused
            && !self.user.is_internal()
        {
            let error = koinon_machinery::validate::FieldError::invalid(
                "metadata.resourceVersion",
                0,
                "must be specified for an update",
            );
            return Err(Status::invalid(
                &self.resource.gvk.group,
                &self.resource.gvk.kind,
                self.name,
                &[error],
            ));
        }
        metadata::check_pins(new, old, self.resource)
    }

    /// A namespaced object needs its namespace, and one that stays.
    fn check_namespace(&self, new: &Value) -> Result<(), Status> {
        if !self.resource.catalog.namespaced {
            return Ok(());
        }
        let (group, plural) = self.resource.names();
        let name = metadata::text(new, "name");
        match self.api.namespace(self.namespace) {
            None => Err(Status::not_found("", "namespaces", self.namespace)),
            Some(namespace) if namespace.is_deleting() => {
                Err(Status::namespace_terminating(group, plural, name, self.namespace))
            }
            Some(_) => Ok(()),
        }
    }

    pub(super) fn not_found(&self) -> Status {
        let (group, plural) = self.resource.names();
        Status::not_found(group, plural, self.name)
    }

    pub(super) fn conflict(&self, why: &str) -> Status {
        let (group, plural) = self.resource.names();
        Status::conflict(group, plural, self.name, why)
    }
}

/// What upstream's store takes; a larger object is a mistake.
const OBJECT_BYTES_MAX: usize = 3 * 512 * 1024;

/// What an object looks like in the version that `resource` serves.
pub(crate) fn show(resource: &Resource, stored: &Stored) -> Arc<Value> {
    match resource.serving {
        Serving::Stored(View::Events) => {
            let mut value = Arc::unwrap_or_clone(stored.value());
            events::from_core(&mut value);
            Arc::new(value)
        }
        Serving::Stored(View::Autoscalers) => {
            let mut value = Arc::unwrap_or_clone(stored.value());
            autoscalers::to_v1(&mut value);
            Arc::new(value)
        }
        Serving::Stored(View::Same) | Serving::Review => stored.value(),
    }
}

/// Whether something keeps an object that was asked to go.
pub(super) fn is_held(object: &Value) -> bool {
    let content = object["spec"]["finalizers"].as_array().is_some_and(|finalizers| !finalizers.is_empty());
    let namespace = object["kind"] == "Namespace" && object["apiVersion"] == "v1";
    metadata::finalizers(object).next().is_some() || namespace && content
}
