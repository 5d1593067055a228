//! What names are served, and what stands behind them.

mod catalog;
mod dnssec;
mod health;
mod record;
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
    Route, TtlSeconds, WeightSource, Weighted,
};
pub use updates::{Updater, Updates};
pub use zone::{
    AllowedNamespaces, DnsZoneSpec, DnsZoneStatus, NameServer, NotifyTarget, Soa, StaticRecord, Transfer,
    TransferPeer,
};
