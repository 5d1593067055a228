//! Why a name answers what it answers: the answer as it would be sent, and what stands behind it.

use std::net::IpAddr;

use hickory_proto::op::Message;
use koinon_model::time::Timestamp;
use koinon_types::names::{EndpointState, ProbeOutcome, Record, Target};
use serde_json::{Value, json};

use crate::snapshot::{
    EndpointView, Exclusion, Head, How, Mode, Options, Path, Question, RecordView, Snapshot, TtlReason, write,
};
use crate::wire::name::{Name, suffixes};
use crate::wire::{CLASS_IN, Rcode, rtype};

/// Types by the names that people know.
const TYPES: [(&str, u16); 9] = [
    ("A", rtype::A),
    ("AAAA", rtype::AAAA),
    ("CAA", rtype::CAA),
    ("CNAME", rtype::CNAME),
    ("MX", rtype::MX),
    ("NS", rtype::NS),
    ("SOA", rtype::SOA),
    ("SRV", rtype::SRV),
    ("TXT", rtype::TXT),
];

/// Longest answer that is explained: that of TCP.
const ANSWER_MAX: usize = u16::MAX as usize;

/// Why a question cannot be explained.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unclear {
    /// The name is no domain name.
    #[error("name: {0} is no domain name, such as shop.global.example")]
    Name(String),
    /// The type is none that is served.
    #[error("type: {0} is not served; expected A, AAAA, CAA, CNAME, MX, NS, SOA, SRV or TXT")]
    Type(String),
}

/// Answers `name` and `kind` for `client` at `now` exactly as the server would, and tells why.
///
/// Shape: `name`, `type`, `client`, `zone` (null for none), `rcode`, `generation`, `answers` (master-file lines), `because`, `ttlReason`,
/// `endpoints` (cluster, address, weight, evidence, and `excluded` where it is not answered).
///
/// # Errors
/// When name or type mean nothing.
pub fn explain(
    snapshot: &Snapshot,
    name: &str,
    kind: &str,
    client: IpAddr,
    now: Timestamp,
) -> Result<Value, Unclear> {
    let wire: Name = name.trim_end_matches('.').parse().map_err(|_| Unclear::Name(name.to_owned()))?;
    let kind = kind.to_ascii_uppercase();
    let known = TYPES.iter().find(|(known, _)| *known == kind);
    let (_, rtype) = known.ok_or_else(|| Unclear::Type(kind.clone()))?;
    let lower = wire.wire().to_ascii_lowercase();
    let question = Question { name: &lower, n_labels: suffixes(&lower).count() - 1, rtype: *rtype };
    let path = snapshot.path(&question, client, now);
    let rcode = path.map_or(Rcode::Refused, |path| snapshot.answer_of(path).rcode());
    let record = path.and_then(|path| snapshot.record_of(path));
    let mut told = json!({
        "name": name, "type": kind, "client": client.to_string(), "rcode": rcode.mnemonic(),
        "generation": snapshot.generation(), "answers": answers(snapshot, &question, client, now),
        "zone": path.and_then(|path| snapshot.zone_of(path)).map(ToString::to_string),
        "because": because(path, rcode, record), "ttlReason": "", "endpoints": [],
    });
    if let Some((record, view)) = record {
        told["ttlReason"] = json!(format!("{}: {}", view.ttl, ttl(view.ttl_reason)));
        let pairs = record.endpoints.iter().zip(&view.endpoints);
        told["endpoints"] = pairs.map(|(endpoint, view)| {
            let mut told = json!({
                "cluster": endpoint.cluster, "address": target(&endpoint.target), "weight": endpoint.weight,
                "evidence": evidence(&endpoint.evidence, view),
            });
            if let Some(excluded) = view.excluded {
                told["excluded"] = json!(exclusion(excluded, endpoint.state));
            }
            told
        }).collect();
    }
    Ok(told)
}

/// The answer section as it would be sent, read back by a reader that is not ours.
fn answers(snapshot: &Snapshot, question: &Question<'_>, client: IpAddr, now: Timestamp) -> Vec<String> {
    let mut asked = question.name.to_vec();
    asked.extend(question.rtype.to_be_bytes());
    asked.extend(CLASS_IN.to_be_bytes());
    let head = Head { id: [0; 2], flags: [0; 2], question: &asked, edns: None };
    let mut out = vec![0; ANSWER_MAX];
    let length =
        write(&mut out, &head, &snapshot.answer(question, client, now), &Options::default(), ANSWER_MAX);
    let message = Message::from_vec(&out[..length]).map(|message| message.answers).unwrap_or_default();
    message.iter().map(ToString::to_string).collect()
}

fn because(path: Option<Path>, rcode: Rcode, record: Option<(&Record, &RecordView)>) -> String {
    let Some(path) = path else { return "no zone of ours holds the name".to_owned() };
    let mut words = match path.how {
        How::Exact => String::new(),
        How::Wildcard => "a wildcard covers the name → ".to_owned(),
        How::Below if rcode == Rcode::NxDomain => return "the name does not exist".to_owned(),
        How::Below => return "the name lies below a delegation".to_owned(),
    };
    let Some((record, view)) = record else {
        words.push_str("static records");
        return words;
    };
    words.push_str(&match view.mode {
        Mode::Healthy => "healthy endpoints".to_owned(),
        Mode::Panic { healthy_percent } => {
            format!("only {healthy_percent} % are healthy, so health is not believed")
        }
        Mode::LastKnownGood => "none is healthy: the last known good".to_owned(),
        Mode::All => "none is healthy: all".to_owned(),
        Mode::NoData => "none is healthy: no address, as the owner wants".to_owned(),
        Mode::Empty => "nothing can be answered".to_owned(),
    });
    if path.variant.is_some() {
        let total: u64 = view.answered(record).map(|(_, endpoint)| u64::from(endpoint.weight)).sum();
        words.push_str(&format!(" → by weight, {} endpoints share {total}", view.answered(record).count()));
    }
    words
}

fn ttl(reason: TtlReason) -> &'static str {
    match reason {
        TtlReason::Stable => "no change is in sight",
        TtlReason::HostExpectsChange => "a verdict on a cluster may change soon",
        TtlReason::ProbesWaver => "probes of an endpoint waver",
        TtlReason::HealthOverruled => "the answer should follow a recovery",
    }
}

fn exclusion(excluded: Exclusion, state: EndpointState) -> String {
    match (excluded, state) {
        (Exclusion::Withdrawn(why), _) => format!("{why:?}"),
        (Exclusion::ProbesFailing, _) => "ProbesFailing".to_owned(),
        (Exclusion::Weightless, _) => "its weight is 0".to_owned(),
        (Exclusion::AliasBesideData, _) => "an alias cannot stand beside other data".to_owned(),
        (Exclusion::InvalidTarget, _) => "its target is no domain name".to_owned(),
        (Exclusion::NotLastKnownGood, _) => "it was not among the last known good".to_owned(),
        (Exclusion::OwnerWantsNone, _) => "the owner wants no answer when none is healthy".to_owned(),
    }
}

fn evidence(host: &str, view: &EndpointView) -> String {
    let probe = view.probe.as_ref().map(|probe| match &probe.outcome {
        ProbeOutcome::Unknown => "probe: not yet judged".to_owned(),
        ProbeOutcome::Passing => "probe: passing".to_owned(),
        ProbeOutcome::Failing { reason } => format!("probe: {reason}"),
    });
    let parts: Vec<&str> =
        [host, probe.as_deref().unwrap_or_default()].into_iter().filter(|part| !part.is_empty()).collect();
    parts.join(" · ")
}

fn target(target: &Target) -> String {
    match target {
        Target::Ip(ip) => ip.to_string(),
        Target::Hostname(name) => name.clone(),
    }
}
