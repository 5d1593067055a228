//! Events: one kind under two names.
//!
//! `events.k8s.io/v1` renamed fields of the core kind. Objects are stored in the core form and renamed at the edge.

use koinon_machinery::Value;

/// Core name, name in `events.k8s.io`.
const NAMES: [(&str, &str); 7] = [
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
    ("reportingComponent", "reportingController"),
];

/// Turns a core event into one of `events.k8s.io`.
pub(crate) fn from_core(event: &mut Value) {
    rename(event, "events.k8s.io/v1", |(core, other)| (core, other));
    // The core kind writes these even when they are empty.
    if let Some(members) = event.as_object_mut() {
        for key in ["reportingController", "reportingInstance"] {
            if members.get(key).is_some_and(|value| value == "") {
                members.remove(key);
            }
        }
    }
}

/// Turns an event of `events.k8s.io` into a core one.
pub(crate) fn to_core(event: &mut Value) {
    rename(event, "v1", |(core, other)| (other, core));
}

fn rename(
    event: &mut Value,
    api_version: &str,
    direction: impl Fn((&'static str, &'static str)) -> (&'static str, &'static str),
) {
    let Some(members) = event.as_object_mut() else { return };
    for (from, to) in NAMES.into_iter().map(direction) {
        if let Some(value) = members.remove(from) {
            members.insert(to.to_owned(), value);
        }
    }
    members.insert("apiVersion".to_owned(), api_version.into());
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn renames_there_and_back() {
        let core = json!({"apiVersion": "v1", "kind": "Event", "involvedObject": {"name": "a"}, "message": "m",
            "reportingComponent": "c", "reason": "r"});
        let mut event = core.clone();
        from_core(&mut event);
        assert_eq!(event["regarding"]["name"], "a");
        assert_eq!(event["note"], "m");
        to_core(&mut event);
        assert_eq!(event, core);
    }
}
