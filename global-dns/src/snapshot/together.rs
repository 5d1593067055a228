//! Many questions to their answers at once, in stages.
//!
//! A snapshot of many names lies in memory that no cache holds, and an answer is a chain of some ten reads, each of which
//! names the next. Asked one after the other, every question waits for all of them. Asked together, one stage at a time, the
//! reads of a stage do not depend on each other, and the processor has them under way at once.

use koinon_model::time::Timestamp;
use std::hint::black_box;

use super::answer::{Answer, How, Question};
use super::client::Client;
use super::index::NodeId;
use super::shares::VariantId;
use super::{Below, BlockId, Kind, Node, ProgramId, Snapshot};

/// Questions at once: as many as one system call brings, and more than a processor has reads under way.
pub(crate) const TOGETHER_MAX: usize = 32;

/// How far one question is. What a stage has not filled in yet is meaningless.
#[derive(Clone, Copy)]
struct Walk {
    hash: u64,
    guess: Option<NodeId>,
    name_at: u32,
    /// None when the name lies in no zone of ours.
    found: Option<(NodeId, How)>,
    node: Node,
    program: ProgramId,
    kind: Kind,
    scope: u8,
    point: u64,
    block: BlockId,
    variant: VariantId,
}

impl Walk {
    const START: Self = Self {
        hash: 0,
        guess: None,
        name_at: 0,
        found: None,
        node: Node { zone: 0, first: 0, n_types: 0, otherwise: 0, below: Below::Program(0) },
        program: 0,
        kind: Kind::Fixed(0),
        scope: 0,
        point: 0,
        block: 0,
        variant: VariantId::NONE,
    };
}

impl Snapshot {
    /// Answers up to [`TOGETHER_MAX`] questions, each as [`Snapshot::answer`] would.
    ///
    /// Shape: one answer per question, in their order, at the front of `answers`.
    pub(crate) fn answer_all<'a>(
        &'a self,
        asked: &[(Question<'_>, Client)],
        now: Timestamp,
        answers: &mut [Answer<'a>; TOGETHER_MAX],
    ) {
        let mut walks = [Walk::START; TOGETHER_MAX];
        let walks = &mut walks[..asked.len().min(TOGETHER_MAX)];
        self.find_all(walks, asked);
        self.choose_all(walks, asked, now);
        for ((walk, (question, _)), answer) in walks.iter().zip(asked).zip(answers) {
            *answer = match walk.found {
                Some(found) => {
                    let block = self.block_for(walk.block, question, found);
                    Answer { variant: walk.variant, scope: walk.scope, ..block }
                }
                None => self.refusal(),
            };
            // The next to need them is whoever copies them.
            black_box(answer.bytes.first());
        }
    }

    /// Finds the program of each question.
    fn find_all(&self, walks: &mut [Walk], asked: &[(Question<'_>, Client)]) {
        for (walk, (question, _)) in walks.iter_mut().zip(asked) {
            walk.hash = self.index.hash(question.name);
        }
        for walk in &mut *walks {
            walk.guess = self.index.guess(walk.hash);
        }
        for walk in &mut *walks {
            walk.name_at = walk.guess.map_or(0, |node| self.index.start(node));
        }
        for (walk, (question, _)) in walks.iter_mut().zip(asked) {
            walk.found = match walk.guess {
                Some(node) if self.index.is_at(walk.name_at, question.name) => Some((node, How::Exact)),
                _ => self.find(question, walk.hash),
            };
        }
        for walk in &mut *walks {
            if let Some((node, _)) = walk.found {
                walk.node = self.nodes[node as usize];
            }
        }
        for (walk, (question, _)) in walks.iter_mut().zip(asked) {
            if let Some((_, how)) = walk.found {
                walk.program = self.program_for(&walk.node, how, question.rtype);
            }
        }
    }

    /// Chooses the block of each question whose name was found.
    fn choose_all(&self, walks: &mut [Walk], asked: &[(Question<'_>, Client)], now: Timestamp) {
        let is_found = |(walk, _): &(&mut Walk, _)| walk.found.is_some();
        for (walk, (_, client)) in walks.iter_mut().zip(asked).filter(is_found) {
            let program = &self.programs[walk.program as usize];
            walk.kind = program.kind;
            if program.leaves.is_some()
                && let Some((program, routed)) = self.route(walk.program, client)
            {
                walk.kind = self.programs[program as usize].kind;
                walk.scope = routed.scope;
            }
        }
        for (walk, (_, client)) in walks.iter_mut().zip(asked) {
            if let Kind::Weighted { choice, .. } = walk.kind {
                walk.point = self.choices[choice as usize].point(client.site(walk.scope), now);
            }
        }
        for walk in &mut *walks {
            walk.block = match walk.kind {
                Kind::Fixed(block) => block,
                Kind::Weighted { choice, first } => {
                    first + self.choices[choice as usize].variant(walk.point) as u32
                }
            };
        }
        for walk in &mut *walks {
            if let Kind::Weighted { .. } = walk.kind {
                walk.variant = VariantId::new(walk.block);
                walk.block = self.variants[walk.block as usize];
            }
        }
    }
}
