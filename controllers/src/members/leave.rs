//! A member that leaves: every order becomes a tombstone, and the Cluster goes when all of them are confirmed.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;

use koinon_api_server::ResourceRef;
use koinon_api_server::local::{Client, Stored};
use koinon_machinery::status::Status;
use koinon_model::name::ClusterName;
use koinon_types::conditions::{self, ConditionType, Truth};
use koinon_types::sync::{DesiredSet, Feedback, ObjectRef, Order, Outcome};
use koinon_types::v1alpha1::{self, BindingSpec, ClusterSpec, ClusterStatus, OnUnjoin};
use tokio::sync::watch;
use tracing::{info, warn};

use super::credentials::Credentials;
use super::{ABANDON, FINALIZER, Members, Settings};
use crate::resources;
use crate::templates::object_ref;

/// A member on its way out.
pub(super) struct Leaving {
    /// Its orders, which nobody else finds any more.
    orders: DesiredSet,
    /// What it has confirmed.
    settled: BTreeSet<ObjectRef>,
}

impl<S, F> Members<S>
where
    S: Fn(Settings, DesiredSet, watch::Receiver<bool>) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    /// Takes a member that leaves one step further.
    pub(super) async fn see_off(&mut self, name: &ClusterName) -> Result<(), Status> {
        let client = self.links.client.clone();
        let Some(cluster) = client.get(&resources::clusters(), "", name.as_str()) else { return Ok(()) };
        let finalizers: Vec<&str> =
            cluster.finalizers().filter(|finalizer| *finalizer != FINALIZER).collect();
        if finalizers.len() == cluster.finalizers().count() {
            // Others still hold it; our part is done.
            self.disconnect(name).await;
            return Ok(());
        }
        let value = cluster.value();
        let spec: ClusterSpec = v1alpha1::read(&value, "spec").unwrap_or_default();
        if is_abandoned(&cluster) {
            warn!(cluster = %name, "the member does not answer and is left as it is, as was asked");
            return self.write_finalizers(name, &finalizers, cluster.resource_version()).await;
        }
        let orders = self.bury(name, spec.on_unjoin);
        if orders.is_empty() {
            info!(cluster = %name, "the member is settled and leaves the fleet");
            self.write_finalizers(name, &finalizers, cluster.resource_version()).await?;
            self.disconnect(name).await;
            return Ok(());
        }
        let credentials = Credentials::find(&client, &spec.connection);
        self.connect(name, credentials, orders).await;
        Ok(())
    }

    /// Turns every order of a member into a tombstone, once; gives what is not confirmed yet.
    fn bury(&mut self, name: &ClusterName, on_unjoin: OnUnjoin) -> DesiredSet {
        let fleet = &self.links.fleet;
        let leaving = self.leaving.entry(name.clone()).or_insert_with(|| {
            let orders = fleet.member(name).unwrap_or_default();
            fleet.remove(name);
            Leaving { orders, settled: BTreeSet::new() }
        });
        let preserve = match on_unjoin {
            OnUnjoin::Preserve => true,
            OnUnjoin::Prune => false,
        };
        for order in leaving.orders.all() {
            if let Order::Present(desired) = &order {
                let (object, version) = (desired.object.clone(), order.version() + 1);
                leaving.orders.publish(Order::Remove { object, version, preserve });
            }
        }
        for object in bound_to(&self.links.client, name) {
            if leaving.orders.get(&object).is_none() && !leaving.settled.contains(&object) {
                leaving.orders.publish(Order::Remove { object, version: 1, preserve });
            }
        }
        leaving.orders.clone()
    }

    /// Takes confirmations in; gives the members that have confirmed everything.
    pub(super) fn take_feedback(&mut self, said: &[Arc<Feedback>]) -> BTreeSet<ClusterName> {
        let mut settled = BTreeSet::new();
        for feedback in said {
            let Some((name, leaving)) = find(&mut self.leaving, &feedback.cluster) else { continue };
            if feedback.outcome == Outcome::Removed
                && leaving.orders.settle(&feedback.object, feedback.version)
            {
                leaving.settled.insert(feedback.object.clone());
                if leaving.orders.is_empty() {
                    settled.insert(name.clone());
                }
            }
        }
        settled
    }
}

fn find<'a>(
    leaving: &'a mut BTreeMap<ClusterName, Leaving>,
    cluster: &str,
) -> Option<(&'a ClusterName, &'a mut Leaving)> {
    leaving.iter_mut().find(|(name, _)| name.as_str() == cluster)
}

/// Whether nobody waits for the member: it does not answer, and its owner has said not to.
fn is_abandoned(cluster: &Stored) -> bool {
    let value = cluster.value();
    let status: ClusterStatus = v1alpha1::read(&value, "status").unwrap_or_default();
    let reachable = conditions::find(&status.conditions, ConditionType::ApiReachable);
    let answers = reachable.is_some_and(|condition| condition.status == Truth::True.as_str());
    !answers && value["metadata"]["annotations"][ABANDON] == "true"
}

/// Every object that a binding has placed in a member or takes away from it.
fn bound_to(client: &Client, name: &ClusterName) -> BTreeSet<ObjectRef> {
    let served = client.resources();
    let mut objects = BTreeSet::new();
    for bindings in [resources::bindings(), resources::cluster_bindings()] {
        for binding in client.list(&bindings).0 {
            let spec: BindingSpec = v1alpha1::read(&binding.value(), "spec").unwrap_or_default();
            let is_placed = spec.clusters.iter().any(|cluster| cluster.name == name.as_str());
            if is_placed || spec.removing.iter().any(|cluster| cluster == name.as_str()) {
                objects.extend(object_of(&served, &spec));
            }
        }
    }
    objects
}

fn object_of(served: &[ResourceRef], spec: &BindingSpec) -> Option<ObjectRef> {
    let resource = &spec.resource;
    let kind =
        served.iter().find(|r| *r.kind == *resource.kind && r.api_version() == resource.api_version)?;
    Some(object_ref(kind, &resource.namespace, &resource.name))
}
