//! Power cuts while files are written to a shared mount.

use std::fs;
use std::io;
use std::path::Path;

use frontier::{SessionId, Timestamp};
use queue_suite::HandClock;
use sitemap::Entry;

use super::disk_model::{DiskModel, Survival};
use super::recorder::Recording;
use super::{Document, head};
use crate::{EntryScope, EntryWriter, SegmentStore, SharedWriter};

/// The content of the file at `path`, or `None` if there is no such file.
fn content(path: &Path) -> Option<Vec<u8>> {
    match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        read => Some(read.unwrap()),
    }
}

#[test]
fn a_file_on_a_mount_is_whole_or_absent_after_a_power_cut_at_any_moment() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("mount");
    fs::create_dir(&root).unwrap();
    let recording = Recording::begin(&root, &folder.path().join("queues"));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let url = format!("file://{}", root.display());
    let store = SegmentStore::open(&url, [], runtime.handle().clone()).unwrap();

    store.mark("one").unwrap();
    let marked = recording.len();
    let mut writer = SharedWriter::new(store, SessionId(1), HandClock::at(Timestamp::default())).unwrap();
    let document = Document { number: 1, entries: 100 };
    let mut rows = writer.scratch().rows(head(document));
    for loc in document.locs() {
        rows.push(&Entry { loc: &loc, ..Entry::default() }, EntryScope::SameHost).unwrap();
    }
    writer.append(vec![rows.finish().unwrap()]).unwrap();
    let segment = writer.roll().unwrap().unwrap();
    let segment = format!("segments/{}", segment.name.replacen('-', "/", 1));

    let changes = recording.changes();
    for at in 0..=changes.len() {
        let mixed = [vec![1, 0, 0, 1, 1], vec![0, 1], vec![1, 0]].map(Survival::Mixed);
        for survival in [Survival::Lost, Survival::Kept].into_iter().chain(mixed) {
            let after = tempfile::tempdir_in(&folder).unwrap();
            DiskModel::after(&changes[..at]).cut(&survival, after.path());
            for (path, written) in [("crawl", marked), (segment.as_str(), changes.len())] {
                let found = content(&after.path().join(path));
                let is_whole = found == content(&root.join(path));
                let cut = format!("{path}: cut after {:?}, {survival:?}", &changes[..at].last());
                assert!(is_whole || found.is_none(), "{cut}: only a part of the file is there");
                assert!(is_whole || at < written, "{cut}: the file is lost");
            }
        }
    }
}
