//! What names are served, and what stands behind them.

mod catalog;
mod dnssec;
mod health;
mod record;
mod routing;
mod updates;
mod zone;

pub use catalog::Catalog;
pub use dnssec::{Dnssec, DnssecStatus, KeyLayout, KeyStatus};
pub use health::{
    BodyMatch, DampingStatus, DnsProbe, FlapDamping, ForcedEndpoint, ForcedState, ForcedStatus, GrpcProbe,
    HttpHeader, HttpMethod, HttpProbe, OnAllDown, ProbeProtocol, ProbeTls, Quorum, RampStatus, RecordHealth,
    ReturnRamp, Scheme, TcpProbe,
};
pub use record::{
    AddressEndpoint, Answer, EndpointStatus, Endpoints, GlobalRecordSpec, GlobalRecordStatus, ObjectEndpoint,
    TtlSeconds,
};
pub use routing::{
    Failover as RecordFailover, FailoverGroup, Geo, GeoRule, Nearest, Route, WeightSource, Weighted,
};
pub use updates::{Updater, Updates};
pub use zone::{
    AllowedNamespaces, DnsZoneSpec, DnsZoneStatus, NameServer, NotifyTarget, Soa, StaticRecord, Transfer,
    TransferPeer,
};
