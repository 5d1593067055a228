//! From what a request carries to who sends it.

use std::collections::BTreeMap;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use jiff::Timestamp;
use koinon_machinery::status::Status;

use super::token::{self, Claims, Refused};
use super::{ANONYMOUS, AUTHENTICATED, UNAUTHENTICATED, User};
use crate::api::Api;
use crate::authorize::Action;

/// What all user names of ServiceAccounts begin with.
const ACCOUNT_PREFIX: &str = "system:serviceaccount:";
/// The header that names whom the sender wants to be.
const IMPERSONATE_USER: &str = "impersonate-user";
const IMPERSONATE_UID: &str = "impersonate-uid";
const IMPERSONATE_GROUP: &str = "impersonate-group";
const IMPERSONATE_EXTRA: &str = "impersonate-extra-";

/// Answers who sends a request: whom the token names, else whom the certificate names, else nobody; then whom they
/// impersonate, if they may.
///
/// # Errors
/// 401 for credentials that are wrong, 403 for an impersonation that is not permitted.
pub(crate) fn user(api: &Api, peer: Option<User>, headers: &HeaderMap) -> Result<User, Status> {
    let user = match bearer_of(headers) {
        Some(text) => bearer(api, text, &[token::ISSUER], Timestamp::now())
            .map_err(|_| Status::unauthorized("Unauthorized"))?,
        None => peer.unwrap_or_else(User::anonymous),
    };
    impersonate(api, user, headers)
}

/// Answers for whom a bearer token stands.
///
/// # Errors
/// Why the token is refused.
pub(crate) fn bearer(api: &Api, text: &str, audiences: &[&str], now: Timestamp) -> Result<User, Refused> {
    if let Some(known) = api.tokens.iter().find(|known| is_same(&known.token, text)) {
        return Ok(known.user.clone());
    }
    let claims = token::verify(api.authority.token_key(), text, audiences, now)?;
    if is_alive(api, &claims) { Ok(claims.user()) } else { Err(Refused::Account) }
}

/// Compares in a time that does not tell how much is the same.
fn is_same(known: &str, given: &str) -> bool {
    let differing = known.bytes().zip(given.bytes()).fold(0, |seen, (a, b)| seen | (a ^ b));
    known.len() == given.len() && differing == 0
}

/// Whether the account of a token is still the one it was signed for.
fn is_alive(api: &Api, claims: &Claims) -> bool {
    let account = &claims.kubernetes.serviceaccount;
    let stored = api
        .registry
        .resource("", "v1", "serviceaccounts")
        .and_then(|accounts| api.storage.get(accounts, &claims.kubernetes.namespace, &account.name));
    stored.is_some_and(|stored| stored.uid() == account.uid)
}

fn bearer_of(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim()).filter(|token| !token.is_empty())
}

/// Lets a user act as another, if they may.
fn impersonate(api: &Api, user: User, headers: &HeaderMap) -> Result<User, Status> {
    let first = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let name = first(IMPERSONATE_USER);
    let others = headers.contains_key(IMPERSONATE_GROUP)
        || headers.contains_key(IMPERSONATE_UID)
        || headers.keys().any(|key| key.as_str().starts_with(IMPERSONATE_EXTRA));
    if name.is_empty() {
        return if others {
            Err(Status::bad_request("requested impersonation without impersonating a user"))
        } else {
            Ok(user)
        };
    }
    may(api, &user, "", if name.starts_with(ACCOUNT_PREFIX) { "serviceaccounts" } else { "users" }, name)?;
    let mut wanted = User { name: name.to_owned(), ..User::default() };
    for group in headers.get_all(IMPERSONATE_GROUP).iter().filter_map(|value| value.to_str().ok()) {
        may(api, &user, "", "groups", group)?;
        wanted.groups.push(group.to_owned());
    }
    let uid = first(IMPERSONATE_UID);
    if !uid.is_empty() {
        may(api, &user, "authentication.k8s.io", "uids", uid)?;
        uid.clone_into(&mut wanted.uid);
    }
    wanted.extra = extra(api, &user, headers)?;
    add_groups(&mut wanted);
    Ok(wanted)
}

fn extra(api: &Api, user: &User, headers: &HeaderMap) -> Result<BTreeMap<String, Vec<String>>, Status> {
    let mut extra: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (header, value) in headers {
        let (Some(key), Ok(value)) = (header.as_str().strip_prefix(IMPERSONATE_EXTRA), value.to_str()) else {
            continue;
        };
        may(api, user, "authentication.k8s.io", &format!("userextras/{key}"), value)?;
        extra.entry(key.to_owned()).or_default().push(value.to_owned());
    }
    Ok(extra)
}

/// The groups that a name implies.
fn add_groups(user: &mut User) {
    if user.name == ANONYMOUS {
        user.groups.push(UNAUTHENTICATED.to_owned());
        return;
    }
    let account = user.name.strip_prefix(ACCOUNT_PREFIX).and_then(|rest| rest.split_once(':'));
    if let Some((namespace, _)) = account.filter(|_| user.groups.is_empty()) {
        let namespace = format!("system:serviceaccounts:{namespace}");
        user.groups.extend(["system:serviceaccounts".to_owned(), namespace]);
    }
    if !user.is_in(AUTHENTICATED) {
        user.groups.push(AUTHENTICATED.to_owned());
    }
}

/// Whether `user` may impersonate `name`, of the kind that `resource` says.
fn may(api: &Api, user: &User, group: &str, resource: &str, name: &str) -> Result<(), Status> {
    let account = if resource == "serviceaccounts" { name.strip_prefix(ACCOUNT_PREFIX) } else { None };
    let (namespace, name) = account.and_then(|rest| rest.split_once(':')).unwrap_or(("", name));
    api.authorize(user, Action::Resource { verb: "impersonate", group, resource, namespace, name })
}
