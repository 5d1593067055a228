//! What all requests share.

use std::sync::Arc;

use arc_swap::ArcSwap;
use koinon_machinery::status::Status;
use rustls::crypto::SecureRandom;
use tokio::sync::watch;

use crate::admission::Admission;
use crate::authenticate::User;
use crate::authorize::{self, Action, Policy};
use crate::built_in::services::Addresses;
use crate::documents::Documents;
use crate::identity::Authority;
use crate::limit::Limits;
use crate::object::Stored;
use crate::registry::Registry;
use crate::rest::page::Unfinished;
use crate::server::{Page, Probe, Render, StaticToken};
use crate::storage::Storage;

/// What all requests share.
pub(crate) struct Api {
    pub(crate) registry: Registry,
    pub(crate) storage: Storage,
    pub(crate) admissions: Vec<Arc<dyn Admission>>,
    pub(crate) policy: ArcSwap<Policy>,
    pub(crate) authority: Authority,
    pub(crate) tokens: Vec<StaticToken>,
    pub(crate) random: &'static dyn SecureRandom,
    pub(crate) unfinished: Unfinished,
    pub(crate) services: Addresses,
    pub(crate) documents: Documents,
    pub(crate) limits: Limits,
    pub(crate) probes: Vec<Probe>,
    pub(crate) pages: Vec<Page>,
    pub(crate) metrics: Option<Render>,
    /// True once the server is asked to stop: streams end.
    pub(crate) stop: watch::Receiver<bool>,
}

// === impl Api ===

impl Api {
    /// A namespace, if it exists.
    pub(crate) fn namespace(&self, name: &str) -> Option<Arc<Stored>> {
        let namespaces = self.registry.resource("", "v1", "namespaces")?;
        self.storage.get(namespaces, "", name)
    }

    /// Refuses what `user` may not do.
    pub(crate) fn authorize(&self, user: &User, action: Action<'_>) -> Result<(), Status> {
        match authorize::allow(&self.policy.load(), user, action) {
            Some(_) => Ok(()),
            None => Err(authorize::refuse(user, action)),
        }
    }
}
