//! One look at every zone's keys: what is to be stored, and what their owners are told.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use koinon_api_server::local::{Client, Preconditions, Stored};
use koinon_machinery::Value;
use koinon_machinery::status::{Reason, Status};
use koinon_model::time::Timestamp;
use koinon_policies::zone_keys::{self, KeyId, Layout, Plan, Policy, Request, Role, Seen, State, Ttls};
use koinon_types::convert::{self, CheckedDnssec, CheckedKeys};
use koinon_types::dns::dnskey::ALGORITHM;
use koinon_types::names::{AnswerReport, NameTable};
use ring::rand::{SecureRandom as _, SystemRandom};
use serde_json::json;
use tracing::{info, warn};

use super::document::{self, Kept, Sealed};
use super::{KEYS_TTL, Keeper, MasterKey, Opened, ParentDs, material, told};
use crate::names::table::Made;
use crate::resources;
use crate::vantages::Vantages;

/// Says that a zone has keys, and keeps it until they are gone.
const FINALIZER: &str = "koinon.io/dnssec-keys";

/// A new value asks for new keys at once.
const ROLL: &str = "koinon.io/roll-keys";

/// What the parent has, in its owner's word: tags with commas between, or `none`. Counts where the parent cannot be asked.
const PARENT_DS: &str = "koinon.io/parent-ds";

/// The TTL of DS records that nobody has seen: the longest that is usual at registries.
const DS_TTL: Duration = Duration::from_secs(86_400);

/// How often keys are made anew until their tag is one of its own. Two of six keys have the same one once in 4,000 zones.
const TAG_ATTEMPTS: usize = 8;

/// Something to write about one zone's keys.
pub(in crate::names) enum Job {
    /// Keeps the keys and what is known of them.
    Store { apex: String, kept: Box<Kept>, version: Option<u64> },
    /// Marks a zone as having keys, or as having none.
    Mark { zone: String, finalizers: Vec<String>, version: u64 },
    /// Deletes the keys of a zone.
    Forget { apex: String, version: u64 },
}

/// What a look rests on.
pub(in crate::names) struct Sight<'a> {
    pub(in crate::names) client: &'a Client,
    pub(in crate::names) made: &'a Made,
    pub(in crate::names) table: &'a NameTable,
    pub(in crate::names) vantages: &'a Vantages,
    /// Whether nodes have had the time to report to this host.
    pub(in crate::names) is_settled: bool,
    pub(in crate::names) now: Timestamp,
}

// === impl Keeper ===

impl Keeper {
    /// Looks at every zone; gives what has to be written.
    pub(in crate::names) fn look(&mut self, sight: &Sight<'_>) -> Vec<Job> {
        self.open(sight.client);
        self.told.clear();
        let zones = sight.client.list(&resources::zones()).0;
        zones.iter().filter_map(|zone| self.look_at(zone, sight)).collect()
    }

    fn look_at(&mut self, zone: &Stored, sight: &Sight<'_>) -> Option<Job> {
        let apex = zone.name();
        let opened = self.opened.get(apex).cloned();
        if zone.is_deleting() {
            return match opened {
                _ if !has_finalizer(zone) => None,
                Some(opened) => Some(Job::Forget { apex: apex.to_owned(), version: opened.version }),
                None => Some(unmark(zone)),
            };
        }
        let checked = convert::dns_zone(&zone.value()).ok()?;
        let unreadable = self.unreadable.get(&document::secret_name(apex)).cloned();
        match (checked.dnssec, opened) {
            (_, None) if unreadable.is_some() => {
                self.tell_lost(apex, &unreadable.unwrap_or_default());
                None
            }
            (None, None) => has_finalizer(zone).then(|| unmark(zone)),
            (Some(_), None) if has_finalizer(zone) => {
                let missing = "the zone has had keys, and the Secret that held them is gone";
                self.tell_lost(apex, missing);
                None
            }
            (Some(dnssec), None) => self.begin(zone, dnssec, sight),
            (dnssec, Some(opened)) => self.go_on(zone, dnssec, &opened, sight),
        }
    }

    /// Makes the first keys of a zone.
    fn begin(&mut self, zone: &Stored, dnssec: CheckedDnssec, sight: &Sight<'_>) -> Option<Job> {
        let apex = zone.name();
        let kept = Kept {
            zone: apex.to_owned(),
            state: State::default(),
            sealed: BTreeMap::new(),
            validity: dnssec.validity,
        };
        let (kept, _) = self.plan(zone, Some(dnssec), &kept, None, sight)?;
        info!(zone = apex, "signing the zone with new keys");
        Some(Job::Store { apex: apex.to_owned(), kept: Box::new(kept), version: None })
    }

    /// Takes a zone that has keys one step further.
    fn go_on(
        &mut self,
        zone: &Stored,
        dnssec: Option<CheckedDnssec>,
        opened: &Opened,
        sight: &Sight<'_>,
    ) -> Option<Job> {
        let apex = zone.name();
        if let Err(problem) = &opened.private {
            self.tell_lost(apex, problem);
            return None;
        }
        let is_over = dnssec.is_none() && opened.kept.state.is_over();
        match (is_over, has_finalizer(zone)) {
            (false, false) => return Some(mark(zone)),
            // First the mark and then the keys: a mark without keys would say that they were lost.
            (true, true) => return Some(unmark(zone)),
            (true, false) => {
                info!(zone = apex, "the zone is unsigned; its keys are deleted");
                return Some(Job::Forget { apex: apex.to_owned(), version: opened.version });
            }
            (false, true) => {}
        }
        self.complained.remove(apex);
        let behind = self.behind(apex, opened, sight);
        let served = behind.as_ref().is_ok_and(BTreeSet::is_empty).then_some(sight.now);
        let (kept, plan) = self.plan(zone, dnssec, &opened.kept, served, sight)?;
        let behind = behind.unwrap_or_else(|()| BTreeSet::from(["the host".to_owned()]));
        let is_signed = sight.table.zones.iter().any(|zone| zone.apex == apex && zone.signing.is_some());
        self.told.insert(apex.to_owned(), told::of_keys(&kept, plan.wait.as_ref(), &behind, is_signed));
        let version = Some(opened.version);
        (kept != *opened.kept).then(|| Job::Store { apex: apex.to_owned(), kept: Box::new(kept), version })
    }

    /// The DNS nodes that do not yet serve what is stored of a zone's keys; an error while it is not published.
    fn behind(&self, apex: &str, opened: &Opened, sight: &Sight<'_>) -> Result<BTreeSet<String>, ()> {
        let private = opened.private.as_ref().map_err(|_| ())?;
        let current = opened.kept.state.current();
        let wanted = current.and_then(|current| super::render(&opened.kept, current, private));
        let (_, generation) = self
            .signed_in
            .get(apex)
            .filter(|(published, _)| sight.is_settled && *published == wanted)
            .ok_or(())?;
        let is_behind =
            |report: &&AnswerReport| report.generation < *generation || report.refused.contains_key(apex);
        let answers = sight.vantages.answers();
        let behind = answers.iter().map(AsRef::as_ref).filter(is_behind);
        Ok(behind.map(|report| report.vantage.clone()).collect())
    }

    /// Decides, with as many new keys as the decision needs.
    fn plan(
        &mut self,
        zone: &Stored,
        dnssec: Option<CheckedDnssec>,
        kept: &Kept,
        served: Option<Timestamp>,
        sight: &Sight<'_>,
    ) -> Option<(Kept, Plan)> {
        let annotations = zone.value()["metadata"]["annotations"].clone();
        let policy = dnssec.map(policy);
        let seen = self.seen(kept, annotations[PARENT_DS].as_str(), sight.now);
        let mut kept = kept.clone();
        if let Some(dnssec) = dnssec {
            kept.validity = dnssec.validity;
        }
        let mut fresh = Vec::new();
        loop {
            let plan = zone_keys::plan(&Request {
                policy: policy.as_ref(),
                state: &kept.state,
                ttls: ttls(zone.name(), sight.made),
                served,
                seen: seen.as_ref(),
                roll: annotations[ROLL].as_str().unwrap_or_default(),
                fresh: &fresh,
                now: sight.now,
            });
            if plan.create.is_empty() {
                kept.state = plan.state.clone();
                let known: BTreeSet<KeyId> = kept.state.keys.iter().map(|key| key.id).collect();
                kept.sealed.retain(|id, _| known.contains(id));
                return Some((kept, plan));
            }
            for role in &plan.create {
                match self.make(&kept, *role) {
                    Ok((id, sealed)) => {
                        kept.sealed.insert(id, sealed);
                        fresh.push((*role, id));
                    }
                    Err(problem) => {
                        self.tell_lost(zone.name(), &problem);
                        return None;
                    }
                }
            }
        }
    }

    /// Makes a key whose tag no other one of the zone has.
    fn make(&self, kept: &Kept, role: Role) -> Result<(KeyId, Sealed), String> {
        let master = match &self.master {
            super::Master::Present(master) => master,
            super::Master::Missing(problem) => return Err(problem.clone()),
        };
        let random = SystemRandom::new();
        // A tag depends on what a key is for; with both forms of all others, it is unique in any case.
        let taken: BTreeSet<u16> = kept
            .sealed
            .values()
            .flat_map(|key| [true, false].map(|is_entry| material::tag(&key.public, is_entry)))
            .collect();
        for _ in 0..TAG_ATTEMPTS {
            let made = seal(master, &kept.zone, &random).map_err(|_| "the system has no randomness")?;
            if !taken.contains(&material::tag(&made.1.public, role.is_entry())) {
                return Ok(made);
            }
        }
        Err("no key with a tag of its own was found".to_owned())
    }

    /// What the parent was seen to have, or is said to have.
    fn seen(&self, kept: &Kept, said: Option<&str>, now: Timestamp) -> Option<Seen> {
        if let Some(parent) = self.parents.borrow().get(&kept.zone) {
            return Some(recognise(kept, parent));
        }
        let tags: Vec<&str> = match said?.trim() {
            "none" => Vec::new(),
            tags => tags.split(',').map(str::trim).collect(),
        };
        let key_of = |text: &&str| {
            let number: u16 = text.parse().ok()?;
            kept.sealed.keys().copied().find(|id| super::tag(kept, *id) == Some(number))
        };
        let trusted: BTreeSet<KeyId> = tags.iter().filter_map(key_of).collect();
        let is_foreign = trusted.len() < tags.len();
        Some(Seen { sets: vec![(trusted, is_foreign)], ttl: DS_TTL, at: now })
    }

    fn tell_lost(&mut self, apex: &str, problem: &str) {
        if self.complained.insert(apex.to_owned()) {
            warn!(zone = apex, problem, "the zone's keys cannot be used");
        }
        self.told.insert(apex.to_owned(), told::of_lost(apex, problem));
    }
}

/// Whether a zone is marked as having keys.
pub(super) fn has_finalizer(zone: &Stored) -> bool {
    zone.finalizers().any(|finalizer| finalizer == FINALIZER)
}

fn mark(zone: &Stored) -> Job {
    let finalizers = zone.finalizers().chain([FINALIZER]).map(str::to_owned).collect();
    Job::Mark { zone: zone.name().to_owned(), finalizers, version: zone.resource_version() }
}

fn unmark(zone: &Stored) -> Job {
    let others = zone.finalizers().filter(|finalizer| *finalizer != FINALIZER);
    let finalizers = others.map(str::to_owned).collect();
    Job::Mark { zone: zone.name().to_owned(), finalizers, version: zone.resource_version() }
}

fn policy(dnssec: CheckedDnssec) -> Policy {
    let seconds = |lifetime: std::num::NonZeroU32| Duration::from_secs(lifetime.get().into());
    let (layout, zone_key_lifetime) = match dnssec.keys {
        CheckedKeys::Combined => (Layout::Combined, None),
        CheckedKeys::Split { zone_key_lifetime } => (Layout::Split, zone_key_lifetime.map(seconds)),
    };
    Policy {
        layout,
        zone_key_lifetime,
        entry_key_lifetime: dnssec.entry_key_lifetime.map(seconds),
        propagation: Duration::from_secs(dnssec.propagation.into()),
    }
}

/// The longest that a set of the zone may be cached.
fn ttls(apex: &str, made: &Made) -> Ttls {
    let zone = made.zones.iter().find(|zone| zone.apex == apex);
    let of_zone = zone.into_iter().flat_map(|zone| {
        let records = zone.records.iter().map(|record| record.ttl);
        records.chain([zone.soa.ttl, zone.soa.minimum])
    });
    let of_records = made.records.iter().filter(|record| record.zone == apex);
    let longest = of_zone.chain(of_records.map(|record| record.ttl.stable.max(record.ttl.unstable))).max();
    Ttls {
        zone: Duration::from_secs(longest.unwrap_or_default().into()),
        keys: Duration::from_secs(KEYS_TTL.into()),
    }
}

/// Which of our keys the parent's DS records name.
fn recognise(kept: &Kept, parent: &ParentDs) -> Seen {
    let named = |record: &super::DsRecord| {
        kept.sealed.iter().find(|(_, key)| {
            let digest = material::ds_digest(&kept.zone, &key.public);
            (record.algorithm, record.digest_type) == (ALGORITHM, material::DIGEST_TYPE as u8)
                && record.tag == material::tag(&key.public, true)
                && digest.as_ref() == Some(&record.digest)
        })
    };
    let set = |records: &Vec<super::DsRecord>| {
        let trusted: BTreeSet<KeyId> = records.iter().filter_map(named).map(|(id, _)| *id).collect();
        let is_foreign = records.iter().any(|record| named(record).is_none());
        (trusted, is_foreign)
    };
    let sets: BTreeSet<_> = parent.sets.iter().map(set).collect();
    Seen { sets: sets.into_iter().collect(), ttl: Duration::from_secs(parent.ttl.into()), at: parent.at }
}

fn seal(
    master: &MasterKey,
    apex: &str,
    random: &SystemRandom,
) -> Result<(KeyId, Sealed), ring::error::Unspecified> {
    let made = material::generate(random)?;
    let id = material::id(&made.public);
    let mut nonce = [0; ring::aead::NONCE_LEN];
    random.fill(&mut nonce)?;
    let private = master.seal(&document::purpose(apex, id), &made.private, nonce);
    Ok((id, Sealed { public: made.public, master: master.name().to_owned(), private }))
}

/// Writes; what has changed meanwhile is looked at again.
pub(in crate::names) async fn write(client: Client, jobs: Vec<Job>) {
    for job in jobs {
        let about = match &job {
            Job::Store { apex, .. } | Job::Forget { apex, .. } => apex.clone(),
            Job::Mark { zone, .. } => zone.clone(),
        };
        if let Err(status) = carry_out(&client, job).await
            && !matches!(status.reason, Reason::Conflict | Reason::NotFound)
        {
            warn!(zone = about, message = status.message, "cannot keep the zone's keys");
        }
    }
}

async fn carry_out(client: &Client, job: Job) -> Result<(), Status> {
    let secrets = resources::secrets();
    match job {
        Job::Store { kept, version: Some(version), .. } => {
            let mut secret = document::write(&kept);
            secret["metadata"]["resourceVersion"] = json!(version.to_string());
            client.update(&secrets, secret).await.map(drop)
        }
        Job::Store { kept, version: None, .. } => {
            ensure_namespace(client).await?;
            client.create(&secrets, document::write(&kept)).await.map(drop)
        }
        Job::Mark { zone, finalizers, version } => {
            let patch =
                json!({"metadata": {"finalizers": finalizers, "resourceVersion": version.to_string()}});
            let zones = resources::zones();
            let written = client.patch_merge(&zones, "", &zone, patch, None).await;
            // With the last finalizer a zone that is deleted goes, and there is nothing left to answer with.
            if client.get(&zones, "", &zone).is_none() { Ok(()) } else { written.map(drop) }
        }
        Job::Forget { apex, version } => {
            let preconditions =
                Preconditions { resource_version: Some(version.to_string()), ..Preconditions::default() };
            let name = document::secret_name(&apex);
            client.delete(&secrets, document::NAMESPACE, &name, Some(preconditions)).await
        }
    }
}

async fn ensure_namespace(client: &Client) -> Result<(), Status> {
    let namespaces = resources::namespaces();
    if client.get(&namespaces, "", document::NAMESPACE).is_some() {
        return Ok(());
    }
    let namespace: Value =
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": document::NAMESPACE}});
    match client.create(&namespaces, namespace).await {
        Err(status) if status.reason != Reason::AlreadyExists => Err(status),
        Ok(_) | Err(_) => Ok(()),
    }
}
