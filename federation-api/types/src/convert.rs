//! The one door from what users write to what decisions take.
//!
//! A converter reads one object and answers the model's value or every finding, each with the path of its field
//! and what would be accepted there. [`Door`] asks the same at admission, shape first, so that what is stored can
//! be converted later. Rules that need a second object (one host in two records) are not asked here.

mod affinity;
mod catalog;
mod cluster;
mod dnssec;
mod door;
mod health;
mod json;
mod name;
mod overriding;
mod probe;
mod propagation;
mod record;
mod routing;
mod selector;
mod shape;
#[cfg(test)]
mod tests;
mod transfer;
mod updates;
mod zone;

use koinon_machinery::validate::FieldError;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub use catalog::CheckedCatalog;
pub use cluster::{cluster, timestamp};
pub use dnssec::{CheckedDnssec, CheckedKeys};
pub use door::Door;
pub use health::{CheckedForced, CheckedHealth};
pub use json::to_value;
pub use overriding::override_policy;
pub use propagation::propagation_policy;
pub use record::{CheckedRecord, EndpointSource, global_record};
pub use routing::{CheckedRouting, CheckedStep};
pub use transfer::{CheckedPeer, CheckedTarget, CheckedTransfer};
pub use updates::CheckedUpdater;
pub use zone::{CheckedZone, RECORD_TTL_SECONDS, dns_zone};

use crate::v1alpha1;

/// Everything that is wrong with an object; never empty.
pub type Invalid = Vec<FieldError>;

/// Reads metadata and spec of an object.
fn parts<Spec: DeserializeOwned>(object: &Value) -> Result<(v1alpha1::ObjectMeta, Spec), Invalid> {
    let unreadable = |part: &str, error: &serde_json::Error| {
        vec![FieldError::invalid(part, Value::Null, format!("must be readable: {error}"))]
    };
    let meta = v1alpha1::read(object, "metadata").map_err(|error| unreadable("metadata", &error))?;
    let spec = v1alpha1::read(object, "spec").map_err(|error| unreadable("spec", &error))?;
    Ok((meta, spec))
}

/// The value when nothing was found wrong with it.
fn unless<T>(errors: Vec<FieldError>, value: T) -> Result<T, Invalid> {
    if errors.is_empty() { Ok(value) } else { Err(errors) }
}

/// Seconds as the model counts them. Ranges are the schema's; a number outside 32 bits is clamped to them.
fn seconds(number: i64) -> u32 {
    u32::try_from(number.max(0)).unwrap_or(u32::MAX)
}
