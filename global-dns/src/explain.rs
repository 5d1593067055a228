//! Why a name answers what it answers: the answer as it would be sent, and what stands behind it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use hickory_proto::op::Message;
use hickory_proto::rr::Record as WireRecord;
use hickory_proto::serialize::binary::BinEncodable as _;
use koinon_model::time::Timestamp;
use koinon_types::names::{Endpoint, EndpointState, Forced, ProbeOutcome, Ramp, Record, Target};
use serde_json::{Value, json};

use crate::snapshot::{
    Answer, Client, Edns, EndpointView, Exclusion, Head, How, Mode, Options, Path, Question, RecordView,
    Scratch, Snapshot, Taken, TtlReason, write,
};
use crate::subnet::Subnet;
use crate::wire::name::{Name, suffixes};
use crate::wire::rdata::{self, Rdata};
use crate::wire::{CLASS_IN, Rcode, UDP_PAYLOAD_MAX, rtype};

/// Longest answer that is explained: that of TCP.
const ANSWER_MAX: usize = u16::MAX as usize;

/// Why a question cannot be explained.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unclear {
    /// The name is no domain name.
    #[error("name: {0} is no domain name, such as shop.global.example")]
    Name(String),
    /// The type is none that a name can be asked for.
    #[error(
        "type: {0} is no type of records; expected a mnemonic such as A, HTTPS or TXT, or TYPE and a number"
    )]
    Type(String),
}

/// Answers `name` and `kind` for `client` at `now` exactly as the server would, and tells why.
///
/// Shape: `name`, `type`, `client`, `subnet` (null for none), `scope`, `at`, `zone` (null for none), `rcode`, `generation`,
/// `answers` (master-file lines), `message` (the response to a datagram with id 0 that asks so, and that has EDNS only to tell a
/// subnet; in hexadecimal digits), `because`, `steps` (step, clusters, because), `ttlReason`, `endpoints` (cluster, address,
/// weight, evidence, since, `ageSeconds`; `excluded` where it is not answered, `forced` and `ramp` where they apply, and
/// `share` where this server has answered such clients by weight).
///
/// # Errors
/// When name or type mean nothing.
pub fn explain(
    snapshot: &Snapshot,
    name: &str,
    kind: &str,
    client: &Client,
    now: Timestamp,
) -> Result<Value, Unclear> {
    let wire: Name = name.trim_end_matches('.').parse().map_err(|_| Unclear::Name(name.to_owned()))?;
    let kind = kind.to_ascii_uppercase();
    let known = rdata::question_number(&kind).filter(|number| is_answered(*number));
    let rtype = known.ok_or_else(|| Unclear::Type(kind.clone()))?;
    let lower = wire.wire().to_ascii_lowercase();
    let n_labels = suffixes(&lower).count() - 1;
    let question = Question { name: &lower, n_labels, rtype, dnssec_ok: false };
    let path = snapshot.path(&question, client, now);
    let mut scratch = Scratch::default();
    let is_redirected = snapshot.answer(&question, client, now).is_redirect;
    let answer = snapshot.answer_in_full(&question, client, now, &mut scratch);
    let rcode = answer.rcode();
    let record = path.and_then(|path| snapshot.record_of(path));
    let steps = record.map(|(record, view)| snapshot.trace(record, view, client)).unwrap_or_default();
    let because = match (is_redirected, path) {
        (true, _) => REDIRECTED.to_owned(),
        (false, None) => "no zone of ours holds the name".to_owned(),
        (false, Some(path)) => because(path, rcode, record, &steps),
    };
    let mut told = json!({
        "name": name, "type": kind, "client": client.address().to_string(),
        "subnet": client.subnet().map(|subnet| subnet.to_string()), "scope": answer.scope,
        "at": now.to_string(), "rcode": rcode.mnemonic(), "generation": snapshot.generation(),
        "answers": answers(&question, &answer), "message": message(&question, &answer, client),
        "zone": path.and_then(|path| snapshot.zone_of(path)).map(ToString::to_string),
        "because": because, "steps": steps.iter().map(told_step).collect::<Vec<_>>(),
        "ttlReason": "", "endpoints": [],
    });
    if let (Some((record, view)), Some(path)) = (record, path) {
        told["ttlReason"] = json!(format!("{}: {}", view.ttl, ttl(view.ttl_reason)));
        let shares = shares(snapshot, record, path);
        let each = record.endpoints.iter().zip(&view.endpoints).enumerate();
        let told_each = each.map(|(at, (endpoint, own))| {
            let mut told = told_endpoint(endpoint, own, path.gives(view, at), now);
            if let Target::Ip(ip) = endpoint.target
                && let Some(share) = shares.get(&ip)
            {
                told["share"] = share.clone();
            }
            told
        });
        told["endpoints"] = told_each.collect();
    }
    Ok(told)
}

/// The shares of a record's addresses among the clients that a path stands for, wanted and realised. Units: percent.
fn shares(snapshot: &Snapshot, record: &Record, path: Path) -> BTreeMap<IpAddr, Value> {
    let of_record =
        snapshot.counted().filter(|counted| counted.record().source == record.source && counted.is_of(path));
    let mut told = BTreeMap::new();
    for shares in of_record.filter_map(|counted| counted.shares()) {
        let weight: u64 = shares.iter().map(|share| share.weight).sum();
        let n_answers: u64 = shares.iter().map(|share| share.n_answers).sum();
        for share in &shares {
            let percent = |part: u64, whole: u64| (part * 10_000 / whole.max(1)) as f64 / 100.0;
            let share_told = json!({
                "wantedPercent": percent(share.weight, weight),
                "realisedPercent": percent(share.n_answers, n_answers),
                "answersCount": share.n_answers, "answersCountAll": n_answers,
            });
            told.insert(share.address, share_told);
        }
    }
    told
}

fn told_step(taken: &Taken) -> Value {
    json!({"step": taken.step, "clusters": taken.clusters, "because": taken.because})
}

fn told_endpoint(endpoint: &Endpoint, view: &EndpointView, is_given: bool, now: Timestamp) -> Value {
    let mut told = json!({
        "cluster": endpoint.cluster, "address": endpoint.target.to_string(), "weight": endpoint.weight,
        "evidence": evidence(endpoint, view, now),
        "since": Timestamp::from_millis(endpoint.since_ms).to_string(),
        "ageSeconds": now.as_millis().saturating_sub(endpoint.since_ms).max(0) / 1000,
    });
    if let Some(forced) = &endpoint.forced {
        told["forced"] = json!({"state": format!("{:?}", forced.state), "reason": forced.reason});
    }
    if let Some(ramp) = endpoint.ramp {
        told["ramp"] = json!({"percent": ramp.percent});
    }
    match view.excluded {
        Some(excluded) => told["excluded"] = json!(exclusion(excluded, endpoint.state)),
        None if !is_given => told["excluded"] = json!("routing keeps others for this client"),
        None => {}
    }
    told
}

/// The answer section as it would be sent over TCP, read back by a reader that is not ours.
fn answers(question: &Question<'_>, answer: &Answer<'_>) -> Vec<String> {
    let sent = sent(question, answer, None, ANSWER_MAX);
    let message = Message::from_vec(&sent).map(|message| message.answers).unwrap_or_default();
    message.iter().map(line).collect()
}

/// The response as it would be sent over UDP, in hexadecimal digits.
fn message(question: &Question<'_>, answer: &Answer<'_>, client: &Client) -> String {
    let mut digits = String::new();
    for byte in sent(question, answer, client.subnet(), UDP_PAYLOAD_MAX.into()) {
        digits.push_str(&format!("{byte:02x}"));
    }
    digits
}

/// A response of at most `length_max` bytes; fewer where the client cannot take more.
fn sent(question: &Question<'_>, answer: &Answer<'_>, subnet: Option<Subnet>, length_max: usize) -> Vec<u8> {
    let mut asked = question.name.to_vec();
    asked.extend(question.rtype.to_be_bytes());
    asked.extend(CLASS_IN.to_be_bytes());
    let edns = subnet.map(|subnet| Edns {
        payload: UDP_PAYLOAD_MAX,
        dnssec_ok: false,
        cookie: None,
        wants_nsid: false,
        wants_keepalive: false,
        subnet: Some(subnet),
    });
    let head = Head { id: [0; 2], flags: [0; 2], question: &asked, edns };
    let limit = if length_max > usize::from(UDP_PAYLOAD_MAX) { length_max } else { head.udp_limit() };
    let mut out = vec![0; limit];
    let options = Options { subnet, ..Options::default() };
    let length = write(&mut out, &head, answer, &options, limit);
    out.truncate(length);
    out
}

/// A record as master files write it. The reader writes fewer types in their notation than are served, and some in
/// another; but SOA is not data of ours.
pub(crate) fn line(record: &WireRecord) -> String {
    let number = u16::from(record.record_type());
    match record.data.to_bytes() {
        Ok(bytes) if number != rtype::SOA => {
            let data = rdata::text(number, &Rdata::opaque(&bytes));
            format!("{} {} IN {} {data}", record.name, record.ttl, rdata::type_text(number))
        }
        Ok(_) | Err(_) => record.to_string(),
    }
}

/// Whether a question about this type is answered from a zone; the others are about the protocol.
fn is_answered(number: u16) -> bool {
    number != 0 && number != rtype::OPT && !(rtype::META_FIRST..rtype::ANY).contains(&number)
}

/// Why a name below a DNAME record answers what it does.
const REDIRECTED: &str = "a DNAME record above the name redirects it";

fn because(path: Path, rcode: Rcode, record: Option<(&Record, &RecordView)>, steps: &[Taken]) -> String {
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
        Mode::WellHere => "none is healthy for the host: those that are well for this node".to_owned(),
        Mode::LastKnownGood => "none is healthy: the last known good".to_owned(),
        Mode::All => "none is healthy: all".to_owned(),
        Mode::NoData => "none is healthy: no address, as the owner wants".to_owned(),
        Mode::Empty => "nothing can be answered".to_owned(),
    });
    for Taken { step, clusters, .. } in steps {
        words.push_str(&format!(" → {step}: {}", clusters.join(", ")));
    }
    if path.variant.is_some() {
        let given = view.answered(record).filter(|(at, _)| path.gives(view, *at));
        let weights: Vec<u64> = given.map(|(_, endpoint)| u64::from(endpoint.weight)).collect();
        let total: u64 = weights.iter().sum();
        words.push_str(&format!(" → by weight, {} endpoints share {total}", weights.len()));
    }
    words
}

fn ttl(reason: TtlReason) -> &'static str {
    match reason {
        TtlReason::Stable => "no change is in sight",
        TtlReason::HostExpectsChange => "a verdict or a weight may change soon",
        TtlReason::ProbesWaver => "probes of an endpoint waver",
        TtlReason::HealthOverruled => "the answer should follow a recovery",
    }
}

fn exclusion(excluded: Exclusion, state: EndpointState) -> String {
    match (excluded, state) {
        (Exclusion::Withdrawn(why), _) => why.as_str().to_owned(),
        (Exclusion::ProbesFailing, _) => "ProbesFailing".to_owned(),
        (Exclusion::ForcedDown, _) => "ForcedDown".to_owned(),
        (Exclusion::StandingBy, _) => "it stands by: routing keeps others".to_owned(),
        (Exclusion::Weightless, _) => "its weight is 0".to_owned(),
        (Exclusion::AliasBesideData, _) => "an alias cannot stand beside other data".to_owned(),
        (Exclusion::InvalidTarget, _) => "its target is no domain name".to_owned(),
        (Exclusion::NotLastKnownGood, _) => "it was not among the last known good".to_owned(),
        (Exclusion::OwnerWantsNone, _) => "the owner wants no answer when none is healthy".to_owned(),
    }
}

/// What an answer rests on: the host's word, this node's probe, how far it is back, and what an operator decided.
fn evidence(endpoint: &Endpoint, view: &EndpointView, now: Timestamp) -> String {
    let probe = view.probe.as_ref().map(|probe| match &probe.outcome {
        ProbeOutcome::Unknown => "probe: not yet judged".to_owned(),
        ProbeOutcome::Passing => "probe: passing".to_owned(),
        ProbeOutcome::Failing { reason } => format!("probe: {reason}"),
    });
    let ramp = endpoint.ramp.map(|ramp| ramp_words(ramp, now));
    let forced = endpoint.forced.as_ref().map(|forced| forced_words(forced, endpoint.state));
    let host = (!endpoint.evidence.is_empty()).then(|| endpoint.evidence.clone());
    let parts: Vec<String> = [forced, host, probe, ramp].into_iter().flatten().collect();
    parts.join(" · ")
}

fn ramp_words(ramp: Ramp, now: Timestamp) -> String {
    let next = match ramp.next_ms {
        Some(next) => {
            let wait = Timestamp::from_millis(next).since(now).as_millis().div_ceil(1_000);
            format!("next step in {wait} s")
        }
        None => "no next step while a probe speaks against it".to_owned(),
    };
    format!("{} % of its weight, {next}", ramp.percent)
}

fn forced_words(forced: &Forced, state: EndpointState) -> String {
    let until = forced.until_ms.map(|until| format!(" until {}", Timestamp::from_millis(until)));
    let observed = match state {
        EndpointState::Serving => "Serving".to_owned(),
        EndpointState::Withdrawn(why) => why.as_str().to_owned(),
    };
    let until = until.unwrap_or_default();
    format!("forced {:?}{until}: {} (observed {observed})", forced.state, forced.reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::tests::support::{CLIENT, snapshot, zone};

    #[test]
    fn explains_types_of_every_kind_and_redirected_names() {
        let lines = "
            www.example 60 HTTPS 1 . alpn=h2
            old.example 60 DNAME new.example
            a.new.example 60 TXT x
        ";
        let snapshot = snapshot(vec![zone("example", lines)], Vec::new());
        let ask = |name, kind| explain(&snapshot, name, kind, &CLIENT.into(), Timestamp::from_seconds(0));
        let told = ask("www.example", "https").unwrap();
        let answer = told["answers"][0].as_str().unwrap();
        assert_eq!(answer, "www.example. 60 IN HTTPS 1 . alpn=\"h2\"");
        assert_eq!(ask("www.example", "TYPE65").unwrap()["answers"], told["answers"]);
        let told = ask("a.old.example", "TXT").unwrap();
        assert_eq!(told["answers"][0].as_str(), Some("old.example. 60 IN DNAME new.example."));
        assert_eq!(told["answers"].as_array().map(Vec::len), Some(3));
        assert_eq!((told["rcode"].as_str(), told["because"].as_str()), (Some("NOERROR"), Some(REDIRECTED)));
        for kind in ["AXFR", "OPT", "TYPE0", "BOGUS"] {
            assert_eq!(ask("www.example", kind), Err(Unclear::Type(kind.to_owned())));
        }
    }
}
