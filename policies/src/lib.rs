//! Every decision Koinon takes, as pure functions: equal input, equal output, no clock, no I/O, no logging.
//!
//! | module | question | function |
//! |---|---|---|
//! | [`matching`] | which policy owns an object? | [`matching::claim`] |
//! | [`placement`] | which clusters hold a workload, and how many replicas each? | [`placement::place`] |
//! | [`movement`] | how many replicas is each cluster ordered to run now, on the way there? | [`movement::step`] |
//! | [`overrides`] | what manifest does a cluster get? | [`overrides::render`] |
//! | [`dependencies`] | what must travel with a workload? | [`dependencies::follow`] |
//! | [`reconcile`] | what must be done in a member so that one object is as ordered? | [`reconcile::plan`] |
//! | [`interpret`] | what does an object say about its replicas and its health? | [`interpret::read`] |
//! | [`status`] | what is its owner told? | [`status::aggregate`] |
//! | [`health`] | what is to be believed about a cluster, about an endpoint? | [`health::judge`], [`health::judge_endpoint`] |
//! | [`steering`] | which endpoints of a name may be answered, with which share? | [`steering::steer`] |
//! | [`endpoints`] | what becomes of a name's endpoints over time: withdrawn, flapping, returning? | [`endpoints::follow`] |
//! | [`ramp`] | which part of its weight does an endpoint have that has returned? | [`ramp::advance`] |
//! | [`guard`] | may so many names be taken away at once? | [`guard::judge`] |
//! | [`zone_keys`] | which keys sign a zone now, and when may that change? | [`zone_keys::plan`] |
//! | [`pacing`] | with which weights is a name answered, when they may only move so fast? | [`pacing::pace`] |
//! | [`regions`] | where on the earth is a cluster? | [`regions::whereabouts`] |
//! | [`failover`] | from which clusters may a workload's replicas leave now? | [`failover::evacuate`] |
//! | [`failback`] | how many replicas may a returned cluster have again, now? | [`failback::restore`] |
//!
//! *Not placeable* is an answer and not an error; every answer carries its reasons, including what it refused.

pub mod matching;
pub mod placement;

pub mod affinity;

pub mod movement;
pub mod overrides;

pub mod dependencies;

pub mod reconcile;

pub mod interpret;
pub mod status;

pub mod health;

pub mod failback;
pub mod failover;

pub mod pacing;
pub mod regions;
pub mod steering;

pub mod endpoints;
pub mod guard;
pub mod ramp;
pub mod zone_keys;
