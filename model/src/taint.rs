//! Taints on clusters and the tolerations that policies carry, with the meaning of Kubernetes' node taints.

use std::fmt;

use crate::time::Timestamp;

/// What a taint does to workloads that do not tolerate it.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effect {
    /// Nothing new comes; what runs stays.
    NoSchedule,
    /// Nothing new comes, and what runs leaves after its toleration.
    NoExecute,
}

/// A mark on a cluster that keeps workloads away.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Taint {
    /// Qualified key, such as `koinon.io/unreachable`.
    pub key: String,
    /// Value, empty when there is none.
    pub value: String,
    /// What it does.
    pub effect: Effect,
    /// When it was added, where known; tolerations with seconds count from here.
    pub since: Option<Timestamp>,
}

/// What a policy is willing to stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Toleration {
    /// Which keys.
    pub key: KeyMatch,
    /// Which effect; `None` is every effect.
    pub effect: Option<Effect>,
    /// For how long a `NoExecute` taint is stood; `None` is for ever.
    pub seconds: Option<u32>,
}

/// Which taint keys and values a toleration covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyMatch {
    /// Every taint.
    Any,
    /// This key with any value (`operator: Exists`).
    Exists(String),
    /// This key with this value (`operator: Equal`).
    Equal {
        /// The key.
        key: String,
        /// The value.
        value: String,
    },
}

impl Toleration {
    /// Whether this toleration covers the taint, leaving its seconds aside.
    #[must_use]
    pub fn covers(&self, taint: &Taint) -> bool {
        let effect = self.effect.is_none_or(|effect| effect == taint.effect);
        effect
            && match &self.key {
                KeyMatch::Any => true,
                KeyMatch::Exists(key) => *key == taint.key,
                KeyMatch::Equal { key, value } => *key == taint.key && *value == taint.value,
            }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoSchedule => "NoSchedule",
            Self::NoExecute => "NoExecute",
        })
    }
}

impl fmt::Display for Taint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.key)?;
        if !self.value.is_empty() {
            write!(f, "={}", self.value)?;
        }
        write!(f, ":{}", self.effect)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_toleration_covers_by_key_value_and_effect() {
        let taint = Taint { key: "k".into(), value: "v".into(), effect: Effect::NoExecute, since: None };
        let toleration = |key, effect| Toleration { key, effect, seconds: None };
        let equal = |value: &str| KeyMatch::Equal { key: "k".into(), value: value.into() };
        assert!(toleration(KeyMatch::Any, None).covers(&taint));
        assert!(toleration(KeyMatch::Exists("k".into()), Some(Effect::NoExecute)).covers(&taint));
        assert!(toleration(equal("v"), None).covers(&taint));
        assert!(!toleration(equal("w"), None).covers(&taint));
        assert!(!toleration(KeyMatch::Exists("other".into()), None).covers(&taint));
        assert!(!toleration(KeyMatch::Any, Some(Effect::NoSchedule)).covers(&taint));
        assert_eq!(taint.to_string(), "k=v:NoExecute");
    }
}
