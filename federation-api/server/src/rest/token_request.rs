//! `serviceaccounts/<name>/token`: a token that stands for the account, for a while.

use http::StatusCode;
use jiff::Timestamp;
use koinon_machinery::status::Status;
use koinon_machinery::validate::FieldError;
use koinon_machinery::{Value, time};
use serde_json::json;

use crate::api::Api;
use crate::authenticate::token::{self, Account, Claims, SECONDS_DEFAULT, SECONDS_MAX, SECONDS_MIN};
use crate::handle::{Answer, Call};
use crate::negotiate::Offer;

use super::decode::Raw;
use super::dispatch::not_found;
use super::respond;

/// Signs a token for the account of the path.
pub(super) fn answer(api: &Api, call: &Call, raw: &Raw) -> Result<Answer, Status> {
    let wanted = respond::negotiated(call, Offer::Plain)?;
    let (namespace, name) = (&call.path.namespace, &call.path.name);
    let account = api.storage.get(&call.resource, namespace, name).ok_or_else(|| not_found(call))?;
    let mut request = raw.decode(api.registry.schema())?.value;
    let seconds = request["spec"]["expirationSeconds"].as_i64().unwrap_or(SECONDS_DEFAULT);
    if seconds < SECONDS_MIN {
        let detail = "may not specify a duration less than 10 minutes";
        let error = FieldError::invalid("spec.expirationSeconds", seconds, detail);
        return Err(Status::invalid("authentication.k8s.io", "TokenRequest", name, &[error]));
    }
    let audiences = request["spec"]["audiences"].as_array().into_iter().flatten();
    let audiences = audiences.filter_map(Value::as_str).map(str::to_owned).collect();
    let account = Account { name: name.clone(), uid: account.uid().to_owned() };
    let claims = Claims::new(namespace, account, audiences, Timestamp::now(), seconds.min(SECONDS_MAX));
    let signed = token::sign(api.authority.token_key(), &claims)
        .ok_or_else(|| Status::internal("the token cannot be signed"))?;
    request["apiVersion"] = "authentication.k8s.io/v1".into();
    request["kind"] = "TokenRequest".into();
    request["metadata"] = json!({"name": name, "namespace": namespace});
    request["spec"]["audiences"] = json!(claims.aud);
    request["spec"]["expirationSeconds"] = (claims.exp - claims.iat).into();
    request["status"] = json!({"token": signed, "expirationTimestamp": time::in_seconds(claims.exp)});
    respond::encoded(api, call, StatusCode::CREATED, &request, wanted.encoding)
}
