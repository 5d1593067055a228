//! Who may change a zone by DNS messages.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::v1alpha1::cluster::SecretRef;

/// Dynamic updates of a zone's records (RFC 2136).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Updates {
    /// Who may change records: whoever fits one entry that covers the record.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub allow: Vec<Updater>,
}

/// Who may change which records. The key is needed: an address alone is easily forged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Updater {
    /// The TSIG key it signs with: a Secret of type koinon.io/tsig with algorithm (default hmac-sha256), name and secret.
    pub key_ref: SecretRef,
    /// The addresses it has to ask from as well, such as 192.0.2.0/24. Default: any.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub cidr: String,
    /// The names whose records it may change, as in `records`; `*.` and a name stands for all names below it. Default: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub names: Vec<String>,
    /// The types of record that it may change, such as TXT. Default: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub types: Vec<String>,
}
