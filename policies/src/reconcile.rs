//! What must be done in a member so that one object is as ordered?
//!
//! An order says *present, like this* or *gone*. The member's copy says what is there and whose it is. Ownership is a label: what
//! does not carry it is never changed unless the policy says so, and never deleted. Absence of an order is nobody's business
//! here; without a tombstone this function is not called, so nothing is ever deleted by omission.
//!
//! Drift is a field of ours with another value, or missing. What others add (a sidecar, a default, an annotation) is not drift.

use koinon_model::policy::{OnConflict, OnDeletion};
use koinon_model::quantity::Quantity;
use serde_json::Value;

/// The label that marks what is ours in a member.
pub const MANAGED_LABEL: &str = "koinon.io/managed";

/// The label that says which binding an object of ours follows.
pub const BINDING_LABEL: &str = "koinon.io/binding";

/// What was ordered.
#[derive(Clone, Copy, Debug)]
pub enum Order<'a> {
    /// The object must be there and cover this manifest, which carries our marks.
    Present {
        /// The manifest.
        manifest: &'a Value,
        /// What to do about an object that is not ours.
        on_conflict: OnConflict,
    },
    /// The object must be gone, or no longer ours.
    Gone(OnDeletion),
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Apply without taking anybody's fields: nothing is there.
    Create,
    /// Apply: it is ours and not as ordered.
    Apply,
    /// Apply and take it over: it is not ours and the policy says so.
    Adopt,
    /// It is as ordered.
    Nothing,
    /// Delete it.
    Prune,
    /// Take our marks off it and leave it.
    Release,
    /// It is being deleted; look again when it is gone.
    Wait,
    /// It is not ours: leave it alone and report.
    Conflict,
}

/// What to do and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What to do.
    pub action: Action,
    /// Why, for a person: a fragment such as `drift: spec.replicas`.
    pub reason: String,
}

/// Compares an order with the member's copy.
pub fn plan(order: Order<'_>, observed: Option<&Value>) -> Plan {
    let (action, reason) = match order {
        Order::Present { manifest, on_conflict } => plan_present(manifest, on_conflict, observed),
        Order::Gone(on_deletion) => plan_gone(on_deletion, observed),
    };
    Plan { action, reason }
}

fn plan_present(manifest: &Value, on_conflict: OnConflict, observed: Option<&Value>) -> (Action, String) {
    let Some(observed) = observed else { return (Action::Create, "not there".to_owned()) };
    if is_being_deleted(observed) {
        return (Action::Wait, "is being deleted".to_owned());
    }
    let difference = difference(manifest, observed);
    // An object of this very binding that lost the first mark has drifted like any other.
    if is_managed(observed) || is_of_the_same_binding(manifest, observed) {
        return match difference {
            None => (Action::Nothing, "as ordered".to_owned()),
            Some(path) => (Action::Apply, format!("differs at {path}")),
        };
    }
    let stranger = format!("exists and is not ours ({})", owners(observed));
    match on_conflict {
        OnConflict::Overwrite => (Action::Adopt, format!("{stranger}; the policy says Overwrite")),
        OnConflict::Abort => (Action::Conflict, format!("{stranger}; the policy says Abort")),
        OnConflict::AdoptIfEqual => match difference_without_marks(manifest, observed) {
            None => (Action::Adopt, format!("{stranger} and says the same")),
            Some(path) => {
                (Action::Conflict, format!("{stranger} and differs at {path}; the policy says AdoptIfEqual"))
            }
        },
    }
}

fn plan_gone(on_deletion: OnDeletion, observed: Option<&Value>) -> (Action, String) {
    let Some(observed) = observed else { return (Action::Nothing, "gone".to_owned()) };
    if !is_managed(observed) {
        return (Action::Nothing, "what is there is not ours".to_owned());
    }
    match on_deletion {
        OnDeletion::Preserve => (Action::Release, "is left in the member".to_owned()),
        OnDeletion::Prune if is_being_deleted(observed) => {
            (Action::Wait, "waits for its finalizers".to_owned())
        }
        OnDeletion::Prune => (Action::Prune, "is no longer wanted".to_owned()),
    }
}

fn is_managed(observed: &Value) -> bool {
    observed["metadata"]["labels"][MANAGED_LABEL] == "true"
}

fn is_of_the_same_binding(manifest: &Value, observed: &Value) -> bool {
    let binding = &manifest["metadata"]["labels"][BINDING_LABEL];
    binding.is_string() && observed["metadata"]["labels"][BINDING_LABEL] == *binding
}

fn is_being_deleted(observed: &Value) -> bool {
    observed["metadata"]["deletionTimestamp"].is_string()
}

/// Who wrote the object, from its managed fields.
fn owners(observed: &Value) -> String {
    let entries = observed["metadata"]["managedFields"].as_array().into_iter().flatten();
    let mut managers: Vec<&str> = entries.filter_map(|entry| entry["manager"].as_str()).collect();
    managers.sort_unstable();
    managers.dedup();
    if managers.is_empty() {
        "of unknown origin".to_owned()
    } else {
        format!("written by {}", managers.join(", "))
    }
}

// === Comparison ===

/// The first field of `wanted` that `observed` does not have so; none when it covers all of them.
fn difference(wanted: &Value, observed: &Value) -> Option<String> {
    let mut path = Vec::new();
    if covers(wanted, observed, &mut path) { None } else { Some(path.join(".")) }
}

/// As [`difference`], blind to the labels and annotations that only we write.
fn difference_without_marks(wanted: &Value, observed: &Value) -> Option<String> {
    let mut wanted = wanted.clone();
    for marks in ["labels", "annotations"] {
        if let Some(map) = wanted["metadata"][marks].as_object_mut() {
            map.retain(|key, _| !key.starts_with("koinon.io/"));
        }
    }
    difference(&wanted, observed)
}

/// Whether everything that `wanted` says holds in `observed`; on false, `path` leads to the first place where it does not.
fn covers<'a>(wanted: &'a Value, observed: &Value, path: &mut Vec<&'a str>) -> bool {
    match (wanted, observed) {
        (Value::Object(wanted), Value::Object(observed)) => {
            for (key, value) in wanted {
                path.push(key);
                let held =
                    observed.get(key).map_or_else(|| is_zero(value), |found| covers(value, found, path));
                if !held {
                    return false;
                }
                path.pop();
            }
            true
        }
        (Value::Array(wanted), Value::Array(observed)) => covers_list(wanted, observed, path),
        (Value::String(a), Value::String(b)) => a == b || (holds_quantities(path) && equal_quantities(a, b)),
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        // A quantity may be written as a bare number and is stored as text.
        (Value::Number(a), Value::String(b)) => holds_quantities(path) && equal_quantities(&a.to_string(), b),
        (wanted, Value::Null) => is_zero(wanted),
        (wanted, observed) => wanted == observed,
    }
}

fn covers_list<'a>(wanted: &'a [Value], observed: &[Value], path: &mut Vec<&'a str>) -> bool {
    let depth = path.len();
    if wanted.len() == observed.len() && wanted.iter().zip(observed).all(|(w, o)| covers(w, o, path)) {
        return true;
    }
    path.truncate(depth);
    // Others may add to a list with keys (a sidecar container, a port) or to a set, and may order it anew.
    if let Some(keys) = list_keys(wanted) {
        return wanted.iter().all(|element| {
            let same = |other: &&Value| {
                keys.iter().all(|key| element.get(key) == other.get(key) || is_unset(other, key))
            };
            observed.iter().find(same).is_some_and(|other| covers(element, other, path))
        });
    }
    let is_set = path.last() == Some(&"finalizers");
    is_set && wanted.iter().all(|element| observed.contains(element))
}

/// The fields that identify the elements of a list of objects, as the Kubernetes API declares them for its built-in kinds.
/// Source: `x-kubernetes-list-map-keys` of the v1.36 OpenAPI documents.
const LIST_KEYS: [&[&str]; 9] = [
    &["name"],
    &["containerPort", "protocol"],
    &["port", "protocol"],
    &["mountPath"],
    &["devicePath"],
    &["topologyKey", "whenUnsatisfiable"],
    &["type"],
    &["key"],
    &["ip"],
];

/// The keys by which every element of a list can be told apart.
fn list_keys(list: &[Value]) -> Option<&'static [&'static str]> {
    let tells_apart = |keys: &&&[&str]| {
        let mut seen: Vec<Vec<Option<&Value>>> = Vec::new();
        list.iter().all(|element| {
            let identity: Vec<Option<&Value>> = keys.iter().map(|key| element.get(key)).collect();
            let fresh = identity[0].is_some() && !seen.contains(&identity);
            seen.push(identity);
            fresh
        })
    };
    LIST_KEYS.iter().find(tells_apart).copied().filter(|_| !list.is_empty())
}

/// A key that one side leaves to its default (a port's protocol) does not tell elements apart.
fn is_unset(element: &Value, key: &str) -> bool {
    key == "protocol" && element.get(key).is_none_or(|value| value == "TCP")
}

/// Whether the API server may leave a value out because it says nothing.
fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.values().all(is_zero),
    }
}

/// The fields whose texts are quantities, which API servers rewrite (`1000m` becomes `1`).
const QUANTITY_FIELDS: [&str; 9] = [
    "limits",
    "requests",
    "hard",
    "capacity",
    "sizeLimit",
    "divisor",
    "averageValue",
    "defaultRequest",
    "overhead",
];

fn holds_quantities(path: &[&str]) -> bool {
    path.iter().rev().take(2).any(|field| QUANTITY_FIELDS.contains(field))
}

fn equal_quantities(a: &str, b: &str) -> bool {
    let parse = |text: &str| text.parse::<Quantity>().ok();
    parse(a).is_some_and(|a| parse(b) == Some(a))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn deployment(extra: &Value) -> Value {
        let mut object = json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "web", "labels": {"app": "web", MANAGED_LABEL: "true"}},
            "spec": {"replicas": 3, "template": {"spec": {"containers": [
                {"name": "web", "image": "shop:1", "resources": {"limits": {"cpu": "1000m"}},
                 "ports": [{"containerPort": 80}], "args": ["a", "b"]}]}}},
        });
        merge(&mut object, extra);
        object
    }

    fn merge(object: &mut Value, extra: &Value) {
        match (object, extra) {
            (Value::Object(object), Value::Object(extra)) => {
                for (key, value) in extra {
                    merge(object.entry(key.clone()).or_insert(Value::Null), value);
                }
            }
            (object, extra) => *object = extra.clone(),
        }
    }

    fn check(on_conflict: OnConflict, observed: Option<&Value>, action: Action, reason: &str) {
        let manifest = deployment(&json!({}));
        let plan = plan(Order::Present { manifest: &manifest, on_conflict }, observed);
        assert_eq!(plan.action, action, "{}", plan.reason);
        assert!(plan.reason.contains(reason), "{} should contain {reason}", plan.reason);
    }

    #[test]
    fn an_object_that_is_not_there_is_created() {
        check(OnConflict::Abort, None, Action::Create, "not there");
    }

    #[test]
    fn defaults_and_additions_of_others_are_no_drift() {
        let mut observed = deployment(&json!({
            "metadata": {"annotations": {"x": "y"}},
            "spec": {"revisionHistoryLimit": 10},
            "status": {"replicas": 3},
        }));
        let containers = &mut observed["spec"]["template"]["spec"]["containers"];
        containers[0]["terminationMessagePath"] = json!("/dev/termination-log");
        containers[0]["resources"]["limits"]["cpu"] = json!("1");
        containers[0]["ports"][0]["protocol"] = json!("TCP");
        containers.as_array_mut().unwrap().insert(0, json!({"name": "sidecar", "image": "mesh:1"}));
        check(OnConflict::Abort, Some(&observed), Action::Nothing, "as ordered");
    }

    #[test]
    fn a_field_of_ours_that_changed_is_drift_and_named() {
        let rows = [
            (json!({"spec": {"replicas": 5}}), "spec.replicas"),
            (json!({"metadata": {"labels": {"app": "other"}}}), "metadata.labels.app"),
        ];
        for (change, path) in rows {
            check(OnConflict::Abort, Some(&deployment(&change)), Action::Apply, path);
        }
        let mut observed = deployment(&json!({}));
        observed["spec"]["template"]["spec"]["containers"][0]["args"] = json!(["b", "a"]);
        check(OnConflict::Abort, Some(&observed), Action::Apply, "args");
        observed = deployment(&json!({}));
        observed["spec"]["template"]["spec"]["containers"][0]["image"] = json!("shop:2");
        check(OnConflict::Abort, Some(&observed), Action::Apply, "image");
        observed["spec"]["template"]["spec"]["containers"] = json!([]);
        check(OnConflict::Abort, Some(&observed), Action::Apply, "containers");
    }

    #[test]
    fn a_mark_that_a_hand_took_off_is_drift() {
        let manifest = deployment(&json!({"metadata": {"labels": {BINDING_LABEL: "b1"}}}));
        let rows = [("b1", Action::Apply), ("b2", Action::Conflict)];
        for (binding, action) in rows {
            let observed =
                deployment(&json!({"metadata": {"labels": {MANAGED_LABEL: null, BINDING_LABEL: binding}}}));
            let order = Order::Present { manifest: &manifest, on_conflict: OnConflict::Abort };
            assert_eq!(plan(order, Some(&observed)).action, action, "{binding}");
        }
    }

    #[test]
    fn an_object_that_is_not_ours_is_treated_as_the_policy_says() {
        let equal = deployment(&json!({"metadata": {"labels": {MANAGED_LABEL: null},
                                       "managedFields": [{"manager": "kubectl"}]}}));
        check(OnConflict::Abort, Some(&equal), Action::Conflict, "written by kubectl");
        check(OnConflict::Overwrite, Some(&equal), Action::Adopt, "Overwrite");
        check(OnConflict::AdoptIfEqual, Some(&equal), Action::Adopt, "says the same");
        let other =
            deployment(&json!({"metadata": {"labels": {MANAGED_LABEL: null}}, "spec": {"replicas": 9}}));
        check(OnConflict::AdoptIfEqual, Some(&other), Action::Conflict, "spec.replicas");
    }

    #[test]
    fn what_is_being_deleted_is_waited_for() {
        let observed = deployment(&json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}));
        check(OnConflict::Overwrite, Some(&observed), Action::Wait, "being deleted");
    }

    #[test]
    fn a_tombstone_deletes_only_what_is_ours() {
        let ours = deployment(&json!({}));
        let foreign = deployment(&json!({"metadata": {"labels": {MANAGED_LABEL: "false"}}}));
        let leaving = deployment(&json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}));
        let rows = [
            (OnDeletion::Prune, Some(&ours), Action::Prune),
            (OnDeletion::Preserve, Some(&ours), Action::Release),
            (OnDeletion::Prune, Some(&foreign), Action::Nothing),
            (OnDeletion::Prune, Some(&leaving), Action::Wait),
            (OnDeletion::Prune, None, Action::Nothing),
        ];
        for (on_deletion, observed, action) in rows {
            assert_eq!(plan(Order::Gone(on_deletion), observed).action, action);
        }
    }

    #[test]
    fn values_that_say_nothing_may_be_left_out() {
        let wanted = json!({"a": "", "b": [], "c": {"d": false}, "e": 0, "f": null});
        assert_eq!(difference(&wanted, &json!({})), None);
        assert_eq!(difference(&json!({"a": "x"}), &json!({})), Some("a".to_owned()));
    }
}
