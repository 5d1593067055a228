//! Where programs and blocks are collected while a snapshot is compiled: a few flat arrays, numbered from zero.

use std::collections::BTreeMap;

use super::block::Block;
use super::choice::Choice;
use super::index::NodeId;
use super::redirect::Redirect;
use super::{Below, BlockId, Kind, Node, Program, ProgramId, Stored};

/// The arrays of a snapshot to be.
#[derive(Default)]
pub(super) struct Store {
    pub(super) by_type: Vec<(u16, ProgramId)>,
    pub(super) programs: Vec<Program>,
    pub(super) variants: Vec<BlockId>,
    pub(super) choices: Vec<Choice>,
    pub(super) blocks: Vec<Stored>,
    pub(super) bytes: Vec<u8>,
    pub(super) fixups: Vec<u16>,
    /// The referral of each delegation, written once.
    pub(super) referrals: BTreeMap<NodeId, ProgramId>,
    /// The program of each redirected name, and what it does.
    pub(super) redirects: BTreeMap<NodeId, (ProgramId, Redirect)>,
    /// Some number passed 32 bits; what was compiled is not usable.
    overflowed: bool,
}

impl Store {
    /// Whether every number still fits its 32 bits.
    pub(super) fn is_whole(&self) -> bool {
        !self.overflowed
    }

    pub(super) fn block(&mut self, block: &Block) -> BlockId {
        let stored = Stored {
            start: self.number(self.bytes.len()),
            first_fixup: self.number(self.fixups.len()),
            length: block.bytes.len() as u16,
            n_fixups: block.fixups.len() as u16,
            counts: block.counts,
            rcode: block.rcode,
            authoritative: block.authoritative,
            is_redirect: false,
            ede: None,
        };
        self.bytes.extend_from_slice(&block.bytes);
        self.fixups.extend_from_slice(&block.fixups);
        self.blocks.push(stored);
        self.number(self.blocks.len() - 1)
    }

    /// A program that always gives this block.
    pub(super) fn fixed(&mut self, block: &Block, record: Option<u32>) -> ProgramId {
        let block = self.block(block);
        self.program(Kind::Fixed(block), record)
    }

    /// The program that redirects what lies below a name. Whoever cannot write its answer is given a failure, marked.
    pub(super) fn redirect(&mut self, node: NodeId, redirect: Redirect, failure: &Block) -> ProgramId {
        let program = self.fixed(failure, None);
        if let Some(stored) = self.blocks.last_mut() {
            stored.is_redirect = true;
        }
        self.redirects.insert(node, (program, redirect));
        program
    }

    /// A program that gives one of these blocks, as `choice` says.
    pub(super) fn weighted(&mut self, blocks: &[Block], choice: Choice, record: u32) -> ProgramId {
        let first = self.number(self.variants.len());
        for block in blocks {
            let id = self.block(block);
            self.variants.push(id);
        }
        let number = self.number(self.choices.len());
        self.choices.push(choice);
        self.program(Kind::Weighted { choice: number, first }, Some(record))
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
        self.programs.push(Program { kind, record });
        self.number(self.programs.len() - 1)
    }

    fn number(&mut self, number: usize) -> u32 {
        u32::try_from(number).unwrap_or_else(|_| {
            self.overflowed = true;
            0
        })
    }
}
