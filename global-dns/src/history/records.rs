//! Many records in one piece of memory: a zone of 100,000 of them takes 5 MB.
//!
//! Each record is a run of bytes that compares as a whole, so that what two versions of a zone share is found by walking
//! both once:
//!
//! ```text
//! owner (wire) │ type │ TTL │ length of what follows but the name │ data │ name that may be compressed
//! ```

use std::fmt;

use crate::snapshot::Entry;
use crate::wire::name::{Name, wire_length};

/// Records in their order, each once.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Records {
    bytes: Vec<u8>,
    /// Where each ends.
    ends: Vec<usize>,
}

/// One record among [`Records`]. Two are equal when owner, type, TTL and data are.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Row<'a>(&'a [u8]);

/// Type, TTL and length, between owner and data.
const MIDDLE: usize = 2 + 4 + 2;

// === impl Records ===

impl Records {
    pub(crate) const EMPTY: Self = Self { bytes: Vec::new(), ends: Vec::new() };

    /// Adds a record behind the others, in no order yet.
    pub(crate) fn push(&mut self, entry: Entry<'_>) {
        let fixed = &entry.data.fixed;
        // Data is at most 65,535 bytes by its parser.
        let length = u16::try_from(fixed.len()).unwrap_or(u16::MAX);
        self.bytes.extend_from_slice(entry.owner);
        self.bytes.extend(entry.rtype.to_be_bytes());
        self.bytes.extend(entry.ttl.to_be_bytes());
        self.bytes.extend(length.to_be_bytes());
        self.bytes.extend_from_slice(&fixed[..length.into()]);
        self.bytes.extend_from_slice(entry.data.name.as_ref().map_or(&[][..], Name::wire));
        self.ends.push(self.bytes.len());
    }

    /// The same records in their order, each once.
    pub(crate) fn sorted(&self) -> Self {
        let mut rows: Vec<Row<'_>> = self.rows().collect();
        rows.sort_unstable();
        rows.dedup();
        rows.into_iter().collect()
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| Row(&self.bytes[start..*end]))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Memory that they take.
    pub(crate) fn n_bytes(&self) -> usize {
        self.bytes.len() + self.ends.len() * size_of::<usize>()
    }
}

impl<'a> FromIterator<Row<'a>> for Records {
    fn from_iter<I: IntoIterator<Item = Row<'a>>>(rows: I) -> Self {
        let mut records = Self::default();
        for Row(row) in rows {
            records.bytes.extend_from_slice(row);
            records.ends.push(records.bytes.len());
        }
        // They are kept for long, and not added to.
        records.bytes.shrink_to_fit();
        records.ends.shrink_to_fit();
        records
    }
}

impl fmt::Debug for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.rows()).finish()
    }
}

// === impl Row ===

impl<'a> Row<'a> {
    /// The owner's name in wire format, lower-cased.
    pub(crate) fn owner(self) -> &'a [u8] {
        self.split().0
    }

    /// Type and TTL as they are on the wire, without the class between them.
    pub(crate) fn type_and_ttl(self) -> ([u8; 2], [u8; 4]) {
        let middle = self.split().1;
        ([middle[0], middle[1]], [middle[2], middle[3], middle[4], middle[5]])
    }

    /// The data: what may not be compressed, and the name behind it that may be.
    pub(crate) fn data(self) -> (&'a [u8], Option<&'a [u8]>) {
        let (_, middle, data) = self.split();
        let (fixed, name) = data.split_at(u16::from_be_bytes([middle[6], middle[7]]).into());
        (fixed, (!name.is_empty()).then_some(name))
    }

    fn split(self) -> (&'a [u8], &'a [u8], &'a [u8]) {
        let length = wire_length(self.0).expect("a record begins with its owner");
        let (owner, rest) = self.0.split_at(length);
        let (middle, data) = rest.split_at(MIDDLE);
        (owner, middle, data)
    }
}

impl fmt::Debug for Row<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::wire::name::write_text(self.owner(), f)?;
        let (rtype, ttl) = self.type_and_ttl();
        write!(f, " {} TYPE{} {:?}", u32::from_be_bytes(ttl), u16::from_be_bytes(rtype), self.data())
    }
}
