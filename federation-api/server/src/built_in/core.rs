//! The core group: ConfigMaps, Secrets, Namespaces, Pods, claims.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use koinon_machinery::Value;
use koinon_machinery::validate::FieldError;
use serde_json::{Map, json};

/// What says that a namespace's content must go before it.
pub(crate) const NAMESPACE_FINALIZER: &str = "kubernetes";

/// What everything else relies on.
pub(crate) const IMMORTAL_NAMESPACES: [&str; 3] = ["default", "kube-public", "kube-system"];

/// The label that every namespace carries, so that selectors can name it.
pub(crate) const NAMESPACE_LABEL: &str = "kubernetes.io/metadata.name";

/// Moves `stringData` into `data`, which is where readers look.
pub(super) fn fold_secret(new: &mut Value) {
    let Some(secret) = new.as_object_mut() else { return };
    if let Some(Value::Object(plain)) = secret.remove("stringData") {
        let data = secret.entry("data").or_insert_with(|| Value::Object(Map::new()));
        if data.is_null() {
            *data = Value::Object(Map::new());
        }
        if let Some(data) = data.as_object_mut() {
            for (key, value) in plain {
                data.insert(key, BASE64_STANDARD.encode(value.as_str().unwrap_or_default()).into());
            }
        }
    }
    if secret.get("type").is_none_or(|kind| kind == "") {
        secret.insert("type".to_owned(), "Opaque".into());
    }
}

/// Gives a namespace its label, its finalizer and its phase.
pub(super) fn prepare_namespace(new: &mut Value, old: Option<&Value>) {
    let name = new["metadata"]["name"].clone();
    if name.is_string() {
        let labels = &mut new["metadata"]["labels"];
        if !labels.is_object() {
            *labels = Value::Object(Map::new());
        }
        labels[NAMESPACE_LABEL] = name;
    }
    match old {
        None => {
            new["spec"] = json!({"finalizers": [NAMESPACE_FINALIZER]});
            new["status"] = json!({"phase": "Active"});
        }
        // Only `/finalize` takes finalizers of the namespace's content away.
        Some(old) => new["spec"] = old["spec"].clone(),
    }
}

/// A new pod is pending until something runs it.
pub(super) fn prepare_pod(new: &mut Value, old: Option<&Value>) {
    if old.is_none() {
        new["status"] = json!({"phase": "Pending"});
    }
}

/// A new claim is pending until something binds it.
pub(super) fn prepare_claim(new: &mut Value, old: Option<&Value>) {
    if old.is_none() {
        new["status"] = json!({"phase": "Pending"});
    }
}

/// Data that was declared immutable stays, and so does the declaration.
pub(super) fn immutable_data(new: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let Some(old) = old.filter(|old| old["immutable"] == true) else { return Vec::new() };
    let mut errors = Vec::new();
    if new["immutable"] != true {
        errors.push(FieldError::forbidden("immutable", "field is immutable when `immutable` is set"));
    }
    for field in ["data", "binaryData"] {
        if new[field] != old[field] {
            errors.push(FieldError::forbidden(field, "field is immutable when `immutable` is set"));
        }
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodes_the_plain_data_of_secrets() {
        let mut secret = json!({"stringData": {"a": "x"}, "data": {"b": "eQ=="}});
        fold_secret(&mut secret);
        assert_eq!(secret, json!({"data": {"a": "eA==", "b": "eQ=="}, "type": "Opaque"}));
    }

    #[test]
    fn keeps_immutable_data() {
        let old = json!({"immutable": true, "data": {"a": "1"}});
        assert!(immutable_data(&old.clone(), Some(&old)).is_empty());
        assert_eq!(immutable_data(&json!({"data": {"a": "2"}}), Some(&old)).len(), 2);
    }
}
