//! Carries out one order in the member and says how it ended.
//!
//! What to do is decided by `policies::reconcile::plan` from the order and the member's copy; this file turns the decision
//! into one or two requests. A copy that no watch has shown is read first, because an object that is not ours must be found
//! before it is touched.

use std::time::{Duration, Instant};

use koinon_model::policy::OnDeletion;
use koinon_policies::reconcile::{self, Action, Plan};
use koinon_types::sync::{Desired, ObjectRef, Order};
use serde_json::json;

use crate::marks;
use crate::member::{Failure, Member, Ownership};
use crate::observed::Copy;

/// One order and what is known of the member's copy.
#[derive(Clone, Debug)]
pub struct Work {
    /// The order.
    pub order: Order,
    /// The copy as the watch last showed it; none when it has shown none.
    pub copy: Option<Copy>,
}

/// How carrying out an order ended.
#[derive(Debug)]
pub struct Done {
    /// The object.
    pub object: ObjectRef,
    /// The order's version.
    pub version: u64,
    /// What happened.
    pub end: End,
    /// How long it took.
    pub took: Duration,
}

/// The ways an order can end.
#[derive(Debug)]
pub enum End {
    /// Written; the copy is what the member answered.
    Applied(Copy),
    /// Already as ordered.
    Unchanged(Copy),
    /// Gone or released.
    Removed,
    /// It is there and on its way out; the order is done when it is gone.
    Leaving(Copy),
    /// Something that is not ours stands there.
    Conflict {
        /// What and whose.
        reason: String,
        /// What stands there.
        copy: Option<Copy>,
    },
    /// The member did not carry it out.
    Failed(Failure),
}

/// Carries out one order.
pub async fn carry_out(member: Member, work: Work) -> Done {
    let started = Instant::now();
    let object = work.order.object().clone();
    let version = work.order.version();
    let end = match attempt(&member, &work).await {
        Ok(end) => end,
        // The member's own word for "not ours": another manager holds fields that the manifest sets.
        Err(Failure::Conflict(reason)) => End::Conflict { reason, copy: work.copy },
        Err(failure) => End::Failed(failure),
    };
    Done { object, version, end, took: started.elapsed() }
}

/// Compares an order with a copy; see [`reconcile::plan`].
pub fn plan(order: &Order, copy: Option<&Copy>) -> Plan {
    let observed = copy.map(|copy| copy.object.as_ref());
    match order {
        Order::Present(desired) => {
            let on_conflict = marks::on_conflict(desired.on_conflict);
            reconcile::plan(
                reconcile::Order::Present { manifest: &marks::stamp(desired), on_conflict },
                observed,
            )
        }
        Order::Remove { preserve, .. } => {
            let on_deletion = if *preserve { OnDeletion::Preserve } else { OnDeletion::Prune };
            reconcile::plan(reconcile::Order::Gone(on_deletion), observed)
        }
    }
}

async fn attempt(member: &Member, work: &Work) -> Result<End, Failure> {
    let copy = match &work.copy {
        Some(copy) => Some(copy.clone()),
        None => member.object(work.order.object()).await?.map(Copy::new),
    };
    let plan = plan(&work.order, copy.as_ref());
    match (&work.order, copy) {
        (Order::Present(desired), copy) => write(member, desired, plan, copy).await,
        (Order::Remove { .. }, None) => Ok(End::Removed),
        (Order::Remove { object, .. }, Some(copy)) => remove(member, object, &plan, copy).await,
    }
}

async fn write(member: &Member, desired: &Desired, plan: Plan, copy: Option<Copy>) -> Result<End, Failure> {
    let ownership = match (plan.action, copy) {
        (Action::Nothing, Some(copy)) => return Ok(End::Unchanged(copy)),
        (Action::Wait, Some(copy)) => return Ok(End::Leaving(copy)),
        (Action::Conflict, copy) => return Ok(End::Conflict { reason: plan.reason, copy }),
        (Action::Apply | Action::Adopt, _) => Ownership::Force,
        // Should another object have appeared since we looked, its manager's fields are respected.
        (_, _) => Ownership::Respect,
    };
    let applied = member.apply(&desired.object, &marks::stamp(desired), ownership).await?;
    Ok(End::Applied(Copy::new(applied)))
}

async fn remove(member: &Member, object: &ObjectRef, plan: &Plan, copy: Copy) -> Result<End, Failure> {
    match plan.action {
        Action::Prune => {
            member.delete(object, copy.uid()).await?;
            // Whether it went at once or waits for its finalizers is asked, not guessed: the answer tells both.
            let left = member.object(object).await?.map(Copy::new);
            Ok(left.map_or(End::Removed, End::Leaving))
        }
        Action::Release => {
            member.merge(object, &release_patch()).await?;
            Ok(End::Removed)
        }
        Action::Wait => Ok(End::Leaving(copy)),
        Action::Nothing | Action::Create | Action::Apply | Action::Adopt | Action::Conflict => {
            Ok(End::Removed)
        }
    }
}

/// Takes our marks off an object and touches nothing else.
fn release_patch() -> serde_json::Value {
    let nulls = |keys: &[&str]| -> serde_json::Map<_, _> {
        keys.iter().map(|key| ((*key).to_owned(), serde_json::Value::Null)).collect()
    };
    json!({"metadata": {"labels": nulls(&marks::LABELS), "annotations": nulls(&marks::ANNOTATIONS)}})
}
