//! `DnsZone.spec.catalog`: a zone that tells secondaries which zones there are.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::v1alpha1::meta::LabelSelector;

/// Makes a zone a catalog (RFC 9432): secondaries that copy it serve its members without being told of each.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Catalog {
    /// The members: DnsZones with these labels that somebody may copy. Default: all of those.
    pub selector: LabelSelector,
    /// The label of a DnsZone whose value is its group, by which secondaries choose how to serve it. Default: no groups.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub group_label: String,
}
