//! The marks that everything of ours carries in a member: whose it is, which template it follows, what was applied.
//!
//! Nothing else of Koinon is visible in a member.

use koinon_machinery::Value;
use koinon_model::policy;
use koinon_types::sync::{Desired, OnConflict};

/// Marks an object as ours (watches select by it), and the binding that it follows.
pub use koinon_policies::reconcile::{BINDING_LABEL as BINDING, MANAGED_LABEL as MANAGED};

/// The template's generation that was rendered.
pub const TEMPLATE_GENERATION: &str = "koinon.io/template-generation";
/// The digest of the manifest that was applied, in hexadecimal.
pub const DESIRED_DIGEST: &str = "koinon.io/desired-digest";

/// Every label of ours.
pub const LABELS: [&str; 2] = [MANAGED, BINDING];
/// Every annotation of ours.
pub const ANNOTATIONS: [&str; 2] = [TEMPLATE_GENERATION, DESIRED_DIGEST];

/// The manifest as it is applied: what was rendered, with our marks.
pub fn stamp(desired: &Desired) -> Value {
    let mut manifest = Value::clone(&desired.manifest);
    let metadata = &mut manifest["metadata"];
    metadata["labels"][MANAGED] = "true".into();
    metadata["labels"][BINDING] = desired.binding.clone().into();
    metadata["annotations"][TEMPLATE_GENERATION] = desired.template_generation.to_string().into();
    metadata["annotations"][DESIRED_DIGEST] = format!("{:016x}", desired.digest).into();
    manifest
}

/// The policy's word for what the order says about objects that are not ours.
pub fn on_conflict(order: OnConflict) -> policy::OnConflict {
    match order {
        OnConflict::Abort => policy::OnConflict::Abort,
        OnConflict::Overwrite => policy::OnConflict::Overwrite,
        OnConflict::AdoptIfEqual => policy::OnConflict::AdoptIfEqual,
    }
}
