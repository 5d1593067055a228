//! Names that the fleet serves: hosts, lifetimes, and how one answer is chosen among many.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::name::ClusterName;
use crate::weight::Weight;

/// Longest name in text form without the trailing dot (RFC 1035 §2.3.4: 255 octets on the wire).
const HOST_LENGTH_MAX: usize = 253;
/// Longest label (RFC 1035 §2.3.4).
const LABEL_LENGTH_MAX: usize = 63;

/// A domain name: lower case, without the trailing dot; a leading `*` label is a wildcard (RFC 4592).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Host(Arc<str>);

/// Says that a text is not a host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is not a domain name of at most 253 octets with labels of 1 to 63 letters, digits, '-' or '_'"
)]
pub struct InvalidHost {
    /// What was given.
    pub text: String,
}

impl Host {
    /// The name's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The labels, leftmost first.
    pub fn labels(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('.')
    }

    /// Whether this is `zone` or a name below it.
    #[must_use]
    pub fn is_within(&self, zone: &Self) -> bool {
        self.0.strip_suffix(&*zone.0).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    }
}

impl TryFrom<&str> for Host {
    type Error = InvalidHost;

    fn try_from(text: &str) -> Result<Self, InvalidHost> {
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        let valid = |(index, label): (usize, &str)| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
            let wildcard = index == 0 && label == "*";
            let shaped = label.bytes().all(plain) && !label.starts_with('-') && !label.ends_with('-');
            !label.is_empty() && label.len() <= LABEL_LENGTH_MAX && (wildcard || shaped)
        };
        if name.len() > HOST_LENGTH_MAX || !name.split('.').enumerate().all(valid) {
            return Err(InvalidHost { text: text.to_owned() });
        }
        Ok(Self(name.into()))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A record's lifetime in caches.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TtlSeconds(pub u32);

/// Where the weights of a weighted step come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WeightSource {
    /// Ready replicas as the members report them.
    ReadyReplicas,
    /// Replicas as placed.
    Placement,
    /// CPUs that the clusters' pods may use.
    Capacity,
    /// As written; clusters not named weigh 0.
    Static(BTreeMap<ClusterName, Weight>),
}

/// What is answered when every endpoint of a name is down. Never NXDOMAIN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OnAllDown {
    /// Those that were up last.
    LastKnownGood,
    /// All of them.
    All,
    /// The name exists and has no address.
    NoData,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_lowercased_and_lose_the_final_dot() {
        assert_eq!(Host::try_from("Shop.Example.COM.").unwrap().as_str(), "shop.example.com");
        for good in ["*.a.b", "_dmarc.a", "a"] {
            assert!(Host::try_from(good).is_ok(), "{good}");
        }
        for bad in ["", ".", "a..b", "-a.b", "a-.b", "a.*.b", "a b", &"a.".repeat(128), &"x".repeat(64)] {
            assert!(Host::try_from(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_name_is_within_its_zone_by_whole_labels() {
        let host = |text| Host::try_from(text).unwrap();
        assert!(host("a.example").is_within(&host("example")));
        assert!(host("example").is_within(&host("example")));
        assert!(!host("badexample").is_within(&host("example")));
    }
}
