//! Who wrote an object last: noted when a write is about to be committed, because a deleted object cannot tell any more.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use koinon_api_server::admission::{Admission, Request};
use koinon_machinery::validate::FieldError;

/// Objects whose authors are remembered. They are asked for within a second of the write; this many are written at once only by a
/// tool, and then the latest tell who it was.
const OBJECTS_MAX: usize = 8192;

/// The kinds that names follow from.
const KINDS: [&str; 3] = ["DnsZone", "GlobalRecord", "Cluster"];

/// Names one object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Object {
    kind: String,
    namespace: String,
    name: String,
}

/// Who wrote what last; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Authors(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    users: BTreeMap<Object, String>,
    /// Shape: the objects of `users`, the longest known first.
    order: VecDeque<Object>,
}

// === impl Object ===

impl Object {
    pub(crate) fn new(kind: &str, namespace: &str, name: &str) -> Self {
        Self { kind: kind.to_owned(), namespace: namespace.to_owned(), name: name.to_owned() }
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let separator = if self.namespace.is_empty() { "" } else { "/" };
        write!(f, "{} {}{separator}{}", self.kind, self.namespace, self.name)
    }
}

// === impl Authors ===

impl Authors {
    /// Who wrote an object last, as far as that is known.
    pub(crate) fn of(&self, object: &Object) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).users.get(object).cloned()
    }

    fn note(&self, object: Object, user: &str) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.users.insert(object.clone(), user.to_owned()).is_none() {
            known.order.push_back(object);
        }
        if known.order.len() > OBJECTS_MAX
            && let Some(oldest) = known.order.pop_front()
        {
            known.users.remove(&oldest);
        }
    }
}

impl Admission for Authors {
    fn admit(&self, request: &Request<'_>) -> Result<(), Vec<FieldError>> {
        if request.subresource.is_empty() && KINDS.contains(&&*request.resource.kind) {
            let object = Object::new(&request.resource.kind, request.namespace, request.name);
            self.note(object, &request.user.name);
        }
        Ok(())
    }
}
