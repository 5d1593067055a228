//! Which objects of a collection a request is about: namespace, labels, fields.

use std::sync::Arc;

use koinon_machinery::selector::{FieldSelector, LabelSelector};
use koinon_machinery::status::Status;

use crate::object::Stored;
use crate::registry::Resource;

/// Which objects of a collection a request is about.
#[derive(Clone)]
pub(crate) struct Selection {
    resource: Arc<Resource>,
    /// Empty for all namespaces.
    pub(crate) namespace: String,
    labels: LabelSelector,
    fields: FieldSelector,
}

// === impl Selection ===

impl Selection {
    /// Reads the selectors of a request.
    ///
    /// # Errors
    /// 400 when one is malformed, or a field of the kind cannot be selected by.
    pub(crate) fn parse(
        resource: &Arc<Resource>,
        namespace: &str,
        labels: &str,
        fields: &str,
    ) -> Result<Self, Status> {
        let refuse = |why: String| Status::bad_request(why);
        let label_selector: LabelSelector = labels.parse().map_err(|error| refuse(format!("{error}")))?;
        let field_selector: FieldSelector = fields.parse().map_err(|error| refuse(format!("{error}")))?;
        for requirement in &field_selector.requirements {
            let field = requirement.field.as_str();
            if !matches!(field, "metadata.name" | "metadata.namespace")
                && !resource.strategy.fields.contains(&field)
            {
                let known = ["metadata.name", "metadata.namespace"].iter().chain(resource.strategy.fields);
                let known: Vec<String> = known.map(|field| format!("{field:?}")).collect();
                return Err(refuse(format!(
                    "{field:?} is not a known field selector: only {}",
                    known.join(", ")
                )));
            }
        }
        Ok(Self {
            resource: Arc::clone(resource),
            namespace: namespace.to_owned(),
            labels: label_selector,
            fields: field_selector,
        })
    }

    /// Whether an object is one of those.
    pub(crate) fn holds(&self, stored: &Stored) -> bool {
        (self.namespace.is_empty() || self.namespace == stored.namespace())
            && self.labels.matches_with(|key| stored.label(key))
            && self.fields.matches_with(|field| match field {
                "metadata.name" => Some(stored.name()),
                "metadata.namespace" => Some(stored.namespace()),
                _ => self
                    .resource
                    .strategy
                    .fields
                    .iter()
                    .position(|own| *own == field)
                    .map(|at| stored.field(at)),
            })
    }

    /// Whether every object of the namespace is one of those.
    pub(crate) fn is_everything(&self) -> bool {
        self.labels.is_everything() && self.fields.is_everything()
    }

    /// The only namespace that objects can be in, if there is one.
    pub(crate) fn namespace(&self) -> Option<&str> {
        let named = Some(self.namespace.as_str()).filter(|namespace| !namespace.is_empty());
        named.or_else(|| {
            self.fields.required("metadata.namespace").filter(|_| self.resource.catalog.namespaced)
        })
    }

    /// The only namespace that objects can be in: that of cluster scope where there are no namespaces.
    pub(crate) fn only_namespace(&self) -> Option<&str> {
        if self.resource.catalog.namespaced { self.namespace() } else { Some("") }
    }

    /// The only name that objects can have, if there is one.
    pub(crate) fn name(&self) -> Option<&str> {
        self.fields.required("metadata.name")
    }
}
