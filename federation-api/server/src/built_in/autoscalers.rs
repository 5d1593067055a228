//! HorizontalPodAutoscalers: one kind in two versions.
//!
//! `autoscaling/v1` knows one metric, the use of processors, by a field of its own; the others travel in an
//! annotation. Objects are stored as `v2` and turned at the edge, since older clients still write `v1`.

use koinon_machinery::Value;
use serde_json::json;

/// Where `v1` carries the metrics that it has no field for, as JSON.
const METRICS: &str = "autoscaling.alpha.kubernetes.io/metrics";
/// Where `v1` carries the wanted behaviour, as JSON.
const BEHAVIOR: &str = "autoscaling.alpha.kubernetes.io/behavior";
/// Where `v1` carries the conditions, as JSON.
const CONDITIONS: &str = "autoscaling.alpha.kubernetes.io/conditions";
/// Where `v1` carries the measured metrics, as JSON.
const CURRENT: &str = "autoscaling.alpha.kubernetes.io/current-metrics";

/// The field of `v1`'s spec.
const TARGET: &str = "targetCPUUtilizationPercentage";
/// The field of `v1`'s status.
const MEASURED: &str = "currentCPUUtilizationPercentage";

/// Turns a `v2` object into one of `v1`.
pub(crate) fn to_v1(object: &mut Value) {
    object["apiVersion"] = "autoscaling/v1".into();
    let target = ["resource", "target", "averageUtilization"];
    let rest = split(&mut object["spec"], "metrics", TARGET, &target);
    annotate(object, METRICS, rest);
    let behavior = object["spec"].as_object_mut().and_then(|spec| spec.remove("behavior"));
    annotate(object, BEHAVIOR, behavior);
    let measured = ["resource", "current", "averageUtilization"];
    let rest = split(&mut object["status"], "currentMetrics", MEASURED, &measured);
    annotate(object, CURRENT, rest);
    let conditions = object["status"].as_object_mut().and_then(|status| status.remove("conditions"));
    annotate(object, CONDITIONS, conditions);
}

/// Turns a `v1` object into one of `v2`.
pub(crate) fn to_v2(object: &mut Value) {
    object["apiVersion"] = "autoscaling/v2".into();
    let wanted = |percent: Value| json!({"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": percent}}});
    let rest = annotation(object, METRICS);
    join(&mut object["spec"], "metrics", TARGET, rest, wanted);
    if let Some(behavior) = annotation(object, BEHAVIOR) {
        object["spec"]["behavior"] = behavior;
    }
    let found = |percent: Value| json!({"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": percent}}});
    let rest = annotation(object, CURRENT);
    join(&mut object["status"], "currentMetrics", MEASURED, rest, found);
    if let Some(conditions) = annotation(object, CONDITIONS) {
        object["status"]["conditions"] = conditions;
    }
}

/// Takes a list of metrics apart: the share of the processors goes into a field, the rest is answered.
fn split(part: &mut Value, list: &str, field: &str, path: &[&str]) -> Option<Value> {
    let members = part.as_object_mut()?;
    let Some(Value::Array(metrics)) = members.remove(list) else { return None };
    let share = |metric: &Value| {
        let share = path.iter().try_fold(metric, |value, key| value.get(key));
        share.filter(|_| metric["resource"]["name"] == "cpu").cloned()
    };
    let (own, rest): (Vec<Value>, Vec<Value>) =
        metrics.into_iter().partition(|metric| share(metric).is_some());
    if let Some(percent) = own.first().and_then(share) {
        members.insert(field.to_owned(), percent);
    }
    (!rest.is_empty()).then(|| rest.into())
}

/// Puts a list of metrics together again.
fn join(part: &mut Value, list: &str, field: &str, rest: Option<Value>, metric: impl Fn(Value) -> Value) {
    let Some(members) = part.as_object_mut() else { return };
    let mut metrics: Vec<Value> =
        members.remove(field).filter(|value| !value.is_null()).map(metric).into_iter().collect();
    if let Some(Value::Array(rest)) = rest {
        metrics.extend(rest);
    }
    if !metrics.is_empty() {
        members.insert(list.to_owned(), metrics.into());
    }
}

fn annotate(object: &mut Value, key: &str, value: Option<Value>) {
    if let Some(value) = value {
        let annotations = &mut object["metadata"]["annotations"];
        if !annotations.is_object() {
            *annotations = json!({});
        }
        annotations[key] = value.to_string().into();
    }
}

/// Takes a value out of the annotations.
fn annotation(object: &mut Value, key: &str) -> Option<Value> {
    let annotations = object["metadata"]["annotations"].as_object_mut();
    let text = annotations.and_then(|annotations| annotations.remove(key));
    if object["metadata"]["annotations"].as_object().is_none_or(serde_json::Map::is_empty)
        && let Some(metadata) = object["metadata"].as_object_mut()
    {
        metadata.remove("annotations");
    }
    serde_json::from_str(text?.as_str()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_there_and_back() {
        let cpu = json!({"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}});
        let other = json!({"type": "Resource", "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "1Gi"}}});
        let v2 = json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "a"},
            "spec": {"maxReplicas": 3, "metrics": [cpu, other], "behavior": {"scaleDown": {}}},
            "status": {"conditions": [{"type": "AbleToScale"}]}});
        let mut object = v2.clone();
        to_v1(&mut object);
        assert_eq!(object["spec"], json!({"maxReplicas": 3, "targetCPUUtilizationPercentage": 70}));
        to_v2(&mut object);
        assert_eq!(object, v2);
    }
}
