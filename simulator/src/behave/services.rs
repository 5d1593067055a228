//! Services: an address from the load balancer, and somebody who answers there while a ready pod is selected.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use koinon_machinery::Value;
use serde_json::json;

use super::{Action, Seen, is_ending, is_ready};
use crate::kinds;

/// Gives a balanced Service the member's own address.
pub(super) fn give_address(service: &Value, ip: Ipv4Addr) -> Option<Action> {
    if service["spec"]["type"] != "LoadBalancer" || is_ending(service) {
        return None;
    }
    let given = &service["status"]["loadBalancer"]["ingress"][0]["ip"];
    if *given == ip.to_string().as_str() {
        return None;
    }
    super::told(
        kinds::services(),
        service,
        json!({"loadBalancer": {"ingress": [{"ip": ip.to_string(), "ipMode": "VIP"}]}}),
    )
}

/// The ports of balanced Services, and whether a ready pod stands behind each.
pub(super) fn ports(seen: &Seen) -> BTreeMap<u16, bool> {
    let mut ports = BTreeMap::new();
    for service in seen
        .services
        .iter()
        .filter(|service| service["spec"]["type"] == "LoadBalancer" && !is_ending(service))
    {
        let selected = |pod: &Value| {
            let wanted = service["spec"]["selector"].as_object().filter(|wanted| !wanted.is_empty());
            wanted.is_some_and(|wanted| {
                pod["metadata"]["namespace"] == service["metadata"]["namespace"]
                    && wanted.iter().all(|(key, value)| pod["metadata"]["labels"][key] == *value)
            })
        };
        let ready = seen.pods.all.iter().any(|pod| is_ready(pod) && !is_ending(pod) && selected(pod));
        for port in service["spec"]["ports"].as_array().into_iter().flatten() {
            let number = port["port"].as_u64().and_then(|number| u16::try_from(number).ok());
            if let Some(number) = number.filter(|_| matches!(port["protocol"].as_str(), None | Some("TCP"))) {
                *ports.entry(number).or_insert(false) |= ready;
            }
        }
    }
    ports
}
