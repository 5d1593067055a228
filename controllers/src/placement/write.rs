//! How a decision reaches the host: as a new binding, a changed one, or one that has served.

use koinon_api_server::local::Client;
use koinon_machinery::Value;
use koinon_machinery::status::{Reason, Status};
use koinon_types::v1alpha1::{API_VERSION, BindingSpec};
use serde_json::json;

use crate::bindings::{Binding, BindingKey, FINALIZER};

/// What is to be written.
#[derive(Debug)]
pub(super) struct Write {
    key: BindingKey,
    what: What,
}

#[derive(Debug)]
enum What {
    /// The binding does not exist.
    Create(BindingSpec),
    /// The spec becomes this one, of the binding as it was read.
    Change { object: Value },
    /// Nobody needs the binding any more.
    Drop { version: u64, is_asked_to_go: bool },
    /// The binding was asked to go by somebody else, and is still needed: it goes, and comes again.
    Replace { version: u64, spec: BindingSpec },
}

// === impl Write ===

impl Write {
    /// A binding for an object that has none.
    pub(super) fn create(key: BindingKey, spec: BindingSpec) -> Self {
        Self { key, what: What::Create(spec) }
    }

    /// Another spec, if it is another one.
    pub(super) fn change(before: Binding, spec: BindingSpec) -> Option<Self> {
        let version = before.stored.resource_version();
        let what = if before.stored.is_deleting() {
            What::Replace { version, spec }
        } else if before.spec == spec && has_finalizer(&before) {
            return None;
        } else {
            What::Change { object: with_spec(&before, &spec) }
        };
        Some(Self { key: before.key, what })
    }

    /// The last specs of a binding: fewer and fewer clusters that have to lose the object, and then it goes.
    pub(super) fn retire(before: Binding, spec: &BindingSpec) -> Option<Self> {
        let version = before.stored.resource_version();
        let what = if spec.removing.is_empty() {
            What::Drop { version, is_asked_to_go: before.stored.is_deleting() }
        } else if before.spec == *spec {
            return None;
        } else {
            What::Change { object: with_spec(&before, spec) }
        };
        Some(Self { key: before.key, what })
    }

    /// Writes it.
    ///
    /// # Errors
    /// As the host answers it. What was decided on something older is refused as a conflict.
    pub(super) async fn carry_out(self, client: Client) -> Result<(), Status> {
        let resource = self.key.resource();
        let BindingKey { namespace, name } = &self.key;
        match self.what {
            What::Create(spec) => {
                client.create(&resource, new_object(&resource.kind, &self.key, &spec)).await?;
            }
            What::Change { object } => {
                client.update(&resource, object).await?;
            }
            What::Drop { version, is_asked_to_go } => {
                client.patch_merge(&resource, namespace, name, without_finalizer(version), None).await?;
                if !is_asked_to_go {
                    match client.delete(&resource, namespace, name, None).await {
                        Err(status) if status.reason != Reason::NotFound => return Err(status),
                        Err(_) | Ok(()) => {}
                    }
                }
            }
            What::Replace { version, spec } => {
                client.patch_merge(&resource, namespace, name, without_finalizer(version), None).await?;
                client.create(&resource, new_object(&resource.kind, &self.key, &spec)).await?;
            }
        }
        Ok(())
    }
}

fn has_finalizer(binding: &Binding) -> bool {
    binding.stored.finalizers().any(|finalizer| finalizer == FINALIZER)
}

fn new_object(kind: &str, key: &BindingKey, spec: &BindingSpec) -> Value {
    let mut metadata = json!({"name": key.name, "finalizers": [FINALIZER]});
    if !key.namespace.is_empty() {
        metadata["namespace"] = key.namespace.as_str().into();
    }
    json!({"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": wire(spec)})
}

fn with_spec(before: &Binding, spec: &BindingSpec) -> Value {
    let mut object = Value::clone(&before.stored.value());
    object["spec"] = wire(spec);
    if !has_finalizer(before)
        && !before.stored.is_deleting()
        && let Some(metadata) = object["metadata"].as_object_mut()
    {
        let mut finalizers: Vec<Value> = before.stored.finalizers().map(Value::from).collect();
        finalizers.push(FINALIZER.into());
        metadata.insert("finalizers".into(), finalizers.into());
    }
    object
}

fn without_finalizer(version: u64) -> Value {
    json!({"metadata": {"finalizers": null, "resourceVersion": version.to_string()}})
}

fn wire(spec: &BindingSpec) -> Value {
    serde_json::to_value(spec).expect("a binding's spec is made of texts and numbers")
}
