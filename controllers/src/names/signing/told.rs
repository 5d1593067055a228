//! What a zone's owner is told of its keys.

use std::collections::BTreeSet;

use koinon_policies::zone_keys::{Key, KeyId, Role, Sighting, Signs, Version, Wait, Wish};
use koinon_types::conditions::{ConditionType, Finding, Reason, Truth};
use koinon_types::v1alpha1::{DnssecStatus, KeyStatus};

use super::document::Kept;
use super::{material, tag};

/// What is told of one zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::names) struct Told {
    /// The part of the status; none when the one before stands, because the keys cannot be read.
    pub(in crate::names) status: Option<DnssecStatus>,
    pub(in crate::names) findings: Vec<Finding>,
}

/// The conditions that are told of zones with keys.
pub(in crate::names) const CONDITIONS: [ConditionType; 2] =
    [ConditionType::Signed, ConditionType::DelegationSecure];

/// Told when the keys are missing or cannot be opened.
pub(super) fn of_lost(apex: &str, problem: &str) -> Told {
    let secret = format!("Secret {}/{}", super::document::NAMESPACE, super::document::secret_name(apex));
    let message = format!(
        "{problem}; restore {secret} and the master key from a backup. No new keys are made, because the parent trusts the old ones"
    );
    Told {
        status: None,
        findings: vec![finding(ConditionType::Signed, Truth::False, Reason::KeysLost, message)],
    }
}

/// Told of keys at work. `behind` are the nodes that do not yet serve what is decided.
pub(super) fn of_keys(kept: &Kept, wait: Option<&Wait>, behind: &BTreeSet<String>, is_signed: bool) -> Told {
    let signed = match kept.state.current() {
        _ if is_signed => finding(ConditionType::Signed, Truth::True, Reason::Published, String::new()),
        Some(current) if current.keys.is_empty() => {
            let message = "signed answers may still be cached".to_owned();
            finding(ConditionType::Signed, Truth::False, Reason::Accepted, message)
        }
        Some(_) | None => finding(ConditionType::Signed, Truth::False, Reason::Waiting, String::new()),
    };
    let waiting_for = wait.map(|wait| words(kept, wait, behind)).unwrap_or_default();
    let secure = secure(kept, &waiting_for);
    let status = DnssecStatus {
        keys: kept.state.keys.iter().filter_map(|key| key_status(kept, key)).collect(),
        ds: wanted_ds(kept),
        waiting_until: match wait {
            Some(Wait::Caches { until }) => until.to_string(),
            Some(Wait::Nodes | Wait::Parent { .. }) | None => String::new(),
        },
        waiting_for,
    };
    Told { status: Some(status), findings: vec![signed, secure] }
}

fn words(kept: &Kept, wait: &Wait, behind: &BTreeSet<String>) -> String {
    match wait {
        Wait::Nodes => {
            let names: Vec<&str> = behind.iter().map(String::as_str).collect();
            match names.as_slice() {
                [] => "every DNS node to serve the keys".to_owned(),
                names => format!("every DNS node to serve the keys; not yet: {}", names.join(", ")),
            }
        }
        Wait::Caches { .. } => "caches to forget what was published before".to_owned(),
        Wait::Parent { wanted } if wanted.is_empty() => {
            "the parent to have no DS record of the zone any more".to_owned()
        }
        Wait::Parent { wanted } => {
            format!("the parent to have the DS record of key {}, and no other one", tags(kept, wanted))
        }
    }
}

fn tags(kept: &Kept, ids: &BTreeSet<KeyId>) -> String {
    let tags: Vec<String> = ids.iter().filter_map(|id| tag(kept, *id)).map(|tag| tag.to_string()).collect();
    tags.join(", ")
}

/// The DS records that the parent must have.
fn wanted_ds(kept: &Kept) -> Vec<String> {
    let Some(Version { wish: Wish::Trust(keys), .. }) = kept.state.current() else { return Vec::new() };
    let public = keys.iter().filter_map(|id| kept.sealed.get(id)).map(|key| &key.public);
    public.filter_map(|public| material::ds_text(&kept.zone, public)).collect()
}

/// Whether the parent has what it must have.
fn secure(kept: &Kept, waiting_for: &str) -> Finding {
    let say = |truth, reason, message: &str| {
        finding(ConditionType::DelegationSecure, truth, reason, message.to_owned())
    };
    let seen: Vec<&Sighting> = kept.state.parent.iter().filter(|sighting| sighting.gone.is_none()).collect();
    let wish = kept.state.current().map(|current| &current.wish);
    if seen.iter().any(|sighting| sighting.foreign) {
        let message = "the parent has DS records of keys that are not here: have them removed there, or restore the keys";
        return say(Truth::False, Reason::DsForeign, message);
    }
    match wish {
        Some(Wish::Trust(_)) if seen.is_empty() => {
            let message = "the parent could not be asked; once it has the DS records of the status, confirm it with the \
                           annotation koinon.io/parent-ds and the key's tag";
            say(Truth::Unknown, Reason::ParentSilent, message)
        }
        Some(Wish::Trust(keys)) if seen.iter().all(|sighting| sighting.trusted == *keys) => {
            say(Truth::True, Reason::DsPublished, "")
        }
        // A rollover on its way: the chain holds by the old key.
        Some(Wish::Trust(_)) if seen.iter().all(|sighting| !sighting.trusted.is_empty()) => {
            say(Truth::True, Reason::Progressing, waiting_for)
        }
        Some(Wish::Trust(_)) => say(Truth::False, Reason::DsMissing, waiting_for),
        Some(Wish::Silent | Wish::Delete) | None => say(Truth::False, Reason::Waiting, waiting_for),
    }
}

fn key_status(kept: &Kept, key: &Key) -> Option<KeyStatus> {
    let signs = kept.state.current().and_then(|current| current.keys.get(&key.id));
    let state = match (key.retired.is_some(), signs) {
        (true, None) => "Removed",
        (true, Some(_)) => "Retiring",
        (false, Some(signs)) if is_at_work(key.role, *signs) => "Active",
        (false, _) => "Incoming",
    };
    Some(KeyStatus {
        tag: tag(kept, key.id)?.into(),
        role: match key.role {
            Role::Combined => "Combined",
            Role::Entry => "Entry",
            Role::Zone => "Zone",
        }
        .to_owned(),
        state: state.to_owned(),
        since: key.retired.unwrap_or(key.created).to_string(),
    })
}

fn is_at_work(role: Role, signs: Signs) -> bool {
    (!role.is_entry() || signs.signs_keys()) && (!role.is_of_zone() || signs.signs_zone())
}

fn finding(kind: ConditionType, truth: Truth, reason: Reason, message: String) -> Finding {
    Finding { kind, truth, reason, message }
}
