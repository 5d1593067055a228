//! The pure function from the host's table and this node's view of health to a snapshot.

use std::sync::Arc;

use koinon_model::time::Timestamp;
use koinon_types::names::{NameTable, Target};

use super::compile::{Compiled, Compiler};
use super::content::{Versions, settle_versions};
use super::health::{Aliases, LastGood, Mode, RecordView, Verdicts, decide};
use super::index::{Full, Seed};
use super::tree::{Tree, grow};
use super::{Parts, Snapshot};
use crate::dnssec::{Signatures, Unsigned};
use crate::geo::Atlas;

/// Everything a snapshot is made from.
#[derive(Clone, Copy)]
pub struct Input<'a> {
    /// What the host wants served.
    pub table: &'a Arc<NameTable>,
    /// What this node's probes say.
    pub verdicts: &'a Verdicts,
    /// What each name was answered with when it last had a healthy endpoint.
    pub last_good: &'a LastGood,
    /// The zones as they were served before; those that are the same keep their serial.
    pub before: &'a Versions,
    /// Where clients are.
    pub atlas: &'a Arc<Atlas>,
    /// Greater than every generation before it; the serial of zones that changed is made from it.
    pub generation: u64,
    /// Key of the index; random per process.
    pub seed: Seed,
    /// As of when signatures are made.
    pub now: Timestamp,
    /// What was signed before, and takes what is signed now.
    pub signatures: &'a Arc<Signatures>,
}

/// Why there is no snapshot.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// More than 32-bit numbers can count; far beyond any real table.
    #[error("failed to build a snapshot of generation {generation}: more than 4 GiB of names and answers")]
    TooLarge {
        /// The generation that was to be built.
        generation: u64,
    },
    /// The system gave nothing random to sign with.
    #[error("failed to sign a snapshot of generation {generation}")]
    Unsigned {
        /// The generation that was to be built.
        generation: u64,
        /// Why not.
        #[source]
        source: Unsigned,
    },
}

/// Builds the snapshot of one generation: equal input, equal answers.
///
/// What the table holds against the rules is left out and listed in [`Snapshot::refused`].
///
/// # Errors
/// When the table is larger than a snapshot can number, or cannot be signed.
pub fn build(input: Input<'_>) -> Result<Snapshot, BuildError> {
    let too_large = |_: Full| BuildError::TooLarge { generation: input.generation };
    let serial = serial(input.generation);
    let mut tree = grow(input.table, input.seed, serial).map_err(too_large)?;
    let views = decide_all(&tree, input);
    let versions = settle_versions(&mut tree, input.table, &views, input.before, serial, input.now);
    let signatures = Arc::clone(input.signatures);
    let compiled = Compiler::compile(&mut tree, input.table, &views, signatures, input.now)
        .map_err(|source| BuildError::Unsigned { generation: input.generation, source })?;
    let Compiled { store, nodes, denials } = compiled;
    if !store.is_whole() {
        return Err(BuildError::TooLarge { generation: input.generation });
    }
    Ok(Snapshot::assemble(input, Parts { tree, store, nodes, denials, views, versions }))
}

/// The SOA serial of a generation: it grows in the serial arithmetic of RFC 1982 as the generation does.
fn serial(generation: u64) -> u32 {
    generation as u32
}

/// What is decided for each record; none for those that have no place in the tree.
fn decide_all(tree: &Tree, input: Input<'_>) -> Vec<Option<RecordView>> {
    let mut views = vec![None; input.table.records.len()];
    for (id, node) in tree.nodes.iter().enumerate() {
        let Some(number) = node.record else { continue };
        let is_apex = tree.zones[node.zone].node as usize == id;
        let aliases = if is_apex || !node.sets.is_empty() { Aliases::Forbidden } else { Aliases::Allowed };
        views[number] = Some(decide(&input.table.records[number], aliases, input.verdicts, input.last_good));
    }
    views
}

impl Snapshot {
    /// What each name is to be remembered by: the targets of those that have a healthy endpoint now, and for
    /// the others what was remembered before. Names that are gone are forgotten.
    pub fn remember(&self, before: &LastGood) -> LastGood {
        let pairs = self.table.records.iter().zip(&self.records);
        pairs
            .filter_map(|(record, view)| {
                let view = view.as_ref()?;
                let targets: Vec<Target> = match view.mode {
                    Mode::Healthy => {
                        view.answered(record).map(|(_, endpoint)| endpoint.target.clone()).collect()
                    }
                    Mode::Panic { .. }
                    | Mode::WellHere
                    | Mode::LastKnownGood
                    | Mode::All
                    | Mode::NoData
                    | Mode::Empty => before.get(&record.source)?.clone(),
                };
                Some((record.source.clone(), targets))
            })
            .collect()
    }
}
