//! How a report reaches the host: two statuses, of the binding and of the template.

use koinon_api_server::ResourceRef;
use koinon_api_server::local::Client;
use koinon_machinery::Value;
use koinon_machinery::status::{Reason, Status};

/// What is to be written.
#[derive(Debug, Default)]
pub(super) struct Write {
    pub(super) binding: Option<(ResourceRef, Value)>,
    pub(super) template: Option<(ResourceRef, Value)>,
}

// === impl Write ===

impl Write {
    pub(super) fn is_empty(&self) -> bool {
        self.binding.is_none() && self.template.is_none()
    }

    /// Writes both at once; they do not depend on each other.
    ///
    /// # Errors
    /// As the host answers the first that fails. What was decided on something older is refused as a conflict.
    pub(super) async fn carry_out(self, client: Client) -> Result<(), Status> {
        let binding = async {
            match self.binding {
                Some((resource, object)) => client.update_status(&resource, object).await.map(drop),
                None => Ok(()),
            }
        };
        let template = async {
            let Some((resource, object)) = self.template else { return Ok(()) };
            match client.update_status(&resource, object).await {
                // A kind without a status door has nothing to be told.
                Err(status) if status.reason == Reason::NotFound => Ok(()),
                other => other.map(drop),
            }
        };
        let (binding, template) = tokio::join!(binding, template);
        binding.and(template)
    }
}
