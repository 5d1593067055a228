//! Volumes of pods: their names, and that each has one source.

use std::collections::BTreeSet;

use koinon_machinery::Value;
use koinon_machinery::validate::{FieldError, format};

use super::{Errors, all, at, text};

/// Complaints about the volumes of a pod; answers their names.
pub(super) fn volumes<'a>(errors: &mut Errors, path: &str, volumes: &'a [Value]) -> BTreeSet<&'a str> {
    let mut names = BTreeSet::new();
    for (index, volume) in volumes.iter().enumerate() {
        let path = format!("{path}[{index}]");
        let name = text(volume, "name");
        let sources = volume.as_object().into_iter().flatten();
        let sources: Vec<&String> =
            sources.filter(|(key, value)| *key != "name" && !value.is_null()).map(|(key, _)| key).collect();
        match sources.as_slice() {
            [] => errors.push(FieldError::required(path.clone(), "must specify a volume type")),
            [_] => {}
            // As upstream, which checks the empty directory first.
            [first, second, ..] => {
                let extra = if second.as_str() == "emptyDir" { first } else { second };
                let extra = format!("{path}.{extra}");
                errors.push(FieldError::forbidden(extra, "may not specify more than 1 volume type"));
            }
        }
        for (source, key) in
            [("configMap", "name"), ("secret", "secretName"), ("persistentVolumeClaim", "claimName")]
        {
            let source_value = at(volume, source);
            if source_value.is_object() && text(source_value, key).is_empty() {
                errors.push(FieldError::required(format!("{path}.{source}.{key}"), ""));
            }
        }
        if name.is_empty() {
            errors.push(FieldError::required(format!("{path}.name"), ""));
        } else {
            all(errors, &format!("{path}.name"), name, format::dns_label(name));
            if !names.insert(name) {
                errors.push(FieldError::duplicate(format!("{path}.name"), name));
            }
        }
    }
    names
}
