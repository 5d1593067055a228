//! What names are served, and what stands behind them.

mod record;
mod zone;

pub use record::{
    AddressEndpoint, Answer, EndpointStatus, Endpoints, GlobalRecordSpec, GlobalRecordStatus, HttpProbe,
    ObjectEndpoint, OnAllDown, RecordHealth, Route, TcpProbe, TtlSeconds, WeightSource, Weighted,
};
pub use zone::{
    AllowedNamespaces, DnsZoneSpec, DnsZoneStatus, NameServer, NotifyTarget, Soa, StaticRecord, Transfer,
    TransferPeer,
};
