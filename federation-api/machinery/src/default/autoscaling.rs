//! Rules of the horizontal pod autoscaler.

use serde_json::json;

use super::{Object, has_items, inside, inside_or_new, set};
use crate::Value;

/// An autoscaler that does not say what it watches keeps the processors at 80 %; one that says how it scales gets the
/// rest of the rules.
pub(super) fn horizontal_pod_autoscaler(spec: &mut Object) {
    if !has_items(spec, "metrics") {
        let cpu = json!({"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}});
        spec.insert("metrics".to_owned(), json!([{"type": "Resource", "resource": cpu}]));
    }
    let Some(behavior) = inside(spec, "behavior") else { return };
    let everything = json!({"type": "Percent", "value": 100, "periodSeconds": 15});
    let four = json!({"type": "Pods", "value": 4, "periodSeconds": 15});
    if let Some(up) = inside_or_new(behavior, "scaleUp") {
        set(up, "stabilizationWindowSeconds", 0);
        scaling_rules(up, json!([four, everything]));
    }
    if let Some(down) = inside_or_new(behavior, "scaleDown") {
        scaling_rules(down, json!([everything]));
    }
}

fn scaling_rules(rules: &mut Object, policies: Value) {
    set(rules, "selectPolicy", "Max");
    set(rules, "policies", policies);
}
