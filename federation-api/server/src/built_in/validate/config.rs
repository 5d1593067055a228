//! ConfigMaps, Secrets and claims for volumes.

use koinon_machinery::Value;
use koinon_machinery::validate::{FieldError, format};

use super::{Errors, all, at, entries, items, text, unchanged};

/// What a Secret or ConfigMap may hold.
const DATA_BYTES_MAX: usize = 1024 * 1024;

/// Complaints about a ConfigMap.
pub(crate) fn config_map(new: &Value, old: Option<&Value>) -> Errors {
    let mut errors = Vec::new();
    for (key, _) in entries(new, "data") {
        let path = format!("data[{key}]");
        all(&mut errors, &path, key, format::config_key(key));
        if at(new, "binaryData").get(key).is_some() {
            errors.push(FieldError::invalid(path, key.as_str(), "duplicate of key present in binaryData"));
        }
    }
    for (key, _) in entries(new, "binaryData") {
        all(&mut errors, &format!("binaryData[{key}]"), key, format::config_key(key));
    }
    size(&mut errors, "", new, &["data", "binaryData"]);
    errors.extend(super::super::core::immutable_data(new, old));
    errors
}

/// Complaints about a Secret.
pub(crate) fn secret(new: &Value, old: Option<&Value>) -> Errors {
    let mut errors = Vec::new();
    for (key, _) in entries(new, "data") {
        all(&mut errors, &format!("data[{key}]"), key, format::config_key(key));
    }
    size(&mut errors, "data", new, &["data"]);
    let data = at(new, "data");
    let required: &[&str] = match text(new, "type") {
        "kubernetes.io/dockercfg" => &[".dockercfg"],
        "kubernetes.io/dockerconfigjson" => &[".dockerconfigjson"],
        "kubernetes.io/ssh-auth" => &["ssh-privatekey"],
        "kubernetes.io/tls" => &["tls.crt", "tls.key"],
        // Either will do.
        "kubernetes.io/basic-auth" if data.get("username").is_none() && data.get("password").is_none() => {
            &["username", "password"]
        }
        _ => &[],
    };
    for key in required.iter().filter(|key| data.get(**key).is_none()) {
        errors.push(FieldError::required(format!("data[{key}]"), ""));
    }
    if let Some(old) = old {
        unchanged(&mut errors, "type", at(new, "type"), at(old, "type"));
    }
    errors.extend(super::super::core::immutable_data(new, old));
    errors
}

fn size(errors: &mut Errors, path: &str, object: &Value, fields: &[&str]) {
    let values = fields.iter().flat_map(|field| entries(object, field));
    let bytes: usize = values.map(|(_, value)| value.as_str().unwrap_or_default().len()).sum();
    // Base64 says four characters for three bytes.
    let bytes = if path == "data" { bytes / 4 * 3 } else { bytes };
    if bytes > DATA_BYTES_MAX {
        errors.push(FieldError::too_long(path, DATA_BYTES_MAX));
    }
}

/// Complaints about a PersistentVolumeClaim.
pub(crate) fn persistent_volume_claim(new: &Value, _old: Option<&Value>) -> Errors {
    let mut errors = Vec::new();
    claim_spec(&mut errors, "spec", at(new, "spec"));
    errors
}

/// Complaints about what a claim asks for.
pub(super) fn claim_spec(errors: &mut Errors, path: &str, spec: &Value) {
    if items(spec, "accessModes").is_empty() {
        let detail = "at least 1 access mode is required";
        errors.push(FieldError::required(format!("{path}.accessModes"), detail));
    }
    let modes = ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];
    for mode in items(spec, "accessModes") {
        super::one_of(errors, &format!("{path}.accessModes"), mode, &modes);
    }
    if at(at(at(spec, "resources"), "requests"), "storage").is_null() {
        errors.push(FieldError::required(format!("{path}.resources[storage]"), ""));
    }
}
