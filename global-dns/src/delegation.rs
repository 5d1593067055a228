//! Is a zone reached from above? Asks the network, not the host: the parent's servers what they hand out, and each name server
//! of the zone whether it answers.
//!
//! ```text
//! resolver ─► who is the parent? ─► its servers ─► NS, glue, DS ─┐
//!                                   the zone's servers ─► SOA, NS, DNSKEY ─► View ─► judge ─► checks, with what to do
//! ```
//!
//! The resolver is trusted with addresses only; everything that is judged comes from authoritative servers. Every question has a
//! deadline, and what is asked is bounded, whatever answers say.

mod ask;
mod child;
mod judge;
mod parent;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use futures::future::join_all;
use hickory_proto::rr::Name;

pub use ask::AskError;
pub use child::{ChildView, KeysView, SoaView};
pub use judge::{Check, Verdict, judge};
pub use parent::{DsSeen, ParentSays, ParentView, Unfound, parent_ds};

/// How the network is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lookup {
    /// A resolver that recurses.
    pub resolver: SocketAddr,
    /// The port of authoritative servers: 53, but in networks of one's own.
    pub port: u16,
}

/// What a zone is meant to look like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Its name servers with the addresses that the zone gives for them; none for names elsewhere.
    pub name_servers: BTreeMap<Name, BTreeSet<IpAddr>>,
    /// The DS records that the parent must have.
    pub ds: BTreeSet<Ds>,
    /// Whether answers are to be signed.
    pub is_signed: bool,
}

/// The data of a DS record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ds {
    /// The key's tag.
    pub tag: u16,
    /// The number of its algorithm.
    pub algorithm: u8,
    /// The number of the digest's.
    pub digest_type: u8,
    /// The digest.
    pub digest: Vec<u8>,
}

/// What the network says about a zone.
#[derive(Clone, Debug)]
pub struct View {
    /// The zone.
    pub zone: Name,
    /// What its parent says.
    pub parent: Result<ParentView, Unfound>,
    /// The addresses of each name server, of the zone's own and of those that the parent names, and where nobody knows one, none.
    pub addresses: BTreeMap<Name, BTreeSet<IpAddr>>,
    /// What the server at each address says.
    pub children: BTreeMap<IpAddr, ChildView>,
    /// When they were asked, Unix seconds.
    pub at: u32,
}

/// Servers asked about one zone: more than thirteen names with an address of each family serve no purpose.
const SERVERS_MAX: usize = 26;

/// Looks at a zone from above and from outside.
pub async fn look(lookup: Lookup, zone: &Name, wanted: &Wanted, now_seconds: u32) -> View {
    let parent = parent::view(lookup, zone).await;
    let mut addresses: BTreeMap<Name, BTreeSet<IpAddr>> = wanted.name_servers.clone();
    for says in parent.iter().flat_map(|parent| parent.servers.values()).flatten() {
        for name in &says.name_servers {
            addresses.entry(name.clone()).or_default();
        }
    }
    let unknown = addresses.iter().filter(|(_, known)| known.is_empty()).map(|(name, _)| name.clone());
    let found = join_all(unknown.take(SERVERS_MAX).map(|name| async move {
        let found = ask::addresses(lookup, &name).await;
        (name, found)
    }));
    for (name, found) in found.await {
        addresses.entry(name).or_default().extend(found);
    }
    let all: BTreeSet<IpAddr> = addresses.values().flatten().copied().collect();
    let children = join_all(all.into_iter().take(SERVERS_MAX).map(|ip| async move {
        let view = child::view((ip, lookup.port).into(), zone).await;
        (ip, view)
    }));
    let children = children.await.into_iter().collect();
    View { zone: zone.clone(), parent, addresses, children, at: now_seconds }
}

impl std::fmt::Display for Ds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {} ", self.tag, self.algorithm, self.digest_type)?;
        self.digest.iter().try_for_each(|byte| write!(f, "{byte:02X}"))
    }
}

impl std::str::FromStr for Ds {
    type Err = InvalidDs;

    /// Reads the data of a DS record as a zone file writes it.
    fn from_str(text: &str) -> Result<Self, InvalidDs> {
        let invalid = || InvalidDs(text.to_owned());
        let mut words = text.split_whitespace();
        let mut word = || words.next().ok_or_else(invalid);
        let tag = word()?.parse().map_err(|_| invalid())?;
        let algorithm = word()?.parse().map_err(|_| invalid())?;
        let digest_type = word()?.parse().map_err(|_| invalid())?;
        let hex: String = words.collect();
        let byte = |place: usize| hex.get(place..place + 2).and_then(|two| u8::from_str_radix(two, 16).ok());
        let digest: Option<Vec<u8>> = (0..hex.len()).step_by(2).map(byte).collect();
        Ok(Self { tag, algorithm, digest_type, digest: digest.ok_or_else(invalid)? })
    }
}

/// Says that a text is no data of a DS record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no DS record: tag, algorithm, digest type and digest in hexadecimal are")]
pub struct InvalidDs(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ds_records_are_read_as_they_are_written() {
        let text = "55648 13 2 B4C8C1FE2E7477127B27115656AD6256F424625BF5C1E2770CE6D6E37DF61D17";
        assert_eq!(text.parse::<Ds>().unwrap().to_string(), text);
        for bad in ["", "1 13 2 A", "1 13 2 é0", "70000 13 2 AA", "x 13 2 AA"] {
            assert!(bad.parse::<Ds>().is_err(), "{bad}");
        }
    }
}
