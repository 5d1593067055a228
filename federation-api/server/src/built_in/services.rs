//! Addresses of Services: what a Service gets that nobody wrote into it.
//!
//! Clients and charts expect every Service to have a cluster IP that stays, whether or not anything routes to it. The
//! addresses that are taken are those of the stored Services; a counter keeps two creates at the same time apart.
//! Source: `pkg/registry/core/service` of Kubernetes, for one address family.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU32, Ordering};

use koinon_machinery::Value;
use koinon_machinery::status::Status;
use koinon_machinery::validate::FieldError;
use serde_json::json;

use crate::registry::Resource;
use crate::rest::metadata;
use crate::storage::Storage;

/// `10.96.0.0/12`, what kubeadm gives a cluster.
const RANGE_START: u32 = 0x0a60_0000;
const RANGE_BITS: u32 = 20;
/// Upstream keeps the first addresses for those who ask for them by name (`kubernetes`, DNS).
const RESERVED: u32 = 256;

/// Upstream's default range of node ports.
const PORT_START: u32 = 30_000;
const PORTS: u32 = 2_768;

/// Hands out cluster IPs and node ports.
#[derive(Debug, Default)]
pub(crate) struct Addresses {
    next_address: AtomicU32,
    next_port: AtomicU32,
}

// === impl Addresses ===

impl Addresses {
    /// Fills in what a Service lacks and keeps what it has; nothing happens to other kinds.
    ///
    /// # Errors
    /// 422 when an address cannot be changed or is taken, 500 when the ranges are used up.
    pub(crate) fn allocate(
        &self,
        storage: &Storage,
        resource: &Resource,
        new: &mut Value,
        old: Option<&Value>,
    ) -> Result<(), Status> {
        if resource.names() != ("", "services") {
            return Ok(());
        }
        if let Some(old) = old {
            carry(new, old);
            drop_dependent(new, old);
            let errors = changes(new, old);
            if !errors.is_empty() {
                return Err(invalid(new, &errors));
            }
        }
        if has_cluster_ip(new) {
            self.give_address(storage, resource, new)?;
        }
        if has_node_ports(new) {
            self.give_ports(storage, resource, new)?;
        }
        Ok(())
    }

    fn give_address(&self, storage: &Storage, resource: &Resource, new: &mut Value) -> Result<(), Status> {
        let wanted = text(&new["spec"], "clusterIP").to_owned();
        let address = match wanted.as_str() {
            "" => self.free_address(storage, resource)?,
            "None" => wanted,
            _ => {
                check_address(storage, resource, new, &wanted)?;
                wanted
            }
        };
        let spec = &mut new["spec"];
        spec["clusterIPs"] = json!([address]);
        spec["clusterIP"] = address.into();
        set_default(spec, "ipFamilies", json!(["IPv4"]));
        set_default(spec, "ipFamilyPolicy", json!("SingleStack"));
        set_default(spec, "internalTrafficPolicy", json!("Cluster"));
        Ok(())
    }

    fn free_address(&self, storage: &Storage, resource: &Resource) -> Result<String, Status> {
        let taken: BTreeSet<Box<str>> =
            storage.snapshot(resource).all().map(|service| service.field(CLUSTER_IP).into()).collect();
        let room = (1 << RANGE_BITS) - RESERVED - 1;
        for _ in 0..room {
            let offset = RESERVED + self.next_address.fetch_add(1, Ordering::Relaxed) % room;
            let address = Ipv4Addr::from(RANGE_START + offset).to_string();
            if !taken.contains(address.as_str()) {
                return Ok(address);
            }
        }
        Err(Status::internal("failed to allocate a serviceIP: range is full"))
    }

    fn give_ports(&self, storage: &Storage, resource: &Resource, new: &mut Value) -> Result<(), Status> {
        let own = (metadata::text(new, "namespace").to_owned(), metadata::text(new, "name").to_owned());
        let lacks = |port: &Value| number(port, "nodePort") == 0;
        let ports = new["spec"]["ports"].as_array_mut().map(Vec::as_mut_slice).unwrap_or_default();
        if !ports.iter().any(lacks) {
            return Ok(());
        }
        let others = storage.snapshot(resource);
        let others = others.all().filter(|other| (other.namespace(), other.name()) != (&own.0, &own.1));
        let mut taken: BTreeSet<u64> = others.flat_map(|other| node_ports(&other.value())).collect();
        taken.extend(ports.iter().map(|port| number(port, "nodePort")));
        for port in ports.iter_mut().filter(|port| lacks(port)) {
            let free = (0..PORTS)
                .map(|_| u64::from(PORT_START + self.next_port.fetch_add(1, Ordering::Relaxed) % PORTS))
                .find(|candidate| !taken.contains(candidate))
                .ok_or_else(|| Status::internal("failed to allocate a nodePort: range is full"))?;
            taken.insert(free);
            port["nodePort"] = free.into();
        }
        Ok(())
    }
}

/// Where the strategy of Services lists `spec.clusterIP` among its selectable fields.
const CLUSTER_IP: usize = 0;

/// Takes over what an update left out: clients write Services without the addresses they were given.
fn carry(new: &mut Value, old: &Value) {
    if has_cluster_ip(new) && has_cluster_ip(old) && text(&new["spec"], "clusterIP").is_empty() {
        for key in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
            if let Some(value) = old["spec"].get(key) {
                set_default(&mut new["spec"], key, value.clone());
            }
        }
        new["spec"]["clusterIP"] = old["spec"]["clusterIP"].clone();
    }
    if has_node_ports(new) && has_node_ports(old) {
        let before = old["spec"]["ports"].as_array().map(Vec::as_slice).unwrap_or_default();
        for port in new["spec"]["ports"].as_array_mut().into_iter().flatten() {
            let same = |other: &&Value| {
                other["port"] == port["port"] && text(other, "protocol") == text(port, "protocol")
            };
            if number(port, "nodePort") == 0
                && let Some(known) = before.iter().find(same).and_then(|other| other.get("nodePort"))
            {
                port["nodePort"] = known.clone();
            }
        }
    }
    if !has_cluster_ip(new)
        && let Some(spec) = new["spec"].as_object_mut()
    {
        for key in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"] {
            spec.remove(key);
        }
    }
}

/// Drops what only the type before had a use for, unless the client changed it in the same breath.
fn drop_dependent(new: &mut Value, old: &Value) {
    let before = &old["spec"];
    let has_ports = has_node_ports(new);
    let (kind, balanced) =
        (text(&new["spec"], "type").to_owned(), text(&new["spec"], "type") == "LoadBalancer");
    let Some(spec) = new["spec"].as_object_mut() else { return };
    if !has_ports && has_node_ports(old) {
        let ports = spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten();
        let known = node_ports(old);
        for port in ports.filter_map(Value::as_object_mut) {
            let same =
                port.get("nodePort").and_then(Value::as_u64).is_some_and(|number| known.contains(&number));
            if same {
                port.remove("nodePort");
            }
        }
    }
    let mut drop_unless = |needed: bool, key: &str| {
        if !needed && spec.get(key) == before.get(key) {
            spec.remove(key);
        }
    };
    drop_unless(balanced || kind == "NodePort", "externalTrafficPolicy");
    for key in ["allocateLoadBalancerNodePorts", "loadBalancerClass", "healthCheckNodePort"] {
        drop_unless(balanced, key);
    }
}

/// What may not change once a Service has an address.
fn changes(new: &Value, old: &Value) -> Vec<FieldError> {
    let (before, after) = (text(&old["spec"], "clusterIP"), text(&new["spec"], "clusterIP"));
    if !has_cluster_ip(old) || !has_cluster_ip(new) || before.is_empty() || before == after {
        return Vec::new();
    }
    vec![FieldError::invalid("spec.clusterIPs[0]", json!([after]), "may not change once set")]
}

fn check_address(storage: &Storage, resource: &Resource, new: &Value, wanted: &str) -> Result<(), Status> {
    let refuse =
        |detail: &str| Err(invalid(new, &[FieldError::invalid("spec.clusterIPs", json!([wanted]), detail)]));
    if wanted.parse::<std::net::IpAddr>().is_err() {
        let detail = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
        return Err(invalid(new, &[FieldError::invalid("spec.clusterIPs[0]", wanted, detail)]));
    }
    let (namespace, name) = (metadata::text(new, "namespace"), metadata::text(new, "name"));
    let taken = storage.snapshot(resource).all().any(|other| {
        other.field(CLUSTER_IP) == wanted && (other.namespace(), other.name()) != (namespace, name)
    });
    if taken { refuse("failed to allocate IP: provided IP is already allocated") } else { Ok(()) }
}

fn invalid(service: &Value, errors: &[FieldError]) -> Status {
    Status::invalid("", "Service", metadata::text(service, "name"), errors)
}

fn has_cluster_ip(service: &Value) -> bool {
    text(&service["spec"], "type") != "ExternalName"
}

fn has_node_ports(service: &Value) -> bool {
    let spec = &service["spec"];
    match text(spec, "type") {
        "NodePort" => true,
        "LoadBalancer" => spec["allocateLoadBalancerNodePorts"] != false,
        _ => false,
    }
}

fn node_ports(service: &Value) -> Vec<u64> {
    let ports = service["spec"]["ports"].as_array().map(Vec::as_slice).unwrap_or_default();
    ports.iter().map(|port| number(port, "nodePort")).filter(|port| *port != 0).collect()
}

fn set_default(spec: &mut Value, key: &str, value: Value) {
    let place = &mut spec[key];
    if place.is_null() || *place == "" {
        *place = value;
    }
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn number(value: &Value, key: &str) -> u64 {
    value[key].as_u64().unwrap_or_default()
}
