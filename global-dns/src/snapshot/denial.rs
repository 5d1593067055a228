//! What proves that something does not exist: the NSEC records of signed zones, and how the right one is found.
//!
//! The names of a zone in canonical order (RFC 4034 §6.1) are its tree in preorder, children by label. Names at and below
//! delegations and redirections have no NSEC, and an empty non-terminal has none of its own. The record that covers a
//! missing name belongs to the last name before it: below the name's closest encloser, which the lookup has found already, it
//! is the last one in the subtree of the last child that comes before the missing label, or the encloser itself. So a proof
//! is one binary search among the children of one node.
//!
//! ```text
//! example            a? ─ before every child: example's own
//! ├── b              c? ─ after b: the last of b's subtree, which is y.b
//! │   └── y.b
//! └── d              e? ─ after d: d
//! ```

use std::collections::{BTreeMap, BTreeSet};

use super::BlockId;
use super::index::{Index, NodeId};
use super::tree::{Node, Tree};
use crate::wire::rtype;

/// One NSEC record to be: whose, and what exists there.
pub(super) struct Link {
    pub(super) node: NodeId,
    pub(super) side: Side,
    pub(super) types: BTreeSet<u16>,
}

/// On which side of a zone boundary a name is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// From the zone that the name is in.
    Own,
    /// From the zone above, which delegates it to one that is served here too.
    Above,
}

/// Where a node stands in the chain of its zone. Numbers are of links at first, and of blocks in the end.
#[derive(Clone, Copy, Debug, Default)]
struct Stand {
    /// Its own NSEC record, or for an empty non-terminal the one that covers it.
    own: u32,
    /// What covers the wildcard below it.
    no_wildcard: u32,
    /// Its children in the zone.
    first_child: u32,
    n_children: u32,
    parent: NodeId,
}

/// The NSEC records of all signed zones. Shape: empty when there is none.
#[derive(Default)]
pub(super) struct Denials {
    /// One per name of the index.
    stands: Vec<Stand>,
    /// The children of all nodes, node after node, by label.
    children: Vec<NodeId>,
    /// The first bytes of each child's label, as a number; settles nearly every comparison without touching the name.
    heads: Vec<u128>,
    /// The last NSEC record of each child's subtree.
    last: Vec<u32>,
    /// The records of the zone above, by apex.
    above: BTreeMap<NodeId, u32>,
}

// === impl Denials ===

impl Denials {
    /// Arranges the children of every name that lies in a signed zone.
    pub(super) fn arrange(tree: &Tree, is_signed: &[bool]) -> Self {
        if !is_signed.contains(&true) {
            return Self::default();
        }
        let mut pairs: Vec<(NodeId, u128, NodeId)> = Vec::new();
        for (id, node) in tree.nodes.iter().enumerate() {
            let Some(parent) = node.parent else { continue };
            let above = tree.node(parent);
            if is_signed[above.zone] && above.reaches_below() {
                let id = id as NodeId;
                pairs.push((parent, head(first_label(tree.index.name(id))), id));
            }
        }
        pairs.sort_unstable_by(|one, other| {
            let labels = || {
                let label = |id: NodeId| first_label(tree.index.name(id));
                label(one.2).cmp(label(other.2))
            };
            (one.0, one.1).cmp(&(other.0, other.1)).then_with(labels)
        });
        let mut stands = vec![Stand::default(); tree.nodes.len()];
        for (stand, node) in stands.iter_mut().zip(&tree.nodes) {
            stand.parent = node.parent.unwrap_or_default();
        }
        for (at, (parent, _, _)) in pairs.iter().enumerate() {
            let stand = &mut stands[*parent as usize];
            if stand.n_children == 0 {
                stand.first_child = at as u32;
            }
            stand.n_children += 1;
        }
        Self {
            stands,
            children: pairs.iter().map(|(_, _, id)| *id).collect(),
            heads: pairs.iter().map(|(_, head, _)| *head).collect(),
            last: vec![0; pairs.len()],
            above: BTreeMap::new(),
        }
    }

    /// The chain of a signed zone; `types` says what exists at a name besides its signatures.
    ///
    /// Shape: in canonical order, the apex first; the next of the last is the apex.
    pub(super) fn chain(
        &mut self,
        tree: &Tree,
        zone: usize,
        types: &dyn Fn(NodeId, &Node) -> BTreeSet<u16>,
    ) -> Vec<Link> {
        let mut links = Vec::new();
        self.walk(tree, zone, tree.zones[zone].node, types, &mut links);
        links
    }

    /// Appends the links of a name and all below it in its zone, and answers the number of the last. Names have at most 127
    /// labels, which bounds the recursion.
    fn walk(
        &mut self,
        tree: &Tree,
        zone: usize,
        id: NodeId,
        types: &dyn Fn(NodeId, &Node) -> BTreeSet<u16>,
        links: &mut Vec<Link>,
    ) -> u32 {
        let node = tree.node(id);
        let Stand { first_child, n_children, .. } = self.stands[id as usize];
        let mut exist = types(id, node);
        // A name without anything would not exist, but when it is answered all the same it must be proven.
        if !exist.is_empty() || n_children == 0 {
            // A delegation's NS set has no signature, but its NSEC record has one.
            exist.extend([rtype::RRSIG, rtype::NSEC]);
            links.push(Link { node: id, side: Side::Own, types: exist });
        }
        self.stands[id as usize].own = links.len() as u32 - 1;
        for at in first_child as usize..(first_child + n_children) as usize {
            let child = self.children[at];
            self.last[at] = if tree.node(child).zone == zone {
                self.walk(tree, zone, child, types, links)
            } else {
                let mut types = BTreeSet::from([rtype::NS, rtype::RRSIG, rtype::NSEC]);
                types.extend(tree.node(child).parent_ds.as_ref().map(|set| set.rtype));
                links.push(Link { node: child, side: Side::Above, types });
                self.above.insert(child, links.len() as u32 - 1);
                links.len() as u32 - 1
            };
        }
        links.len() as u32 - 1
    }

    /// Puts the blocks in the place of the links' numbers, once they are written. Shape: one list per zone, in the order of its
    /// chain; empty for zones that are not signed.
    pub(super) fn settle(&mut self, tree: &Tree, blocks: &[Vec<BlockId>]) {
        for (id, node) in tree.nodes.iter().enumerate().take(self.stands.len()) {
            let block = |number: &mut u32| {
                *number = blocks[node.zone].get(*number as usize).copied().unwrap_or_default();
            };
            let stand = &mut self.stands[id];
            block(&mut stand.own);
            let children = stand.first_child as usize..(stand.first_child + stand.n_children) as usize;
            self.last[children.clone()].iter_mut().for_each(block);
            for child in &self.children[children] {
                self.above.get_mut(child).into_iter().for_each(block);
            }
        }
        for id in 0..self.stands.len() {
            self.stands[id].no_wildcard = self.before(&tree.index, id as NodeId, b"*");
        }
    }

    /// The NSEC record of a node, or for an empty non-terminal the one that covers it.
    pub(super) fn own(&self, node: NodeId) -> BlockId {
        self.stands[node as usize].own
    }

    /// The NSEC record that the zone above holds for an apex.
    pub(super) fn above(&self, apex: NodeId) -> Option<BlockId> {
        self.above.get(&apex).copied()
    }

    /// The NSEC record that covers the wildcard below a node that has none.
    pub(super) fn no_wildcard(&self, node: NodeId) -> BlockId {
        self.stands[node as usize].no_wildcard
    }

    /// The node above.
    pub(super) fn parent(&self, node: NodeId) -> NodeId {
        self.stands[node as usize].parent
    }

    /// The NSEC record that covers a name which does not exist, below its closest encloser.
    pub(super) fn cover(&self, index: &Index, encloser: NodeId, name: &[u8]) -> BlockId {
        let above = index.name(encloser).len();
        let mut rest = name;
        loop {
            let (label, after) = rest.split_at(1 + usize::from(rest[0]));
            if after.len() <= above {
                return self.before(index, encloser, &label[1..]);
            }
            rest = after;
        }
    }

    /// The last NSEC record before a label below a node.
    fn before(&self, index: &Index, node: NodeId, label: &[u8]) -> BlockId {
        let Stand { own, first_child, n_children, .. } = self.stands[node as usize];
        let first = first_child as usize;
        let children = first..first + n_children as usize;
        let wanted = head(label);
        let mut at = self.heads[children.clone()].partition_point(|head| *head < wanted);
        // Labels that begin alike are compared as a whole.
        let alike = self.heads[children][at..].partition_point(|head| *head == wanted);
        at += self.children[first + at..first + at + alike]
            .partition_point(|child| first_label(index.name(*child)) < label);
        if at == 0 { own } else { self.last[first + at - 1] }
    }
}

fn first_label(name: &[u8]) -> &[u8] {
    &name[1..=usize::from(name[0])]
}

/// The first bytes of a label, missing ones zero: in the order of labels, as far as it goes (RFC 4034 §6.1).
fn head(label: &[u8]) -> u128 {
    let mut bytes = [0; 16];
    let length = label.len().min(bytes.len());
    bytes[..length].copy_from_slice(&label[..length]);
    u128::from_be_bytes(bytes)
}
