//! From a lower-cased wire name to its node: one open-addressing table over all zones.
//!
//! Every name that exists is in it, empty non-terminals included, so "does it exist" is one probe and the
//! closest encloser takes at most one probe per label, however large the zones are. The hash is keyed by a seed
//! that differs per process, so that nobody outside can aim queries at one chain of slots.

use crate::wire::name::{parent, suffixes};

/// A node's number: an index into the snapshot's nodes.
pub(crate) type NodeId = u32;

/// Key of the hash.
pub type Seed = [u64; 2];

/// No node: an empty slot.
const EMPTY: NodeId = NodeId::MAX;

#[derive(Clone, Copy)]
struct Slot {
    /// Upper half of the hash; settles nearly every mismatch without touching the name.
    tag: u32,
    node: NodeId,
}

/// The table of names.
pub(crate) struct Index {
    seed: Seed,
    slots: Vec<Slot>,
    /// Every node's name, each preceded by its length.
    names: Vec<u8>,
    /// Where each node's name begins in `names`.
    starts: Vec<u32>,
    /// Labels of the deepest name; nothing below can exist.
    n_labels_max: usize,
}

impl Index {
    pub(crate) fn new(seed: Seed) -> Self {
        let slots = vec![Slot { tag: 0, node: EMPTY }; 16];
        Self { seed, slots, names: Vec::new(), starts: Vec::new(), n_labels_max: 0 }
    }

    /// How many names there are.
    pub(crate) fn len(&self) -> usize {
        self.starts.len()
    }

    /// The node's name in wire format.
    pub(crate) fn name(&self, node: NodeId) -> &[u8] {
        self.name_at(self.start(node))
    }

    fn name_at(&self, start: u32) -> &[u8] {
        let start = start as usize;
        let length = usize::from(self.names[start]);
        &self.names[start + 1..=start + length]
    }

    /// The node of `name`, entered now if it is new; nodes are numbered in the order they come.
    ///
    /// # Errors
    /// When there is no room for more: 4 GiB of names.
    pub(crate) fn enter(&mut self, name: &[u8]) -> Result<NodeId, Full> {
        let hash = hash(self.seed, name);
        if let Some(node) = self.find_hashed(hash, name) {
            return Ok(node);
        }
        if (self.starts.len() + 1) * 2 > self.slots.len() {
            self.grow();
        }
        let node = u32::try_from(self.starts.len()).map_err(|_| Full)?;
        let start = u32::try_from(self.names.len()).map_err(|_| Full)?;
        self.names.push(u8::try_from(name.len()).map_err(|_| Full)?);
        self.names.extend_from_slice(name);
        self.starts.push(start);
        self.n_labels_max = self.n_labels_max.max(suffixes(name).count() - 1);
        place(&mut self.slots, hash, node);
        Ok(node)
    }

    /// The node of exactly this name.
    pub(crate) fn find(&self, name: &[u8]) -> Option<NodeId> {
        self.find_hashed(self.hash(name), name)
    }

    /// What a lookup begins with.
    pub(super) fn hash(&self, name: &[u8]) -> u64 {
        hash(self.seed, name)
    }

    /// The node that the first slot of a hash names, if it may be the one; nearly always it is.
    pub(super) fn guess(&self, hash: u64) -> Option<NodeId> {
        let slot = self.slots[hash as usize & (self.slots.len() - 1)];
        (slot.node != EMPTY && slot.tag == tag(hash)).then_some(slot.node)
    }

    /// Where a node's name begins.
    pub(super) fn start(&self, node: NodeId) -> u32 {
        self.starts[node as usize]
    }

    /// Whether the name that begins there is this one.
    pub(super) fn is_at(&self, start: u32, name: &[u8]) -> bool {
        self.name_at(start) == name
    }

    /// The nearest existing ancestor of a name that does not exist.
    pub(crate) fn closest_encloser(&self, name: &[u8], n_labels: usize) -> Option<NodeId> {
        let mut suffix = parent(name)?;
        for _ in self.n_labels_max..n_labels.saturating_sub(1) {
            suffix = parent(suffix)?;
        }
        loop {
            if let Some(node) = self.find(suffix) {
                return Some(node);
            }
            suffix = parent(suffix)?;
        }
    }

    /// The node of exactly this name, whose hash is known.
    pub(super) fn find_hashed(&self, hash: u64, name: &[u8]) -> Option<NodeId> {
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        loop {
            let slot = self.slots[at];
            if slot.node == EMPTY {
                return None;
            }
            if slot.tag == tag(hash) && self.name(slot.node) == name {
                return Some(slot.node);
            }
            at = (at + 1) & mask;
        }
    }

    fn grow(&mut self) {
        let mut slots = vec![Slot { tag: 0, node: EMPTY }; self.slots.len() * 2];
        for slot in self.slots.iter().filter(|slot| slot.node != EMPTY) {
            place(&mut slots, hash(self.seed, self.name(slot.node)), slot.node);
        }
        self.slots = slots;
    }
}

/// There is no room for more names.
#[derive(Debug, thiserror::Error)]
#[error("failed to index names: more than 4 GiB of them")]
pub(crate) struct Full;

/// Enters a node that is not there yet; at most half of the slots are taken, so an empty one is near.
fn place(slots: &mut [Slot], hash: u64, node: NodeId) {
    let mask = slots.len() - 1;
    let mut at = hash as usize & mask;
    while slots[at].node != EMPTY {
        at = (at + 1) & mask;
    }
    slots[at] = Slot { tag: tag(hash), node };
}

fn tag(hash: u64) -> u32 {
    (hash >> 32) as u32
}

/// Hashes a lower-cased wire name, 16 bytes per multiplication.
///
/// Only our own zones put names into the table, so a client can at best aim at chains that exist already; the
/// seed denies even that, and nothing stronger is worth its time here.
/// Source: the multiply-and-fold step of wyhash.
fn hash(seed: Seed, name: &[u8]) -> u64 {
    let mut state = seed[0] ^ name.len() as u64;
    let (pairs, rest) = name.as_chunks::<16>();
    for pair in pairs {
        let (low, high) = pair.split_at(8);
        state = fold(state ^ word(low), seed[1] ^ word(high));
    }
    let (low, high) = rest.split_at(rest.len().min(8));
    fold(fold(state ^ word(low), seed[1] ^ word(high)), seed[1] | 1)
}

fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product as u64) ^ (product >> 64) as u64
}

/// Up to 8 bytes as one number, the missing ones zero.
fn word(bytes: &[u8]) -> u64 {
    match bytes.first_chunk::<8>() {
        Some(chunk) => u64::from_le_bytes(*chunk),
        None => bytes.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::name::Name;

    fn wire(text: &str) -> Vec<u8> {
        text.parse::<Name>().unwrap().wire().to_vec()
    }

    #[test]
    fn finds_what_was_entered_and_nothing_else() {
        let mut index = Index::new([0x1234_5678_9abc_def0, 0x0fed_cba9_8765_4321]);
        let names: Vec<_> = (0..5000).map(|number| wire(&format!("host-{number}.example.com"))).collect();
        for (number, name) in names.iter().enumerate() {
            assert_eq!(index.enter(name).unwrap() as usize, number);
        }
        for (number, name) in names.iter().enumerate() {
            assert_eq!(index.find(name), Some(number as u32));
            assert_eq!(index.enter(name).unwrap() as usize, number);
            assert_eq!(index.name(number as u32), &name[..]);
        }
        assert_eq!(index.find(&wire("host-5000.example.com")), None);
        assert_eq!(index.len(), 5000);
    }

    #[test]
    fn finds_the_closest_encloser_at_any_depth() {
        let mut index = Index::new([7, 9]);
        for name in ["example", "a.example", "b.a.example"] {
            index.enter(&wire(name)).unwrap();
        }
        for (name, wanted) in [
            ("x.example", Some("example")),
            ("y.x.example", Some("example")),
            ("c.b.a.example", Some("b.a.example")),
            ("1.2.3.4.5.6.b.a.example", Some("b.a.example")),
            ("1.2.3.4.5.6.x.a.example", Some("a.example")),
            ("example.com", None),
            ("com", None),
            (".", None),
        ] {
            let name = wire(name);
            let found = index.closest_encloser(&name, suffixes(&name).count() - 1);
            assert_eq!(found.map(|node| index.name(node).to_vec()), wanted.map(wire));
        }
    }

    #[test]
    fn a_seed_changes_where_names_lie() {
        let name = wire("shop.example.com");
        assert_ne!(hash([1, 2], &name), hash([3, 4], &name));
    }
}
