//! Rules of services and network policies.

use serde_json::json;

use super::{Object, each, has_items, inside, set, text};

/// How long a client keeps its endpoint, in seconds: three hours.
const CLIENT_AFFINITY_SECONDS: i64 = 10_800;

/// Affinity, ports and traffic policies follow from the type of a service.
pub(super) fn service(service: &mut Object) {
    let Some(spec) = inside(service, "spec") else { return };
    session_affinity(spec);
    for port in each(spec, "ports") {
        set(port, "protocol", "TCP");
        if port.get("targetPort").is_none_or(|target| target.is_null() || target == 0 || target == "") {
            let number = port.get("port").cloned().unwrap_or_else(|| 0.into());
            port.insert("targetPort".to_owned(), number);
        }
    }
    let kind = match text(spec, "type") {
        "" => "ClusterIP",
        kind => kind,
    }
    .to_owned();
    set(spec, "type", kind.clone());
    let balanced = kind == "LoadBalancer";
    if balanced || kind == "NodePort" || (kind == "ClusterIP" && has_items(spec, "externalIPs")) {
        set(spec, "externalTrafficPolicy", "Cluster");
    }
    if balanced || kind == "NodePort" || kind == "ClusterIP" {
        set(spec, "internalTrafficPolicy", "Cluster");
    }
    if balanced {
        set(spec, "allocateLoadBalancerNodePorts", true);
        let status = inside(service, "status").and_then(|status| inside(status, "loadBalancer"));
        for ingress in status.into_iter().flat_map(|status| each(status, "ingress")) {
            if !text(ingress, "ip").is_empty() {
                set(ingress, "ipMode", "VIP");
            }
        }
    }
}

fn session_affinity(spec: &mut Object) {
    match text(spec, "sessionAffinity") {
        "" | "None" => {
            spec.insert("sessionAffinity".to_owned(), "None".into());
            spec.remove("sessionAffinityConfig");
        }
        "ClientIP" => {
            let timeout = spec
                .get("sessionAffinityConfig")
                .and_then(|config| config.pointer("/clientIP/timeoutSeconds"))
                .is_some_and(|timeout| !timeout.is_null());
            if !timeout {
                let config = json!({"clientIP": {"timeoutSeconds": CLIENT_AFFINITY_SECONDS}});
                spec.insert("sessionAffinityConfig".to_owned(), config);
            }
        }
        _ => {}
    }
}

/// A network policy is about what comes in, and about what goes out when it has rules for that.
pub(super) fn network_policy(spec: &mut Object) {
    if !has_items(spec, "policyTypes") {
        let types = if has_items(spec, "egress") { json!(["Ingress", "Egress"]) } else { json!(["Ingress"]) };
        spec.insert("policyTypes".to_owned(), types);
    }
}
