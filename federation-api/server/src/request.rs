//! What a request asks for: its path and query taken apart, nothing looked up yet.
//!
//! ```text
//! /api/v1/namespaces/shop/configmaps/banner        group "", namespaced
//! /apis/apps/v1/deployments                         all namespaces
//! /apis/apps/v1/namespaces/shop/deployments/web/scale
//! /readyz/ping                                      a path that is not a resource
//! ```
//! Whether such a resource exists is the registry's business, who may use it that of `authorize`.

use http::Method;
pub use koinon_machinery::schema::catalog::Verb;

/// The longest path taken apart: a group, a version, and names of 253 characters, percent-encoded, with room to spare.
const SEGMENTS_MAX: usize = 64;

/// What a path points at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A resource, a collection, or a subresource of one object.
    Resource(Resource),
    /// Anything else, as its segments.
    Path(Vec<String>),
}

/// A resource path, taken apart.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Resource {
    /// Empty for the core group.
    pub group: String,
    /// The version the client speaks.
    pub version: String,
    /// The plural in the path.
    pub plural: String,
    /// Empty when the path names no namespace.
    pub namespace: String,
    /// Empty for a collection.
    pub name: String,
    /// Empty for the object itself.
    pub subresource: String,
}

/// The query of a request, decoded, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query(Vec<(String, String)>);

// === impl Target ===

impl Target {
    /// Takes a path apart.
    ///
    /// `None` when it is longer than any path we serve, or not valid percent-encoded UTF-8.
    pub fn parse(path: &str) -> Option<Self> {
        let mut segments = Vec::new();
        for segment in path.split('/').filter(|segment| !segment.is_empty()) {
            if segments.len() == SEGMENTS_MAX {
                return None;
            }
            segments.push(decode(segment, false)?);
        }
        let rest = match segments.first().map(String::as_str) {
            Some("api") => resource_of(String::new(), &segments[1..]),
            Some("apis") if segments.len() > 1 => resource_of(segments[1].clone(), &segments[2..]),
            _ => None,
        };
        Some(rest.map_or(Self::Path(segments), Self::Resource))
    }
}

/// Reads `version/[namespaces/ns/]plural[/name[/subresource]]`.
fn resource_of(group: String, segments: &[String]) -> Option<Resource> {
    let (version, rest) = segments.split_first()?;
    let mut resource = Resource { group, version: version.clone(), ..Resource::default() };
    let rest = match rest {
        [] => return None,
        // A Namespace is itself an object: `namespaces/shop/status` is its status, not a resource called `status`.
        [first, namespace, plural, ..]
            if first == "namespaces"
                && !(resource.group.is_empty() && matches!(plural.as_str(), "status" | "finalize")) =>
        {
            resource.namespace.clone_from(namespace);
            &rest[2..]
        }
        _ => rest,
    };
    resource.plural.clone_from(&rest[0]);
    if let Some(name) = rest.get(1) {
        resource.name.clone_from(name);
    }
    resource.subresource = rest.get(2..).map(|tail| tail.join("/")).unwrap_or_default();
    Some(resource)
}

// === impl Resource ===

impl Resource {
    /// What `method` does here; `None` for a method that no resource has.
    pub fn verb(&self, method: &Method, query: &Query) -> Option<Verb> {
        let one = !self.name.is_empty();
        Some(match *method {
            Method::GET | Method::HEAD if one => Verb::Get,
            Method::GET | Method::HEAD if query.flag("watch") => Verb::Watch,
            Method::GET | Method::HEAD => Verb::List,
            Method::POST => Verb::Create,
            Method::PUT => Verb::Update,
            Method::PATCH => Verb::Patch,
            Method::DELETE if one => Verb::Delete,
            Method::DELETE => Verb::DeleteCollection,
            _ => return None,
        })
    }

    /// The resource with its subresource, as RBAC rules name it: `deployments/scale`.
    pub fn full_plural(&self) -> String {
        if self.subresource.is_empty() {
            self.plural.clone()
        } else {
            format!("{}/{}", self.plural, self.subresource)
        }
    }
}

// === impl Query ===

impl Query {
    /// Decodes a query string; pairs that are not UTF-8 are left out.
    pub fn parse(text: &str) -> Self {
        let pair = |pair: &str| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((decode(key, true)?, decode(value, true)?))
        };
        Self(text.split('&').filter(|part| !part.is_empty()).filter_map(pair).collect())
    }

    /// The first value of `key`.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// The value of `key`, empty when absent.
    pub fn text(&self, key: &str) -> &str {
        self.get(key).unwrap_or_default()
    }

    /// Every value of `key`.
    pub fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// Whether `key` is there and does not say no.
    pub fn flag(&self, key: &str) -> bool {
        self.get(key).is_some_and(|value| !matches!(value, "false" | "0" | "f" | "F" | "False" | "FALSE"))
    }
}

/// Decodes percent-encoding (and `+` as a space in queries).
fn decode(text: &str, plus_is_space: bool) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => hex(rest.next()?)? << 4 | hex(rest.next()?)?,
            b'+' if plus_is_space => b' ',
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(path: &str) -> [String; 6] {
        match Target::parse(path) {
            Some(Target::Resource(r)) => [r.group, r.version, r.namespace, r.plural, r.name, r.subresource],
            other => panic!("{path} is {other:?}"),
        }
    }

    #[test]
    fn takes_resource_paths_apart() {
        let table = [
            ("/api/v1/pods", ["", "v1", "", "pods", "", ""]),
            ("/api/v1/namespaces", ["", "v1", "", "namespaces", "", ""]),
            ("/api/v1/namespaces/shop", ["", "v1", "", "namespaces", "shop", ""]),
            ("/api/v1/namespaces/shop/finalize", ["", "v1", "", "namespaces", "shop", "finalize"]),
            ("/api/v1/namespaces/shop/pods", ["", "v1", "shop", "pods", "", ""]),
            (
                "/apis/apps/v1/namespaces/shop/deployments/web",
                ["apps", "v1", "shop", "deployments", "web", ""],
            ),
            (
                "/apis/apps/v1/namespaces/a/deployments/b/scale",
                ["apps", "v1", "a", "deployments", "b", "scale"],
            ),
            (
                "/apis/rbac.authorization.k8s.io/v1/clusterroles/system%3Aadmin",
                ["rbac.authorization.k8s.io", "v1", "", "clusterroles", "system:admin", ""],
            ),
            ("/api/v1/namespaces/s/pods/p/proxy/a/b", ["", "v1", "s", "pods", "p", "proxy/a/b"]),
        ];
        for (path, want) in table {
            assert_eq!(resource(path), want.map(str::to_owned), "{path}");
        }
    }

    #[test]
    fn leaves_other_paths_whole() {
        for (path, want) in [
            ("/", vec![]),
            ("/readyz/ping", vec!["readyz", "ping"]),
            ("/apis/apps/v1", vec!["apis", "apps", "v1"]),
        ] {
            let want = want.into_iter().map(str::to_owned).collect();
            assert_eq!(Target::parse(path), Some(Target::Path(want)), "{path}");
        }
        assert_eq!(Target::parse("/api/v1/%zz"), None);
    }

    #[test]
    fn reads_queries() {
        let query = Query::parse("labelSelector=a%3Db%2Cc&watch=true&limit=5&dryRun=All&dryRun=None&q=a+b");
        assert_eq!(query.get("labelSelector"), Some("a=b,c"));
        assert!(query.flag("watch") && !query.flag("follow"));
        assert_eq!(query.all("dryRun").collect::<Vec<_>>(), ["All", "None"]);
        assert_eq!(query.text("q"), "a b");
    }
}
