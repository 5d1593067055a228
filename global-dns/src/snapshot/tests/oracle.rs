//! The snapshot against an oracle: RFC 1034 §4.3.2 (with 4592 for wildcards and 8020 for what exists) written down
//! naively over lists of strings, on random zones with delegations, aliases, wildcards, redirections (RFC 6672), a zone below
//! and global names.

use std::collections::BTreeSet;

use koinon_types::names::{NameTable, Target};
use proptest::prelude::*;

use super::support::{NEGATIVE, ask, record, snapshot, zone};

/// One static record, as `(owner, type, data)`.
type Line = (String, &'static str, String);

/// Longest chain of aliases that is followed for a client.
const CHAIN_LENGTH_MAX: usize = 8;

struct Oracle<'a> {
    table: &'a NameTable,
    /// Per zone, what it serves of its static records.
    lines: Vec<Vec<Line>>,
}

fn is_within(name: &str, above: &str) -> bool {
    name == above || name.ends_with(&format!(".{above}"))
}

fn parent(name: &str) -> &str {
    name.split_once('.').map_or("", |(_, above)| above)
}

/// The name and all names above it, itself first.
fn upwards(name: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(name), |name| Some(parent(name)).filter(|above| !above.is_empty()))
}

impl<'a> Oracle<'a> {
    fn new(table: &'a NameTable) -> Self {
        let mut oracle = Self { table, lines: Vec::new() };
        for (number, zone) in table.zones.iter().enumerate() {
            let lines = zone.records.iter().map(|line| {
                let kind =
                    ["A", "TXT", "CNAME", "NS", "DNAME"].into_iter().find(|kind| *kind == line.kind).unwrap();
                (line.name.clone(), kind, line.data.clone())
            });
            let hidden = |(owner, kind, _): &Line| {
                oracle.zone_of(owner) != Some(number)
                    || *kind == "NS" && (*owner == zone.apex || owner.starts_with("*."))
                    || *kind == "DNAME" && owner.starts_with("*.")
            };
            let lines: Vec<Line> = lines.filter(|line| !hidden(line)).collect();
            oracle.lines.push(lines);
            let occluded = |(owner, _, _): &Line| oracle.redirect(number, owner).is_some();
            let lines: Vec<Line> =
                oracle.lines[number].iter().filter(|line| !occluded(line)).cloned().collect();
            oracle.lines[number] = lines;
        }
        oracle
    }

    fn zone_of(&self, name: &str) -> Option<usize> {
        upwards(name).find_map(|above| self.table.zones.iter().position(|zone| zone.apex == above))
    }

    /// Data of a type at a name; none of an alias that breaks the rules.
    fn set(&self, zone: usize, name: &str, kind: &str) -> BTreeSet<&str> {
        let of = |kind: &str| {
            let lines = self.lines[zone].iter().filter(|(owner, own, _)| owner == name && *own == kind);
            lines.map(|(_, _, data)| data.as_str()).collect::<BTreeSet<_>>()
        };
        let breaks = |aliases: &BTreeSet<&str>| {
            let beside = ["A", "TXT", "NS"].iter().any(|other| !of(other).is_empty())
                || !self.set(zone, name, "DNAME").is_empty();
            aliases.len() > 1 || beside || name == self.table.zones[zone].apex
        };
        let set = of(kind);
        let is_redirect_refused = || set.len() > 1 || !of("NS").is_empty();
        if kind == "CNAME" && breaks(&set) || kind == "DNAME" && is_redirect_refused() {
            return BTreeSet::new();
        }
        set
    }

    /// The address of the global name here, unless static data or a delegation is in its way.
    fn global(&self, zone: usize, name: &str) -> Option<String> {
        let record = self.table.records.iter().find(|record| record.host == name)?;
        let taken = ["A", "CNAME"].iter().any(|kind| !self.set(zone, name, kind).is_empty());
        let delegated = self.cut(zone, name).is_some() || self.redirect(zone, name).is_some();
        match record.endpoints.first()?.target {
            Target::Ip(ip) if !taken && !delegated => Some(ip.to_string()),
            _ => None,
        }
    }

    fn exists(&self, zone: usize, name: &str) -> bool {
        let lines = self.lines[zone].iter().map(|(owner, _, _)| owner.as_str());
        let apexes = self.table.zones.iter().map(|zone| zone.apex.as_str());
        let globals = self.table.records.iter().map(|record| record.host.as_str()).filter(|host| {
            self.zone_of(host) == Some(zone)
                && self.cut(zone, host).is_none()
                && self.redirect(zone, host).is_none()
        });
        lines.chain(apexes).chain(globals).any(|other| is_within(other, name))
    }

    /// The delegation at or above a name, or the redirection above it, whichever is highest.
    fn boundary<'n>(&self, zone: usize, name: &'n str) -> Option<(&'n str, &'static str)> {
        let apex = &self.table.zones[zone].apex;
        let mut downwards: Vec<&str> = upwards(name).take_while(|above| above != apex).collect();
        downwards.extend(upwards(name).find(|above| above == apex));
        for above in downwards.into_iter().rev() {
            if above != name && !self.set(zone, above, "DNAME").is_empty() {
                return Some((above, "DNAME"));
            }
            if above != apex && !self.set(zone, above, "NS").is_empty() {
                return Some((above, "NS"));
            }
        }
        None
    }

    fn cut<'n>(&self, zone: usize, name: &'n str) -> Option<&'n str> {
        self.boundary(zone, name).filter(|(_, kind)| *kind == "NS").map(|(above, _)| above)
    }

    fn redirect<'n>(&self, zone: usize, name: &'n str) -> Option<&'n str> {
        self.boundary(zone, name).filter(|(_, kind)| *kind == "DNAME").map(|(above, _)| above)
    }

    /// The answer in lines, as [`ask`] shows it, their order left open.
    fn answer(&self, asked: &str, kind: &str) -> (String, BTreeSet<String>) {
        let mut lines = BTreeSet::new();
        let Some(zone) = self.zone_of(asked) else { return ("REFUSED".into(), lines) };
        let apex = &self.table.zones[zone].apex;
        let soa = format!("ns {apex} {NEGATIVE} SOA");
        let (mut name, mut seen, mut first) = (asked.to_owned(), vec![asked.to_owned()], None);
        let mut n_links = 0;
        loop {
            if let Some(above) = self.redirect(zone, &name) {
                let to = self.set(zone, above, "DNAME").first().copied().unwrap_or_default();
                let target = format!("{}.{to}", name.strip_suffix(&format!(".{above}")).unwrap_or_default());
                lines.insert(format!("an {above} 60 DNAME {to}."));
                lines.insert(format!("an {name} 60 CNAME {target}."));
                n_links += 1;
                let is_loop = seen.contains(&target) || first.as_ref() == Some(&target);
                let ends = kind == "CNAME" && seen.len() == 1 || is_loop || n_links == CHAIN_LENGTH_MAX;
                if ends || self.zone_of(&target) != Some(zone) {
                    return ("NOERROR aa".into(), lines);
                }
                seen.push(target.clone());
                name = target;
                continue;
            }
            if let Some(cut) = self.cut(zone, &name) {
                for server in self.set(zone, cut, "NS") {
                    lines.insert(format!("ns {cut} 60 NS {server}."));
                    let glue = self.set(zone, server, "A");
                    lines.extend(glue.into_iter().map(|ip| format!("ar {server} 60 A {ip}")));
                }
                let head = if seen.len() > 1 { "NOERROR aa" } else { "NOERROR" };
                return (head.into(), lines);
            }
            let encloser = upwards(&name).find(|above| self.exists(zone, above)).unwrap_or(apex);
            let source = if encloser == name { name.clone() } else { format!("*.{encloser}") };
            if !self.exists(zone, &source) {
                lines.insert(soa);
                return ("NXDOMAIN aa".into(), lines);
            }
            match self.set(zone, &source, "CNAME").first().copied() {
                Some(target) if kind != "CNAME" || seen.len() > 1 => {
                    lines.insert(format!("an {name} 60 CNAME {target}."));
                    // A wildcard that points at itself is a loop already, though the name asked for is another.
                    // The chain that is written in advance is counted from where it begins.
                    n_links = if first.is_none() { 1 } else { n_links + 1 };
                    let first = first.get_or_insert(source);
                    let is_loop = seen.iter().any(|seen| seen == target) || first == target;
                    let ends = is_loop || n_links == CHAIN_LENGTH_MAX;
                    if ends || self.zone_of(target) != Some(zone) {
                        return ("NOERROR aa".into(), lines);
                    }
                    seen.push(target.to_owned());
                    target.clone_into(&mut name);
                }
                _ => {
                    let found = self.data(zone, &name, &source, kind);
                    lines.extend(if found.is_empty() { vec![soa] } else { found });
                    return ("NOERROR aa".into(), lines);
                }
            }
        }
    }

    fn data(&self, zone: usize, name: &str, source: &str, kind: &str) -> Vec<String> {
        let apex = &self.table.zones[zone].apex;
        match (kind, source == apex) {
            ("SOA", true) => return vec![format!("an {apex} 300 SOA")],
            ("NS", true) => return vec![format!("an {apex} 300 NS ns.elsewhere.")],
            _ => {}
        }
        let dot = if ["CNAME", "NS", "DNAME"].contains(&kind) { "." } else { "" };
        let set = self.set(zone, source, kind).into_iter();
        let mut lines: Vec<String> = set.map(|data| format!("an {name} 60 {kind} {data}{dot}")).collect();
        if kind == "A" {
            lines.extend(self.global(zone, source).map(|ip| format!("an {name} 30 A {ip}")));
        }
        lines
    }
}

/// Names of few labels below `apex`, so that they often meet.
pub(super) fn name_below(
    apex: &'static str,
    labels: &'static [&'static str],
) -> impl Strategy<Value = String> {
    let labels = prop::collection::vec(prop::sample::select(labels), 0..4);
    labels.prop_map(move |labels| labels.into_iter().chain([apex]).collect::<Vec<_>>().join("."))
}

const LABELS: &[&str] = &["a", "b", "*"];

fn line_below(apex: &'static str) -> impl Strategy<Value = String> {
    let targets = prop_oneof![4 => name_below("example", LABELS), 1 => Just("out.elsewhere".to_owned())];
    (name_below(apex, LABELS), 0..12_u8, 1..4_u8, targets).prop_map(
        |(owner, kind, number, target)| match kind {
            0..4 => format!("{owner} 60 A 192.0.2.{number}"),
            4..6 => format!("{owner} 60 TXT t{number}"),
            6..9 => format!("{owner} 60 CNAME {target}"),
            9..11 => format!("{owner} 60 DNAME {target}"),
            _ => format!("{owner} 60 NS {target}"),
        },
    )
}

pub(super) fn tables() -> impl Strategy<Value = NameTable> {
    let below = prop::sample::select(vec![None, Some("b.example"), Some("a.b.example")]);
    let hosts = prop::collection::btree_set(name_below("example", LABELS), 0..4);
    let upper = prop::collection::vec(line_below("example"), 0..14);
    (upper, below, hosts).prop_flat_map(|(upper, below, hosts)| {
        prop::collection::vec(line_below(below.unwrap_or("example")), 0..6).prop_map(move |lower| {
            let mut zones = vec![zone("example", &upper.join("\n"))];
            zones.extend(below.map(|apex| zone(apex, &lower.join("\n"))));
            let records = hosts.iter().map(|host| record(host, &[("cluster", "192.0.2.200", 1)])).collect();
            NameTable { generation: 7, zones, records }
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn answers_as_the_standard_spelled_out(
        table in tables(),
        names in prop::collection::vec(name_below("example", &["a", "b", "q", "*"]), 12),
    ) {
        let oracle = Oracle::new(&table);
        let snapshot = snapshot(table.zones.clone(), table.records.clone());
        for name in names.iter().map(String::as_str).chain(["elsewhere"]) {
            for kind in ["A", "AAAA", "TXT", "CNAME", "NS", "SOA", "DNAME"] {
                let text = ask(&snapshot, &format!("{name} {kind}"));
                let mut lines = text.lines().map(str::to_owned);
                let got = (lines.next().unwrap_or_default(), lines.collect::<BTreeSet<_>>());
                prop_assert_eq!(got, oracle.answer(name, kind), "{} {}", name, kind);
            }
        }
    }
}
