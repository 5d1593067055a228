//! Which keys there are to be in the end, and which have to be made or have to go for it.

use koinon_model::time::Timestamp;

use super::{KEYS_MAX, Key, Layout, Policy, Request, Role, State};

/// Decides on keys: retires those that are not wanted any more and takes fresh ones in.
///
/// # Errors
/// The roles for which a key has to be made first; the state is then of no use.
pub(super) fn settle(state: &mut State, request: &Request<'_>) -> Result<(), Vec<Role>> {
    let Some(policy) = request.policy else { return Ok(()) };
    state.propagation = policy.propagation;
    let roles = roles(policy.layout);
    let is_calm = state.keys.iter().all(|key| key.retired.is_none());
    if state.keys.len() + roles.len() > KEYS_MAX {
        return Ok(());
    }
    let rolls = !request.roll.is_empty() && request.roll != state.rolled;
    if rolls {
        request.roll.clone_into(&mut state.rolled);
    }
    for key in state.keys.iter_mut().filter(|key| key.retired.is_none()) {
        // A scheduled roll is never urgent, and one at a time is easier to follow.
        let is_due = is_calm && lifetime_end(key, policy).is_some_and(|end| end <= request.now);
        if rolls || is_due || !roles.contains(&key.role) {
            key.retired = Some(request.now);
        }
    }
    let mut missing = Vec::new();
    for role in roles {
        if state.keys.iter().any(|key| key.retired.is_none() && key.role == *role) {
            continue;
        }
        match request.fresh.iter().find(|(of, _)| of == role) {
            Some((_, id)) => {
                state.keys.push(Key { id: *id, role: *role, created: request.now, retired: None });
            }
            None => missing.push(*role),
        }
    }
    if missing.is_empty() { Ok(()) } else { Err(missing) }
}

fn lifetime_end(key: &Key, policy: &Policy) -> Option<Timestamp> {
    let lifetime = match key.role {
        Role::Combined | Role::Entry => policy.entry_key_lifetime,
        Role::Zone => policy.zone_key_lifetime,
    };
    Some(key.created + lifetime?)
}

fn roles(layout: Layout) -> &'static [Role] {
    match layout {
        Layout::Combined => &[Role::Combined],
        Layout::Split => &[Role::Entry, Role::Zone],
    }
}
