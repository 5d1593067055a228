//! What a secondary is given of a signed zone: signatures behind each set, and NSEC records that speak of the default view.
//!
//! All of it is signed as of one settled time, so that a zone that is given twice under one serial is the same zone as long as its
//! signatures are remembered, and valid either way. These NSEC records list what is there now, not all that a name
//! can ever answer, because a secondary answers nothing else.

use std::collections::BTreeSet;

use super::{Entry, Sink, Snapshot, Standing, default_sets};
use crate::dnssec::{Keyring, Order, Signatures, Signer, Unsigned, nsec};
use crate::snapshot::denial::Denials;
use crate::snapshot::tree::{RrSet, Tree};
use crate::wire::rdata::Rdata;
use crate::wire::rtype;

/// Sets that are signed together: enough for all cores, and little memory.
const TOGETHER: usize = 4096;

/// Sets on their way to secondaries.
pub(super) struct Batch<'a> {
    /// By zone number; none for zones that are not wanted.
    zones: Vec<Option<Wanted<'a>>>,
    signatures: &'a Signatures,
    waiting: Vec<Waiting>,
    sink: &'a mut Sink<'a>,
}

/// A zone that is given.
struct Wanted<'a> {
    place: usize,
    /// None when it is not signed.
    signer: Option<Signer<'a>>,
}

/// A set of a signed zone.
struct Waiting {
    zone: usize,
    owner: Box<[u8]>,
    set: RrSet,
    standing: Standing,
}

impl Snapshot {
    /// Adds the NSEC records of a zone, when it is wanted and signed.
    pub(super) fn add_denials(
        &self,
        batch: &mut Batch<'_>,
        tree: &Tree,
        zone: usize,
    ) -> Result<(), Unsigned> {
        if !batch.is_signed(zone) {
            return Ok(());
        }
        let is_signed: Vec<bool> = (0..tree.zones.len()).map(|number| number == zone).collect();
        let head = &tree.zones[zone];
        let links = Denials::arrange(tree, &is_signed).chain(tree, zone, &|id, node| {
            if node.cut.is_some() {
                let sets = node.sets.iter().map(|set| set.rtype);
                return sets.filter(|number| [rtype::NS, rtype::DS].contains(number)).collect();
            }
            let default = default_sets(&self.table, &self.records, node);
            let mut types: BTreeSet<u16> = node.sets.iter().chain(&default).map(|set| set.rtype).collect();
            types.extend((head.node == id).then_some(rtype::SOA));
            types
        });
        let ttl = head.ttl.min(head.soa.minimum);
        let next = links.iter().skip(1).chain(&links[..1]);
        for (link, next) in links.iter().zip(next) {
            let data = vec![nsec(&tree.name(next.node), &link.types)];
            let set = RrSet { rtype: rtype::NSEC, ttl, data };
            batch.add(zone, tree.index.name(link.node), &set, Standing::Authoritative)?;
        }
        Ok(())
    }
}

impl<'a> Batch<'a> {
    /// For those zones of a tree that have a place.
    pub(super) fn new(
        snapshot: &'a Snapshot,
        tree: &'a Tree,
        places: &[Option<usize>],
        sink: &'a mut Sink<'a>,
    ) -> Self {
        let signer = |keys: &'a Keyring| keys.at(keys.schedule().settled(snapshot.now));
        let zones =
            tree.zones.iter().zip(places).map(|(zone, place)| {
                place.map(|place| Wanted { place, signer: zone.keys.as_ref().map(signer) })
            });
        Self { zones: zones.collect(), signatures: &snapshot.signatures, waiting: Vec::new(), sink }
    }

    /// Whether a zone is wanted, and signed.
    fn is_signed(&self, zone: usize) -> bool {
        self.zones[zone].as_ref().is_some_and(|wanted| wanted.signer.is_some())
    }

    /// Gives a set if its zone is wanted: at once when nothing has to be signed, otherwise together with others.
    pub(super) fn add(
        &mut self,
        zone: usize,
        owner: &[u8],
        set: &RrSet,
        standing: Standing,
    ) -> Result<(), Unsigned> {
        let Some(Wanted { place, signer }) = &self.zones[zone] else { return Ok(()) };
        if signer.is_none() {
            for data in &set.data {
                (self.sink)(*place, Entry { owner, rtype: set.rtype, ttl: set.ttl, data });
            }
            return Ok(());
        }
        self.waiting.push(Waiting { zone, owner: owner.into(), set: set.clone(), standing });
        if self.waiting.len() < TOGETHER { Ok(()) } else { self.flush() }
    }

    /// Gives what waits, with its signatures.
    pub(super) fn flush(&mut self) -> Result<(), Unsigned> {
        let waiting = std::mem::take(&mut self.waiting);
        let mut signed = self.sign(&waiting)?.into_iter().peekable();
        for (number, Waiting { zone, owner, set, .. }) in waiting.iter().enumerate() {
            let Some(Wanted { place, .. }) = self.zones[*zone] else { continue };
            let RrSet { rtype, ttl, data } = set;
            for data in data {
                (self.sink)(place, Entry { owner, rtype: *rtype, ttl: *ttl, data });
            }
            while let Some((_, data)) = signed.next_if(|(of, _)| *of == number) {
                (self.sink)(place, Entry { owner, rtype: rtype::RRSIG, ttl: *ttl, data: &data });
            }
        }
        Ok(())
    }

    /// The RRSIG data of sets, each with its set's number, in their order. A zone without signatures would be worse than none.
    fn sign(&self, sets: &[Waiting]) -> Result<Vec<(usize, Rdata)>, Unsigned> {
        let mut signed = Vec::new();
        let (mut missing, mut missing_at) = (Vec::<Order>::new(), Vec::new());
        for (number, Waiting { zone, owner, set, standing }) in sets.iter().enumerate() {
            let signer = self.zones[*zone].as_ref().and_then(|wanted| wanted.signer.as_ref());
            let Some(signer) = signer.filter(|_| *standing == Standing::Authoritative) else { continue };
            for (mut data, order) in signer.orders(owner, set.rtype, set.ttl, &set.data) {
                match self.signatures.find(&order) {
                    Some(signature) => data.extend(signature),
                    None => {
                        missing.push(order);
                        missing_at.push(signed.len());
                    }
                }
                signed.push((number, data));
            }
        }
        let made = self.signatures.make(&missing)?;
        for (at, signature) in missing_at.into_iter().zip(made) {
            signed[at].1.extend(signature);
        }
        let signed = signed.into_iter().map(|(number, data)| (number, Rdata::opaque(&data)));
        Ok(signed.collect())
    }
}
