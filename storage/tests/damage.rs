//! Damaged bytes of the queue on the disk.

use std::fs;

use frontier::work_queue::QueueError;
use frontier::{TaskId, WorkQueue};
use storage::{CrawlReader, OpenError};

use crate::support::{Place, Work, block_on, host};

#[test]
fn a_flipped_bit_in_a_record_is_an_error_that_names_folder_and_remedy() {
    let place = Place::new();
    Work::begin(&place).crawl(1, 3);
    // sled writes the damaged record with a valid checksum, so only our own checksum detects it.
    let queue = place.path.join("queue");
    let key = [&b"H"[..], &host().id().0.to_be_bytes()].concat();
    {
        let db = sled::open(&queue).unwrap();
        let mut value = db.get(&key).unwrap().unwrap().to_vec();
        *value.last_mut().unwrap() ^= 1;
        db.insert(&key, value).unwrap();
        db.flush().unwrap();
    }
    let reader = CrawlReader::open(&place.path).unwrap();
    let error = reader.hosts().find_map(Result::err).unwrap().to_string();
    assert!(error.contains(queue.to_str().unwrap()) && error.contains("crawl rebuild"), "{error}");
}

#[test]
fn a_damaged_record_stops_the_commit_that_needs_it() {
    let place = Place::new();
    Work::begin(&place).crawl(1, 3);
    {
        let db = sled::open(place.path.join("queue")).unwrap();
        for key in db.scan_prefix(b"U").keys() {
            db.insert(key.unwrap(), b"short").unwrap();
        }
        db.flush().unwrap();
    }
    let work = Work::begin(&place);
    let url = format!("{}/sitemap-1.xml", host());
    let asked = block_on(work.queue.are_done(&work.session, &[TaskId::of(host().id(), &url)]));
    assert!(matches!(asked, Err(QueueError::Storage(text)) if text.contains("crawl rebuild")));
}

#[test]
fn a_database_that_sled_refuses_is_an_error_that_names_folder_and_remedy() {
    let place = Place::new();
    Work::begin(&place).crawl(1, 3);
    let queue = place.path.join("queue");
    fs::write(queue.join("conf"), "not what sled wrote").unwrap();
    let error = place.open().err().unwrap();
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
    assert!(error.to_string().contains("crawl rebuild"), "{error}");
}
