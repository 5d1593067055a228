//! Does every combination of what may be cached validate, at a moment and with one more version published?

use std::collections::BTreeSet;

use koinon_model::time::Timestamp;

use super::{KeyId, PARENT_PROPAGATION, Sighting, State, Version, Wish};

/// The last moment at which something can still be in a cache; none while it is published.
type End = Option<Timestamp>;

/// Whether the zone stays valid, or provably unsigned, for every resolver when `next` is published at `now`.
pub(super) fn is_safe(state: &State, next: &Version, now: Timestamp) -> bool {
    let trusts = trusts(state, next, now);
    if trusts.is_empty() {
        return true;
    }
    let key_sets: Vec<&Version> = published(state, next, now, key_set_end).collect();
    let signatures: Vec<&Version> = published(state, next, now, signatures_end).collect();
    let is_chained = |trusted: &BTreeSet<KeyId>| key_sets.iter().all(|keys| chains(trusted, keys));
    let is_signed = |keys: &&Version| signatures.iter().all(|signed| verifies(keys, signed));
    trusts.iter().all(is_chained) && key_sets.iter().all(is_signed)
}

/// Every moment after `now` at which something leaves the caches, in order.
pub(super) fn ends(state: &State, now: Timestamp) -> BTreeSet<Timestamp> {
    let n_versions = state.versions.len();
    let of_versions =
        (0..n_versions).flat_map(|place| [key_set_end(state, place), signatures_end(state, place)]);
    let of_parent = state.parent.iter().map(sighting_end);
    of_versions.chain(of_parent).flatten().filter(|end| *end > now).collect()
}

/// When the caches have forgotten the DNSKEY and CDS sets of a version.
pub(super) fn key_set_end(state: &State, place: usize) -> End {
    Some(everywhere(state, place + 1)? + state.versions[place].keys_ttl)
}

/// When the caches have forgotten everything else of a version.
pub(super) fn signatures_end(state: &State, place: usize) -> End {
    Some(everywhere(state, place + 1)? + state.versions[place].zone_ttl)
}

/// When the caches have forgotten a DS set.
pub(super) fn sighting_end(sighting: &Sighting) -> End {
    Some(sighting.gone? + PARENT_PROPAGATION + sighting.ttl)
}

/// Since when every server of the zone has had a version.
fn everywhere(state: &State, place: usize) -> End {
    Some(state.versions.get(place)?.confirmed? + state.propagation)
}

/// Whether something that ends then may be cached. At the very moment it may: clocks count in whole seconds.
pub(super) fn lasts(end: End, now: Timestamp) -> bool {
    end.is_none_or(|end| end >= now)
}

/// Every DS set that a cache may hold or the parent may take over, as far as it names keys of ours. One that names other keys
/// only fails whatever is published here.
fn trusts(state: &State, next: &Version, now: Timestamp) -> Vec<BTreeSet<KeyId>> {
    let seen = state.parent.iter().filter(|sighting| lasts(sighting_end(sighting), now));
    let wishes = published(state, next, now, key_set_end).filter_map(|version| match &version.wish {
        Wish::Trust(keys) => Some(keys),
        Wish::Silent | Wish::Delete => None,
    });
    let all = seen.map(|sighting| &sighting.trusted).chain(&state.asked).chain(wishes);
    all.filter(|keys| !keys.is_empty()).cloned().collect()
}

/// The versions of which a part may be cached, and the one to come.
fn published<'a>(
    state: &'a State,
    next: &'a Version,
    now: Timestamp,
    end: fn(&State, usize) -> End,
) -> impl Iterator<Item = &'a Version> {
    let before = state.versions.iter().enumerate();
    let cached = before.filter(move |(place, _)| lasts(end(state, *place), now));
    cached.map(|(_, version)| version).chain([next])
}

/// Whether a resolver that trusts these keys accepts the DNSKEY set.
fn chains(trusted: &BTreeSet<KeyId>, keys: &Version) -> bool {
    trusted.iter().any(|id| keys.keys.get(id).is_some_and(|signs| signs.signs_keys()))
}

/// Whether a key of this DNSKEY set verifies the signatures of that version.
fn verifies(keys: &Version, signed: &Version) -> bool {
    let mut signers = signed.keys.iter().filter(|(_, signs)| signs.signs_zone());
    signers.any(|(id, _)| keys.keys.contains_key(id))
}
