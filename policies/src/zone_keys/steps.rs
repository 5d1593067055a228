//! From what is published to what may be published next: as near to the goal as is safe.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use koinon_model::time::Timestamp;

use super::safety::{ends, is_safe, key_set_end, lasts, sighting_end, signatures_end};
use super::{KeyId, Plan, Request, Role, Seen, Sighting, Signs, State, Ttls, Version, Wait, Wish, goal};

/// Decides what is published of a zone's keys now.
///
/// The same request gives the same plan, and a plan carried out asks for nothing more until something changes or its time comes.
#[must_use]
pub fn plan(request: &Request<'_>) -> Plan {
    let now = request.now;
    let mut state = request.state.clone();
    observe(&mut state, request);
    if let Err(create) = goal::settle(&mut state, request) {
        return Plan { create, state: request.state.clone(), wait: None };
    }
    // One version after the other: what not every node serves yet is not built upon.
    if state.current().is_some_and(|current| current.confirmed.is_some()) {
        let next = next(&state, request);
        if state.current().is_some_and(|current| (&current.keys, &current.wish) != (&next.keys, &next.wish)) {
            ask(&mut state, &next.wish);
            state.versions.push(next);
        }
    }
    forget(&mut state, now);
    let wait = wait(&state, request);
    Plan { create: Vec::new(), state, wait }
}

/// Takes in what was seen of the world.
fn observe(state: &mut State, request: &Request<'_>) {
    if state.versions.is_empty() {
        state.versions.push(unsigned(request.ttls, Some(request.now)));
    }
    if let Some(current) = state.versions.last_mut() {
        // TTLs only grow within a version: whoever lowers one has to wait for what was cached before anyway.
        current.zone_ttl = current.zone_ttl.max(request.ttls.zone);
        let keys_ttl = if current.keys.is_empty() { request.ttls.zone } else { request.ttls.keys };
        current.keys_ttl = current.keys_ttl.max(keys_ttl);
        current.confirmed = current.confirmed.or(request.served);
    }
    state.asked_alone_from = state.asked_alone_from.or_else(|| alone_from(state));
    if let Some(seen) = request.seen {
        sight(&mut state.parent, seen);
        answered(state, seen, request.now);
    }
}

/// Merges what the parent has now into what it had.
fn sight(parent: &mut Vec<Sighting>, seen: &Seen) {
    for sighting in parent.iter_mut().filter(|sighting| sighting.gone.is_none()) {
        if !seen.sets.contains(&(sighting.trusted.clone(), sighting.foreign)) {
            sighting.gone = Some(seen.at);
        }
    }
    for (trusted, foreign) in &seen.sets {
        let same = |known: &&mut Sighting| known.trusted == *trusted && known.foreign == *foreign;
        match parent.iter_mut().find(same) {
            Some(known) => {
                known.gone = None;
                known.ttl = known.ttl.max(seen.ttl);
            }
            None => parent.push(Sighting {
                trusted: trusted.clone(),
                foreign: *foreign,
                ttl: seen.ttl,
                gone: None,
            }),
        }
    }
}

/// When all of the parent has what it was asked for last, and had it when it could read nothing else any more, it will not take over
/// what it was asked for before; it may have had it in between, unseen.
fn answered(state: &mut State, seen: &Seen, now: Timestamp) {
    let Some(last) = state.asked.last().cloned() else { return };
    let is_heard = state.asked_alone_from.is_some_and(|alone_from| alone_from < seen.at);
    let is_met = is_heard && seen.sets.iter().all(|(trusted, _)| *trusted == last);
    if !is_met || state.asked.len() == 1 {
        return;
    }
    for trusted in state.asked.drain(..state.asked.len() - 1) {
        match state.parent.iter_mut().find(|known| known.trusted == trusted && !known.foreign) {
            Some(known) => {
                known.gone = known.gone.map(|gone| gone.max(now));
                known.ttl = known.ttl.max(seen.ttl);
            }
            None => {
                state.parent.push(Sighting { trusted, foreign: false, ttl: seen.ttl, gone: Some(now) });
            }
        }
    }
}

/// When caches have forgotten every wish but the latest.
fn alone_from(state: &State) -> Option<Timestamp> {
    let mut alone_from = state.current()?.confirmed?;
    for (place, version) in state.versions.iter().enumerate() {
        let is_other = wanted(&version.wish).is_some_and(|wanted| Some(&wanted) != state.asked.last());
        if is_other {
            alone_from = alone_from.max(key_set_end(state, place)?);
        }
    }
    Some(alone_from)
}

/// Remembers what the parent is asked for, once and as the latest.
fn ask(state: &mut State, wish: &Wish) {
    let Some(wanted) = wanted(wish) else { return };
    if state.asked.last() != Some(&wanted) {
        state.asked.retain(|asked| *asked != wanted);
        state.asked.push(wanted);
        state.asked_alone_from = None;
    }
}

/// The DS set that a wish asks for.
fn wanted(wish: &Wish) -> Option<BTreeSet<KeyId>> {
    match wish {
        Wish::Silent => None,
        Wish::Trust(keys) => Some(keys.clone()),
        Wish::Delete => Some(BTreeSet::new()),
    }
}

/// The next version to publish; like the current one when no step is safe.
fn next(state: &State, request: &Request<'_>) -> Version {
    let Some(current) = state.current() else { return unsigned(request.ttls, None) };
    let now = request.now;
    if request.policy.is_none() {
        let bare = unsigned(request.ttls, None);
        if current.keys.is_empty() || is_safe(state, &bare, now) {
            return bare;
        }
        return Version { wish: Wish::Delete, ..fresh(current.keys.clone(), current, request.ttls) };
    }
    let mut next = fresh(contents(state, current, request), current, request.ttls);
    let asking = Version { wish: Wish::Trust(entries(state)), ..next.clone() };
    if is_safe(state, &asking, now) {
        next = asking;
    }
    next
}

/// The DNSKEY set and its work, as near to the goal as is safe.
fn contents(state: &State, current: &Version, request: &Request<'_>) -> BTreeMap<KeyId, Signs> {
    let is_safe = |keys: &BTreeMap<KeyId, Signs>| {
        is_safe(state, &fresh(keys.clone(), current, request.ttls), request.now)
    };
    let candidates = [working(state, current), introduced(state, current)];
    let Some(mut chosen) = candidates.into_iter().find(|keys| is_safe(keys)) else {
        return current.keys.clone();
    };
    for key in state.keys.iter().filter(|key| key.retired.is_some()) {
        let mut without = chosen.clone();
        if without.remove(&key.id).is_some() && is_safe(&without) {
            chosen = without;
        }
    }
    chosen
}

/// Every key that stays does its work; of the others, those that are published sign the keys only.
fn working(state: &State, current: &Version) -> BTreeMap<KeyId, Signs> {
    let each = state.keys.iter().filter(|key| key.retired.is_none() || current.keys.contains_key(&key.id));
    each.map(|key| {
        let signs = match key.role {
            Role::Combined if key.retired.is_none() => Signs::Everything,
            Role::Zone if key.retired.is_none() => Signs::Zone,
            Role::Combined | Role::Entry => Signs::Keys,
            Role::Zone => Signs::Nothing,
        };
        (key.id, signs)
    })
    .collect()
}

/// Keys that stay are there and do not sign the zone yet; the others work on.
fn introduced(state: &State, current: &Version) -> BTreeMap<KeyId, Signs> {
    let mut keys = current.keys.clone();
    for key in state.keys.iter().filter(|key| key.retired.is_none()) {
        let signs = match key.role {
            Role::Combined | Role::Entry => Signs::Keys,
            Role::Zone => Signs::Nothing,
        };
        keys.entry(key.id).or_insert(signs);
    }
    keys
}

/// The keys that the parent is to trust in the end.
fn entries(state: &State) -> BTreeSet<KeyId> {
    let staying = state.keys.iter().filter(|key| key.retired.is_none() && key.role.is_entry());
    staying.map(|key| key.id).collect()
}

fn fresh(keys: BTreeMap<KeyId, Signs>, current: &Version, ttls: Ttls) -> Version {
    let wish = current.wish.clone();
    Version { keys, wish, zone_ttl: ttls.zone, keys_ttl: ttls.keys, confirmed: None }
}

/// Without keys, that there are none is a negative answer like others, cached for as long as the zone's.
fn unsigned(ttls: Ttls, confirmed: Option<Timestamp>) -> Version {
    let keys_ttl = ttls.zone;
    Version { keys: BTreeMap::new(), wish: Wish::Silent, zone_ttl: ttls.zone, keys_ttl, confirmed }
}

/// Drops what no cache can hold any more, and keys that nothing names any more.
fn forget(state: &mut State, now: Timestamp) {
    while state.versions.len() > 1 {
        if lasts(key_set_end(state, 0), now) || lasts(signatures_end(state, 0), now) {
            break;
        }
        state.versions.remove(0);
    }
    state.parent.retain(|sighting| lasts(sighting_end(sighting), now));
    if state.versions.iter().all(|version| version.keys.is_empty()) {
        state.asked.retain(|asked| !asked.is_empty());
    }
    let State { keys, versions, parent, asked, .. } = state;
    let is_over = versions.last().is_some_and(|version| version.keys.is_empty());
    keys.retain(|key| {
        (key.retired.is_none() && !(is_over && asked.is_empty()))
            || versions.iter().any(|version| version.keys.contains_key(&key.id))
            || parent.iter().any(|sighting| sighting.trusted.contains(&key.id))
            || asked.iter().any(|asked| asked.contains(&key.id))
    });
}

/// What keeps the goal from being published.
fn wait(state: &State, request: &Request<'_>) -> Option<Wait> {
    let current = state.current()?;
    if current.confirmed.is_none() {
        return Some(Wait::Nodes);
    }
    let goal = goal_version(state, current, request);
    let wanted = wanted(&goal.wish).unwrap_or_default();
    if (&current.keys, &current.wish) == (&goal.keys, &goal.wish) {
        return (!goal.keys.is_empty() && !has(state, &wanted)).then_some(Wait::Parent { wanted });
    }
    let asking = Version { wish: goal.wish.clone(), ..fresh(current.keys.clone(), current, request.ttls) };
    let at_work = fresh(working(state, current), current, request.ttls);
    let mut steps = vec![&goal];
    if current.wish != asking.wish && !asking.keys.is_empty() && request.policy.is_some() {
        steps.push(&asking);
    }
    if at_work.keys != current.keys && request.policy.is_some() {
        steps.push(&at_work);
    }
    let mut ends = ends(state, request.now).into_iter();
    let after = |end: Timestamp| end + Duration::from_secs(1);
    let until = ends.find(|end| steps.iter().any(|step| is_safe(state, step, after(*end))));
    Some(until.map_or(Wait::Parent { wanted }, |until| Wait::Caches { until }))
}

/// What is to be published in the end.
fn goal_version(state: &State, current: &Version, request: &Request<'_>) -> Version {
    if request.policy.is_none() {
        return unsigned(request.ttls, None);
    }
    let mut keys = working(state, current);
    keys.retain(|id, _| state.keys.iter().any(|key| key.id == *id && key.retired.is_none()));
    Version { wish: Wish::Trust(entries(state)), ..fresh(keys, current, request.ttls) }
}

/// Whether all of the parent has exactly these of our keys, as far as it was seen.
fn has(state: &State, wanted: &BTreeSet<KeyId>) -> bool {
    let mut now = state.parent.iter().filter(|sighting| sighting.gone.is_none()).peekable();
    now.peek().is_some() && now.all(|sighting| sighting.trusted == *wanted)
}
