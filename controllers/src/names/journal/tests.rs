//! The journal's files: what is written is read again, whatever happened to the writer.

use std::fs;
use std::path::Path;

use super::*;

fn entry(at_ms: i64, name: &str) -> Entry {
    Entry {
        at_ms,
        generation: 7,
        zone: "example.com".to_owned(),
        name: name.to_owned(),
        node: None,
        cause: Cause::Start,
        names_count: None,
        before: None,
        after: Some(Said { records: vec!["60 A 192.0.2.1".to_owned()], ..Said::default() }),
    }
}

fn read(folder: &Path, query: &Query) -> Vec<i64> {
    let (journal, history) = open(folder).unwrap();
    drop(journal);
    history.read(query).unwrap().iter().map(|entry| entry.at_ms).collect()
}

fn all() -> Query {
    Query { limit: usize::MAX, ..Query::default() }
}

/// Writes and waits until it is written.
fn write(folder: &Path, entries: Vec<Entry>) {
    let (journal, _) = open(folder).unwrap();
    journal.record(entries);
}

fn latest(folder: &Path) -> std::path::PathBuf {
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    files.pop().unwrap()
}

#[test]
fn what_fits_a_query_is_read_oldest_first() {
    let folder = tempfile::tempdir().unwrap();
    let other = Entry { zone: "example.org".to_owned(), ..entry(3, "a.example.org") };
    let many = Entry { names_count: Some(2000), after: None, ..entry(5, "example.com") };
    write(folder.path(), vec![entry(1, "a.example.com"), entry(2, "b.example.com")]);
    write(folder.path(), vec![other, entry(4, "a.example.com"), many]);
    let name = |name: &str| Query { name: Some(name.to_owned()), ..all() };
    assert_eq!(read(folder.path(), &all()), [1, 2, 3, 4, 5]);
    assert_eq!(read(folder.path(), &name("a.example.com")), [1, 4, 5], "one of many may be it");
    assert_eq!(read(folder.path(), &name("a.example.org")), [3]);
    assert_eq!(read(folder.path(), &name("aexample.com")), [0; 0]);
    assert_eq!(read(folder.path(), &Query { zone: Some("example.org".to_owned()), ..all() }), [3]);
    assert_eq!(read(folder.path(), &Query { since_ms: 3, ..all() }), [3, 4, 5]);
    assert_eq!(read(folder.path(), &Query { limit: 2, ..all() }), [4, 5]);
}

#[test]
fn what_a_crash_cut_is_cut_off_and_gone_on_behind() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), vec![entry(1, "a.example.com"), entry(2, "b.example.com")]);
    let file = latest(folder.path());
    let whole = fs::read(&file).unwrap();
    for cut in [1, 9, 40] {
        fs::write(&file, &whole[..whole.len() - cut]).unwrap();
        assert_eq!(read(folder.path(), &all()), [1], "{cut} bytes are missing");
        write(folder.path(), vec![entry(3, "c.example.com")]);
        assert_eq!(read(folder.path(), &all()), [1, 3], "{cut} bytes were missing");
    }
    let mut flipped = whole.clone();
    *flipped.last_mut().unwrap() ^= 1;
    fs::write(&file, flipped).unwrap();
    assert_eq!(read(folder.path(), &all()), [1], "a sum that does not fit ends it");
}

#[test]
fn the_oldest_segments_go() {
    let folder = tempfile::tempdir().unwrap();
    // One entry of a quarter of a segment each.
    let large = |at_ms| Entry {
        after: Some(Said { records: vec!["x".repeat(1 << 20)], ..Said::default() }),
        ..entry(at_ms, "a.example.com")
    };
    for at_ms in 0..80 {
        write(folder.path(), vec![large(at_ms)]);
    }
    let kept = read(folder.path(), &all());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 16);
    assert_eq!((kept.first(), kept.last()), (Some(&16), Some(&79)), "the latest are kept");
    let (_journal, history) = open(folder.path()).unwrap();
    let stored: u64 =
        fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum();
    assert!(stored < 70 << 20, "{stored}");
    assert_eq!(history.read(&Query { limit: 1, ..all() }).unwrap().len(), 1);
}

#[test]
fn very_many_changes_of_a_zone_are_one() {
    let few: Vec<Entry> = (0..1000).map(|number| entry(number, &format!("n{number}.example.com"))).collect();
    assert_eq!(changes::bounded(few.clone()), few);
    let other = Entry { zone: "example.org".to_owned(), ..entry(1, "a.example.org") };
    let many = [few, vec![entry(1, "one.example.com"), other.clone()]].concat();
    let sum = Entry { names_count: Some(1001), after: None, ..entry(0, "example.com") };
    assert_eq!(changes::bounded(many), [sum, other]);
}

#[test]
fn what_was_let_pass_after_a_table_is_known_again() {
    let folder = tempfile::tempdir().unwrap();
    let passed = |generation, digest: &str| Entry {
        generation,
        cause: Cause::Acknowledged { digest: digest.to_owned(), by: "ann".to_owned() },
        ..entry(1, "a.example.com")
    };
    write(folder.path(), vec![passed(7, "old"), passed(8, "new")]);
    let (_journal, history) = open(folder.path()).unwrap();
    assert_eq!(history.acknowledged_after(7).unwrap(), [("new".to_owned(), "ann".to_owned())]);
}

#[test]
fn nobody_else_reads_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), vec![entry(1, "a.example.com")]);
    assert_eq!(fs::metadata(latest(folder.path())).unwrap().permissions().mode() & 0o777, 0o600);
}
