//! What answers say about themselves (RFC 8914), marked when a snapshot is built, so that saying it costs nothing later.

use super::answer::Answer;
use super::health::Mode;
use super::{BlockId, Kind, Snapshot};
use crate::ede::Ede;
use crate::wire::Rcode;

impl Snapshot {
    /// Marks the answers that are not what is healthy now, but what was healthy last.
    pub(super) fn mark_stale(&mut self) {
        let is_stale: Vec<bool> = self
            .records
            .iter()
            .map(|view| view.as_ref().is_some_and(|view| view.mode == Mode::LastKnownGood))
            .collect();
        if !is_stale.contains(&true) {
            return;
        }
        let blocks = &mut self.blocks;
        let mut mark = |block: BlockId| {
            let block = block as usize;
            blocks[block].ede = Some(Ede::StaleAnswer);
            if blocks[block].has_twin {
                blocks[block + 1].ede = Some(Ede::StaleAnswer);
            }
        };
        for program in &self.programs {
            if !program.record.is_some_and(|record| is_stale[record as usize]) {
                continue;
            }
            match program.kind {
                Kind::Fixed(block) => mark(block),
                Kind::Weighted { choice, first } => {
                    let n_variants = self.choices[choice as usize].n_variants();
                    for variant in &self.variants[first as usize..first as usize + n_variants] {
                        mark(*variant);
                    }
                }
            }
        }
    }

    /// What is said to a name that lies in no zone of ours.
    pub(super) fn refusal(&self) -> Answer<'_> {
        let why = if self.table.generation == 0 { Ede::NotReady } else { Ede::NotAuthoritative };
        Answer { ede: Some(why), ..Answer::bare(Rcode::Refused) }
    }
}
