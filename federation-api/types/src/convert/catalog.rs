//! Catalogs of zones, from wire to what the host selects members by.

use koinon_machinery::validate::{FieldError, format};
use koinon_model::labels::LabelSelector;

use super::{name, selector};
use crate::v1alpha1::{self, DnsZoneSpec};

/// Which zones a catalog lists, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckedCatalog {
    /// The members' labels; an empty selector means all.
    pub members: LabelSelector,
    /// The label whose value is a member's group.
    pub group_label: Option<String>,
}

/// Reads `spec.catalog`. What else a zone can hold has no place beside it.
pub(super) fn catalog(spec: &DnsZoneSpec, errors: &mut Vec<FieldError>) -> Option<CheckedCatalog> {
    let v1alpha1::Catalog { selector, group_label } = spec.catalog.as_ref()?;
    let members = selector::labels(selector, "spec.catalog.selector", errors);
    if !group_label.is_empty() {
        name::complain(format::label_key(group_label), group_label, "spec.catalog.groupLabel", errors);
    }
    let others =
        [("records", !spec.records.is_empty()), ("allowedNamespaces", spec.allowed_namespaces.is_some())];
    for (field, _) in others.into_iter().filter(|(_, is_given)| *is_given) {
        let why = "a catalog holds its members alone; leave it out, or leave out spec.catalog";
        errors.push(FieldError::forbidden(format!("spec.{field}"), why));
    }
    let group_label = (!group_label.is_empty()).then(|| group_label.clone());
    Some(CheckedCatalog { members, group_label })
}
