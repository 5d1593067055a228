//! Carries out one order in the member and says how it ended.
//!
//! What to do is decided by `policies::reconcile::plan` from the order and the member's copy; this file turns the decision
//! into one request. What the watches have not shown is presumed not to be there, and the request says so, so that the member
//! itself refuses it when something is: only then is the copy read and the decision taken again.

use std::time::{Duration, Instant};

use koinon_model::policy::OnDeletion;
use koinon_policies::reconcile::{self, Action, Plan};
use koinon_types::sync::{Desired, ObjectRef, Order};
use serde_json::{Value, json};

use crate::marks;
use crate::member::{Failure, Guard, Member};
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
    let end = match &work.order {
        Order::Present(desired) => write(&member, desired, work.copy).await,
        Order::Remove { preserve, .. } => {
            let on_deletion = if *preserve { OnDeletion::Preserve } else { OnDeletion::Prune };
            remove(&member, &object, on_deletion, work.copy).await
        }
    };
    Done { object, version, end: end.unwrap_or_else(End::Failed), took: started.elapsed() }
}

/// Compares an order to be present with what is there; see [`reconcile::plan`].
pub fn compare(desired: &Desired, observed: Option<&Value>) -> Plan {
    let on_conflict = marks::on_conflict(desired.on_conflict);
    reconcile::plan(reconcile::Order::Present { manifest: &marks::stamp(desired), on_conflict }, observed)
}

async fn write(member: &Member, desired: &Desired, known: Option<Copy>) -> Result<End, Failure> {
    match attempt(member, desired, known, Guard::Absent).await {
        Err(failure) if failure.doubts_identity() => {
            let copy = member.object(&desired.object).await?.map(Copy::new);
            attempt(member, desired, copy, Guard::OthersFields).await
        }
        ended => ended,
    }
}

/// Decides and acts once; `guard` is for an object that is not there.
async fn attempt(
    member: &Member,
    desired: &Desired,
    copy: Option<Copy>,
    guard: Guard,
) -> Result<End, Failure> {
    let plan = compare(desired, copy.as_ref().map(Copy::tree).as_ref());
    let guard = match (plan.action, copy) {
        (Action::Nothing, Some(copy)) => return Ok(End::Unchanged(copy)),
        (Action::Wait, Some(copy)) => return Ok(End::Leaving(copy)),
        (Action::Conflict, copy) => return Ok(End::Conflict { reason: plan.reason, copy }),
        (_, Some(copy)) => Guard::Identity(copy.uid().to_owned()),
        (_, None) => guard,
    };
    let applied = member.apply(&desired.object, marks::stamp(desired), &guard).await?;
    Ok(End::Applied(Copy::new(applied)))
}

async fn remove(
    member: &Member,
    object: &ObjectRef,
    on_deletion: OnDeletion,
    known: Option<Copy>,
) -> Result<End, Failure> {
    let copy = match known {
        Some(copy) => Some(copy),
        None => match member.object(object).await {
            Ok(object) => object.map(Copy::new),
            // Of a kind that the member does not serve, it has no object.
            Err(Failure::NotFound { object: false, .. }) => None,
            Err(failure) => return Err(failure),
        },
    };
    let Some(copy) = copy else { return Ok(End::Removed) };
    let plan = reconcile::plan(reconcile::Order::Gone(on_deletion), Some(&copy.tree()));
    match plan.action {
        Action::Prune => {
            let left = member.delete(object, copy.uid()).await?;
            Ok(left.map_or(End::Removed, |left| End::Leaving(Copy::new(left))))
        }
        Action::Release => match member.merge(object, &release_patch(copy.uid())).await {
            Ok(_) | Err(Failure::NotFound { object: true, .. }) => Ok(End::Removed),
            Err(failure) => Err(failure),
        },
        Action::Wait => Ok(End::Leaving(copy)),
        Action::Nothing | Action::Create | Action::Apply | Action::Adopt | Action::Conflict => {
            Ok(End::Removed)
        }
    }
}

/// Takes our marks off exactly the object that was seen, and touches nothing else.
fn release_patch(uid: &str) -> Value {
    let nulls = |keys: &[&str]| -> serde_json::Map<_, _> {
        keys.iter().map(|key| ((*key).to_owned(), Value::Null)).collect()
    };
    json!({"metadata": {"uid": uid, "labels": nulls(&marks::LABELS), "annotations": nulls(&marks::ANNOTATIONS)}})
}
