//! The documents a server publishes about itself.

use crate::registry::Registry;

/// The documents a server publishes about itself.
pub(crate) struct Documents;

impl Documents {
    pub(crate) fn new(_registry: &Registry) -> Self {
        Self
    }
}
