//! How far a roll-out may stray from the wanted replicas, as a Deployment's strategy says it.

use koinon_machinery::Value;

use super::number;

/// The bounds of one Deployment.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    pub(super) wanted: usize,
    pub(super) order: Order,
    /// Replicas above the wanted.
    pub(super) surge: usize,
    /// Ready replicas below the wanted.
    pub(super) missing: usize,
}

/// Which templates have pods at a time.
#[derive(Clone, Copy)]
pub(super) enum Order {
    Together,
    OldFirst,
}

struct Share {
    rounded_up: usize,
    rounded_down: usize,
}

// === impl Bounds ===

impl Bounds {
    /// A quarter more and a quarter less where the Deployment does not say, as upstream's defaults.
    pub(super) fn of(deployment: &Value) -> Self {
        let wanted = number(&deployment["spec"]["replicas"]).unwrap_or(1);
        let strategy = &deployment["spec"]["strategy"];
        if strategy["type"] == "Recreate" {
            return Self { wanted, order: Order::OldFirst, surge: 0, missing: wanted };
        }
        let asked = |name: &str| share(&strategy["rollingUpdate"][name], wanted);
        let surge = asked("maxSurge").map_or(wanted.div_ceil(4), |share| share.rounded_up);
        let missing = asked("maxUnavailable").map_or(wanted / 4, |share| share.rounded_down);
        // With no room above or below nothing would ever move; upstream lets one go then.
        let missing = if surge == 0 { missing.max(1) } else { missing };
        Self { wanted, order: Order::Together, surge, missing: missing.min(wanted) }
    }

    /// The fewest ready replicas with which a Deployment is called available.
    pub(super) fn available_min(&self) -> usize {
        match self.order {
            Order::Together => self.wanted - self.missing,
            // Pods may all go during a roll-out, but that is not being available.
            Order::OldFirst => self.wanted,
        }
    }
}

/// A count, or a percentage of `wanted` rounded both ways.
fn share(value: &Value, wanted: usize) -> Option<Share> {
    if let Some(count) = number(value) {
        return Some(Share { rounded_up: count, rounded_down: count });
    }
    let percent: usize = value.as_str()?.strip_suffix('%')?.parse().ok()?;
    let hundredths = wanted.saturating_mul(percent);
    Some(Share { rounded_up: hundredths.div_ceil(100), rounded_down: hundredths / 100 })
}
