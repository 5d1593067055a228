//! Reviews: questions about who somebody is and what they may do, answered and forgotten.

use http::StatusCode;
use jiff::Timestamp;
use koinon_machinery::Value;
use koinon_machinery::status::Status;
use koinon_machinery::validate::FieldError;
use serde_json::json;

use crate::api::Api;
use crate::authenticate::{self, MASTERS, User, token};
use crate::authorize::policy::Rule;
use crate::authorize::{self, Action};
use crate::handle::{Answer, Call};
use crate::negotiate::Offer;

use super::decode::Raw;
use super::metadata;
use super::respond;

/// Answers a review.
pub(super) fn answer(api: &Api, call: &Call, raw: &Raw) -> Result<Answer, Status> {
    let wanted = respond::negotiated(call, Offer::Plain)?;
    let mut review = raw.decode(api.registry.schema())?.value;
    metadata::set_type(&mut review, &call.resource)?;
    metadata::of(&mut review);
    let status = match call.resource.gvk.kind.as_str() {
        "SelfSubjectReview" => json!({"userInfo": info(&call.user)}),
        "SelfSubjectAccessReview" => access(api, call, &call.user, &review["spec"])?,
        "SubjectAccessReview" | "LocalSubjectAccessReview" => {
            access(api, call, &subject(&review["spec"]), &review["spec"])?
        }
        "SelfSubjectRulesReview" => rules(api, call, &review["spec"])?,
        "TokenReview" => token_status(api, &review["spec"]),
        _ => return Err(Status::unknown_resource()),
    };
    review["status"] = status;
    respond::encoded(api, call, StatusCode::CREATED, &review, wanted.encoding)
}

fn info(user: &User) -> Value {
    let mut info = json!({"username": user.name, "groups": user.groups});
    if !user.uid.is_empty() {
        info["uid"] = user.uid.as_str().into();
    }
    if !user.extra.is_empty() {
        info["extra"] = json!(user.extra);
    }
    info
}

/// The user that a review is about.
fn subject(spec: &Value) -> User {
    let texts = |value: &Value| {
        value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let extra = spec["extra"].as_object().into_iter().flatten();
    User {
        name: text(spec, "user").to_owned(),
        uid: text(spec, "uid").to_owned(),
        groups: texts(&spec["groups"]),
        extra: extra.map(|(key, values)| (key.clone(), texts(values))).collect(),
    }
}

fn access(api: &Api, call: &Call, user: &User, spec: &Value) -> Result<Value, Status> {
    let (resource, path) = (&spec["resourceAttributes"], &spec["nonResourceAttributes"]);
    let refuse = |detail: &str| {
        let error = FieldError::invalid("spec.resourceAttributes", Value::Null, detail);
        let gvk = &call.resource.gvk;
        Err(Status::invalid(&gvk.group, &gvk.kind, "", &[error]))
    };
    let plural;
    let action = match (resource.is_object(), path.is_object()) {
        (true, false) => {
            plural = match text(resource, "subresource") {
                "" => text(resource, "resource").to_owned(),
                subresource => format!("{}/{subresource}", text(resource, "resource")),
            };
            Action::Resource {
                verb: text(resource, "verb"),
                group: text(resource, "group"),
                resource: &plural,
                namespace: text(resource, "namespace"),
                name: text(resource, "name"),
            }
        }
        (false, true) => Action::Path { verb: text(path, "verb"), path: text(path, "path") },
        _ => return refuse("exactly one of nonResourceAttributes or resourceAttributes must be specified"),
    };
    Ok(match authorize::allow(&api.policy.load(), user, action) {
        Some(reason) if reason.is_empty() => json!({"allowed": true}),
        Some(reason) => json!({"allowed": true, "reason": reason}),
        None => json!({"allowed": false}),
    })
}

fn rules(api: &Api, call: &Call, spec: &Value) -> Result<Value, Status> {
    let namespace = text(spec, "namespace");
    if namespace.is_empty() {
        return Err(Status::bad_request("no namespace on request"));
    }
    let mut rules = api.policy.load().rules_of(&call.user, namespace);
    if call.user.is_in(MASTERS) {
        let all = || vec!["*".to_owned()];
        rules.push(Rule { verbs: all(), api_groups: all(), resources: all(), ..Rule::default() });
        rules.push(Rule { verbs: all(), non_resource_urls: all(), ..Rule::default() });
    }
    let (paths, resources): (Vec<Rule>, Vec<Rule>) =
        rules.into_iter().partition(|rule| !rule.non_resource_urls.is_empty());
    let resources: Vec<Value> = resources
        .into_iter()
        .map(|rule| {
            let mut value =
                json!({"verbs": rule.verbs, "apiGroups": rule.api_groups, "resources": rule.resources});
            if !rule.resource_names.is_empty() {
                value["resourceNames"] = json!(rule.resource_names);
            }
            value
        })
        .collect();
    let paths: Vec<Value> = paths
        .into_iter()
        .map(|rule| json!({"verbs": rule.verbs, "nonResourceURLs": rule.non_resource_urls}))
        .collect();
    Ok(json!({"resourceRules": resources, "nonResourceRules": paths, "incomplete": false}))
}

fn token_status(api: &Api, spec: &Value) -> Value {
    let audiences: Vec<&str> =
        spec["audiences"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let asked = if audiences.is_empty() { vec![token::ISSUER] } else { audiences };
    match authenticate::bearer(api, text(spec, "token"), &asked, Timestamp::now()) {
        Ok(user) => json!({"authenticated": true, "user": info(&user), "audiences": asked}),
        Err(error) => json!({"user": {}, "error": error.to_string()}),
    }
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}
