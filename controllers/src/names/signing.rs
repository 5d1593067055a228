//! The keys that zones are signed with: made, kept, replaced, and given to the table of names.
//!
//! ```text
//! DnsZone.spec.dnssec ──┐
//! Secret (kept state) ──┼─► gather ─► zone_keys::plan ─► Secret ─► table of names ─► DNS nodes
//! nodes' generations ───┤                  │                            (what is stored, and only that)
//! the parent, as seen ──┘                  └─► DnsZone.status.dnssec
//! ```
//!
//! A step is stored before it is published, and counts as published when every DNS node says so: whenever the host dies in
//! between, it goes on from what is stored. Keys that were lost are never replaced by other ones: the parent trusts those that
//! were, and signatures by others would fail.

mod care;
mod document;
mod material;
mod seal;
mod told;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use koinon_api_server::local::{Client, Stored};
use koinon_model::time::Timestamp;
use koinon_policies::zone_keys::{KeyId, Role, Signs, Version, Wish};
use koinon_types::names::{self, NameTable, ParentWish, Secret, Signing, SigningKey, Zone};
use tokio::sync::watch;

use crate::resources;
use document::Kept;

pub(super) use care::{Sight, write};
pub use seal::{MASTER_KEY_LENGTH, Master, MasterKey};
pub(super) use told::{CONDITIONS, Told};

/// TTL of the DNSKEY, CDS and CDNSKEY sets, seconds: a resolver asks once an hour, and no step of a rollover waits longer for it.
const KEYS_TTL: u32 = 3_600;

/// What the parent of each zone was last seen to have, by apex. Shape: zones whose parent could be asked.
pub type Parents = BTreeMap<String, ParentDs>;

/// The DS sets that the servers of a parent have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParentDs {
    /// When they were asked.
    pub at: Timestamp,
    /// The longest TTL seen, seconds.
    pub ttl: u32,
    /// Each different set. Shape: not empty; a set is sorted, and empty where the parent has no DS record.
    pub sets: Vec<Vec<DsRecord>>,
}

/// A DS record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DsRecord {
    /// The tag of the key.
    pub tag: u16,
    /// The number of the key's algorithm.
    pub algorithm: u8,
    /// The number of the digest's.
    pub digest_type: u8,
    /// The digest.
    pub digest: Vec<u8>,
}

/// Whether a host holds keys of zones.
#[must_use]
pub fn holds_keys(client: &Client) -> bool {
    client.list_in(&resources::secrets(), document::NAMESPACE).iter().any(|secret| is_keys(secret))
}

/// Whether a Secret holds a zone's keys.
pub(super) fn is_keys(secret: &Stored) -> bool {
    secret.namespace() == document::NAMESPACE && secret.value()["type"] == document::TYPE
}

/// A zone's keys, opened, or why they cannot be.
#[derive(Clone)]
struct Opened {
    version: u64,
    kept: Arc<Kept>,
    private: Result<BTreeMap<KeyId, Secret>, String>,
}

/// The keeper of keys.
pub(super) struct Keeper {
    master: Master,
    parents: watch::Receiver<Parents>,
    /// Every zone's keys as stored, by apex.
    opened: BTreeMap<String, Opened>,
    /// Secrets that cannot be read, by the name of the Secret, with the reason.
    unreadable: BTreeMap<String, String>,
    /// The generation in which each zone's signing changed last, by apex, and what it is since.
    signed_in: BTreeMap<String, (Option<Signing>, u64)>,
    told: BTreeMap<String, Told>,
    /// Zones of which it was said in the log that their keys cannot be used.
    complained: BTreeSet<String>,
}

// === impl Keeper ===

impl Keeper {
    pub(super) fn new(master: Master, parents: watch::Receiver<Parents>) -> Self {
        Self {
            master,
            parents,
            opened: BTreeMap::new(),
            unreadable: BTreeMap::new(),
            signed_in: BTreeMap::new(),
            told: BTreeMap::new(),
            complained: BTreeSet::new(),
        }
    }

    /// Follows what parents are seen to have.
    pub(super) fn parents(&self) -> watch::Receiver<Parents> {
        self.parents.clone()
    }

    /// What owners are told of their zones' keys, by apex.
    pub(super) fn told(&self) -> &BTreeMap<String, Told> {
        &self.told
    }

    /// How each zone is signed by what is stored; one whose keys cannot be opened is signed on as it was `before`.
    pub(super) fn signings(&mut self, client: &Client, before: &[Zone]) -> BTreeMap<String, Signing> {
        self.open(client);
        let mut signings = BTreeMap::new();
        for (apex, opened) in &self.opened {
            let signing = match &opened.private {
                Ok(private) => opened.kept.state.current().and_then(|now| render(&opened.kept, now, private)),
                Err(_) => signing_in(before, apex),
            };
            signings.extend(signing.map(|signing| (apex.clone(), signing)));
        }
        let lost = before.iter().filter(|zone| !self.opened.contains_key(&zone.apex));
        for zone in lost.filter(|zone| is_held(client, &zone.apex)) {
            signings.extend(zone.signing.clone().map(|signing| (zone.apex.clone(), signing)));
        }
        signings
    }

    /// Notes in which generation each zone's signing has changed.
    pub(super) fn published(&mut self, table: &NameTable) {
        for zone in &table.zones {
            match self.signed_in.get(&zone.apex) {
                Some((known, _)) if *known == zone.signing => {}
                Some(_) | None => {
                    self.signed_in.insert(zone.apex.clone(), (zone.signing.clone(), table.generation));
                }
            }
        }
        self.signed_in.retain(|apex, _| table.zones.iter().any(|zone| zone.apex == *apex));
    }

    /// Reads what is stored and was not read yet.
    fn open(&mut self, client: &Client) {
        let secrets = client.list_in(&resources::secrets(), document::NAMESPACE);
        let mut before = std::mem::take(&mut self.opened);
        self.unreadable.clear();
        for secret in secrets.iter().filter(|secret| is_keys(secret)) {
            let version = secret.resource_version();
            let known = before.iter().find(|(_, opened)| opened.version == version);
            if let Some(apex) = known.map(|(apex, _)| apex.clone()) {
                self.opened.extend(before.remove_entry(&apex));
                continue;
            }
            match document::read(&secret.value()) {
                Ok(kept) => {
                    let private = unseal(&self.master, &kept);
                    let opened = Opened { version, kept: Arc::new(kept), private };
                    self.opened.insert(opened.kept.zone.clone(), opened);
                }
                Err(problem) => drop(self.unreadable.insert(secret.name().to_owned(), problem)),
            }
        }
    }
}

/// Whether the zone says that it has keys.
fn is_held(client: &Client, apex: &str) -> bool {
    client.get(&resources::zones(), "", apex).is_some_and(|zone| care::has_finalizer(&zone))
}

fn signing_in(zones: &[Zone], apex: &str) -> Option<Signing> {
    zones.iter().find(|zone| zone.apex == apex)?.signing.clone()
}

/// Opens every private key of a zone.
fn unseal(master: &Master, kept: &Kept) -> Result<BTreeMap<KeyId, Secret>, String> {
    let master = match master {
        Master::Present(master) => master,
        Master::Missing(problem) => return Err(problem.clone()),
    };
    let mut private = BTreeMap::new();
    for (id, sealed) in &kept.sealed {
        if sealed.master != master.name() {
            return Err(format!(
                "they are sealed with the master key {}, and this host has {}",
                sealed.master,
                master.name()
            ));
        }
        let purpose = document::purpose(&kept.zone, *id);
        let opened = master.open(&purpose, &sealed.private);
        let opened = opened.ok_or("a sealed key was changed or belongs to another zone")?;
        private.insert(*id, Secret::new(opened));
    }
    Ok(private)
}

/// What the table says of a version; none for an unsigned one.
fn render(kept: &Kept, version: &Version, private: &BTreeMap<KeyId, Secret>) -> Option<Signing> {
    let (parent, trusted) = match &version.wish {
        Wish::Silent => (ParentWish::Silent, None),
        Wish::Trust(keys) => (ParentWish::Trust, Some(keys)),
        Wish::Delete => (ParentWish::Delete, None),
    };
    let key = |(id, signs): (&KeyId, &Signs)| {
        let role = kept.state.keys.iter().find(|key| key.id == *id)?.role;
        Some(SigningKey {
            public: kept.sealed.get(id)?.public.clone(),
            private: private.get(id)?.clone(),
            is_entry_point: role.is_entry(),
            signs: match signs {
                Signs::Nothing => names::Signs::Nothing,
                Signs::Keys => names::Signs::Keys,
                Signs::Zone => names::Signs::Zone,
                Signs::Everything => names::Signs::Everything,
            },
            for_parent: trusted.is_some_and(|trusted| trusted.contains(id)),
        })
    };
    let mut keys: Vec<SigningKey> = version.keys.iter().filter_map(key).collect();
    keys.sort_by(|a, b| a.public.cmp(&b.public));
    let signing = Signing { keys, parent, validity: kept.validity, ttl: KEYS_TTL };
    (!signing.keys.is_empty()).then_some(signing)
}

/// The tag of a key, which depends on its role.
fn tag(kept: &Kept, id: KeyId) -> Option<u16> {
    let role: Role = kept.state.keys.iter().find(|key| key.id == id)?.role;
    Some(material::tag(&kept.sealed.get(&id)?.public, role.is_entry()))
}
