//! RFC 2136's rules one by one, and whole updates against a model of them.

use std::collections::{BTreeMap, BTreeSet};

use koinon_model::time::Timestamp;
use koinon_types::convert;
use koinon_types::names::{
    Endpoint, EndpointState, OnAllDown, Record, RecordRef, Secret, Target, TsigAlgorithm, TsigKey, Ttl,
    UpdateGrant, UpdateNames,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// `example` with its name server inside, and the global name `shop`.
fn object(records: &Value) -> Value {
    json!({"apiVersion": "koinon.io/v1alpha1", "kind": "DnsZone", "metadata": {"name": "example"}, "spec": {
        "soa": {"mname": "ns.example", "rname": "hostmaster.example"},
        "nameServers": [{"name": "ns.example", "addresses": ["192.0.2.53"]}, {"name": "ns.example.net"}],
        "records": records,
    }})
}

fn written() -> Value {
    json!([
        {"name": "@", "type": "MX", "data": "10 mail.example.net."},
        {"name": "www", "type": "A", "data": "192.0.2.1", "ttlSeconds": 60},
        {"name": "www", "type": "A", "data": "192.0.2.2", "ttlSeconds": 60},
        {"name": "alias", "type": "CNAME", "data": "www"},
        {"name": "a.deep", "type": "TXT", "data": "x"},
    ])
}

fn shop() -> Record {
    let endpoint = Endpoint {
        cluster: "a".into(),
        target: Target::Ip("192.0.2.9".parse().unwrap()),
        weight: 1,
        state: EndpointState::Serving,
        since_ms: 0,
        evidence: String::new(),
        forced: None,
        ramp: None,
    };
    Record {
        source: RecordRef { namespace: "shop".into(), name: "shop".into() },
        host: "shop.eu.example".into(),
        zone: "example".into(),
        endpoints: vec![endpoint],
        routing: Vec::new(),
        addresses_max: 1,
        ttl: Ttl { stable: 30, unstable: 5 },
        unstable: false,
        on_all_down: OnAllDown::All,
        healthy_share_min_percent: 0,
        check: None,
    }
}

/// `name class ttl type [data]`; the names are absolute.
fn line(text: &str) -> UpdateRecord {
    let fields: Vec<&str> = text.splitn(5, ' ').collect();
    let class = match fields[1] {
        "IN" => CLASS_IN,
        "NONE" => CLASS_NONE,
        "ANY" => CLASS_ANY,
        other => other.parse().unwrap(),
    };
    let rtype = rdata::question_number(fields[3]).unwrap();
    UpdateRecord {
        name: fields[0].parse().unwrap(),
        rtype,
        class,
        ttl: fields[2].parse().unwrap(),
        data: fields.get(4).map(|data| rdata::parse(rtype, data).unwrap_or_else(|_| Rdata::opaque(b"?"))),
    }
}

fn grant(names: &[UpdateNames], types: &[u16]) -> UpdateGrant {
    let key = TsigKey {
        name: "updater".into(),
        algorithm: TsigAlgorithm::HmacSha256,
        secret: Secret::new(vec![1; 32]),
    };
    UpdateGrant { key, network: None, names: names.into(), types: types.into() }
}

fn update(prerequisites: &[&str], changes: &[&str]) -> Update {
    Update {
        apex: "example".parse().unwrap(),
        client: std::net::Ipv4Addr::LOCALHOST.into(),
        grants: vec![grant(&[], &[])],
        mac: Vec::new(),
        expires: Timestamp::from_millis(0),
        prerequisites: prerequisites.iter().map(|text| line(text)).collect(),
        changes: changes.iter().map(|text| line(text)).collect(),
    }
}

/// What an update makes of `spec.records`.
fn decided(records: &Value, update: &Update) -> Result<Value, Refusal> {
    let zone = convert::dns_zone(&object(records)).expect("a good zone").zone;
    let contents = Contents::of(&zone, &[shop()]).expect("a zone that can be read");
    decide(contents, update).map(|after| after.records(records.as_array().unwrap()).into())
}

fn code(update: &Update) -> UpdateCode {
    decided(&written(), update).map_or_else(|refusal| refusal.code, |_| UpdateCode::NoError)
}

#[test]
fn prerequisites_hold_or_say_what_does_not() {
    use UpdateCode::{FormErr, NoError, NotZone, NxDomain, NxRrset, YxDomain, YxRrset};
    for (lines, wanted) in [
        // Name is in use.
        (&["www.example ANY 0 ANY"][..], NoError),
        (&["shop.eu.example ANY 0 ANY"], NoError),
        (&["ns.example ANY 0 ANY"], NoError),
        (&["b.example ANY 0 ANY"], NxDomain),
        // An empty non-terminal is not in use.
        (&["deep.example ANY 0 ANY"], NxDomain),
        // Name is not in use.
        (&["b.example NONE 0 ANY"], NoError),
        (&["deep.example NONE 0 ANY"], NoError),
        (&["www.example NONE 0 ANY"], YxDomain),
        (&["shop.eu.example NONE 0 ANY"], YxDomain),
        // Set exists, whatever it says.
        (&["www.example ANY 0 A"], NoError),
        (&["example ANY 0 SOA"], NoError),
        (&["example ANY 0 NS"], NoError),
        (&["www.example ANY 0 TXT"], NxRrset),
        (&["b.example ANY 0 TXT"], NxRrset),
        // Set does not exist.
        (&["www.example NONE 0 TXT"], NoError),
        (&["www.example NONE 0 A"], YxRrset),
        // Set is just this.
        (&["www.example IN 0 A 192.0.2.2", "www.example IN 0 A 192.0.2.1"], NoError),
        (&["www.example IN 0 A 192.0.2.2"], NxRrset),
        (&["b.example IN 0 A 192.0.2.2"], NxRrset),
        (
            &["www.example IN 0 A 192.0.2.2", "www.example IN 0 A 192.0.2.1", "www.example IN 0 A 192.0.2.3"],
            NxRrset,
        ),
        (&["alias.example IN 0 CNAME www.example.", "www.example ANY 0 A"], NoError),
        (&["shop.eu.example IN 0 A 192.0.2.9"], NoError),
        // All have to hold, and the first that does not is told.
        (&["www.example ANY 0 A", "b.example ANY 0 ANY", "www.example NONE 0 ANY"], NxDomain),
        // What is no prerequisite.
        (&["www.example ANY 1 ANY"], FormErr),
        (&["www.example ANY 0 A 192.0.2.1"], FormErr),
        (&["www.example NONE 0 A 192.0.2.1"], FormErr),
        (&["www.example IN 1 A 192.0.2.1"], FormErr),
        (&["www.example IN 0 A"], FormErr),
        (&["www.example IN 0 ANY 192.0.2.1"], FormErr),
        (&["www.example 3 0 A 192.0.2.1"], FormErr),
        (&["www.example.net ANY 0 ANY"], NotZone),
    ] {
        assert_eq!(code(&update(lines, &["new.example IN 60 A 192.0.2.7"])), wanted, "{lines:?}");
    }
}

#[test]
fn what_is_no_change_fails_before_anything_is_done() {
    use UpdateCode::{FormErr, NotZone};
    for (text, wanted) in [
        ("a.example.net IN 60 A 192.0.2.1", NotZone),
        ("a.example IN 60 A", FormErr),
        ("a.example IN 60 ANY 192.0.2.1", FormErr),
        ("a.example IN 60 AXFR 192.0.2.1", FormErr),
        ("a.example IN 60 TYPE250 192.0.2.1", FormErr),
        ("a.example IN 60 OPT 192.0.2.1", FormErr),
        ("a.example ANY 60 A", FormErr),
        ("a.example ANY 0 A 192.0.2.1", FormErr),
        ("a.example ANY 0 AXFR", FormErr),
        ("a.example NONE 60 A 192.0.2.1", FormErr),
        ("a.example NONE 0 A", FormErr),
        ("a.example NONE 0 ANY 192.0.2.1", FormErr),
        ("a.example 3 0 A 192.0.2.1", FormErr),
    ] {
        // Form comes before rights: the first change alone would be refused.
        assert_eq!(code(&update(&[], &["shop.eu.example ANY 0 A", text])), wanted, "{text}");
    }
}

/// The records after these changes, as lines `name type data ttl`, those that were there before as `=`.
fn after(changes: &[&str]) -> Vec<String> {
    let before = written();
    let after =
        decided(&before, &update(&[], changes)).unwrap_or_else(|refusal| panic!("{changes:?}: {refusal:?}"));
    let field = |record: &Value, name: &str| record[name].as_str().unwrap_or_default().to_owned();
    let line = |record: &Value| {
        let ttl = record["ttlSeconds"].as_u64().map_or("-".to_owned(), |ttl| ttl.to_string());
        format!("{} {} {} {ttl}", field(record, "name"), field(record, "type"), field(record, "data"))
    };
    let is_old = |record: &Value| before.as_array().unwrap().contains(record);
    let lines = after.as_array().unwrap().iter();
    lines.map(|record| if is_old(record) { "=".to_owned() } else { line(record) }).collect()
}

#[test]
fn changes_are_made_as_the_rfc_says() {
    let kept = ["="; 5];
    for (changes, left, added) in [
        (&["b.example IN 60 TXT y"][..], &kept[..], &[r#"b.example. TXT "y" 60"#][..]),
        // The same record again changes nothing; with another TTL, all of the set have it.
        (&["www.example IN 60 A 192.0.2.1"], &kept, &[]),
        (
            &["www.example IN 90 A 192.0.2.1"],
            &["=", "www A 192.0.2.1 90", "www A 192.0.2.2 90", "=", "="],
            &[],
        ),
        // A record that goes and comes again stays where it was.
        (&["www.example ANY 0 ANY", "www.example IN 60 A 192.0.2.1"], &kept[1..], &[]),
        // An alias stands alone.
        (&["www.example IN 60 CNAME b.example."], &kept, &[]),
        (&["alias.example IN 60 TXT y"], &kept, &[]),
        (&["example IN 60 CNAME b.example."], &kept, &[]),
        (&["ns.example IN 60 CNAME b.example."], &kept, &[]),
        (&["alias.example IN 60 CNAME b.example."], &kept[1..], &["alias.example. CNAME b.example. 60"]),
        (
            &["b.example IN 60 DNAME c.example.", "b.example IN 60 DNAME d.example."],
            &kept,
            &["b.example. DNAME d.example. 60"],
        ),
        // Sets and names are deleted, and what is not there is not missed.
        (&["www.example ANY 0 A"], &kept[2..], &[]),
        (&["www.example ANY 0 ANY"], &kept[2..], &[]),
        (&["www.example ANY 0 TXT", "b.example ANY 0 ANY", "b.example ANY 0 A"], &kept, &[]),
        (&["www.example NONE 0 A 192.0.2.2"], &kept[1..], &[]),
        (&["www.example NONE 0 A 192.0.2.3"], &kept, &[]),
        // The apex keeps its SOA and its name servers.
        (&["example ANY 0 ANY"], &kept[1..], &[]),
        (&["example ANY 0 SOA", "example ANY 0 NS"], &kept, &[]),
        (&["example NONE 0 NS ns.elsewhere.example."], &kept, &[]),
        (&["example IN 60 NS ns.example."], &kept, &[]),
        // A SOA that is not the apex's is none.
        (&["www.example IN 60 SOA x"], &kept, &[]),
        // Beside a name server's addresses there is room.
        (&["ns.example IN 60 TXT y"], &kept, &[r#"ns.example. TXT "y" 60"#]),
    ] {
        assert_eq!(after(changes), [left, added].concat(), "{changes:?}");
    }
}

#[test]
fn what_is_not_of_the_zones_own_list_is_refused() {
    for (text, why) in [
        ("shop.eu.example IN 60 A 192.0.2.1", "GlobalRecord's"),
        ("shop.eu.example IN 60 TXT y", "GlobalRecord's"),
        ("shop.eu.example ANY 0 ANY", "GlobalRecord's"),
        ("shop.eu.example ANY 0 TXT", "GlobalRecord's"),
        ("shop.eu.example NONE 0 A 192.0.2.9", "GlobalRecord's"),
        ("eu.example IN 60 NS ns.example.net.", "would hide shop.eu.example"),
        ("eu.example IN 60 DNAME us.example.", "would hide shop.eu.example"),
        ("example IN 60 SOA x", "spec.soa"),
        ("example IN 60 NS ns.elsewhere.example.", "spec.nameServers"),
        ("example NONE 0 NS ns.example.", "spec.nameServers"),
        ("ns.example IN 60 A 192.0.2.54", "spec.nameServers"),
        ("ns.example ANY 0 A", "spec.nameServers"),
        ("ns.example ANY 0 ANY", "spec.nameServers"),
        ("ns.example NONE 0 A 192.0.2.53", "spec.nameServers"),
        ("www.example IN 60 NSEC x", "signs the zone"),
    ] {
        let refusal = decided(&written(), &update(&[], &["b.example IN 60 TXT y", text])).unwrap_err();
        assert_eq!(refusal.code, UpdateCode::Refused, "{text}");
        assert!(refusal.why.contains(why), "{text}: {}", refusal.why);
    }
}

#[test]
fn a_sender_changes_what_its_grants_cover() {
    let (www, below) = (UpdateNames::Exactly("www.example".into()), UpdateNames::Below("dyn.example".into()));
    let txt = grant(std::slice::from_ref(&below), &[rtype::TXT]);
    for (grants, text, is_allowed) in [
        (vec![txt.clone()], "a.dyn.example IN 60 TXT y", true),
        (vec![txt.clone()], "a.dyn.example ANY 0 TXT", true),
        (vec![txt.clone()], "a.dyn.example IN 60 A 192.0.2.1", false),
        (vec![txt.clone()], "dyn.example IN 60 TXT y", false),
        // A name is deleted by who may delete all that is there.
        (vec![txt.clone()], "a.dyn.example ANY 0 ANY", true),
        (vec![txt.clone()], "b.example ANY 0 ANY", false),
        (vec![grant(std::slice::from_ref(&www), &[rtype::TXT])], "www.example ANY 0 ANY", false),
        (vec![grant(std::slice::from_ref(&www), &[rtype::A])], "www.example ANY 0 ANY", true),
        (vec![txt, grant(&[www], &[])], "www.example ANY 0 ANY", true),
    ] {
        let update = Update { grants, ..update(&[], &[text]) };
        let wanted = if is_allowed { UpdateCode::NoError } else { UpdateCode::Refused };
        assert_eq!(code(&update), wanted, "{text} with {:?}", update.grants);
    }
}

#[test]
fn a_zone_does_not_grow_without_end() {
    let names: Vec<String> =
        (0..RECORDS_MAX).map(|number| format!("n{number}.example IN 60 TXT y")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    assert_eq!(code(&update(&[], &names[5..])), UpdateCode::NoError);
    assert_eq!(code(&update(&[], &names[4..])), UpdateCode::Refused);
}

/// The sets of a zone, as a model that knows nothing of objects.
type Model = BTreeMap<(String, &'static str), BTreeSet<String>>;

/// One change to the model, by the pseudo-code of RFC 2136 §3.4.2.7.
fn step(model: &mut Model, (kind, name, rtype, data): (&str, &str, &'static str, &str)) {
    let key = (name.to_owned(), rtype);
    let has = |model: &Model, is_wanted: &dyn Fn(&str) -> bool| {
        model.keys().any(|(own, rtype)| own == name && is_wanted(rtype))
    };
    match kind {
        "add" if rtype == "CNAME" && has(model, &|rtype| rtype != "CNAME") => {}
        "add" if rtype != "CNAME" && has(model, &|rtype| rtype == "CNAME") => {}
        "add" if rtype == "CNAME" => drop(model.insert(key, BTreeSet::from([data.to_owned()]))),
        "add" => drop(model.entry(key).or_default().insert(data.to_owned())),
        "delete set" => drop(model.remove(&key)),
        "delete name" => model.retain(|(own, _), _| own != name),
        _ => {
            model.entry(key).or_default().remove(data);
            model.retain(|_, set| !set.is_empty());
        }
    }
}

/// What the API would show of the zone, in the model's terms. The door of the API takes it.
fn shown(records: &Value) -> Model {
    let zone = convert::dns_zone(&object(records)).expect("what was decided passes the door").zone;
    let mut model = Model::new();
    for record in zone.records {
        let rtype =
            ["A", "TXT", "CNAME"].into_iter().find(|known| *known == record.kind).expect("one of ours");
        model.entry((record.name, rtype)).or_default().insert(record.data);
    }
    model
}

fn change() -> impl Strategy<Value = (&'static str, &'static str, &'static str, &'static str)> {
    let kind = prop::sample::select(vec!["add", "add", "add", "delete set", "delete name", "delete record"]);
    let name = prop::sample::select(vec!["a.example", "b.example", "*.a.example", "x.a.example"]);
    let data = prop::sample::select(vec![
        ("A", "192.0.2.1"),
        ("A", "192.0.2.2"),
        ("TXT", "\"one\""),
        ("TXT", "\"two\" \"words\""),
        ("CNAME", "a.example."),
        ("CNAME", "elsewhere.example.net."),
    ]);
    (kind, name, data).prop_map(|(kind, name, (rtype, data))| (kind, name, rtype, data))
}

fn written_as((kind, name, rtype, data): (&str, &str, &str, &str)) -> String {
    match kind {
        "add" => format!("{name} IN 300 {rtype} {data}"),
        "delete set" => format!("{name} ANY 0 {rtype}"),
        "delete name" => format!("{name} ANY 0 ANY"),
        _ => format!("{name} NONE 0 {rtype} {data}"),
    }
}

proptest! {
    #[test]
    fn the_object_says_what_the_model_says(updates in prop::collection::vec(prop::collection::vec(change(), 1..8), 1..8)) {
        let (mut records, mut model) = (json!([]), Model::new());
        for changes in updates {
            let lines: Vec<String> = changes.iter().map(|change| written_as(*change)).collect();
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            let update = update(&[], &lines);
            records = decided(&records, &update).expect("nothing of it is refused");
            for change in changes {
                step(&mut model, change);
            }
            prop_assert_eq!(shown(&records), model.clone(), "after {:?}", lines);
        }
        // What is there already, added again, leaves the object as it is.
        let all: Vec<String> = model
            .iter()
            .flat_map(|((name, rtype), set)| set.iter().map(move |data| written_as(("add", name, rtype, data))))
            .collect();
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        prop_assert_eq!(decided(&records, &update(&[], &all)).expect("it is there"), records);
    }
}
