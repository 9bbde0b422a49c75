//! Entries written to a segment and read back.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_ipc::reader::StreamReader;
use frontier::work_queue::SegmentRef;
use frontier::{HostId, SessionId, TaskId, Timestamp};
use proptest::prelude::*;
use sitemap::{Alternate, ContentSegment, Entry, Image, News, Price, Video};
use tempfile::TempDir;

use super::reader::SegmentReader;
use super::*;
use crate::data_dir::lock::Lock;
use crate::data_dir::scratch::Scratch;
use crate::disk::sync_dir;
use crate::segment::record::{SegmentPlace, SegmentRecord};

struct Folder {
    folder: TempDir,
    scratch: Scratch,
}

impl Folder {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("tmp")).unwrap();
        let scratch = Scratch::new(&folder.path().join("tmp"));
        Self { folder, scratch }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn spilled(&self) -> usize {
        fs::read_dir(self.path().join("tmp")).unwrap().count()
    }

    fn writer(&self, session: u128) -> SegmentWriter {
        let lock = Arc::new(Lock::take(self.path()).unwrap());
        SegmentWriter::new(self.path().to_owned(), SessionId(session), lock)
    }

    fn rows(&self, task: u128) -> Rows {
        self.scratch.rows(head(task))
    }
}

fn head(task: u128) -> DocumentHead {
    DocumentHead {
        task: TaskId { host: HostId(7), url: task },
        attempt: 2,
        host: "https://www.example.com".to_owned(),
        sitemap: format!("https://www.example.com/{task}.xml"),
        fetched_at: Timestamp::from_micros(1_700_000_000_123_456),
    }
}

/// The record that commits of these appends would register.
fn registered(appended: &[SegmentRef]) -> SegmentRecord {
    let place = SegmentPlace::default();
    let mut record = SegmentRecord {
        name: appended[0].name.clone(),
        bytes: 0,
        rows: 0,
        crc32c: 0,
        first: place,
        last: place,
    };
    for added in appended {
        assert_eq!((&added.name, added.from_bytes), (&record.name, record.bytes));
        let bytes = usize::try_from(added.to_bytes - added.from_bytes).unwrap();
        record.crc32c = crc32c::crc32c_combine(record.crc32c, added.crc32c, bytes);
        record.rows += added.rows;
        record.bytes = added.to_bytes;
    }
    record
}

fn read(folder: &Folder, record: &SegmentRecord) -> Result<Vec<RecordBatch>, ReadError> {
    SegmentReader::open(folder.path(), record.clone())?.collect()
}

fn plain(loc: &str) -> Entry<'_> {
    Entry { loc, lastmod: Some("2024-05-01"), priority: Some("0.5"), ..Default::default() }
}

fn write_one(folder: &Folder, entries: &[Entry<'_>]) -> SegmentRecord {
    let mut rows = folder.rows(1);
    for entry in entries {
        rows.push(entry, EntryScope::Robots).unwrap();
    }
    let appended = folder.writer(1).append(vec![rows.finish().unwrap()]).unwrap().unwrap();
    registered(&[appended])
}

#[test]
fn a_document_of_100_000_entries_is_spilled_and_read_back_in_order_and_leaves_no_file() {
    let folder = Folder::new();
    let mut rows = folder.rows(1);
    let locs: Vec<String> =
        (0..100_000).map(|i| format!("https://www.example.com/a/path/to/article-{i}")).collect();
    for loc in &locs {
        rows.push(&plain(loc), EntryScope::SameHost).unwrap();
    }
    assert_eq!(folder.spilled(), 1);
    let appended = folder.writer(1).append(vec![rows.finish().unwrap()]).unwrap().unwrap();
    assert_eq!((appended.rows, folder.spilled()), (100_000, 0));

    let batches = read(&folder, &registered(&[appended])).unwrap();
    assert!(batches.len() > 10, "a large document is read in pieces");
    let mut expected = locs.iter();
    for batch in &batches {
        let view = BatchView::new(batch).unwrap();
        for row in view.rows() {
            assert_eq!(row.entry, plain(expected.next().unwrap()));
            assert_eq!((row.scope, row.sitemap), ("same-host", "https://www.example.com/1.xml"));
            assert_eq!((row.host, row.fetched_at), ("https://www.example.com", head(1).fetched_at));
        }
    }
    assert!(expected.next().is_none());
}

#[test]
fn dropped_rows_leave_no_file() {
    let folder = Folder::new();
    let mut rows = folder.rows(1);
    let loc = format!("https://www.example.com/{}", "x".repeat(8000));
    for _ in 0..500 {
        rows.push(&plain(&loc), EntryScope::Foreign).unwrap();
    }
    assert_eq!(folder.spilled(), 1);
    drop(rows);
    assert_eq!(folder.spilled(), 0);
}

#[test]
fn documents_of_several_appends_follow_one_another() {
    let folder = Folder::new();
    let mut writer = folder.writer(1);
    let mut appended = Vec::new();
    for round in 0..3_u128 {
        let documents = (0..4).map(|n| {
            let mut rows = folder.rows(round * 4 + n);
            for i in 0..n {
                rows.push(&plain(&format!("https://a.example/{round}/{n}/{i}")), EntryScope::Foreign)
                    .unwrap();
            }
            rows.finish().unwrap()
        });
        appended.push(writer.append(documents.collect()).unwrap().unwrap());
    }
    let batches = read(&folder, &registered(&appended)).unwrap();
    let sitemaps: Vec<String> = batches
        .iter()
        .flat_map(|batch| {
            BatchView::new(batch).unwrap().rows().map(|row| row.sitemap.to_owned()).collect::<Vec<_>>()
        })
        .collect();
    let tasks = [1, 2, 2, 3, 3, 3, 5, 6, 6, 7, 7, 7, 9, 10, 10, 11, 11, 11];
    assert_eq!(sitemaps, tasks.map(|task| format!("https://www.example.com/{task}.xml")));
}

#[test]
fn documents_without_entries_write_nothing() {
    let folder = Folder::new();
    assert_eq!(folder.writer(1).append(vec![folder.rows(1).finish().unwrap()]).unwrap(), None);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "the lock and the scratch folder");
}

#[test]
fn a_full_segment_is_followed_by_another() {
    let folder = Folder::new();
    let mut writer = folder.writer(1);
    let loc = format!("https://www.example.com/{}", "x".repeat(64 << 10));
    let mut document = |task, entries| {
        let mut rows = folder.rows(task);
        for _ in 0..entries {
            rows.push(&plain(&loc), EntryScope::SameHost).unwrap();
        }
        writer.append(vec![rows.finish().unwrap()]).unwrap().unwrap()
    };
    let (full, next) = (document(1, 1_024), document(2, 1));
    assert!(full.to_bytes > 64 << 20);
    assert_eq!(next.from_bytes, 0);
    let names = [full.name, next.name];
    assert_eq!(
        names,
        [0, 1].map(|seq| name::SegmentName { session: SessionId(1), seq, sealed: None }.to_string())
    );
}

#[test]
fn a_stock_arrow_reader_reads_an_open_segment() {
    let folder = Folder::new();
    let record = write_one(&folder, &[plain("https://a.example/1"), plain("https://a.example/2")]);
    let file = fs::File::open(folder.path().join(record.name)).unwrap();
    let batches: Vec<RecordBatch> = StreamReader::try_new(file, None).unwrap().map(Result::unwrap).collect();
    assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 2);
    assert_eq!(batches[0].schema().field(0).name(), "loc");
}

#[test]
fn every_flipped_byte_is_detected_without_a_panic() {
    let folder = Folder::new();
    let mut entry = plain("https://a.example/1");
    entry.alternates.push(Alternate {
        hreflang: Some("de"),
        href: "https://a.example/de",
        ..Alternate::default()
    });
    let record = write_one(&folder, &[entry, plain("https://a.example/2")]);
    let path = folder.path().join(&record.name);
    let whole = fs::read(&path).unwrap();
    assert!(read(&folder, &record).is_ok());
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x10;
        fs::write(&path, damaged).unwrap();
        let error = read(&folder, &record).expect_err(&format!("byte {at}")).to_string();
        assert!(error.contains(&record.name) && error.contains("crawl rebuild"), "{error}");
    }
    fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    assert!(read(&folder, &record).is_err());
}

#[test]
fn bytes_beyond_the_registered_ones_are_not_read() {
    let folder = Folder::new();
    let record = write_one(&folder, &[plain("https://a.example/1")]);
    let path = folder.path().join(&record.name);
    let mut tail = fs::read(&path).unwrap();
    tail.extend_from_slice(b"never registered");
    fs::write(&path, tail).unwrap();
    assert_eq!(read(&folder, &record).unwrap().len(), 1);
}

#[test]
fn a_document_without_its_last_batch_is_detected() {
    let folder = Folder::new();
    let mut rows = folder.rows(1);
    let loc = format!("https://www.example.com/{}", "x".repeat(8000));
    for _ in 0..100 {
        rows.push(&plain(&loc), EntryScope::SameHost).unwrap();
    }
    let appended = folder.writer(1).append(vec![rows.finish().unwrap()]).unwrap().unwrap();
    let record = registered(&[appended]);
    let first_batch = {
        let whole = fs::read(folder.path().join(&record.name)).unwrap();
        let schema = message::schema_message().unwrap();
        let reader = SegmentReader::open(folder.path(), record.clone()).unwrap();
        let first_rows = reader.into_iter().next().unwrap().unwrap().num_rows() as u64;
        // The first batch ends where the next message starts.
        let next = whole[schema.len() + 8..]
            .windows(8)
            .position(|bytes| bytes[..4] == [0xff; 4] && bytes[4] != 0xff);
        let bytes = (schema.len() + 8 + next.unwrap()) as u64;
        let crc32c = crc32c::crc32c(&whole[..usize::try_from(bytes).unwrap()]);
        SegmentRecord { bytes, rows: first_rows, crc32c, ..record }
    };
    let error = read(&folder, &first_batch).unwrap_err().to_string();
    assert!(error.contains("its last document has no end"), "{error}");
}

#[test]
fn after_a_failed_append_the_next_segment_continues() {
    let folder = Folder::new();
    let mut writer = folder.writer(1);
    let document = |task| {
        let mut rows = folder.rows(task);
        rows.push(&plain("https://a.example/1"), EntryScope::SameHost).unwrap();
        rows.finish().unwrap()
    };
    let first = writer.append(vec![document(1)]).unwrap().unwrap();
    // A file that cannot be written simulates a full disk.
    let path = folder.path().join(&first.name);
    writer.make_unwritable();
    assert!(writer.append(vec![document(2)]).unwrap_err().to_string().contains(&first.name));
    let second = writer.append(vec![document(3)]).unwrap().unwrap();
    assert_eq!(second.from_bytes, 0);
    assert_ne!(second.name, first.name);
    assert_eq!(fs::metadata(path).unwrap().len(), first.to_bytes, "only the registered bytes remain");
    sync_dir(folder.path()).unwrap();
    assert_eq!(read(&folder, &registered(&[second])).unwrap().len(), 1);
}

/// An [`Entry`] that owns its texts.
#[derive(Clone, Debug)]
struct OwnedEntry {
    texts: Vec<Option<String>>,
    lastmod_us: Option<i64>,
    news: Option<Vec<Option<String>>>,
    images: Vec<Vec<Option<String>>>,
    videos: Vec<OwnedVideo>,
    alternates: Vec<(Vec<Option<String>>, String)>,
}

#[derive(Clone, Debug)]
struct OwnedVideo {
    texts: Vec<Option<String>>,
    tags: Vec<String>,
    records: Vec<Vec<Option<String>>>,
}

impl OwnedVideo {
    fn video(&self) -> Video<'_> {
        let mut video = Video::from_values(values(&self.texts));
        video.tags = self.tags.iter().map(String::as_str).collect();
        video.prices = self.records.iter().map(|texts| Price::from_values(values(texts))).collect();
        video.content_segments =
            self.records.iter().map(|texts| ContentSegment::from_values(values(texts))).collect();
        video
    }
}

fn text() -> impl Strategy<Value = Option<String>> {
    prop_oneof![Just(None), Just(Some(String::new())), "\\PC{1,12}".prop_map(Some)]
}

fn texts(count: usize) -> impl Strategy<Value = Vec<Option<String>>> {
    prop::collection::vec(text(), count)
}

fn owned_entry() -> impl Strategy<Value = OwnedEntry> {
    let few = 0..3_usize;
    let video = (
        texts(Video::FIELDS.len()),
        prop::collection::vec("\\PC{0,8}", few.clone()),
        prop::collection::vec(texts(Price::FIELDS.len()), few.clone()),
    )
        .prop_map(|(texts, tags, records)| OwnedVideo { texts, tags, records });
    (
        texts(4),
        prop::option::of(-62_135_596_800_000_000_i64..253_402_207_200_000_000),
        prop::option::of(texts(News::FIELDS.len())),
        prop::collection::vec(texts(Image::FIELDS.len()), few.clone()),
        prop::collection::vec(video, few.clone()),
        prop::collection::vec((texts(Alternate::FIELDS.len()), "\\PC{0,12}"), few),
    )
        .prop_map(|(texts, lastmod_us, news, images, videos, alternates)| OwnedEntry {
            texts,
            lastmod_us,
            news,
            images,
            videos,
            alternates,
        })
}

fn documents() -> impl Strategy<Value = Vec<Vec<OwnedEntry>>> {
    prop::collection::vec(prop::collection::vec(owned_entry(), 0..6), 1..4)
}

fn values<const N: usize>(texts: &[Option<String>]) -> [Option<&str>; N] {
    std::array::from_fn(|i| texts.get(i).and_then(Option::as_deref))
}

impl OwnedEntry {
    fn entry(&self) -> Entry<'_> {
        let [loc, lastmod, changefreq, priority] = values(&self.texts);
        Entry {
            loc: loc.unwrap_or_default(),
            lastmod,
            lastmod_at: self.lastmod_us.map(|us| jiff::Timestamp::from_microsecond(us).unwrap()),
            changefreq,
            priority,
            news: self.news.as_ref().map(|news| News::from_values(values(news))),
            images: self.images.iter().map(|image| Image::from_values(values(image))).collect(),
            videos: self.videos.iter().map(OwnedVideo::video).collect(),
            alternates: self
                .alternates
                .iter()
                .map(|(texts, href)| Alternate { href, ..Alternate::from_values(values(texts)) })
                .collect(),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_is_written_is_read_back_equal(documents in documents()) {
        let folder = Folder::new();
        let mut finished = Vec::new();
        for (task, document) in (0..).zip(&documents) {
            let mut rows = folder.rows(task);
            for entry in document {
                rows.push(&entry.entry(), EntryScope::Foreign).unwrap();
            }
            prop_assert_eq!(rows.len(), document.len() as u64);
            finished.push(rows.finish().unwrap());
        }
        let written: Vec<Entry<'_>> = documents.iter().flatten().map(OwnedEntry::entry).collect();
        let Some(appended) = folder.writer(1).append(finished).unwrap() else {
            prop_assert!(written.is_empty());
            return Ok(());
        };
        let batches = read(&folder, &registered(&[appended])).unwrap();
        let views: Vec<BatchView<'_>> = batches.iter().map(|batch| BatchView::new(batch).unwrap()).collect();
        let read: Vec<Entry<'_>> = views.iter().flat_map(BatchView::rows).map(|row| row.entry).collect();
        prop_assert_eq!(read, written);
    }
}
