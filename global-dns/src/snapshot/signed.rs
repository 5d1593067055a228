//! Answers for clients that want signatures: a block's twin, and the NSEC records that prove what it says.

use super::answer::{Answer, How, Question};
use super::block::shift;
use super::index::NodeId;
use super::{BlockId, Denies, Snapshot};

/// No record found.
const NONE: BlockId = BlockId::MAX;

/// The NSEC records behind a block, each with its signatures.
#[derive(Clone, Copy)]
pub(crate) struct Proofs<'a> {
    snapshot: Option<&'a Snapshot>,
    /// Those that the block brings.
    fixed: &'a [BlockId],
    /// Those found for the question's name.
    found: [BlockId; 2],
}

impl Snapshot {
    /// The answer in a block, or in its twin with what proves it.
    #[inline]
    pub(super) fn block_for(
        &self,
        block: BlockId,
        question: &Question<'_>,
        found: (NodeId, How),
    ) -> Answer<'_> {
        if !question.dnssec_ok || !self.blocks[block as usize].has_twin {
            return self.block(block);
        }
        let twin = block + 1;
        let mut answer = self.block(twin);
        answer.proofs = self.proofs_for(twin, question.name, found);
        answer
    }

    fn proofs_for(&self, block: BlockId, name: &[u8], (node, how): (NodeId, How)) -> Proofs<'_> {
        let stored = &self.blocks[block as usize];
        let fixed = self.proofs_of(block);
        let cover = |encloser| self.denials.cover(&self.index, encloser, name);
        let for_name = match (how, stored.denies) {
            (How::Wildcard, _) => cover(self.denials.parent(node)),
            (How::Below, Denies::Name) => cover(node),
            (How::Exact | How::Below, Denies::Nothing | Denies::Type | Denies::Name) => NONE,
        };
        let for_rest = match stored.denies {
            Denies::Nothing => NONE,
            Denies::Type => self.denials.own(node),
            Denies::Name => self.denials.no_wildcard(node),
        };
        // One record often proves both.
        let for_rest = if for_rest == for_name { NONE } else { for_rest };
        let is_needed = |found: &BlockId| {
            *found != NONE && !fixed.iter().any(|own| own == found || self.proofs_of(*own).contains(found))
        };
        let found = [for_name, for_rest].map(|found| if is_needed(&found) { found } else { NONE });
        Proofs { snapshot: Some(self), fixed, found }
    }

    /// The NSEC records that a block brings, or for one of them those that it stands for.
    fn proofs_of(&self, block: BlockId) -> &[BlockId] {
        let stored = &self.blocks[block as usize];
        let first = stored.first_proof as usize;
        &self.proofs[first..first + usize::from(stored.n_proofs)]
    }
}

impl<'a> Proofs<'a> {
    pub(super) const NONE: Self = Self { snapshot: None, fixed: &[], found: [NONE; 2] };

    /// The records, each once.
    pub(super) fn answers(self) -> impl Iterator<Item = Answer<'a>> {
        let Self { snapshot, fixed, found } = self;
        let found = found.into_iter().filter(|block| *block != NONE);
        let blocks = fixed.iter().copied().chain(found);
        snapshot.into_iter().flat_map(move |snapshot| blocks.clone().map(move |block| snapshot.block(block)))
    }

    /// How many bytes they have.
    pub(super) fn length(self) -> usize {
        if self.snapshot.is_none() {
            return 0;
        }
        self.answers().map(|answer| answer.bytes.len()).sum()
    }

    /// Writes them to the front of `out`. Shape: bytes and records written.
    pub(super) fn write(self, out: &mut [u8], name_length: usize) -> (usize, u16) {
        let (mut end, mut n_records) = (0, 0);
        if self.snapshot.is_none() {
            return (end, n_records);
        }
        for Answer { bytes, fixups, counts, .. } in self.answers() {
            let out = &mut out[end..end + bytes.len()];
            out.copy_from_slice(bytes);
            for &at in fixups {
                shift(out, usize::from(at), name_length);
            }
            end += bytes.len();
            n_records += counts[1];
        }
        (end, n_records)
    }
}

impl std::fmt::Debug for Proofs<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Proofs")
            .field("fixed", &self.fixed)
            .field("found", &self.found)
            .finish_non_exhaustive()
    }
}
