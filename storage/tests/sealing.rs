//! Sealing segments, interrupted or not.

use std::fs;
use std::path::Path;
use std::sync::mpsc;

use storage::CrawlReader;

use crate::support::{Place, Work};

fn names(place: &Place, extension: &str) -> Vec<String> {
    let names = fs::read_dir(place.segments()).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
    names.retain(|name| name.ends_with(extension));
    names.sort();
    names
}

/// Fetches sitemap `n` in a session, then opens the data directory again and seals.
fn crawl_and_seal(place: &Place, n: u32) {
    Work::begin(place).crawl(n, 3);
    seal(place);
}

fn seal(place: &Place) {
    place.open().unwrap().sealer(|_| ()).unwrap().finish().unwrap();
}

fn copy_segments(from: &Place, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from.segments()).unwrap().map(Result::unwrap) {
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[test]
fn sealing_does_not_change_the_entries() {
    let place = Place::new();
    for n in 0..3 {
        Work::begin(&place).crawl(n, 2);
    }
    let open = place.locs();
    assert_eq!(names(&place, ".arrow").len(), 3);
    seal(&place);
    assert_eq!((names(&place, ".arrow").len(), names(&place, ".parquet").len()), (0, 1));
    assert_eq!(place.locs(), open);
    assert_eq!(fs::read_dir(place.path.join("tmp")).unwrap().count(), 0);
}

#[test]
fn a_session_continues_while_earlier_segments_are_sealed() {
    let place = Place::new();
    Work::begin(&place).crawl(1, 3);
    let mut work = Work::begin(&place);
    work.crawl(2, 3);
    let sealer = work.data_dir.sealer(|_| ()).unwrap();
    work.crawl(3, 3);
    sealer.stop().unwrap();
    work.crawl(4, 3);
    let sealer = work.data_dir.sealer(|_| ()).unwrap();
    sealer.finish().unwrap();
    drop(work);
    assert_eq!(place.locs().len(), 12);
    assert_eq!(names(&place, ".arrow"), [""; 0]);
}

#[test]
fn a_failure_to_seal_is_told_at_once_and_tried_again() {
    let place = Place::new();
    Work::begin(&place).crawl(1, 3);
    let data_dir = place.open().unwrap();
    let obstacle = place.path.join("tmp").join("sealing");
    fs::create_dir(&obstacle).unwrap();
    let (told, failures) = mpsc::channel();
    let sealer = data_dir.sealer(move |error| told.send(error.to_string()).unwrap()).unwrap();
    let failure = failures.recv().unwrap();
    assert!(failure.contains(obstacle.to_str().unwrap()), "{failure}");
    fs::remove_dir(&obstacle).unwrap();
    sealer.finish().unwrap();
    drop(data_dir);
    assert_eq!((names(&place, ".arrow").len(), place.locs().len()), (0, 3));
}

#[test]
fn small_segments_of_a_crawl_with_many_sessions_are_merged() {
    let place = Place::new();
    let mut most = 0;
    for n in 0..20 {
        crawl_and_seal(&place, n);
        most = most.max(names(&place, ".parquet").len());
    }
    assert!(most < 9, "{most} files");
    let expected: Vec<String> =
        (0..20).flat_map(|n| (0..3).map(move |i| format!("https://a.example/{n}/{i}"))).collect();
    assert_eq!(place.locs(), expected);
}

#[test]
fn a_sealed_file_that_was_not_registered_is_removed_and_written_again() {
    let place = Place::new();
    Work::begin(&place).crawl(1, 3);
    let kept = place.path.with_extension("kept");
    copy_segments(&place, &kept);
    let copy = Place::new();
    copy_folder(&place.path, &copy.path);
    seal(&copy);
    // The state after a crash between renaming and registering.
    copy_segments(&copy, &place.segments());
    assert_eq!((names(&place, ".arrow").len(), names(&place, ".parquet").len()), (1, 1));
    assert_eq!(place.locs().len(), 3, "a reader ignores the other file");
    drop(place.open().unwrap());
    assert_eq!(names(&place, ".parquet"), [""; 0]);
    seal(&place);
    assert_eq!(place.locs().len(), 3);
}

#[test]
fn a_source_that_remains_after_sealing_is_removed() {
    let place = Place::new();
    Work::begin(&place).crawl(1, 3);
    let kept = place.path.with_extension("kept");
    copy_segments(&place, &kept);
    seal(&place);
    // The state after a crash between registering and removing.
    for entry in fs::read_dir(&kept).unwrap().map(Result::unwrap) {
        fs::copy(entry.path(), place.segments().join(entry.file_name())).unwrap();
    }
    assert_eq!(place.locs().len(), 3, "a reader ignores the other file");
    drop(place.open().unwrap());
    assert_eq!(names(&place, ".arrow"), [""; 0]);
    assert_eq!(place.locs().len(), 3);
}

#[test]
fn every_flipped_byte_of_a_sealed_segment_is_detected() {
    let place = Place::new();
    crawl_and_seal(&place, 1);
    let path = place.segments().join(&names(&place, ".parquet")[0]);
    let whole = fs::read(&path).unwrap();
    for at in (0..whole.len()).step_by(97) {
        let mut damaged = whole.clone();
        damaged[at] ^= 4;
        fs::write(&path, damaged).unwrap();
        let reader = CrawlReader::open(&place.path).unwrap();
        let error = reader.entries().next().unwrap().unwrap_err().to_string();
        assert!(error.contains(path.to_str().unwrap()) && error.contains("crawl rebuild"), "{error}");
    }
    for bytes in [whole.len() + 1, whole.len() - 1, 0] {
        let mut other = whole.clone();
        other.resize(bytes, 0);
        fs::write(&path, other).unwrap();
        let error = CrawlReader::open(&place.path).err().unwrap().to_string();
        assert!(error.contains(path.to_str().unwrap()) && error.contains("crawl rebuild"), "{error}");
    }
}

#[test]
fn a_queue_that_lost_commits_is_detected_by_the_file_committed() {
    let place = Place::new();
    Work::begin(&place).crawl(1, 3);
    let older = place.path.with_extension("older");
    copy_folder(&place.path.join("queue"), &older);
    Work::begin(&place).crawl(2, 3);
    fs::remove_dir_all(place.path.join("queue")).unwrap();
    copy_folder(&older, &place.path.join("queue"));
    for error in [place.open().err().unwrap(), CrawlReader::open(&place.path).err().unwrap()] {
        let error = error.to_string();
        assert!(error.contains("the queue lost commits") && error.contains("crawl rebuild"), "{error}");
    }
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &to.join(entry.file_name()));
        } else {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}
