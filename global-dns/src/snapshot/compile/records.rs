//! What a global name answers with its endpoints: variants, and the choice among them.
//!
//! As long as every answerable endpoint is an address, A and AAAA are chosen apart, each among its own. As soon
//! as one is an alias, the name is at every moment exactly one endpoint for every type: an alias answers all
//! types, and a resolver that got it for AAAA would use it for A as well, weights or not.

use std::net::IpAddr;

use koinon_types::names::{Endpoint, Record, Target};

use super::super::ProgramId;
use super::super::block::{Section, TooLarge};
use super::super::choice::Choice;
use super::super::health::RecordView;
use super::super::index::NodeId;
use super::super::store::Pair;
use super::write::{Said, any};
use super::{ANY_TTL, Compiler, Context};
use crate::wire::name::Name;
use crate::wire::rdata::Rdata;
use crate::wire::{Rcode, rtype};

/// One variant of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pick {
    weight: u64,
    say: Say,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Say {
    Addresses(Vec<IpAddr>),
    Alias(Name),
    NoData,
    /// The answer to ANY.
    Something,
}

/// The types that records answer with addresses.
const FAMILIES: [u16; 2] = [rtype::A, rtype::AAAA];

/// A global name being compiled.
#[derive(Clone, Copy)]
struct Global<'a> {
    id: NodeId,
    number: usize,
    record: &'a Record,
    view: &'a RecordView,
}

impl Compiler<'_> {
    /// Writes the programs of a record, and answers the one for types that have none.
    pub(super) fn compile_record(
        &mut self,
        context: &Context<'_>,
        id: NodeId,
        number: usize,
        by_type: &mut Vec<(u16, ProgramId)>,
    ) -> ProgramId {
        let (record, Some(view)) = (&self.table.records[number], &self.views[number]) else {
            return self.no_data(context, id);
        };
        let global = Global { id, number, record, view };
        let leaves: Vec<Vec<&Endpoint>> =
            view.plan.leaves().iter().map(|leaf| of_places(record, leaf)).collect();
        if leaves.iter().any(|leaf| has_alias(leaf)) {
            for asked in [rtype::A, rtype::AAAA, rtype::ANY] {
                by_type.push((asked, self.routed(context, global, Some(asked), &leaves)));
            }
            return self.routed(context, global, None, &leaves);
        }
        let may_alias = self.may_alias(id);
        for asked in FAMILIES {
            if may_alias || record.endpoints.iter().any(|endpoint| is_of(endpoint, asked)) {
                by_type.push((asked, self.routed(context, global, Some(asked), &leaves)));
            }
        }
        if may_alias && self.signer(context.zone).is_some() {
            // Its NSEC record says that it may be an alias, which proves nothing about other types.
            return self.weighted(context, global, None, &[Pick { weight: 1, say: Say::NoData }]);
        }
        self.no_data(context, id)
    }

    /// The program for a type of a global name, or for those that have none of their own: it answers each client with the picks of
    /// its leaf. Where all leaves have the same, no client matters.
    fn routed(
        &mut self,
        context: &Context<'_>,
        global: Global<'_>,
        asked: Option<u16>,
        leaves: &[Vec<&Endpoint>],
    ) -> ProgramId {
        let mut known: Vec<(Vec<Pick>, ProgramId)> = Vec::new();
        let mut programs = Vec::new();
        for leaf in leaves {
            let picks = picks(global.record, leaf, asked);
            let same = known.iter().find(|(other, _)| *other == picks).map(|(_, program)| *program);
            let program = same.unwrap_or_else(|| self.weighted(context, global, asked, &picks));
            programs.push(program);
            known.push((picks, program));
        }
        match programs.as_slice() {
            [one, rest @ ..] if rest.iter().all(|other| other == one) => *one,
            programs => self.store.routed(programs, global.number as u32),
        }
    }

    /// The program that answers one leaf.
    fn weighted(
        &mut self,
        context: &Context<'_>,
        global: Global<'_>,
        asked: Option<u16>,
        picks: &[Pick],
    ) -> ProgramId {
        let Global { number, record, .. } = global;
        let pairs: Result<Vec<Pair>, TooLarge> =
            picks.iter().map(|pick| self.write_pick(context, global, asked, &pick.say)).collect();
        let pairs = match pairs {
            Err(error) => return self.keep(context.name, "address", Err(error)),
            Ok(pairs) => pairs,
        };
        if picks.len() > 1 {
            let window_ms = u64::from(record.ttl.unstable.max(1)) * 1000;
            let weights: Vec<u64> = picks.iter().map(|pick| pick.weight).collect();
            return self.store.weighted(pairs, Choice::new(&record.host, window_ms, &weights), number as u32);
        }
        match pairs.into_iter().next() {
            Some(pair) => self.store.fixed(pair, Some(number as u32)),
            None => self.no_data(context, global.id),
        }
    }

    fn write_pick(
        &mut self,
        context: &Context<'_>,
        global: Global<'_>,
        asked: Option<u16>,
        say: &Say,
    ) -> Result<Pair, TooLarge> {
        let ttl = global.view.ttl;
        let mut said: Said<'_> = context.said(Rcode::NoError);
        if *say == Say::NoData
            && let Some(proof) = self.narrowed(context.zone, global.id, asked)
        {
            // It stands for the name's other record, which may have proven that a wildcard may be used.
            let own = self.denials.own(global.id);
            said.proofs.retain(|other| *other != own);
            said.proofs.push(proof);
        }
        let place = context.place();
        self.pair(&said, |writer| {
            context.start(writer);
            match say {
                Say::Addresses(addresses) => {
                    let rtype = if addresses.iter().any(IpAddr::is_ipv4) { rtype::A } else { rtype::AAAA };
                    let data: Vec<Rdata> = addresses.iter().map(|address| Rdata::address(*address)).collect();
                    writer.set(Section::Answer, place, rtype, ttl, &data);
                }
                Say::Alias(target) => {
                    let data = Rdata::pointing(target.clone());
                    writer.set(Section::Answer, place, rtype::CNAME, ttl, &[data]);
                }
                // Kept no longer than an answer would be, so that a recovery is seen as soon as a failure.
                Say::NoData => self.write_soa(writer, context.zone, ttl),
                Say::Something => any(writer, place, ANY_TTL.min(ttl)),
            }
        })
    }
}

fn of_places<'a>(record: &'a Record, places: &[usize]) -> Vec<&'a Endpoint> {
    places.iter().map(|&at| &record.endpoints[at]).collect()
}

fn has_alias(endpoints: &[&Endpoint]) -> bool {
    endpoints.iter().any(|endpoint| matches!(endpoint.target, Target::Hostname(_)))
}

/// The variants with which these endpoints answer a type; none stands for the types that have no data.
fn picks(record: &Record, endpoints: &[&Endpoint], asked: Option<u16>) -> Vec<Pick> {
    if has_alias(endpoints) {
        return joint_picks(endpoints, asked);
    }
    match asked {
        Some(family) if FAMILIES.contains(&family) => family_picks(record, endpoints, family),
        Some(rtype::ANY) if !endpoints.is_empty() => vec![Pick { weight: 1, say: Say::Something }],
        Some(_) | None => vec![Pick { weight: 1, say: Say::NoData }],
    }
}

fn is_of(endpoint: &Endpoint, asked: u16) -> bool {
    match endpoint.target {
        Target::Ip(ip) => ip.is_ipv4() == (asked == rtype::A),
        Target::Hostname(_) => false,
    }
}

/// One variant per address of a family, each with as many of its followers as an answer may hold; all in one
/// when they fit.
fn family_picks(record: &Record, answered: &[&Endpoint], asked: u16) -> Vec<Pick> {
    let own: Vec<(IpAddr, u32)> = answered
        .iter()
        .filter(|endpoint| is_of(endpoint, asked))
        .filter_map(|endpoint| match endpoint.target {
            Target::Ip(ip) => Some((ip, endpoint.weight)),
            Target::Hostname(_) => None,
        })
        .collect();
    if own.is_empty() {
        return vec![Pick { weight: 1, say: Say::NoData }];
    }
    let together = usize::from(record.addresses_max).clamp(1, own.len());
    let n_variants = if together == own.len() { 1 } else { own.len() };
    let all_weightless = own.iter().all(|(_, weight)| *weight == 0);
    (0..n_variants)
        .map(|first| {
            let addresses = own.iter().cycle().skip(first).take(together).map(|(ip, _)| *ip).collect();
            let weight = if all_weightless { 1 } else { u64::from(own[first].1) };
            Pick { weight, say: Say::Addresses(addresses) }
        })
        .collect()
}

/// The variants of a name with aliases. Every type gets the same boundaries, so that at one moment all types
/// speak of the same endpoint.
///
/// The addresses of one cluster share one part: it is as wide as the heavier of its families, and each family
/// divides it among its own addresses.
fn joint_picks(answered: &[&Endpoint], asked: Option<u16>) -> Vec<Pick> {
    let all_weightless = answered.iter().all(|endpoint| endpoint.weight == 0);
    let weight = |endpoint: &Endpoint| if all_weightless { 1 } else { u64::from(endpoint.weight) };
    let mut picks = Vec::new();
    for cluster in answered.chunk_by(|one, next| one.cluster == next.cluster) {
        for endpoint in cluster {
            if let Target::Hostname(target) = &endpoint.target
                && let Ok(target) = target.parse()
            {
                picks.push(Pick { weight: weight(endpoint), say: Say::Alias(target) });
            }
        }
        let sum = |asked| cluster.iter().filter(|one| is_of(one, asked)).map(|one| weight(one)).sum::<u64>();
        let width = sum(rtype::A).max(sum(rtype::AAAA));
        if width > 0 {
            share(cluster, asked, width, &weight, &mut picks);
        }
    }
    picks.retain(|pick| pick.weight > 0);
    picks
}

/// Divides a cluster's part among its addresses of the family asked for; one without any says NODATA.
fn share(
    cluster: &[&Endpoint],
    asked: Option<u16>,
    width: u64,
    weight: &dyn Fn(&Endpoint) -> u64,
    picks: &mut Vec<Pick>,
) {
    let own: Vec<_> = cluster.iter().filter(|one| asked.is_some_and(|asked| is_of(one, asked))).collect();
    let total: u64 = own.iter().map(|one| weight(one)).sum();
    if total == 0 {
        let say = if asked == Some(rtype::ANY) { Say::Something } else { Say::NoData };
        picks.push(Pick { weight: width, say });
        return;
    }
    let mut seen = 0;
    for endpoint in own {
        let from = seen * width / total;
        seen += weight(endpoint);
        if let Target::Ip(ip) = endpoint.target {
            picks.push(Pick { weight: seen * width / total - from, say: Say::Addresses(vec![ip]) });
        }
    }
}
