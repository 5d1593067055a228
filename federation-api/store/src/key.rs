//! Which object a value belongs to.

use std::{cmp::Ordering, fmt, hash, sync::Arc};

/// Names one object: resource, namespace and name, ordered in this sequence.
///
/// The resource is `apps/deployments`, or `configmaps` for the core group. The namespace of a cluster-scoped object
/// is empty. One allocation holds all three, so that a clone costs one reference count.
#[derive(Clone)]
pub struct Key {
    text: Arc<str>,
    namespace_at: u32,
    name_at: u32,
}

// === impl Key ===

impl Key {
    /// The key of the object `name` in `namespace`, which is empty for cluster scope.
    pub fn new(resource: &str, namespace: &str, name: &str) -> Self {
        let mut text = String::with_capacity(resource.len() + namespace.len() + name.len());
        text.push_str(resource);
        text.push_str(namespace);
        text.push_str(name);
        let at = |length: usize| u32::try_from(length).expect("a request is far below 4 GiB");
        let (namespace_at, name_at) = (at(resource.len()), at(resource.len() + namespace.len()));
        Self { text: text.into(), namespace_at, name_at }
    }

    /// The resource, with its group before a slash unless it is the core group.
    pub fn resource(&self) -> &str {
        &self.text[..self.namespace_at as usize]
    }

    /// The namespace; empty for cluster scope.
    pub fn namespace(&self) -> &str {
        &self.text[self.namespace_at as usize..self.name_at as usize]
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.text[self.name_at as usize..]
    }

    fn parts(&self) -> (&str, &str, &str) {
        (self.resource(), self.namespace(), self.name())
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.namespace_at == other.namespace_at && self.name_at == other.name_at && self.text == other.text
    }
}

impl Eq for Key {}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        self.parts().cmp(&other.parts())
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl hash::Hash for Key {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        self.parts().hash(state);
    }
}

impl fmt::Display for Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.namespace() {
            "" => write!(out, "{} {}", self.resource(), self.name()),
            namespace => write!(out, "{} {namespace}/{}", self.resource(), self.name()),
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Key({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::Key;

    #[test]
    fn orders_by_resource_then_namespace_then_name() {
        let sorted = [
            Key::new("configmaps", "", "z"),
            Key::new("configmaps", "a", "z"),
            Key::new("configmaps", "a-b", "a"),
            Key::new("configmaps", "ab", "a"),
            Key::new("configmaps", "ab", "b"),
            Key::new("secrets", "a", "a"),
        ];
        assert!(sorted.is_sorted());
    }

    #[test]
    fn tells_apart_keys_whose_text_is_the_same() {
        assert_ne!(Key::new("a", "b", "c"), Key::new("ab", "", "c"));
        assert_ne!(Key::new("a", "b", "c"), Key::new("a", "bc", ""));
    }

    #[test]
    fn prints_what_a_person_would_say() {
        assert_eq!(Key::new("apps/deployments", "shop", "cart").to_string(), "apps/deployments shop/cart");
        assert_eq!(Key::new("nodes", "", "a").to_string(), "nodes a");
    }
}
