//! What the parent's servers hand out for a zone.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use futures::future::join_all;
use hickory_proto::dnssec::rdata::DNSSECRData;
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};

use super::ask::{self, AskError};
use super::{Ds, Lookup, SERVERS_MAX};

/// A parent zone and what its servers say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParentView {
    /// Its apex.
    pub apex: Name,
    /// What the server at each address says.
    pub servers: BTreeMap<IpAddr, Result<ParentSays, AskError>>,
}

/// What one server of the parent says about a zone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParentSays {
    /// Whether there is a delegation.
    pub is_delegated: bool,
    /// The name servers that it names.
    pub name_servers: BTreeSet<Name>,
    /// The addresses that come with them.
    pub glue: BTreeMap<Name, BTreeSet<IpAddr>>,
    /// The DS records.
    pub ds: BTreeSet<Ds>,
    /// Their TTL, seconds; none where there are none.
    pub ds_ttl: Option<u32>,
}

/// The DS sets of all servers of a parent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DsSeen {
    /// Each different set. Shape: not empty.
    pub sets: BTreeSet<BTreeSet<Ds>>,
    /// The longest TTL seen, seconds; none where there is no DS record.
    pub ttl: Option<u32>,
}

/// Why nothing is known of a parent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfound {
    /// The resolver does not answer.
    #[error("the resolver gives no answer: {0}")]
    Resolver(AskError),
    /// No zone above it is known.
    #[error("the resolver knows no zone above it")]
    NoParent,
    /// The parent's servers cannot be asked.
    #[error("no server of the parent {0} answers")]
    Silent(Name),
    /// The parent does not know the zone.
    #[error("the parent {0} does not delegate it")]
    NotDelegated(Name),
}

/// Asks every server of the parent for a zone's DS records.
///
/// # Errors
/// When the parent cannot be found or asked, or does not know the zone: then nothing is known about trust.
pub async fn parent_ds(lookup: Lookup, zone: &Name) -> Result<DsSeen, Unfound> {
    let view = view(lookup, zone).await?;
    let says: Vec<ParentSays> = view.servers.into_values().flatten().collect();
    if says.is_empty() {
        return Err(Unfound::Silent(view.apex));
    }
    if says.iter().any(|says| !says.is_delegated) {
        return Err(Unfound::NotDelegated(view.apex));
    }
    let ttl = says.iter().filter_map(|says| says.ds_ttl).max();
    Ok(DsSeen { sets: says.into_iter().map(|says| says.ds).collect(), ttl })
}

/// Finds the parent of a zone and asks its servers.
pub(super) async fn view(lookup: Lookup, zone: &Name) -> Result<ParentView, Unfound> {
    let (apex, names) = find(lookup, zone).await?;
    let found = join_all(names.iter().take(SERVERS_MAX).map(|name| ask::addresses(lookup, name))).await;
    let addresses: BTreeSet<IpAddr> = found.into_iter().flatten().collect();
    let servers = join_all(addresses.into_iter().take(SERVERS_MAX).map(|ip| async move {
        let server = (ip, lookup.port).into();
        let (ns, ds) = tokio::join!(
            ask::authority(server, zone, RecordType::NS),
            ask::authority(server, zone, RecordType::DS)
        );
        (ip, ns.and_then(|ns| Ok(says(zone, &ns, &ds?))))
    }));
    Ok(ParentView { apex, servers: servers.await.into_iter().collect() })
}

/// The closest name above a zone that has name servers of its own.
async fn find(lookup: Lookup, zone: &Name) -> Result<(Name, BTreeSet<Name>), Unfound> {
    let mut above = zone.clone();
    // A name has at most 127 labels, and each is asked for once.
    while !above.is_root() {
        above = above.base_name();
        let answer = ask::resolver(lookup, &above, RecordType::NS).await.map_err(Unfound::Resolver)?;
        let names = ask::name_servers(&answer.answers, &above);
        if !names.is_empty() {
            return Ok((above, names));
        }
    }
    Err(Unfound::NoParent)
}

fn says(zone: &Name, ns: &Message, ds: &Message) -> ParentSays {
    // A server of the parent refers to the zone's; one that serves both answers itself.
    let name_servers = ask::name_servers(ns.authorities.iter().chain(&ns.answers), zone);
    let mut glue: BTreeMap<Name, BTreeSet<IpAddr>> = BTreeMap::new();
    for record in &ns.additionals {
        let name = record.name.to_lowercase();
        if let Some(ip) = record.data.ip_addr().filter(|_| name_servers.contains(&name)) {
            glue.entry(name).or_default().insert(ip);
        }
    }
    let mut says = ParentSays { name_servers, glue, ..ParentSays::default() };
    for record in ds.answers.iter().filter(|record| record.name == *zone) {
        if let RData::DNSSEC(DNSSECRData::DS(data)) = &record.data {
            says.ds.insert(Ds {
                tag: data.key_tag(),
                algorithm: data.algorithm().into(),
                digest_type: data.digest_type().into(),
                digest: data.digest().to_vec(),
            });
            says.ds_ttl = Some(says.ds_ttl.unwrap_or(0).max(record.ttl));
        }
    }
    says.is_delegated = ds.metadata.response_code == ResponseCode::NoError && !says.name_servers.is_empty();
    says
}
