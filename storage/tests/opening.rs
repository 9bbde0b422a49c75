//! Creating and opening a data directory.

use std::fs;
use std::os::unix::fs::symlink;

use frontier::work_queue::QueueBounds;
use queue_suite::HandClock;
use storage::{CrawlReader, DataDir, OpenError, RebuildError, rebuild};

use crate::support::{NOW, Place, Work, open};

#[test]
fn a_data_directory_and_its_parents_are_created_if_missing() {
    let mut place = Place::new();
    place.path = place.path.join("deep").join("down");
    drop(place.open().unwrap());
    drop(place.open().unwrap());
    assert!(place.path.join("format").is_file());
}

#[test]
fn an_empty_folder_becomes_a_data_directory() {
    let place = Place::new();
    fs::create_dir(&place.path).unwrap();
    place.open().unwrap();
}

#[test]
fn a_folder_with_anything_else_in_it_is_left_alone() {
    let place = Place::new();
    fs::create_dir(&place.path).unwrap();
    fs::write(place.path.join("thesis.tex"), "years of work").unwrap();
    let error = place.open().err().unwrap();
    assert!(matches!(&error, OpenError::Foreign { name, .. } if name == "thesis.tex"), "{error}");
    assert_eq!(fs::read_dir(&place.path).unwrap().count(), 1, "nothing was added");
}

#[test]
fn a_file_in_its_place_is_refused() {
    let place = Place::new();
    fs::write(&place.path, "not a folder").unwrap();
    assert!(place.open().err().unwrap().to_string().contains("crawl-data"));
}

#[test]
fn an_interrupted_creation_is_completed() {
    let place = Place::new();
    fs::create_dir(&place.path).unwrap();
    fs::write(place.path.join("lock"), "").unwrap();
    fs::write(place.path.join("format.new"), "half").unwrap();
    place.open().unwrap();
}

#[test]
fn a_second_opening_fails_at_once_and_names_the_process() {
    let place = Place::new();
    let first = place.open().unwrap();
    for error in [place.open().err().unwrap(), CrawlReader::open(&place.path).err().unwrap()] {
        assert!(
            matches!(error, OpenError::InUse { pid: Some(pid), .. } if pid == std::process::id()),
            "{error}"
        );
    }
    let queue = first.queue();
    drop(first);
    assert!(place.open().is_err(), "its queue still holds the lock");
    drop(queue);
    place.open().unwrap();
}

#[test]
fn a_reader_keeps_others_out_while_it_reads() {
    let place = Place::new();
    drop(place.open().unwrap());
    let reader = CrawlReader::open(&place.path).unwrap();
    assert!(matches!(place.open(), Err(OpenError::InUse { .. })));
    drop(reader);
    place.open().unwrap();
}

#[test]
fn readers_take_turns_with_the_queue_and_share_the_entries() {
    let place = Place::new();
    Work::begin(&place).crawl(1, 3);
    let first = CrawlReader::open(&place.path).unwrap();
    let second = std::thread::scope(|scope| {
        // It waits until the first one has closed the queue.
        let second = scope.spawn(|| CrawlReader::open(&place.path).unwrap());
        let first = first.into_entries();
        let second = second.join().unwrap();
        assert_eq!(first.entries().map(|batch| batch.unwrap().num_rows()).sum::<usize>(), 3);
        assert!(matches!(place.open(), Err(OpenError::InUse { .. })), "the first is still reading");
        second
    });
    assert_eq!(second.sessions().len(), 1);
    assert!(matches!(place.open(), Err(OpenError::InUse { .. })), "the second is still reading");
    drop(second);
    place.open().unwrap();
}

#[test]
fn a_later_format_is_refused_with_both_versions() {
    let place = of_format(7);
    for error in [place.open().err().unwrap(), CrawlReader::open(&place.path).err().unwrap()] {
        assert!(matches!(error, OpenError::Newer { found: 7, known: 4, .. }), "{error}");
    }
}

#[test]
fn an_older_format_is_refused_with_both_versions() {
    let place = of_format(1);
    for error in [place.open().err().unwrap(), CrawlReader::open(&place.path).err().unwrap()] {
        assert!(matches!(error, OpenError::Older { found: 1, known: 4, .. }), "{error}");
    }
    let rebuilt = storage::rebuild(&place.path, HandClock::at(NOW));
    assert!(matches!(rebuilt, Err(RebuildError::Open(OpenError::Older { .. }))), "{rebuilt:?}");
}

/// A data directory that says it has this format.
fn of_format(version: u32) -> Place {
    let place = Place::new();
    drop(place.open().unwrap());
    let line = format!("sitemap-crawler data directory, format {version}");
    let text = format!("{line}\n{:08x}\n", crc32c::crc32c(line.as_bytes()));
    fs::write(place.path.join("format"), text).unwrap();
    place
}

#[test]
fn without_a_crawl_nothing_is_created() {
    let place = Place::new();
    let bounds = QueueBounds { sitemaps_max: 1, hosts_per_site_max: u64::MAX };
    assert!(matches!(CrawlReader::open(&place.path), Err(OpenError::NotFound { .. })));
    let resumed = DataDir::open_existing(&place.path, HandClock::at(NOW), bounds);
    assert!(matches!(resumed, Err(OpenError::NotFound { .. })));
    assert!(!place.path.exists());
}

#[test]
fn a_folder_that_cannot_be_written_is_an_error_that_names_it() {
    // File permissions do not stop root, but a file system that cannot be written does.
    let error = open("/proc/crawl-data".as_ref()).err().unwrap();
    assert!(
        matches!(&error, OpenError::Io { .. }) && error.to_string().contains("/proc/crawl-data"),
        "{error}"
    );
}

#[test]
fn a_dangling_link_is_an_error() {
    let place = Place::new();
    symlink(place.path.with_extension("gone"), &place.path).unwrap();
    assert!(place.open().is_err());
}

/// The contents of a folder that a link in a data directory leads to.
const OTHERS: [(&str, &str); 3] = [("0", "a letter"), ("sealing", "a picture"), ("notes.txt", "a diary")];

#[test]
fn a_link_in_a_data_directory_is_refused_and_costs_nobody_a_file() {
    for name in
        ["tmp", "segments", "queue", "damaged", "lock", "format", "settings.json", "seeds", "committed"]
    {
        let place = Place::new();
        Work::begin(&place).crawl(1, 2);
        let others = place.path.with_extension("others");
        fs::create_dir(&others).unwrap();
        OTHERS.iter().for_each(|(name, text)| fs::write(others.join(name), text).unwrap());
        let link = place.path.join(name);
        if link.is_dir() {
            fs::remove_dir_all(&link).unwrap();
        } else if link.is_file() {
            fs::remove_file(&link).unwrap();
        }
        let is_folder = ["tmp", "segments", "queue", "damaged"].contains(&name);
        symlink(if is_folder { others.clone() } else { others.join("notes.txt") }, &link).unwrap();
        let refused = [
            place.open().err().unwrap(),
            CrawlReader::open(&place.path).err().unwrap(),
            match rebuild(&place.path, HandClock::at(NOW)).err().unwrap() {
                RebuildError::Open(error) => error,
                other => panic!("{name}: {other}"),
            },
        ];
        for error in refused {
            assert!(matches!(&error, OpenError::Link { path } if *path == link), "{name}: {error}");
        }
        for (name, text) in OTHERS {
            assert_eq!(fs::read_to_string(others.join(name)).unwrap(), text);
        }
    }
}

#[test]
fn a_link_among_the_segments_is_refused_and_the_data_directory_may_be_one() {
    let mut place = Place::new();
    Work::begin(&place).crawl(1, 2);
    let link = place.path.with_extension("link");
    symlink(&place.path, &link).unwrap();
    let real = std::mem::replace(&mut place.path, link);
    assert_eq!(place.locs().len(), 2);
    let segment = fs::read_dir(place.segments()).unwrap().next().unwrap().unwrap().path();
    let moved = real.with_extension("arrow");
    fs::rename(&segment, &moved).unwrap();
    symlink(&moved, &segment).unwrap();
    assert!(matches!(place.open(), Err(OpenError::Link { path }) if path == segment));
}

#[test]
fn a_file_under_tmp_that_no_crawl_made_stays() {
    let place = Place::new();
    drop(place.open().unwrap());
    for name in ["17", "sealing", "merging", "notes.txt"] {
        fs::write(place.path.join("tmp").join(name), "text").unwrap();
    }
    drop(place.open().unwrap());
    let left = fs::read_dir(place.path.join("tmp")).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(left.collect::<Vec<_>>(), ["notes.txt"]);
}

#[test]
fn settings_are_stored_and_replaced() {
    let place = Place::new();
    let data_dir = place.open().unwrap();
    assert_eq!(data_dir.settings().unwrap(), None);
    data_dir.set_settings(r#"{"max_depth":5}"#).unwrap();
    data_dir.set_settings(r#"{"max_depth":3}"#).unwrap();
    drop(data_dir);
    assert_eq!(place.open().unwrap().settings().unwrap().unwrap(), r#"{"max_depth":3}"#);
    assert_eq!(CrawlReader::open(&place.path).unwrap().settings(), Some(r#"{"max_depth":3}"#));
}
