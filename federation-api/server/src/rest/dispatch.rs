//! From a permitted request with its body to what it does.

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use hyper::body::Body as HttpBody;
use koinon_machinery::Value;
use koinon_machinery::schema::catalog::Verb;
use koinon_machinery::status::{Reason, Status};
use koinon_machinery::{json, patch, yaml};

use crate::api::Api;
use crate::handle::{self, Answer, Call};
use crate::object::Stored;
use crate::registry::Serving;
use crate::storage;

use super::decode::{self, APPLY_PATCH, Decoded, JSON_PATCH, MERGE_PATCH, Raw, STRATEGIC_PATCH};
use super::door::Door;
use super::options::{DeleteOptions, DryRun, FieldValidation, Force, ListOptions, WriteOptions};
use super::selection::Selection;
use super::write::{Edit, Effect, Patch, Write};
use super::{read, respond, review, scale, token_request};

/// How many objects of a collection are deleted at once: as many as make a group commit worth it.
const DELETES_AT_ONCE: usize = 32;

/// Does what a request asks for; watches have their own way.
///
/// # Errors
/// What the client is told instead.
pub(crate) async fn answer<B>(api: &Api, call: &Call, body: B) -> Result<Answer, Status>
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    check_verb(call)?;
    match (call.path.subresource.as_str(), call.verb) {
        _ if call.resource.serving == Serving::Review => {
            review::answer(api, call, &read_body(call, body).await?)
        }
        ("", Verb::Get) => read::get(api, call),
        ("", Verb::List) => read::list(api, call).await,
        ("scale", _) => scale::answer(api, call, &read_body(call, body).await?).await,
        ("token", Verb::Create) => token_request::answer(api, call, &read_body(call, body).await?),
        ("status" | "finalize", Verb::Get) => read::get(api, call),
        _ => change(api, call, &read_body(call, body).await?).await,
    }
}

/// Refuses verbs that the resource, or its part, does not have, and those that its path does not fit.
fn check_verb(call: &Call) -> Result<(), Status> {
    let (group, plural) = call.resource.names();
    let one = !call.path.name.is_empty();
    let fits = match call.verb {
        Verb::Create => !one || !call.path.subresource.is_empty(),
        Verb::Update | Verb::Patch | Verb::Get | Verb::Delete => one,
        Verb::List | Verb::Watch | Verb::DeleteCollection => !one,
    };
    // Without a namespace only reads go through all of them.
    let everywhere = call.resource.catalog.namespaced && call.path.namespace.is_empty();
    if !fits || everywhere && !matches!(call.verb, Verb::List | Verb::Watch) {
        return Err(Status::plain(
            Reason::MethodNotAllowed,
            "the server does not allow this method on the requested resource",
        ));
    }
    let allowed = match call.path.subresource.as_str() {
        "" => call.resource.catalog.allows(call.verb),
        name => match call.resource.catalog.subresource(name) {
            Some(subresource) => subresource.verbs.contains(&call.verb),
            None => return Err(Status::unknown_resource()),
        },
    };
    if allowed { Ok(()) } else { Err(Status::method_not_supported(group, plural, call.verb.as_str())) }
}

async fn read_body<B>(call: &Call, body: B) -> Result<Raw, Status>
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    decode::read(&call.headers, body).await
}

async fn change(api: &Api, call: &Call, raw: &Raw) -> Result<Answer, Status> {
    match call.verb {
        Verb::Create => {
            let write = write(api, call)?;
            create(api, call, write, raw).await
        }
        Verb::Update => {
            let decoded = raw.decode(api.registry.schema())?;
            let mut write = write(api, call)?;
            write.findings = decoded.duplicates;
            super::metadata::check_name(&decoded.value, &call.path.name)?;
            let outcome = write.change(&Edit::Replace(decoded.value)).await?;
            respond::outcome(api, call, &outcome)
        }
        Verb::Patch => {
            let mut write = write(api, call)?;
            let edit = edit(call, raw, &mut write)?;
            let outcome = write.change(&edit).await?;
            respond::outcome(api, call, &outcome)
        }
        Verb::Delete => delete(api, call, raw).await,
        Verb::DeleteCollection => delete_collection(api, call, raw).await,
        Verb::Get | Verb::List | Verb::Watch => Err(Status::unknown_resource()),
    }
}

/// The write that a request asks for, its edit aside.
pub(super) fn write<'a>(api: &'a Api, call: &'a Call) -> Result<Write<'a>, Status> {
    let mut options = WriteOptions::parse(&call.query)?;
    options.manager = call.manager(&options.manager);
    let door = Door::of(&call.resource, &call.path.subresource)?;
    Ok(Write::new(api, &call.resource, door, &call.user, &call.path.namespace, &call.path.name, options))
}

async fn create(api: &Api, call: &Call, mut write: Write<'_>, raw: &Raw) -> Result<Answer, Status> {
    let Decoded { value, duplicates } = raw.decode(api.registry.schema())?;
    write.findings = duplicates;
    let outcome = write.create(value).await?;
    respond::outcome(api, call, &outcome)
}

/// Understands the body of a patch by its media type.
pub(super) fn edit(call: &Call, raw: &Raw, write: &mut Write<'_>) -> Result<Edit, Status> {
    let built_in = call.resource.is_built_in();
    match raw.media_type.as_str() {
        APPLY_PATCH => {
            if call.query.text("fieldManager").is_empty() {
                let error = koinon_machinery::validate::FieldError::required(
                    "fieldManager",
                    "is required for apply patch",
                );
                return Err(Status::invalid("meta.k8s.io", "PatchOptions", "", &[error]));
            }
            let parsed = yaml::parse(&raw.bytes)
                .map_err(|error| Status::bad_request(format!("error decoding YAML: {error}")))?;
            write.findings = parsed.duplicates;
            return Ok(Edit::Apply(parsed.value));
        }
        _ if write.options.force == Force::Yes => {
            let error = koinon_machinery::validate::FieldError::forbidden(
                "force",
                "may not be specified for non-apply patch",
            );
            return Err(Status::invalid("meta.k8s.io", "PatchOptions", "", &[error]));
        }
        _ => {}
    }
    match raw.media_type.as_str() {
        JSON_PATCH => {
            let patch = patch::json::Patch::parse(&raw.bytes)?;
            write.findings.clone_from(&patch.findings);
            Ok(Edit::Patch(Patch::Json(patch)))
        }
        MERGE_PATCH => {
            let parsed = patch::merge::parse(&raw.bytes)?;
            write.findings = parsed.duplicates;
            Ok(Edit::Patch(Patch::Merge(parsed.value)))
        }
        STRATEGIC_PATCH if built_in => {
            let parsed = json::parse(&raw.bytes)
                .map_err(|error| Status::bad_request(format!("error decoding patch: {error}")))?;
            write.findings = parsed.duplicates;
            match parsed.value {
                Value::Object(members) => Ok(Edit::Patch(Patch::Strategic(members))),
                _ => Err(Status::bad_request("error decoding patch: a strategic merge patch is an object")),
            }
        }
        _ if built_in => {
            Err(Status::unsupported_media_type(&[JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, APPLY_PATCH]))
        }
        _ => Err(Status::unsupported_media_type(&[JSON_PATCH, MERGE_PATCH, APPLY_PATCH])),
    }
}

// === delete ===

async fn delete(api: &Api, call: &Call, raw: &Raw) -> Result<Answer, Status> {
    let options = delete_options(api, call, raw)?;
    let write = deleting(api, call, &call.path.namespace, &call.path.name, &options)?;
    let outcome = write.delete(&options).await?;
    match outcome.effect {
        Effect::Deleted => respond::deleted(call, &outcome),
        Effect::Created | Effect::Kept => respond::outcome(api, call, &outcome),
    }
}

async fn delete_collection(api: &Api, call: &Call, raw: &Raw) -> Result<Answer, Status> {
    let options = delete_options(api, call, raw)?;
    let list = ListOptions::parse(&call.query)?;
    let selection =
        Selection::parse(&call.resource, &call.path.namespace, &list.label_selector, &list.field_selector)?;
    let view = api.storage.snapshot(&call.resource);
    let mut wanted = Vec::new();
    for stored in view.after(selection.namespace(), None) {
        if selection.holds(stored) {
            wanted.push(Arc::clone(stored));
        }
    }
    let mut gone = Vec::with_capacity(wanted.len());
    for batch in wanted.chunks(DELETES_AT_ONCE) {
        let deletes: Vec<_> = batch.iter().map(|stored| delete_one(api, call, stored, &options)).collect();
        gone.extend(futures::future::try_join_all(deletes).await?.into_iter().flatten());
    }
    respond::list(api, call, &gone, api.storage.revision())
}

/// Deletes one of many; `None` when it is gone already.
async fn delete_one(
    api: &Api,
    call: &Call,
    stored: &Arc<Stored>,
    options: &DeleteOptions,
) -> Result<Option<Arc<Stored>>, Status> {
    match deleting(api, call, stored.namespace(), stored.name(), options)?.delete(options).await {
        Ok(_) => Ok(Some(Arc::clone(stored))),
        Err(status) if status.reason == Reason::NotFound => Ok(None),
        Err(status) => Err(status),
    }
}

fn deleting<'a>(
    api: &'a Api,
    call: &'a Call,
    namespace: &'a str,
    name: &'a str,
    options: &DeleteOptions,
) -> Result<Write<'a>, Status> {
    let door = Door::of(&call.resource, &call.path.subresource)?;
    let dry_run = options.dry_run()?;
    let field_validation = FieldValidation::Ignore;
    let manager = call.manager("");
    let write = WriteOptions { dry_run, field_validation, manager, ..WriteOptions::default() };
    Ok(Write::new(api, &call.resource, door, &call.user, namespace, name, write))
}

/// The options of a delete: those of the body, or of the query when there is no body.
fn delete_options(api: &Api, call: &Call, raw: &Raw) -> Result<DeleteOptions, Status> {
    let body = if raw.bytes.is_empty() { None } else { Some(raw.decode(api.registry.schema())?.value) };
    let mut options = DeleteOptions::parse(&call.query, body.as_ref())?;
    if options.dry_run()? == DryRun::No && call.query.get("dryRun").is_some() {
        options.dry_run = Some(call.query.all("dryRun").map(str::to_owned).collect());
    }
    Ok(options)
}

/// A code for what a write did.
pub(super) fn code(effect: Effect) -> StatusCode {
    match effect {
        Effect::Created => StatusCode::CREATED,
        Effect::Kept | Effect::Deleted => StatusCode::OK,
    }
}

/// An object that is not there.
pub(super) fn not_found(call: &Call) -> Status {
    let (group, plural) = call.resource.names();
    Status::not_found(group, plural, &call.path.name)
}

/// The collection that a request is about, as it is now.
pub(super) fn view(api: &Api, call: &Call) -> storage::View {
    api.storage.snapshot(&call.resource)
}

/// An answer with warnings for the client.
pub(super) fn warned(mut answer: Answer, warnings: &[String]) -> Answer {
    handle::warn(&mut answer, warnings);
    answer
}
