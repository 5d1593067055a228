//! The `koinon.io/v1alpha1` kinds as users write them: permissive serde shapes with their published schemas.
//!
//! Shapes hold whatever fits their types; whether it makes sense is asked in `convert`. A field that this release
//! does not act on does not exist, so that writing it is refused instead of being ignored. Doc comments of wire
//! fields are what `kubectl explain` prints.

mod binding;
mod cluster;
mod meta;
mod names;
mod override_policy;
mod propagation_policy;

pub use binding::{
    BindingCluster, BindingClusterStatus, BindingSpec, BindingStatus, Eviction, Finding, PolicyRef,
    ResourceRef,
};
pub use cluster::{
    ClusterSpec, ClusterStatus, Connection, ConnectionMode, EnabledGroupVersion, HealthSettings, Location,
    NodeCapacity, OnUnjoin, SecretRef, SyncStatus, Taint, TaintEffect,
};
pub use meta::{Condition, Expression, LabelSelector, ObjectMeta, Operator, read};
pub use names::{
    AddressEndpoint, AllowedNamespaces, Answer, BodyMatch, Catalog, DampingStatus, DnsProbe, DnsZoneSpec,
    DnsZoneStatus, Dnssec, DnssecStatus, EndpointStatus, Endpoints, FailoverGroup, FlapDamping,
    ForcedEndpoint, ForcedState, ForcedStatus, Geo, GeoRule, GlobalRecordSpec, GlobalRecordStatus, GrpcProbe,
    HttpHeader, HttpMethod, HttpProbe, KeyLayout, KeyStatus, NameServer, Nearest, NotifyTarget,
    ObjectEndpoint, OnAllDown, ProbeProtocol, ProbeTls, Quorum, RampStatus, RecordFailover, RecordHealth,
    ReturnRamp, Route, Scheme, Soa, StaticRecord, TcpProbe, Transfer, TransferPeer, TtlSeconds, Updater,
    Updates, WeightSource, Weighted,
};
pub use override_policy::{
    EnvOverrider, ImageComponent, ImageOverrider, ListOverrider, MapOverrider, OverrideOperator,
    OverridePolicySpec, OverrideRule, Overriders, PatchOperator, PlaintextOverrider,
};
pub use propagation_policy::{
    ClusterAffinity, ClusterFailover, ConflictResolution, Failback, FailbackMode, Failover, FieldSelector,
    Movement, Pace, Placement, PolicyStatus, PropagationPolicySpec, ReplicaScheduling, ResourceSelector,
    SchedulingType, StaticWeight, Suspension, Toleration, TolerationOperator, Weights,
};

/// The group of every kind here.
pub const GROUP: &str = "koinon.io";

/// The version of every kind here.
pub const VERSION: &str = "v1alpha1";

/// `apiVersion` of every kind here.
pub const API_VERSION: &str = "koinon.io/v1alpha1";
