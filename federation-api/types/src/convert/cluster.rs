//! Clusters, from wire to model.

use koinon_machinery::time;
use koinon_machinery::validate::{FieldError, format};
use koinon_model::cluster::{Apis, Capacity, Cluster, Resources, State};
use koinon_model::labels::Labels;
use koinon_model::location::{self, Coordinates, InvalidDegrees};
use koinon_model::quantity::Quantity;
use koinon_model::taint::Taint;
use koinon_model::time::Timestamp;
use serde_json::Value;

use super::{Invalid, affinity, name, parts, unless};
use crate::v1alpha1;

/// Taint keys that Koinon sets itself from what it sees.
const OWN_TAINT_KEYS: [&str; 1] = ["koinon.io/unreachable"];

/// Reads a Cluster: what its owner says of it joined with what was seen of it.
///
/// # Errors
/// Every field of the spec that makes no sense. What the status says is taken as far as it can be read.
pub fn cluster(object: &Value) -> Result<Cluster, Invalid> {
    let (meta, spec): (_, v1alpha1::ClusterSpec) = parts(object)?;
    let status: v1alpha1::ClusterStatus = v1alpha1::read(object, "status").unwrap_or_default();
    let mut errors = Vec::new();
    let cluster_name = name::cluster(&meta.name, "metadata.name", &mut errors);
    check_connection(&spec.connection, &mut errors);
    check_taints(&spec.taints, &mut errors);
    for (field, value) in [("provider", &spec.provider), ("region", &spec.region), ("zone", &spec.zone)] {
        name::complain(format::label_value(value), value, &format!("spec.{field}"), &mut errors);
    }
    let coordinates = spec.location.as_ref().and_then(|wire| coordinates(wire, &mut errors));
    let Some(cluster_name) = cluster_name.filter(|_| errors.is_empty()) else { return Err(errors) };
    let given = |text: String| (!text.is_empty()).then_some(text);
    let cluster = Cluster {
        name: cluster_name,
        labels: meta.labels.into_iter().collect::<Labels>(),
        provider: given(spec.provider),
        region: given(spec.region),
        zone: given(spec.zone),
        coordinates,
        taints: spec.taints.iter().chain(&status.taints).map(taint).collect(),
        apis: apis(&status.api_enablements),
        capacity: capacity(status.capacity.as_ref()),
        state: if meta.deletion_timestamp.is_some() { State::Leaving } else { State::Joined },
    };
    unless(errors, cluster)
}

fn coordinates(wire: &v1alpha1::Location, errors: &mut Vec<FieldError>) -> Option<Coordinates> {
    let mut read = |text: &str, field: &str, read: fn(&str) -> Result<i32, InvalidDegrees>| {
        let complain = |error: InvalidDegrees| {
            errors.push(FieldError::invalid(format!("spec.location.{field}"), text, error.to_string()));
        };
        read(text).map_err(complain).ok()
    };
    let latitude = read(&wire.latitude, "latitude", location::latitude);
    let longitude = read(&wire.longitude, "longitude", location::longitude);
    Coordinates::from_millionths(latitude?, longitude?)
}

fn check_connection(wire: &v1alpha1::Connection, errors: &mut Vec<FieldError>) {
    let path = "spec.connection";
    match (&wire.secret_ref, wire.mode) {
        (Some(secret), _) => {
            name::object(&secret.namespace, &format!("{path}.secretRef.namespace"), errors);
            name::object(&secret.name, &format!("{path}.secretRef.name"), errors);
        }
        (None, v1alpha1::ConnectionMode::Push) => {
            let accepted = "namespace and name of a Secret whose key kubeconfig holds the credentials";
            errors.push(FieldError::required(format!("{path}.secretRef"), accepted));
        }
    }
    if let Some(endpoint) = &wire.api_endpoint {
        let rest = endpoint.strip_prefix("https://").or_else(|| endpoint.strip_prefix("http://"));
        if rest.is_none_or(|rest| rest.is_empty() || rest.contains(char::is_whitespace)) {
            let accepted = "must be a URL such as https://10.0.0.1:6443";
            errors.push(FieldError::invalid(format!("{path}.apiEndpoint"), endpoint.as_str(), accepted));
        }
    }
}

fn check_taints(taints: &[v1alpha1::Taint], errors: &mut Vec<FieldError>) {
    for (index, taint) in taints.iter().enumerate() {
        let path = format!("spec.taints[{index}]");
        name::complain(format::label_key(&taint.key), &taint.key, &format!("{path}.key"), errors);
        if OWN_TAINT_KEYS.contains(&taint.key.as_str()) {
            let accepted = "Koinon sets this taint itself; koinon.io/drain is yours to set";
            errors.push(FieldError::forbidden(format!("{path}.key"), accepted));
        }
        name::complain(format::label_value(&taint.value), &taint.value, &format!("{path}.value"), errors);
        if let Some(time) = &taint.time_added
            && timestamp(time).is_none()
        {
            let accepted = "must be a time such as 2026-01-02T03:04:05Z";
            errors.push(FieldError::invalid(format!("{path}.timeAdded"), time.as_str(), accepted));
        }
    }
}

fn taint(wire: &v1alpha1::Taint) -> Taint {
    Taint {
        key: wire.key.clone(),
        value: wire.value.clone(),
        effect: affinity::effect(wire.effect),
        since: wire.time_added.as_deref().and_then(timestamp),
    }
}

fn apis(wire: &[v1alpha1::EnabledGroupVersion]) -> Apis {
    if wire.is_empty() {
        return Apis::Unknown;
    }
    let each = |enabled: &v1alpha1::EnabledGroupVersion| {
        (enabled.group_version.clone(), enabled.resources.iter().cloned().collect())
    };
    Apis::Known(wire.iter().map(each).collect())
}

fn capacity(wire: Option<&v1alpha1::NodeCapacity>) -> Capacity {
    let Some(wire) = wire else { return Capacity::Unknown };
    let amounts = |wire: &std::collections::BTreeMap<String, String>| -> Resources {
        let each =
            |(name, amount): (&String, &String)| Some((name.clone(), amount.parse::<Quantity>().ok()?));
        wire.iter().filter_map(each).collect()
    };
    Capacity::Known { allocatable: amounts(&wire.allocatable), allocated: amounts(&wire.allocated) }
}

/// The instant that a `metav1.Time` or `MicroTime` names, to the millisecond.
pub fn timestamp(text: &str) -> Option<Timestamp> {
    let (seconds, nanos) = time::read(text)?;
    Some(Timestamp::from_millis(seconds.saturating_mul(1_000).saturating_add(i64::from(nanos / 1_000_000))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_they_are_written() {
        for seconds in [0, 951_782_400, 1_704_067_199, 1_795_485_784, 4_102_444_800] {
            let at = Timestamp::from_seconds(seconds);
            assert_eq!(timestamp(&at.to_string()), Some(at), "{at}");
        }
        assert_eq!(timestamp("1970-01-01T00:00:01.5Z"), Some(Timestamp::from_millis(1_500)));
        assert_eq!(timestamp("1970-01-01T00:00:01.123456Z"), Some(Timestamp::from_millis(1_123)));
        for bad in ["", "yesterday", "1970-01-01", "1970-13-01T00:00:00Z"] {
            assert_eq!(timestamp(bad), None, "{bad}");
        }
    }
}
