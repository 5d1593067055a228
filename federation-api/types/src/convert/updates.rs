//! Who may change a zone by DNS messages. The keys are still Secrets here; whoever has the host reads them.

use koinon_machinery::validate::FieldError;
use koinon_model::served_name::Host;

use super::name;
use super::transfer::network;
use super::zone::{number, owner};
use crate::names::{Network, UpdateNames};
use crate::v1alpha1::{self, SecretRef};

/// Who may change what of a zone, the key not yet read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedUpdater {
    /// The Secret with its key.
    pub key: SecretRef,
    /// Where it has to ask from, if that counts.
    pub network: Option<Network>,
    /// The names it may change. Shape: empty for all.
    pub names: Vec<UpdateNames>,
    /// The types it may change, by number. Shape: empty for all.
    pub types: Vec<u16>,
}

pub(super) fn updates(
    wire: Option<&v1alpha1::Updates>,
    apex: &Host,
    errors: &mut Vec<FieldError>,
) -> Vec<CheckedUpdater> {
    let mut checked = Vec::new();
    for (index, wire) in wire.iter().flat_map(|wire| &wire.allow).enumerate() {
        checked.extend(updater(wire, apex, &format!("spec.updates.allow[{index}]"), errors));
    }
    checked
}

fn updater(
    wire: &v1alpha1::Updater,
    apex: &Host,
    path: &str,
    errors: &mut Vec<FieldError>,
) -> Option<CheckedUpdater> {
    name::object(&wire.key_ref.namespace, &format!("{path}.keyRef.namespace"), errors);
    name::object(&wire.key_ref.name, &format!("{path}.keyRef.name"), errors);
    let network = match wire.cidr.as_str() {
        "" => None,
        text => Some(network(text, path, errors)?),
    };
    let (mut names, mut types) = (Vec::new(), Vec::new());
    for (index, text) in wire.names.iter().enumerate() {
        let Some(owner) = owner(text, apex, &format!("{path}.names[{index}]"), errors) else { continue };
        names.push(match owner.as_str().strip_prefix("*.") {
            Some(above) => UpdateNames::Below(above.to_owned()),
            None => UpdateNames::Exactly(owner.to_string()),
        });
    }
    for (index, kind) in wire.types.iter().enumerate() {
        types.extend(number(kind, &format!("{path}.types[{index}]"), errors));
    }
    Some(CheckedUpdater { key: wire.key_ref.clone(), network, names, types })
}
