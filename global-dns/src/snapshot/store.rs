//! Where programs and blocks are collected while a snapshot is compiled: a few flat arrays, numbered from zero.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::block::Block;
use super::choice::Choice;
use super::index::NodeId;
use super::orders::Orders;
use super::redirect::Redirect;
use super::{Below, BlockId, Kind, Node, Program, ProgramId, Stored};
use crate::dnssec::{Signatures, Unsigned};

/// An answer, and what those get instead who want signatures, if the zone has any.
pub(super) struct Pair {
    pub(super) plain: Block,
    pub(super) signed: Option<Twin>,
}

/// An answer with signatures, and what proves it.
pub(super) struct Twin {
    pub(super) block: Block,
    pub(super) denies: Denies,
    /// NSEC records that belong to it whatever the question's name.
    pub(super) proofs: Vec<BlockId>,
}

/// What an answer says does not exist, so that the NSEC record for it has to be found when the question is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Denies {
    /// Nothing, but that a name exists which a wildcard covers.
    #[default]
    Nothing,
    /// The type, at the node that answers.
    Type,
    /// The name and a wildcard that would cover it.
    Name,
}

/// The arrays of a snapshot to be.
pub(super) struct Store {
    pub(super) by_type: Vec<(u16, ProgramId)>,
    pub(super) programs: Vec<Program>,
    pub(super) variants: Vec<BlockId>,
    /// Programs of routed programs; such a program owns a run of them, one per leaf.
    pub(super) leaves: Vec<ProgramId>,
    pub(super) choices: Vec<Choice>,
    pub(super) blocks: Vec<Stored>,
    pub(super) bytes: Vec<u8>,
    pub(super) fixups: Vec<u16>,
    /// The referral of each delegation, written once.
    pub(super) referrals: BTreeMap<NodeId, ProgramId>,
    /// The program of each redirected name, and what it does.
    pub(super) redirects: BTreeMap<NodeId, (ProgramId, Redirect)>,
    /// NSEC records that belong to answers, or that another stands for; a block owns a run of them.
    pub(super) proofs: Vec<BlockId>,
    orders: Orders,
    /// Some number passed 32 bits; what was compiled is not usable.
    overflowed: bool,
}

impl Pair {
    /// For zones without signatures.
    pub(super) fn unsigned(plain: Block) -> Self {
        Self { plain, signed: None }
    }
}

impl Store {
    pub(super) fn new(signatures: Arc<Signatures>) -> Self {
        Self {
            by_type: Vec::new(),
            programs: Vec::new(),
            variants: Vec::new(),
            leaves: Vec::new(),
            choices: Vec::new(),
            blocks: Vec::new(),
            bytes: Vec::new(),
            fixups: Vec::new(),
            referrals: BTreeMap::new(),
            redirects: BTreeMap::new(),
            proofs: Vec::new(),
            orders: Orders::new(signatures),
            overflowed: false,
        }
    }

    /// Whether every number still fits its 32 bits.
    pub(super) fn is_whole(&self) -> bool {
        !self.overflowed
    }

    /// Makes the signatures that are missing.
    pub(super) fn sign(&mut self) -> Result<(), Unsigned> {
        std::mem::take(&mut self.orders).finish(&mut self.bytes)
    }

    pub(super) fn block(&mut self, block: Block) -> BlockId {
        let start = self.number(self.bytes.len());
        let stored = Stored {
            start,
            first_fixup: self.number(self.fixups.len()),
            length: block.bytes.len() as u16,
            n_fixups: block.fixups.len() as u16,
            counts: block.counts,
            rcode: block.rcode,
            authoritative: block.authoritative,
            is_redirect: false,
            ede: None,
            has_twin: false,
            denies: Denies::Nothing,
            first_proof: 0,
            n_proofs: 0,
        };
        self.bytes.extend_from_slice(&block.bytes);
        for (at, order) in block.unsigned {
            let at = start.saturating_add(u32::from(at));
            self.orders.place(&mut self.bytes, at, order);
        }
        self.fixups.extend_from_slice(&block.fixups);
        self.blocks.push(stored);
        self.number(self.blocks.len() - 1)
    }

    /// A block, its twin right behind it.
    pub(super) fn pair(&mut self, pair: Pair) -> BlockId {
        let id = self.block(pair.plain);
        if let Some(Twin { block, denies, proofs }) = pair.signed {
            let first_proof = self.number(self.proofs.len());
            let twin = self.block(block);
            self.blocks[id as usize].has_twin = true;
            let twin = &mut self.blocks[twin as usize];
            (twin.denies, twin.first_proof, twin.n_proofs) = (denies, first_proof, proofs.len() as u8);
            self.proofs.extend(proofs);
        }
        id
    }

    /// Says that an NSEC record stands for another of the same name: both in one answer would be one set, which nobody signed.
    pub(super) fn replace(&mut self, block: BlockId, other: BlockId) {
        let first_proof = self.number(self.proofs.len());
        self.proofs.push(other);
        let stored = &mut self.blocks[block as usize];
        (stored.first_proof, stored.n_proofs) = (first_proof, 1);
    }

    /// A program that always gives this block.
    pub(super) fn fixed(&mut self, pair: Pair, record: Option<u32>) -> ProgramId {
        let block = self.pair(pair);
        self.program(Kind::Fixed(block), record)
    }

    /// The program that redirects what lies below a name. Whoever cannot write its answer is given a failure, marked.
    pub(super) fn redirect(&mut self, node: NodeId, redirect: Redirect, failure: Block) -> ProgramId {
        let program = self.fixed(Pair::unsigned(failure), None);
        if let Some(stored) = self.blocks.last_mut() {
            stored.is_redirect = true;
        }
        self.redirects.insert(node, (program, redirect));
        program
    }

    /// A program that gives one of these blocks, as `choice` says.
    pub(super) fn weighted(&mut self, pairs: Vec<Pair>, choice: Choice, record: u32) -> ProgramId {
        let first = self.number(self.variants.len());
        for pair in pairs {
            let id = self.pair(pair);
            self.variants.push(id);
        }
        let number = self.number(self.choices.len());
        self.choices.push(choice);
        self.program(Kind::Weighted { choice: number, first }, Some(record))
    }

    /// A program that is one of these, by where its record's plan sends a client.
    pub(super) fn routed(&mut self, leaves: &[ProgramId], record: u32) -> ProgramId {
        let first = self.number(self.leaves.len());
        self.leaves.extend_from_slice(leaves);
        // What it is for the first leaf stands for it until the client is known.
        let kind = leaves.first().map_or(Kind::Fixed(0), |leaf| self.programs[*leaf as usize].kind);
        self.programs.push(Program { kind, record: Some(record), leaves: Some(first) });
        self.number(self.programs.len() - 1)
    }

    /// A node with these programs.
    pub(super) fn node(
        &mut self,
        zone: usize,
        by_type: &[(u16, ProgramId)],
        otherwise: ProgramId,
        below: Below,
    ) -> Node {
        let first = self.number(self.by_type.len());
        self.by_type.extend_from_slice(by_type);
        Node { zone: self.number(zone), first, n_types: by_type.len() as u16, otherwise, below }
    }

    fn program(&mut self, kind: Kind, record: Option<u32>) -> ProgramId {
        self.programs.push(Program { kind, record, leaves: None });
        self.number(self.programs.len() - 1)
    }

    fn number(&mut self, number: usize) -> u32 {
        u32::try_from(number).unwrap_or_else(|_| {
            self.overflowed = true;
            0
        })
    }
}
