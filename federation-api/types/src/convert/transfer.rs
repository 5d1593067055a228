//! Who may copy a zone and who is told of changes. The keys are still Secrets here; whoever has the host reads them.

use std::net::SocketAddr;

use koinon_machinery::validate::FieldError;

use super::name;
use super::zone::address;
use crate::names::{InvalidNetwork, Network};
use crate::v1alpha1::{self, SecretRef};

/// Where a secondary listens when nothing else is said.
const PORT: u16 = 53;

/// Transfers that make sense, their keys not yet read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckedTransfer {
    /// Who may copy the zone.
    pub allow: Vec<CheckedPeer>,
    /// Who is told of changes.
    pub notify: Vec<CheckedTarget>,
}

/// Who may copy a zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckedPeer {
    /// Whoever asks from there.
    From(Network),
    /// Whoever signs with the key in this Secret.
    With(SecretRef),
    /// Whoever does both.
    Both(Network, SecretRef),
    /// Whom this lets, over an encrypted connection only.
    Encrypted(Box<CheckedPeer>),
}

/// A secondary that is told of changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedTarget {
    /// Where it listens.
    pub address: SocketAddr,
    /// The Secret with the key that it is told with, if with one.
    pub key: Option<SecretRef>,
}

pub(super) fn transfer(wire: Option<&v1alpha1::Transfer>, errors: &mut Vec<FieldError>) -> CheckedTransfer {
    let mut checked = CheckedTransfer::default();
    let Some(wire) = wire else { return checked };
    for (index, wire) in wire.allow.iter().enumerate() {
        checked.allow.extend(peer(wire, &format!("spec.transfer.allow[{index}]"), errors));
    }
    for (index, wire) in wire.notify.iter().enumerate() {
        let path = format!("spec.transfer.notify[{index}]");
        key(wire.key_ref.as_ref(), &path, errors);
        let Some(ip) = address(&wire.address, &format!("{path}.address"), errors) else { continue };
        // The range of ports is the schema's.
        let port = wire.port.and_then(|port| u16::try_from(port).ok()).unwrap_or(PORT);
        checked.notify.push(CheckedTarget { address: (ip, port).into(), key: wire.key_ref.clone() });
    }
    checked
}

fn peer(wire: &v1alpha1::TransferPeer, path: &str, errors: &mut Vec<FieldError>) -> Option<CheckedPeer> {
    key(wire.key_ref.as_ref(), path, errors);
    let network = match wire.cidr.as_str() {
        "" => None,
        text => Some(network(text, path, errors)?),
    };
    let peer = match (network, wire.key_ref.clone()) {
        (Some(network), None) => CheckedPeer::From(network),
        (None, Some(key)) => CheckedPeer::With(key),
        (Some(network), Some(key)) => CheckedPeer::Both(network, key),
        (None, None) => {
            errors.push(FieldError::required(path, "cidr, keyRef or both: nobody may copy a zone unnamed"));
            return None;
        }
    };
    Some(if wire.tls { CheckedPeer::Encrypted(Box::new(peer)) } else { peer })
}

/// The range of addresses in the field `cidr` of `path`, or a finding.
pub(super) fn network(text: &str, path: &str, errors: &mut Vec<FieldError>) -> Option<Network> {
    match text.parse::<Network>() {
        Ok(network) => Some(network),
        Err(InvalidNetwork(_)) => {
            let accepted =
                "must be a range of addresses written with its first, such as 192.0.2.0/24 or 2001:db8::/32";
            errors.push(FieldError::invalid(format!("{path}.cidr"), text, accepted));
            None
        }
    }
}

fn key(wire: Option<&SecretRef>, path: &str, errors: &mut Vec<FieldError>) {
    if let Some(secret) = wire {
        name::object(&secret.namespace, &format!("{path}.keyRef.namespace"), errors);
        name::object(&secret.name, &format!("{path}.keyRef.name"), errors);
    }
}
