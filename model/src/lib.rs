//! The nouns of a fleet: valid by construction, without I/O, clock or serialization.
//!
//! A type lives here when two crates need it and a user would recognise its name. Wire shapes are checked once, in
//! `koinon-types`, and become these; the decisions in `koinon-policies` take and return them. Nothing here reads a
//! clock: a [`time::Timestamp`] is always an argument. Nothing iterates in an order that depends on a seed.
//!
//! | module | nouns |
//! |---|---|
//! | [`name`] | [`name::ClusterName`], [`name::ObjectKey`], [`name::PolicyKey`] |
//! | [`labels`] | [`labels::Labels`], [`labels::LabelSelector`] |
//! | [`cluster`] | [`cluster::Cluster`], [`cluster::Capacity`], [`cluster::Apis`] |
//! | [`taint`] | [`taint::Taint`], [`taint::Toleration`] |
//! | [`weight`] | [`weight::Weight`] |
//! | [`policy`] | [`policy::PropagationIntent`], [`policy::PlacementIntent`], [`policy::Scheduling`] |
//! | [`failover`] | [`failover::Failover`], [`failover::Failback`] |
//! | [`overriding`] | [`overriding::OverrideIntent`], [`overriding::Overrider`] |
//! | [`json`] | [`json::Json`] |
//! | [`placement`] | [`placement::Placement`] |
//! | [`health`] | [`health::Evidence`], [`health::Verdict`] |
//! | [`endpoint_health`] | [`endpoint_health::Quorum`], [`endpoint_health::RampPlan`], [`endpoint_health::Damping`] |
//! | [`served_name`] | [`served_name::Host`], [`served_name::WeightSource`], [`served_name::OnAllDown`] |
//! | [`location`] | [`location::Coordinates`] |
//! | [`quantity`], [`generation`], [`time`] | what is counted |

pub mod name;

pub mod labels;

pub mod cluster;
pub mod taint;
pub mod weight;

pub mod failover;
pub mod policy;

pub mod json;
pub mod overriding;

pub mod placement;

pub mod endpoint_health;
pub mod health;

pub mod location;
pub mod served_name;

pub mod generation;
pub mod quantity;
pub mod time;
