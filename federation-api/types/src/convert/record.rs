//! Global records, from wire to checked intent.

use std::collections::BTreeMap;

use koinon_machinery::validate::FieldError;
use koinon_model::name::ClusterName;
use koinon_model::served_name::Host;
use serde_json::Value;

use super::health::{CheckedForced, CheckedHealth, forced, health};
use super::routing::{CheckedRouting, routing};
use super::zone::address;
use super::{Invalid, name, parts, seconds, unless};
use crate::names::{RecordRef, Target, Ttl};
use crate::v1alpha1;

/// A global record whose every field makes sense.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckedRecord {
    /// Which record.
    pub source: RecordRef,
    /// The name served.
    pub host: Host,
    /// What stands behind it.
    pub endpoints: EndpointSource,
    /// How one is chosen.
    pub routing: CheckedRouting,
    /// Addresses per answer, at least 1.
    pub addresses_max: u8,
    /// Time to live.
    pub ttl: Ttl,
    /// How its endpoints are probed and judged.
    pub health: CheckedHealth,
    /// What operators decided about endpoints, the most specific first.
    pub forced: Vec<CheckedForced>,
}

/// What stands behind a name.
#[derive(Clone, Debug, PartialEq)]
pub enum EndpointSource {
    /// The load balancers of a Service of the record's namespace.
    Service {
        /// Its name.
        name: String,
    },
    /// The load balancers of an Ingress of the record's namespace.
    Ingress {
        /// Its name.
        name: String,
    },
    /// Written addresses.
    Addresses(BTreeMap<ClusterName, Vec<Target>>),
}

/// Reads a GlobalRecord.
///
/// # Errors
/// Every field that makes no sense.
pub fn global_record(object: &Value) -> Result<CheckedRecord, Invalid> {
    let (meta, spec): (_, v1alpha1::GlobalRecordSpec) = parts(object)?;
    let mut errors = Vec::new();
    let host = name::host(&spec.host, "spec.host", &mut errors);
    let endpoints = endpoints(&spec.endpoints, &mut errors);
    let routing = routing(&spec.routing, endpoints.as_ref(), &mut errors);
    let ttl = ttl(&spec.ttl_seconds, &mut errors);
    let health = health(&spec.health, &mut errors);
    let forced = forced(&spec.forced, endpoints.as_ref(), &mut errors);
    let (Some(host), Some(endpoints)) = (host, endpoints) else { return Err(errors) };
    let record = CheckedRecord {
        source: RecordRef { namespace: meta.namespace, name: meta.name },
        host,
        endpoints,
        routing,
        addresses_max: u8::try_from(spec.answer.max_addresses.clamp(1, 16)).unwrap_or(1),
        ttl,
        health,
        forced,
    };
    unless(errors, record)
}

fn endpoints(wire: &v1alpha1::Endpoints, errors: &mut Vec<FieldError>) -> Option<EndpointSource> {
    let path = "spec.endpoints";
    match (&wire.service, &wire.ingress, wire.addresses.is_empty()) {
        (Some(service), None, true) => {
            name::object(&service.name, &format!("{path}.service.name"), errors);
            Some(EndpointSource::Service { name: service.name.clone() })
        }
        (None, Some(ingress), true) => {
            name::object(&ingress.name, &format!("{path}.ingress.name"), errors);
            Some(EndpointSource::Ingress { name: ingress.name.clone() })
        }
        (None, None, false) => Some(EndpointSource::Addresses(addresses(&wire.addresses, errors))),
        (None, None, true) => {
            errors.push(FieldError::required(path, "one of service, ingress or addresses"));
            None
        }
        (Some(_), _, _) | (_, Some(_), _) => {
            errors.push(FieldError::forbidden(path, "only one of service, ingress and addresses"));
            None
        }
    }
}

fn addresses(
    wire: &[v1alpha1::AddressEndpoint],
    errors: &mut Vec<FieldError>,
) -> BTreeMap<ClusterName, Vec<Target>> {
    let mut endpoints = BTreeMap::new();
    for (index, endpoint) in wire.iter().enumerate() {
        let path = format!("spec.endpoints.addresses[{index}]");
        let cluster = name::cluster(&endpoint.cluster, &format!("{path}.cluster"), errors);
        let mut targets = Vec::new();
        for (number, text) in endpoint.ips.iter().enumerate() {
            targets.extend(address(text, &format!("{path}.ips[{number}]"), errors).map(Target::Ip));
        }
        match (endpoint.hostname.is_empty(), endpoint.ips.is_empty()) {
            (true, true) => {
                errors.push(FieldError::required(
                    format!("{path}.ips"),
                    "at least one IP address, or hostname",
                ));
            }
            (false, false) => {
                let accepted = "an alias excludes addresses: give ips or hostname";
                errors.push(FieldError::forbidden(format!("{path}.hostname"), accepted));
            }
            (false, true) => {
                let host = name::host(&endpoint.hostname, &format!("{path}.hostname"), errors);
                targets.extend(host.map(|host| Target::Hostname(host.to_string())));
            }
            (true, false) => {}
        }
        if let Some(cluster) = cluster {
            endpoints.insert(cluster, targets);
        }
    }
    endpoints
}

fn ttl(wire: &v1alpha1::TtlSeconds, errors: &mut Vec<FieldError>) -> Ttl {
    if wire.unstable > wire.stable {
        let accepted = format!("must be at most ttlSeconds.stable, which is {}", wire.stable);
        errors.push(FieldError::invalid("spec.ttlSeconds.unstable", wire.unstable, accepted));
    }
    Ttl { stable: seconds(wire.stable), unstable: seconds(wire.unstable) }
}
