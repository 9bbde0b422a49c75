//! What a killed process leaves, and how the next start repairs it.

use std::fs;
use std::io::Write;

use frontier::WorkQueue;
use frontier::work_queue::{Commit, SegmentRef};
use storage::OpenError;

use crate::support::{Place, Work, block_on, found, outcome};

fn extend(place: &Place, name: &str, bytes: &[u8]) {
    let path = place.segments().join(name);
    fs::OpenOptions::new().append(true).open(path).unwrap().write_all(bytes).unwrap();
}

fn expect_damage(place: &Place, name: &str) {
    let error = place.open().err().expect("opening must fail");
    let text = error.to_string();
    assert!(matches!(error, OpenError::Damaged { .. }), "{text}");
    assert!(text.contains(name) && text.contains("crawl rebuild"), "{text}");
}

fn segment_names(place: &Place) -> Vec<String> {
    let names = fs::read_dir(place.segments()).unwrap();
    let mut names: Vec<String> =
        names.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn a_crawl_opens_after_a_kill_while_sled_wrote_a_snapshot() {
    let place = Place::new();
    Work::begin(&place).crawl(1, 3);
    fs::write(place.path.join("queue").join("snap.ffffffff.generating"), "half a snapshot").unwrap();
    drop(place.open().unwrap());
    assert_eq!(place.locs().len(), 3);
}

#[test]
fn bytes_appended_but_never_committed_are_cut_off() {
    let place = Place::new();
    let mut work = Work::begin(&place);
    work.crawl(1, 3);
    let lost = work.append(2, 5);
    drop(work);
    let path = place.segments().join(&lost.name);
    assert_eq!(fs::metadata(&path).unwrap().len(), lost.to_bytes);
    assert_eq!(place.locs().len(), 3, "a reader ignores them");
    drop(place.open().unwrap());
    assert_eq!(fs::metadata(&path).unwrap().len(), lost.from_bytes);
    Work::begin(&place).crawl(2, 5);
    assert_eq!(place.locs().len(), 8);
}

#[test]
fn a_torn_tail_is_cut_off() {
    let place = Place::new();
    let mut work = Work::begin(&place);
    work.crawl(1, 3);
    drop(work);
    extend(&place, &segment_names(&place)[0], b"\xff\xff\xff\xffhalf a mess");
    drop(place.open().unwrap());
    assert_eq!(place.locs().len(), 3);
}

#[test]
fn a_new_segment_that_was_never_committed_is_removed() {
    let place = Place::new();
    Work::begin(&place).append(1, 5);
    assert_eq!(segment_names(&place).len(), 1);
    drop(place.open().unwrap());
    assert_eq!(segment_names(&place), Vec::<String>::new());
}

#[test]
fn rows_of_unfinished_documents_are_removed() {
    let place = Place::new();
    drop(place.open().unwrap());
    fs::write(place.path.join("tmp").join("3"), "rows").unwrap();
    drop(place.open().unwrap());
    assert_eq!(fs::read_dir(place.path.join("tmp")).unwrap().count(), 0);
}

#[test]
fn unregistered_bytes_of_an_earlier_session_mean_that_commits_were_lost() {
    let place = Place::new();
    Work::begin(&place).crawl(1, 3);
    let name = segment_names(&place).remove(0);
    Work::begin(&place).crawl(2, 3);
    extend(&place, &name, b"more");
    expect_damage(&place, &name);
}

#[test]
fn a_segment_of_an_unknown_session_means_that_commits_were_lost() {
    let place = Place::new();
    Work::begin(&place).crawl(1, 3);
    let name = format!("{:032x}-000000.arrow", 5);
    fs::write(place.segments().join(&name), "whose?").unwrap();
    expect_damage(&place, &name);
}

#[test]
fn a_segment_that_is_not_the_next_one_means_that_commits_were_lost() {
    let place = Place::new();
    Work::begin(&place).crawl(1, 3);
    let name = segment_names(&place)[0].replace("000000", "000002");
    fs::write(place.segments().join(&name), "the one before was lost").unwrap();
    expect_damage(&place, &name);
}

#[test]
fn a_missing_or_short_segment_is_refused_by_crawls_and_readers() {
    let place = Place::new();
    Work::begin(&place).crawl(1, 3);
    let name = segment_names(&place).remove(0);
    let path = place.segments().join(&name);
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    expect_damage(&place, &name);
    fs::remove_file(&path).unwrap();
    expect_damage(&place, &name);
    let error = storage::CrawlReader::open(&place.path).err().unwrap().to_string();
    assert!(error.contains(&name) && error.contains("crawl rebuild"), "{error}");
}

#[test]
fn a_commit_cannot_register_bytes_that_do_not_follow() {
    let place = Place::new();
    let mut work = Work::begin(&place);
    work.crawl(1, 3);
    let appended = work.append(2, 3);
    let gap = SegmentRef { from_bytes: appended.from_bytes + 8, ..appended };
    let commit = Commit {
        seq: 3,
        found: vec![found(2)],
        outcomes: vec![outcome(2, 3)],
        segment: Some(gap),
        ..Commit::default()
    };
    let error = block_on(work.queue.commit(&work.session, commit)).unwrap_err().to_string();
    assert!(error.contains("do not follow"), "{error}");
    assert_eq!(block_on(work.queue.counts()).unwrap().tasks, 1, "nothing of the commit was applied");
}
