//! Global records, from wire to checked intent.

use std::collections::BTreeMap;

use koinon_machinery::validate::FieldError;
use koinon_model::name::ClusterName;
use koinon_model::served_name::{Host, WeightSource};
use koinon_model::weight::Weight;
use serde_json::Value;

use super::health::{CheckedForced, CheckedHealth, forced, health};
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
    /// How clusters are weighed against each other; none for written addresses without weights, which are equal.
    pub weights: Option<WeightSource>,
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
    let weights = weights(&spec.routing, endpoints.as_ref(), &mut errors);
    let ttl = ttl(&spec.ttl_seconds, &mut errors);
    let health = health(&spec.health, &mut errors);
    let forced = forced(&spec.forced, endpoints.as_ref(), &mut errors);
    let (Some(host), Some(endpoints)) = (host, endpoints) else { return Err(errors) };
    let record = CheckedRecord {
        source: RecordRef { namespace: meta.namespace, name: meta.name },
        host,
        endpoints,
        weights,
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

fn weights(
    wire: &[v1alpha1::Route],
    source: Option<&EndpointSource>,
    errors: &mut Vec<FieldError>,
) -> Option<WeightSource> {
    let written = matches!(source, Some(EndpointSource::Addresses(_)));
    let Some(route) = wire.first() else { return (!written).then_some(WeightSource::ReadyReplicas) };
    if wire.len() > 1 {
        errors.push(FieldError::too_many("spec.routing", wire.len(), 1));
    }
    let path = "spec.routing[0].weighted";
    let from = route.weighted.from;
    let mut fixed = BTreeMap::new();
    for (cluster, weight) in &route.weighted.weights {
        let at = format!("{path}.weights[{cluster}]");
        let cluster = name::cluster(cluster, &at, errors);
        match (cluster, Weight::try_from(*weight)) {
            (Some(cluster), Ok(weight)) => drop(fixed.insert(cluster, weight)),
            (_, Err(_)) => errors.push(FieldError::invalid(at, *weight, "must be between 0 and 1000000")),
            (None, Ok(_)) => {}
        }
    }
    match from {
        v1alpha1::WeightSource::Static if route.weighted.weights.is_empty() => {
            let accepted = "cluster names with their weights, with from Static";
            errors.push(FieldError::required(format!("{path}.weights"), accepted));
        }
        v1alpha1::WeightSource::Replicas | v1alpha1::WeightSource::Placement
            if !route.weighted.weights.is_empty() =>
        {
            errors.push(FieldError::forbidden(format!("{path}.weights"), "only with from Static"));
        }
        v1alpha1::WeightSource::Replicas | v1alpha1::WeightSource::Placement if written => {
            let accepted = "Static; written addresses have no replicas";
            errors.push(FieldError::invalid(format!("{path}.from"), format!("{from:?}"), accepted));
        }
        v1alpha1::WeightSource::Static
        | v1alpha1::WeightSource::Replicas
        | v1alpha1::WeightSource::Placement => {}
    }
    Some(match from {
        v1alpha1::WeightSource::Replicas => WeightSource::ReadyReplicas,
        v1alpha1::WeightSource::Placement => WeightSource::Placement,
        v1alpha1::WeightSource::Static => WeightSource::Static(fixed),
    })
}

fn ttl(wire: &v1alpha1::TtlSeconds, errors: &mut Vec<FieldError>) -> Ttl {
    if wire.unstable > wire.stable {
        let accepted = format!("must be at most ttlSeconds.stable, which is {}", wire.stable);
        errors.push(FieldError::invalid("spec.ttlSeconds.unstable", wire.unstable, accepted));
    }
    Ttl { stable: seconds(wire.stable), unstable: seconds(wire.unstable) }
}
