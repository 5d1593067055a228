//! An immutable, complete picture of every answer the server can give at one generation.
//!
//! [`build`] is a pure function from the host's table of names, what this node's probes say and what was last
//! known to be good; nothing is ever changed in place. Whoever answers takes one snapshot and stays with it
//! for the whole message, so an answer never mixes two generations.
//!
//! ```text
//! name ─► index ─► node ─┬ by type ─► program ─┬ fixed ───────────────► block (ready bytes)
//!                        ├ otherwise ──► …     ├ weighted ─ choice ─┬─► block
//!                        └ below ─► wildcard   │                    └─► block …
//!                            node, NXDOMAIN,   └ routed ─ where the client is ─► program
//!                            or referral
//! ```
//!
//! In a signed zone every block has a twin with signatures, and the NSEC records that prove negatives are blocks of their own that
//! are appended: one when a type does not exist, those found by the module `denial` when a name does not.
//!
//! What the rules say (RFC 1034 §4.3.2 as clarified by 2308, 4592 and 8020) is settled while building: NODATA,
//! NXDOMAIN, wildcards, chains of aliases and referrals are all programs like any other, so answering is a
//! lookup and a copy. One answer cannot be: that below a DNAME record, which depends on the whole name of the question.
//! Its program holds a mark instead of a block, and the module `redirect` writes it for the edge.

pub(crate) mod index;

mod block;

mod tree;

mod orders;

mod store;

mod denial;

mod health;

mod choice;

mod client;

pub(crate) mod route;

mod compile;

mod content;

mod build;

mod answer;

mod together;

mod redirect;

mod hypothesis;

mod remark;

mod shares;

mod signed;

#[cfg(test)]
pub(crate) mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use koinon_model::time::Timestamp;
use koinon_types::names::{NameTable, Record, RecordRef, Step};

pub use answer::{Answer, Edns, Head, Options, Question, write};
pub(crate) use answer::{How, OPT, Padding, Path};
pub use build::{BuildError, Input, build};
pub(crate) use choice::{Choice, mix, site};
pub use client::Client;
pub(crate) use content::Entry;
pub use content::{Version, Versions};
pub use health::{
    EndpointView, Exclusion, LastGood, Mode, ProbeVerdict, Probed, RecordView, TtlReason, Verdicts,
};
pub use index::Seed;
pub(crate) use redirect::Scratch;
pub(crate) use route::trace::Taken;
pub(crate) use shares::{Family, Lane, Share};
pub(crate) use together::TOGETHER_MAX;

use crate::dnssec::{Keyring, Signatures};
use crate::ede::Ede;
use crate::geo::Atlas;
use crate::wire::Rcode;
use crate::wire::name::Name;
use denial::Denials;
use index::{Index, NodeId};
use redirect::Redirect;
use shares::{Carried, Lanes};
use store::{Denies, Store};
use tree::Tree;

type ProgramId = u32;
type BlockId = u32;

/// Every answer the server can give, at one generation.
pub struct Snapshot {
    generation: u64,
    table: Arc<NameTable>,
    index: Index,
    /// One per name of the index.
    nodes: Vec<Node>,
    /// The nodes' programs by type; a node owns a run of them.
    by_type: Vec<(u16, ProgramId)>,
    programs: Vec<Program>,
    /// Blocks of weighted programs; a program owns a run of them.
    variants: Vec<BlockId>,
    /// Programs of routed programs; such a program owns a run of them.
    leaves: Vec<ProgramId>,
    choices: Vec<Choice>,
    /// Where clients are.
    atlas: Arc<Atlas>,
    blocks: Vec<Stored>,
    bytes: Vec<u8>,
    fixups: Vec<u16>,
    /// Blocks of NSEC records that belong to signed answers, or that another stands for; a block owns a run of them.
    proofs: Vec<BlockId>,
    denials: Denials,
    /// By zone number.
    is_signed: Vec<bool>,
    /// What signs its transfers as of `now`, if anything is signed.
    signatures: Arc<Signatures>,
    now: Timestamp,
    refresh_at: Option<Timestamp>,
    /// What programs do that redirect; no other is here.
    redirects: BTreeMap<ProgramId, Redirect>,
    /// Apexes, by zone number.
    apexes: Vec<Name>,
    versions: Versions,
    /// What was decided for each record of the table; none for those that are not served.
    records: Vec<Option<RecordView>>,
    refused: BTreeMap<String, String>,
    /// What names without a healthy endpoint were answered with when they had one.
    last_good: LastGood,
    seed: Seed,
    /// How often each variant was answered.
    lanes: Lanes,
    /// How often they were answered by earlier snapshots.
    carried: Carried,
}

impl Snapshot {
    /// Grows with every snapshot of this node; the serial of a zone is the one in which it changed last.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The host's table behind it.
    pub fn table(&self) -> &Arc<NameTable> {
        &self.table
    }

    /// When some of its signatures are due, so that it should be built again; none when nothing is signed. They are good for
    /// half their validity beyond that.
    pub fn refresh_at(&self) -> Option<Timestamp> {
        self.refresh_at
    }

    /// What was signed so far, for the next snapshot to reuse.
    pub(crate) fn signatures(&self) -> &Arc<Signatures> {
        &self.signatures
    }

    /// Every name that exists, empty non-terminals included.
    pub fn n_names(&self) -> usize {
        self.index.len()
    }

    /// What was decided for each record of the table, in its order; none for those that are not served.
    pub fn records(&self) -> &[Option<RecordView>] {
        &self.records
    }

    /// The global name whose endpoints a path answers with, directly or behind aliases.
    pub(crate) fn record_of(&self, path: Path) -> Option<(&Record, &RecordView)> {
        let number = self.programs[path.asked as usize].record? as usize;
        Some((self.table.records.get(number)?, self.records.get(number)?.as_ref()?))
    }

    /// What each step of a record's routing did for a client.
    pub(crate) fn trace(&self, record: &Record, view: &RecordView, client: &Client) -> Vec<Taken> {
        route::trace::trace(record, view, client, &self.atlas)
    }

    /// The names whose routing asks where clients are, when no location database can say it.
    pub fn blind(&self) -> BTreeSet<RecordRef> {
        let asks = |record: &&Record| record.routing.iter().any(Step::needs_location);
        let names = self.table.records.iter().filter(asks).filter(|_| self.atlas.is_empty());
        names.map(|record| record.source.clone()).collect()
    }

    /// Where clients are.
    pub(crate) fn atlas(&self) -> &Atlas {
        &self.atlas
    }

    /// The apex of the zone that a path lies in.
    pub(crate) fn zone_of(&self, path: Path) -> Option<&Name> {
        self.apexes.get(self.nodes.get(path.node as usize)?.zone as usize)
    }

    /// What of the table is not served, by name or apex, with the reason.
    pub fn refused(&self) -> &BTreeMap<String, String> {
        &self.refused
    }
}

/// What a build hands over.
struct Parts {
    tree: Tree,
    store: Store,
    nodes: Vec<Node>,
    denials: Denials,
    views: Vec<Option<RecordView>>,
    versions: Versions,
}

impl Snapshot {
    fn assemble(input: Input<'_>, parts: Parts) -> Self {
        let Parts { tree, store, nodes, denials, views, versions } = parts;
        let schedules = tree.zones.iter().filter_map(|zone| zone.keys.as_ref()).map(Keyring::schedule);
        let mut snapshot = Self {
            generation: input.generation,
            table: input.table.clone(),
            index: tree.index,
            nodes,
            by_type: store.by_type,
            programs: store.programs,
            variants: store.variants,
            leaves: store.leaves,
            choices: store.choices,
            atlas: input.atlas.clone(),
            blocks: store.blocks,
            bytes: store.bytes,
            fixups: store.fixups,
            proofs: store.proofs,
            denials,
            is_signed: tree.zones.iter().map(|zone| zone.keys.is_some()).collect(),
            signatures: Arc::clone(input.signatures),
            now: input.now,
            refresh_at: schedules.map(|schedule| schedule.next_turn(input.now)).min(),
            redirects: store.redirects.into_values().collect(),
            apexes: tree.zones.into_iter().map(|zone| zone.apex).collect(),
            versions,
            last_good: hypothesis::memory(input.table, &views, input.last_good),
            seed: input.seed,
            records: views,
            refused: tree.refused,
            lanes: Lanes::new(),
            carried: Carried::new(),
        };
        snapshot.mark_stale();
        snapshot
    }
}

/// The programs of one name.
#[derive(Clone, Copy, Debug)]
struct Node {
    zone: u32,
    /// Where its programs by type begin, and how many there are.
    first: u32,
    n_types: u16,
    /// For every other type.
    otherwise: ProgramId,
    below: Below,
}

/// What is said of names below a node that do not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Below {
    /// The same for all: NXDOMAIN or a referral.
    Program(ProgramId),
    /// They are synthesised from this node.
    Wildcard(NodeId),
}

/// How to answer one name and type.
#[derive(Clone, Copy, Debug)]
struct Program {
    kind: Kind,
    /// The global name whose endpoints it answers with, directly or behind aliases.
    record: Option<u32>,
    /// Where the programs of its leaves begin, if the client decides which of them it is.
    leaves: Option<u32>,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Fixed(BlockId),
    Weighted { choice: u32, first: u32 },
}

/// A block as it lies in the snapshot.
#[derive(Clone, Copy, Debug)]
struct Stored {
    start: u32,
    first_fixup: u32,
    length: u16,
    n_fixups: u16,
    counts: [u16; 3],
    rcode: Rcode,
    authoritative: bool,
    /// It stands for an answer that is written when the question's name is known.
    is_redirect: bool,
    /// What is said about it.
    ede: Option<Ede>,
    /// The next block says the same with signatures.
    has_twin: bool,
    /// What else has to be proven, for blocks with signatures.
    denies: Denies,
    n_proofs: u8,
    first_proof: u32,
}
