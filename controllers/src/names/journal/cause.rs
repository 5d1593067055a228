//! Why a name answers something else: the nearest thing that happened between two tables.

use std::collections::BTreeMap;

use koinon_api_server::local::Stored;
use koinon_types::names::{Endpoint, EndpointState, Record, RecordRef, Withdrawal};

use super::super::guard::Acknowledged;
use super::{Act, Cause};
use crate::authors::{Authors, Object};

/// What happened to an object.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Touch {
    act: Act,
    resource_version: String,
}

/// The objects whose specs were written since the last table.
#[derive(Debug, Default)]
pub(in super::super) struct Touched {
    since: BTreeMap<Object, Touch>,
    /// The generation that each object was seen in: statuses are written all the time, and no cause.
    seen: BTreeMap<Object, i64>,
}

/// Everything that may be a cause.
pub(in super::super) struct Causes<'a> {
    pub(in super::super) touched: &'a Touched,
    pub(in super::super) authors: &'a Authors,
    /// What was let pass, by zone.
    pub(in super::super) acknowledged: &'a BTreeMap<String, Acknowledged>,
    /// Whether the earlier table is that of an earlier run.
    pub(in super::super) is_start: bool,
}

// === impl Touched ===

impl Touched {
    /// Remembers that an object was written, if what it asks for changed.
    pub(in super::super) fn note(&mut self, kind: &str, stored: &Stored, is_there: bool) {
        let object = Object::new(kind, stored.namespace(), stored.name());
        let is_gone = !is_there || stored.is_deleting();
        let known = if is_gone {
            self.seen.remove(&object)
        } else {
            self.seen.insert(object.clone(), stored.generation())
        };
        if is_gone || known != Some(stored.generation()) {
            let act = if is_gone { Act::Deleted } else { Act::Written };
            let resource_version = stored.resource_version().to_string();
            self.since.insert(object, Touch { act, resource_version });
        }
    }

    pub(in super::super) fn clear(&mut self) {
        self.since.clear();
    }
}

// === impl Causes ===

impl Causes<'_> {
    /// Why the static records of a zone changed.
    pub(super) fn of_zone(&self, apex: &str, is_gone: bool) -> Cause {
        self.passed(apex, is_gone)
            .or_else(|| self.start())
            .or_else(|| self.object("DnsZone", "", apex))
            .unwrap_or_else(|| self.untold("DnsZone", "", apex, is_gone))
    }

    /// Why a name answers other endpoints.
    pub(super) fn of_record(&self, before: Option<&Record>, after: Option<&Record>) -> Cause {
        let Some(record) = after.or(before) else { return Cause::Start };
        let RecordRef { namespace, name } = &record.source;
        let written = || {
            let own = self.object("GlobalRecord", namespace, name);
            own.or_else(|| self.object("DnsZone", "", &record.zone))
        };
        let told = self.passed(&record.zone, after.is_none()).or_else(|| self.start()).or_else(written);
        let told = told.or_else(|| match (before, after) {
            (Some(before), Some(after)) => self.of_endpoints(before, after),
            (None, _) | (_, None) => None,
        });
        told.unwrap_or_else(|| self.untold("GlobalRecord", namespace, name, after.is_none()))
    }

    /// The first endpoint that is in another state, or else has another weight, or is new or gone.
    fn of_endpoints(&self, before: &Record, after: &Record) -> Option<Cause> {
        let of = |record: &'_ Record, wanted: &Endpoint| {
            let is_same =
                |other: &&Endpoint| other.cluster == wanted.cluster && other.target == wanted.target;
            record.endpoints.iter().find(is_same).cloned()
        };
        let pairs: Vec<_> = after.endpoints.iter().map(|now| (of(before, now), now)).collect();
        let turned = pairs
            .iter()
            .find_map(|(had, now)| had.as_ref().filter(|had| had.state != now.state).map(|had| (had, *now)));
        if let Some((had, now)) = turned {
            return Some(self.of_state(had, now));
        }
        let weighed = pairs.iter().find(|(had, now)| had.as_ref().is_none_or(|had| had.weight != now.weight));
        let gone = before.endpoints.iter().find(|had| of(after, had).is_none());
        let (cluster, evidence) = match (weighed, gone) {
            (Some((Some(_), now)), _) => (&now.cluster, now.evidence.clone()),
            (Some((None, now)), _) => (&now.cluster, format!("{}, a new address", now.evidence)),
            (None, Some(had)) => (&had.cluster, "an address is gone".to_owned()),
            (None, None) => {
                // Only how long answers are kept: a verdict may come.
                let told = pairs
                    .iter()
                    .find(|(had, now)| had.as_ref().is_some_and(|had| had.evidence != now.evidence));
                let (_, now) = told.or(pairs.first())?;
                return Some(Cause::Verdict { cluster: now.cluster.clone(), evidence: now.evidence.clone() });
            }
        };
        Some(Cause::Member { cluster: cluster.clone(), evidence })
    }

    fn of_state(&self, had: &Endpoint, now: &Endpoint) -> Cause {
        let (cluster, evidence) = (now.cluster.clone(), now.evidence.clone());
        let is_about = |why| [had.state, now.state].contains(&EndpointState::Withdrawn(why));
        if is_about(Withdrawal::Draining) {
            return self.object("Cluster", "", &cluster).unwrap_or(Cause::Verdict { cluster, evidence });
        }
        if is_about(Withdrawal::ClusterUnreachable) {
            return Cause::Verdict { cluster, evidence };
        }
        Cause::Member { cluster, evidence }
    }

    fn passed(&self, apex: &str, is_gone: bool) -> Option<Cause> {
        let Acknowledged { digest, by } = self.acknowledged.get(apex).filter(|_| is_gone)?;
        Some(Cause::Acknowledged { digest: digest.clone(), by: by.clone() })
    }

    fn start(&self) -> Option<Cause> {
        self.is_start.then_some(Cause::Start)
    }

    fn object(&self, kind: &str, namespace: &str, name: &str) -> Option<Cause> {
        let object = Object::new(kind, namespace, name);
        let touch = self.touched.since.get(&object)?;
        Some(Cause::Object {
            act: touch.act,
            object: object.to_string(),
            resource_version: touch.resource_version.clone(),
            user: self.authors.of(&object),
        })
    }

    /// Something whose event has not arrived yet, or that was not seen happening: a window that is over, a namespace that was
    /// labelled.
    fn untold(&self, kind: &str, namespace: &str, name: &str, is_gone: bool) -> Cause {
        let object = Object::new(kind, namespace, name);
        Cause::Object {
            act: if is_gone { Act::Deleted } else { Act::Written },
            object: object.to_string(),
            resource_version: String::new(),
            user: self.authors.of(&object),
        }
    }
}
