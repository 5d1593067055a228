//! `metav1.Status`: how every request that fails is answered.
//!
//! Clients branch on `reason`, `code`, `details.kind` and the causes, and people grep for the messages, so each
//! constructor follows upstream's convention exactly. A constructor names what went wrong, never the HTTP code.
//! Not done here: choosing which of them applies; that is the caller's decision.

use std::fmt;

use serde_json::{Map, json};

use crate::Value;
use crate::quote::quoted;
use crate::validate::FieldError;

/// Why a request failed, as clients branch on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// No credentials, or wrong ones.
    Unauthorized,
    /// The user, or a rule, does not allow it.
    Forbidden,
    /// No such object or resource.
    NotFound,
    /// The name is taken.
    AlreadyExists,
    /// The object changed, or another field manager owns what was to be set.
    Conflict,
    /// The object breaks a rule of its kind.
    Invalid,
    /// A transient failure; the same request may work later.
    ServerTimeout,
    /// Not answered in time; it may still take effect.
    Timeout,
    /// The client must slow down.
    TooManyRequests,
    /// The request itself cannot be understood.
    BadRequest,
    /// The verb does not exist for the resource.
    MethodNotAllowed,
    /// No media type the client accepts can be produced.
    NotAcceptable,
    /// The body is larger than the server takes.
    RequestEntityTooLarge,
    /// The body's media type is not understood.
    UnsupportedMediaType,
    /// The server failed.
    InternalError,
    /// What was asked for is older than the history kept.
    Expired,
    /// The server cannot serve this now.
    ServiceUnavailable,
}

impl Reason {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unauthorized => "Unauthorized",
            Self::Forbidden => "Forbidden",
            Self::NotFound => "NotFound",
            Self::AlreadyExists => "AlreadyExists",
            Self::Conflict => "Conflict",
            Self::Invalid => "Invalid",
            Self::ServerTimeout => "ServerTimeout",
            Self::Timeout => "Timeout",
            Self::TooManyRequests => "TooManyRequests",
            Self::BadRequest => "BadRequest",
            Self::MethodNotAllowed => "MethodNotAllowed",
            Self::NotAcceptable => "NotAcceptable",
            Self::RequestEntityTooLarge => "RequestEntityTooLarge",
            Self::UnsupportedMediaType => "UnsupportedMediaType",
            Self::InternalError => "InternalError",
            Self::Expired => "Expired",
            Self::ServiceUnavailable => "ServiceUnavailable",
        }
    }

    /// The HTTP status code that goes with it.
    pub fn code(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::Unauthorized => 401,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::NotAcceptable => 406,
            Self::AlreadyExists | Self::Conflict => 409,
            Self::Expired => 410,
            Self::RequestEntityTooLarge => 413,
            Self::UnsupportedMediaType => 415,
            Self::Invalid => 422,
            Self::TooManyRequests => 429,
            Self::InternalError | Self::ServerTimeout => 500,
            Self::ServiceUnavailable => 503,
            Self::Timeout => 504,
        }
    }
}

/// One cause among several of the same failure.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cause {
    /// The cause type, such as `FieldValueInvalid` or `FieldManagerConflict`; may be empty.
    pub reason: String,
    /// What a person reads.
    pub message: String,
    /// The field, if it is about one.
    pub field: String,
}

/// What the failure was about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// Name of the object.
    pub name: String,
    /// API group.
    pub group: String,
    /// Plural of the resource; for [`Status::invalid`] the kind.
    pub kind: String,
    /// Uid of the object where it is known.
    pub uid: String,
    /// The single causes, in the order found.
    pub causes: Vec<Cause>,
    /// When to try again; 0 says nothing about it.
    pub retry_after_seconds: u32,
}

/// A failed request, as answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// HTTP status code.
    pub code: u16,
    /// What clients branch on.
    pub reason: Reason,
    /// What a person reads.
    pub message: String,
    /// What it was about, where that is known.
    pub details: Option<Box<Details>>,
    /// Where to go on with a list whose continue token expired.
    pub continue_token: Option<String>,
}

/// The text that goes with a failed comparison of resource versions.
pub const MODIFIED: &str =
    "the object has been modified; please apply your changes to the latest version and try again";

// === constructors about an object ===

impl Status {
    /// There is no such object.
    pub fn not_found(group: &str, resource: &str, name: &str) -> Self {
        let message = format!("{} {} not found", qualified(resource, group), quoted(name));
        Self::about(Reason::NotFound, group, resource, name, message)
    }

    /// The name is taken.
    pub fn already_exists(group: &str, resource: &str, name: &str) -> Self {
        let message = format!("{} {} already exists", qualified(resource, group), quoted(name));
        Self::about(Reason::AlreadyExists, group, resource, name, message)
    }

    /// Every generated name that was tried is taken.
    pub fn generated_name_taken(group: &str, resource: &str, name: &str) -> Self {
        let message = format!(
            "{} {} already exists, the server was not able to generate a unique name for the object",
            qualified(resource, group),
            quoted(name)
        );
        Self::about(Reason::AlreadyExists, group, resource, name, message).with_retry_after(1)
    }

    /// The object is not in the state the request presumes; `why` is mostly [`MODIFIED`].
    pub fn conflict(group: &str, resource: &str, name: &str, why: &str) -> Self {
        let message = format!(
            "Operation cannot be fulfilled on {} {}: {why}",
            qualified(resource, group),
            quoted(name)
        );
        Self::about(Reason::Conflict, group, resource, name, message)
    }

    /// Other field managers own what an apply wants to set.
    pub fn apply_conflict(message: impl Into<String>, causes: Vec<Cause>) -> Self {
        let mut status = Self::plain(Reason::Conflict, message);
        status.details = Some(Box::new(Details { causes, ..Details::default() }));
        status
    }

    /// The object breaks rules of its kind; one cause per error.
    pub fn invalid(group: &str, kind: &str, name: &str, errors: &[FieldError]) -> Self {
        let subject = format!("{} {} is invalid", qualified(kind, group), quoted(name));
        let message = match joined(errors) {
            Some(list) => format!("{subject}: {list}"),
            None => subject,
        };
        let mut status = Self::about(Reason::Invalid, group, kind, name, message);
        status.details.get_or_insert_default().causes = errors.iter().map(Cause::from).collect();
        status
    }

    /// Not allowed; with an empty `resource` the message names none, with an empty `name` no object.
    pub fn forbidden(group: &str, resource: &str, name: &str, why: &str) -> Self {
        let message = if resource.is_empty() && group.is_empty() {
            format!("forbidden: {why}")
        } else if name.is_empty() {
            format!("{} is forbidden: {why}", qualified(resource, group))
        } else {
            format!("{} {} is forbidden: {why}", qualified(resource, group), quoted(name))
        };
        Self::about(Reason::Forbidden, group, resource, name, message)
    }

    /// Nothing can be created in `namespace` any more.
    pub fn namespace_terminating(group: &str, resource: &str, name: &str, namespace: &str) -> Self {
        let why =
            format!("unable to create new content in namespace {namespace} because it is being terminated");
        Self::forbidden(group, resource, name, &why).with_cause(Cause {
            reason: "NamespaceTerminating".to_owned(),
            message: format!("namespace {namespace} is being terminated"),
            field: "metadata.namespace".to_owned(),
        })
    }

    /// The verb does not exist for this resource; `action` is the verb.
    pub fn method_not_supported(group: &str, resource: &str, action: &str) -> Self {
        let subject = quoted(&qualified(resource, group));
        let message = format!("{action} is not supported on resources of kind {subject}");
        Self::about(Reason::MethodNotAllowed, group, resource, "", message)
    }

    /// A transient failure of `operation` against the resource.
    pub fn server_timeout(group: &str, resource: &str, operation: &str, retry_after_seconds: u32) -> Self {
        let message = format!(
            "The {operation} operation against {} could not be completed at this time, please try again.",
            qualified(resource, group)
        );
        Self::about(Reason::ServerTimeout, group, resource, operation, message)
            .with_retry_after(retry_after_seconds)
    }
}

// === constructors about a request ===

impl Status {
    /// The request cannot be understood.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::plain(Reason::BadRequest, message)
    }

    /// The client has not said who it is; an empty message becomes upstream's.
    pub fn unauthorized(message: &str) -> Self {
        Self::plain(Reason::Unauthorized, if message.is_empty() { "not authorized" } else { message })
    }

    /// No such path, group or resource.
    pub fn unknown_resource() -> Self {
        let mut status = Self::plain(Reason::NotFound, "the server could not find the requested resource");
        status.details = Some(Box::default());
        status
    }

    /// What was asked for is older than the history kept.
    pub fn gone_expired(message: impl Into<String>) -> Self {
        Self::plain(Reason::Expired, message)
    }

    /// A watch or list starts at a version that is no longer kept.
    pub fn too_old(requested: u64, oldest: u64) -> Self {
        Self::gone_expired(format!("too old resource version: {requested} ({oldest})"))
    }

    /// A read asks for a version that does not exist yet.
    pub fn too_new(requested: u64, current: u64) -> Self {
        let message = format!("Too large resource version: {requested}, current: {current}");
        Self::timeout(&message, 1).with_cause(Cause {
            reason: "ResourceVersionTooLarge".to_owned(),
            message: "Too large resource version".to_owned(),
            field: String::new(),
        })
    }

    /// The request was not finished in time; it may still take effect.
    pub fn timeout(message: &str, retry_after_seconds: u32) -> Self {
        Self::plain(Reason::Timeout, format!("Timeout: {message}")).with_retry_after(retry_after_seconds)
    }

    /// The client must slow down.
    pub fn too_many_requests(message: impl Into<String>, retry_after_seconds: u32) -> Self {
        Self::plain(Reason::TooManyRequests, message).with_retry_after(retry_after_seconds)
    }

    /// The body's media type is not understood.
    pub fn unsupported_media_type(accepted: &[&str]) -> Self {
        let accepted = accepted.join(", ");
        Self::plain(
            Reason::UnsupportedMediaType,
            format!(
                "the body of the request was in an unknown format - accepted media types include: {accepted}"
            ),
        )
    }

    /// None of the media types the client accepts can be produced.
    pub fn not_acceptable(accepted: &[&str]) -> Self {
        let accepted = accepted.join(", ");
        Self::plain(Reason::NotAcceptable, format!("only the following media types are accepted: {accepted}"))
    }

    /// The body is larger than the server takes.
    pub fn too_large(message: &str) -> Self {
        Self::plain(Reason::RequestEntityTooLarge, format!("Request entity too large: {message}"))
    }

    /// The server failed.
    pub fn internal(error: &str) -> Self {
        let status = Self::plain(Reason::InternalError, format!("Internal error occurred: {error}"));
        status.with_cause(Cause { message: error.to_owned(), ..Cause::default() })
    }

    /// The server cannot serve this now.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::plain(Reason::ServiceUnavailable, message)
    }

    /// Any other failure with that reason: no details, the code that goes with the reason.
    pub fn plain(reason: Reason, message: impl Into<String>) -> Self {
        Self { code: reason.code(), reason, message: message.into(), details: None, continue_token: None }
    }
}

// === refinements and rendering ===

impl Status {
    /// Adds a cause.
    #[must_use]
    pub fn with_cause(mut self, cause: Cause) -> Self {
        self.details.get_or_insert_default().causes.push(cause);
        self
    }

    /// Says when to try again.
    #[must_use]
    pub fn with_retry_after(mut self, seconds: u32) -> Self {
        self.details.get_or_insert_default().retry_after_seconds = seconds;
        self
    }

    /// Names the object by uid too.
    #[must_use]
    pub fn with_uid(mut self, uid: &str) -> Self {
        uid.clone_into(&mut self.details.get_or_insert_default().uid);
        self
    }

    /// Says where to go on with a list whose token expired.
    #[must_use]
    pub fn with_continue(mut self, token: String) -> Self {
        self.continue_token = Some(token);
        self
    }

    /// The object as clients decode it.
    pub fn to_value(&self) -> Value {
        let mut metadata = Map::new();
        if let Some(token) = &self.continue_token {
            metadata.insert("continue".to_owned(), token.as_str().into());
        }
        let mut status = json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": metadata,
            "status": "Failure",
            "reason": self.reason.as_str(),
            "code": self.code,
        });
        if !self.message.is_empty() {
            status["message"] = self.message.as_str().into();
        }
        if let Some(details) = &self.details {
            status["details"] = details.to_value();
        }
        status
    }

    /// The object that answers a request that succeeded and has nothing else to return, such as a delete.
    pub fn success(details: &Details) -> Value {
        json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Success",
            "details": details.to_value(),
        })
    }

    fn about(reason: Reason, group: &str, kind: &str, name: &str, message: String) -> Self {
        let details = Details {
            name: name.to_owned(),
            group: group.to_owned(),
            kind: kind.to_owned(),
            ..Details::default()
        };
        Self { details: Some(Box::new(details)), ..Self::plain(reason, message) }
    }
}

impl Details {
    /// The details of one object: its group, plural, name and uid.
    pub fn of(group: &str, resource: &str, name: &str, uid: &str) -> Self {
        Self {
            name: name.to_owned(),
            group: group.to_owned(),
            kind: resource.to_owned(),
            uid: uid.to_owned(),
            ..Self::default()
        }
    }

    fn to_value(&self) -> Value {
        let mut details = Map::new();
        insert_filled(&mut details, "name", &self.name);
        insert_filled(&mut details, "group", &self.group);
        insert_filled(&mut details, "kind", &self.kind);
        insert_filled(&mut details, "uid", &self.uid);
        if !self.causes.is_empty() {
            details.insert("causes".to_owned(), self.causes.iter().map(Cause::to_value).collect());
        }
        if self.retry_after_seconds > 0 {
            details.insert("retryAfterSeconds".to_owned(), self.retry_after_seconds.into());
        }
        Value::Object(details)
    }
}

impl Cause {
    fn to_value(&self) -> Value {
        let mut cause = Map::new();
        insert_filled(&mut cause, "reason", &self.reason);
        insert_filled(&mut cause, "message", &self.message);
        insert_filled(&mut cause, "field", &self.field);
        Value::Object(cause)
    }
}

impl From<&FieldError> for Cause {
    fn from(error: &FieldError) -> Self {
        Self { reason: error.kind.cause().to_owned(), message: error.body(), field: error.field.clone() }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Status {}

fn insert_filled(map: &mut Map<String, Value>, key: &str, text: &str) {
    if !text.is_empty() {
        map.insert(key.to_owned(), text.into());
    }
}

/// `deployments.apps`, or the bare word for the core group.
fn qualified(word: &str, group: &str) -> String {
    if group.is_empty() { word.to_owned() } else { format!("{word}.{group}") }
}

/// One error as it is, several distinct ones as `[a, b]`, none as `None`.
fn joined(errors: &[FieldError]) -> Option<String> {
    let mut distinct: Vec<String> = Vec::with_capacity(errors.len());
    for error in errors {
        let text = error.to_string();
        if !distinct.contains(&text) {
            distinct.push(text);
        }
    }
    if distinct.len() > 1 {
        return Some(format!("[{}]", distinct.join(", ")));
    }
    distinct.pop()
}

#[cfg(test)]
mod tests;
