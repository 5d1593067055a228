//! The files of the journal: segments of checksummed frames, the oldest of which goes when there are too many.
//!
//! ```text
//! names-00000012.log:  │ length │ CRC-32 │ entry, JSON │ length │ CRC-32 │ entry, JSON │ …
//! ```
//!
//! A frame that was cut by a crash ends its segment; the next start cuts it off and goes on behind it. Files of their own and no
//! objects of the store: an entry is never updated, watched or listed by a controller, and a flapping endpoint would push the history
//! of real objects out and make every commit wait for it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use metrics::{Counter, counter};
use tracing::warn;

use super::{Cause, Entry};
use crate::metrics::NAMES_HISTORY_LOST;

/// Bytes of a segment: read as a whole when somebody asks.
const SEGMENT_BYTES_MAX: u64 = 4 << 20;

/// Segments that are kept. With four megabytes each that is 64 MiB, or some 150,000 changes: years of a quiet fleet, and a week of one
/// whose every name changes each hour.
const SEGMENTS_MAX: usize = 16;

/// Tables whose changes wait for the disk: a second of a fleet that never rests, and then a disk that has stopped.
const QUEUE: usize = 256;

/// Length and checksum.
const HEAD: usize = 8;

/// The writing end; dropping it waits until everything is written.
pub struct Journal {
    queue: Option<SyncSender<Vec<Entry>>>,
    writer: Option<JoinHandle<()>>,
    lost: Counter,
}

/// The reading end; clones share it.
#[derive(Clone, Debug)]
pub struct History {
    folder: PathBuf,
}

/// What is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// Changes of this name; none for all.
    pub name: Option<String>,
    /// Changes in this zone; none for all.
    pub zone: Option<String>,
    /// Changes since then, Unix milliseconds.
    pub since_ms: i64,
    /// How many, the latest ones.
    pub limit: usize,
}

/// Opens the journal in a folder of its own, which is made when missing.
///
/// # Errors
/// When the folder or its latest segment cannot be opened.
pub fn open(folder: &Path) -> io::Result<(Journal, History)> {
    fs::create_dir_all(folder)?;
    let segment = Segment::latest(folder)?;
    let (queue, waiting) = sync_channel(QUEUE);
    let writer = std::thread::Builder::new().name("names-history".to_owned());
    let writer = writer.spawn(move || write_all(segment, &waiting))?;
    let journal = Journal { queue: Some(queue), writer: Some(writer), lost: counter!(NAMES_HISTORY_LOST) };
    Ok((journal, History { folder: folder.to_owned() }))
}

// === impl Journal ===

impl Journal {
    /// Hands changes over to be written; never waits.
    pub(in super::super) fn record(&self, entries: Vec<Entry>) {
        if entries.is_empty() {
            return;
        }
        let n_entries = entries.len() as u64;
        let is_taken = self.queue.as_ref().is_some_and(|queue| queue.try_send(entries).is_ok());
        if !is_taken {
            self.lost.increment(n_entries);
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(writer) = self.writer.take() {
            // A thread that panicked has said so already.
            drop(writer.join());
        }
    }
}

/// Writes what comes until the journal is dropped.
fn write_all(mut segment: Segment, waiting: &Receiver<Vec<Entry>>) {
    let lost = counter!(NAMES_HISTORY_LOST);
    while let Ok(mut entries) = waiting.recv() {
        // What has gathered meanwhile shares one sync.
        while let Ok(more) = waiting.try_recv() {
            entries.extend(more);
        }
        if let Err(error) = segment.append(&entries) {
            warn!(%error, n_lost = entries.len(), "cannot write down what names answered");
            lost.increment(entries.len() as u64);
        }
    }
}

// === impl History ===

impl History {
    /// The latest changes that fit a query. Blocks; it reads files.
    ///
    /// Shape: the oldest first.
    ///
    /// # Errors
    /// When a segment cannot be read.
    pub fn read(&self, query: &Query) -> io::Result<Vec<Entry>> {
        let mut found = Vec::new();
        for number in numbers(&self.folder)?.into_iter().rev() {
            let entries = match fs::read(path(&self.folder, number)) {
                Ok(bytes) => frames(&bytes).0,
                // The writer has let go of it meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            let is_over = entries.first().is_some_and(|first| first.at_ms < query.since_ms);
            found.extend(entries.into_iter().rev().filter(|entry| query.fits(entry)));
            if found.len() >= query.limit || is_over {
                break;
            }
        }
        found.truncate(query.limit);
        found.reverse();
        Ok(found)
    }

    /// What was let pass in tables after this generation: by digest, who let it pass. Blocks; it reads the latest files, and none
    /// for generation 0, the table of who has served nothing yet.
    ///
    /// # Errors
    /// When a segment cannot be read.
    pub fn acknowledged_after(&self, generation: u64) -> io::Result<Vec<(String, String)>> {
        let mut passed = Vec::new();
        if generation == 0 {
            return Ok(passed);
        }
        for number in numbers(&self.folder)?.into_iter().rev() {
            let entries = frames(&fs::read(path(&self.folder, number))?).0;
            let is_last = entries.first().is_some_and(|first| first.generation <= generation);
            let later = entries.into_iter().filter(|entry| entry.generation > generation);
            passed.extend(later.filter_map(|entry| match entry.cause {
                Cause::Acknowledged { digest, by } => Some((digest, by)),
                Cause::Object { .. }
                | Cause::Verdict { .. }
                | Cause::Member { .. }
                | Cause::Probes { .. }
                | Cause::Start => None,
            }));
            if is_last {
                break;
            }
        }
        Ok(passed)
    }
}

impl Query {
    fn fits(&self, entry: &Entry) -> bool {
        let is_named = |name: &String| {
            // A change of many names at once may be one of this one.
            let is_among = entry.names_count.is_some()
                && name.strip_suffix(&entry.zone).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
            *name == entry.name || is_among
        };
        entry.at_ms >= self.since_ms
            && self.name.as_ref().is_none_or(is_named)
            && self.zone.as_ref().is_none_or(|zone| *zone == entry.zone)
    }
}

/// The segment that is written to.
struct Segment {
    folder: PathBuf,
    number: u64,
    file: File,
    length: u64,
}

// === impl Segment ===

impl Segment {
    /// The latest segment of a folder, without what a crash left behind its last whole frame.
    fn latest(folder: &Path) -> io::Result<Self> {
        let Some(number) = numbers(folder)?.pop() else { return Self::new(folder, 1) };
        let path = path(folder, number);
        let length = frames(&fs::read(&path)?).1;
        let file = OpenOptions::new().append(true).open(&path)?;
        file.set_len(length)?;
        Ok(Self { folder: folder.to_owned(), number, file, length })
    }

    fn new(folder: &Path, number: u64) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path(folder, number))?;
        // Its name must last, too.
        File::open(folder)?.sync_all()?;
        let length = file.metadata()?.len();
        Ok(Self { folder: folder.to_owned(), number, file, length })
    }

    /// Appends entries, all or, as far as the disk lets that be undone, none.
    fn append(&mut self, entries: &[Entry]) -> io::Result<()> {
        if self.length >= SEGMENT_BYTES_MAX {
            *self = Self::new(&self.folder, self.number + 1)?;
            self.forget()?;
        }
        let mut bytes = Vec::new();
        for entry in entries {
            bytes.extend(frame(entry)?);
        }
        if let Err(error) = self.file.write_all(&bytes).and_then(|()| self.file.sync_data()) {
            self.file.set_len(self.length)?;
            return Err(error);
        }
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Lets go of the oldest segments.
    fn forget(&self) -> io::Result<()> {
        let numbers = numbers(&self.folder)?;
        let n_over = numbers.len().saturating_sub(SEGMENTS_MAX);
        numbers.into_iter().take(n_over).try_for_each(|number| fs::remove_file(path(&self.folder, number)))
    }
}

fn path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("names-{number:08}.log"))
}

/// The numbers of all segments, rising.
fn numbers(folder: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for file in fs::read_dir(folder)? {
        let name = file?.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix("names-")?.strip_suffix(".log"));
        numbers.extend(number.and_then(|number| number.parse::<u64>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

fn frame(entry: &Entry) -> io::Result<Vec<u8>> {
    let content = serde_json::to_vec(entry)?;
    let length = u32::try_from(content.len()).map_err(io::Error::other)?;
    let mut frame = length.to_le_bytes().to_vec();
    frame.extend(crc32fast::hash(&content).to_le_bytes());
    frame.extend(content);
    Ok(frame)
}

/// The entries of a segment, up to the first frame that is not whole. Shape: entries, and the bytes that they take.
///
/// An entry of a later release that this one cannot read is passed over.
fn frames(bytes: &[u8]) -> (Vec<Entry>, u64) {
    let mut entries = Vec::new();
    let mut at = 0;
    while let Some(head) = bytes.get(at..at + HEAD) {
        let (length, sum) = head.split_at(4);
        let number =
            |bytes: &[u8]| bytes.iter().rev().fold(0_u32, |number, byte| number << 8 | u32::from(*byte));
        let end = at + HEAD + number(length) as usize;
        let Some(content) = bytes.get(at + HEAD..end) else { break };
        if crc32fast::hash(content) != number(sum) {
            break;
        }
        entries.extend(serde_json::from_slice::<Entry>(content).ok());
        at = end;
    }
    (entries, at as u64)
}
