//! Writing segments to a bucket and a mount, and reading them back, with failures of every kind.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use frontier::work_queue::SegmentRef;
use frontier::{SessionId, Timestamp};
use queue_suite::HandClock;
use s3server::{BUCKET, Fault, Proxy, Server};
use sitemap::Entry;
use storage::{
    BatchView, DocumentHead, EntryScope, EntryWriter, FinishedRows, GARBAGE_AGE_MIN, PlaceError,
    REPLACED_KEPT_FOR, ReadError, Registry, Scratch, SegmentPlace, SegmentRecord, SegmentStore, SharedReader,
    SharedWriter,
};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::support::{NOW, found};

const SESSION: SessionId = SessionId(0xabc);

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// A place, with the server and the folder that it needs.
struct Place {
    store: SegmentStore,
    runtime: Runtime,
    folder: TempDir,
    prefix: String,
    s3: Option<(&'static Server, Proxy)>,
}

impl Place {
    fn mount() -> Self {
        let (runtime, folder) = (runtime(), tempfile::tempdir().unwrap());
        let url = format!("file://{}", folder.path().display());
        let store = SegmentStore::open(&url, [], runtime.handle().clone()).unwrap();
        Self { store, runtime, folder, prefix: String::new(), s3: None }
    }

    /// `None` where there is no server.
    fn bucket() -> Option<Self> {
        static PLACES: AtomicU32 = AtomicU32::new(0);
        let (server, runtime) = (s3server::shared()?, runtime());
        let proxy = server.proxy().unwrap();
        let variables = variables(server, &proxy.endpoint());
        let prefix = format!("s3://{BUCKET}/some/crawl-{}", PLACES.fetch_add(1, Ordering::Relaxed));
        let store = SegmentStore::open(&prefix, variables, runtime.handle().clone());
        let (store, folder) = (store.unwrap(), tempfile::tempdir().unwrap());
        Some(Self { store, runtime, folder, prefix, s3: Some((server, proxy)) })
    }

    fn all() -> Vec<Self> {
        [Some(Self::mount()), Self::bucket()].into_iter().flatten().collect()
    }

    fn proxy(&self) -> &Proxy {
        &self.s3.as_ref().unwrap().1
    }

    fn writer(&self) -> SharedWriter {
        SharedWriter::new(self.store.clone(), SESSION, HandClock::at(NOW)).unwrap()
    }

    fn write(&self, locs: &[&str]) -> SegmentRef {
        let mut writer = self.writer();
        append(&mut writer, 1, locs);
        writer.roll().unwrap().unwrap()
    }

    fn read(&self, segments: &[SegmentRef]) -> Result<Vec<String>, ReadError> {
        let mut locs = Vec::new();
        let segments = segments.iter().map(registered).collect();
        for batch in SharedReader::new(self.store.clone(), segments).entries() {
            let batch = batch?;
            let view = BatchView::new(&batch).unwrap();
            locs.extend(view.rows().map(|row| row.entry.loc.to_owned()));
        }
        Ok(locs)
    }
}

fn registered(segment: &SegmentRef) -> SegmentRecord {
    let SegmentRef { name, to_bytes, rows, crc32c, .. } = segment.clone();
    let (first, last) = (SegmentPlace::default(), SegmentPlace::default());
    SegmentRecord { name, bytes: to_bytes, rows, crc32c, first, last }
}

/// Path of its file in the place.
fn path_of(segment: &SegmentRef) -> String {
    format!("segments/{}", segment.name.replacen('-', "/", 1))
}

fn variables(server: &Server, endpoint: &str) -> Vec<(String, String)> {
    server.variables(endpoint).map(|(name, value)| (name.to_owned(), value)).into()
}

fn head(n: u32) -> DocumentHead {
    let task = found(n).task;
    DocumentHead {
        task: task.id,
        attempt: 1,
        host: "https://a.example".to_owned(),
        sitemap: task.url,
        fetched_at: NOW,
    }
}

fn append(writer: &mut SharedWriter, n: u32, locs: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let mut rows = Scratch::new(folder.path()).rows(head(n));
    for loc in locs {
        rows.push(&Entry { loc, ..Entry::default() }, EntryScope::SameHost).unwrap();
    }
    assert!(writer.append(vec![rows.finish().unwrap()]).unwrap().is_none(), "the entries are buffered");
}

fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp::from_micros(i64::try_from(since_epoch.as_micros()).unwrap())
}

#[test]
fn buffered_entries_become_one_segment_and_are_read_back_in_order() {
    for place in Place::all() {
        let mut writer = place.writer();
        assert!(writer.roll().unwrap().is_none(), "nothing is buffered");
        append(&mut writer, 1, &["https://a.example/1", "https://a.example/2"]);
        append(&mut writer, 2, &["https://a.example/3"]);
        let first = writer.roll().unwrap().unwrap();
        append(&mut writer, 3, &["https://a.example/4"]);
        let second = writer.roll().unwrap().unwrap();
        assert_eq!((first.from_bytes, first.rows, second.rows), (0, 3, 1));
        assert_eq!(first.name, format!("{SESSION}-000000-{:08x}.parquet", first.crc32c));
        assert!(second.name.starts_with(&format!("{SESSION}-000001-")), "{}", second.name);
        let paths: Vec<String> = place.read(&[first, second]).unwrap();
        let expected: Vec<String> = (1..=4).map(|n| format!("https://a.example/{n}")).collect();
        assert_eq!(paths, expected, "{}", place.store);
    }
}

/// A document of 2 MB, which is more than it may hold in memory.
fn large_document(scratch: &Scratch, n: u32) -> FinishedRows {
    let long = format!("https://a.example/{}", "x".repeat(2_000));
    let mut rows = scratch.rows(head(n));
    for _ in 0..1_000 {
        rows.push(&Entry { loc: &long, ..Entry::default() }, EntryScope::SameHost).unwrap();
    }
    rows.finish().unwrap()
}

#[test]
fn rows_can_be_read_when_their_writer_is_gone() {
    let writer = Place::mount().writer();
    let scratch = writer.scratch();
    let rows = large_document(&scratch, 1);
    drop((writer, scratch));
    let batches = rows.batches().unwrap().map(Result::unwrap);
    assert_eq!(batches.map(|batch| batch.num_rows()).sum::<usize>(), 1_000);
}

#[test]
fn a_full_segment_is_rolled_at_once() {
    let place = Place::mount();
    let mut writer = place.writer();
    let scratch = writer.scratch();
    let mut rolled = None;
    for n in 0..40 {
        rolled = writer.append(vec![large_document(&scratch, n)]).unwrap();
        if rolled.is_some() {
            break;
        }
    }
    let rolled = rolled.expect("80 MB are more than a segment holds");
    assert_eq!(place.read(std::slice::from_ref(&rolled)).unwrap().len() as u64, rolled.rows);
    assert!(writer.roll().unwrap().is_none(), "nothing is left");
}

#[test]
fn a_lost_answer_a_lost_request_and_a_failing_server_change_nothing() {
    let Some(place) = Place::bucket() else { return };
    for fault in [
        Fault::LoseAnswer,
        Fault::LoseRequest,
        Fault::DoneBut(500),
        Fault::DoneBut(503),
        Fault::Refuse(503),
        Fault::Refuse(500),
    ] {
        for times in [1, 2] {
            place.proxy().inject("PUT", fault, times);
            let loc = format!("https://a.example/{fault:?}/{times}");
            let segment = place.write(&[&loc]);
            assert_eq!(place.read(&[segment]).unwrap(), [loc], "{fault:?} {times} times");
        }
    }
}

#[test]
fn a_truncated_answer_is_requested_again() {
    let Some(place) = Place::bucket() else { return };
    let segment = place.write(&["https://a.example/1"]);
    for fault in [Fault::LoseAnswer, Fault::Refuse(503), Fault::Refuse(429)] {
        place.proxy().inject("GET", fault, 1);
        assert_eq!(place.read(std::slice::from_ref(&segment)).unwrap(), ["https://a.example/1"], "{fault:?}");
    }
}

#[test]
fn no_object_is_overwritten() {
    for place in Place::all() {
        place.store.mark("one").unwrap();
        place.store.mark("one").unwrap();
        let error = place.store.mark("two").unwrap_err();
        assert!(matches!(error, PlaceError::OtherCrawl { .. }), "{error}");
        place.store.check_mark("one").unwrap();
        let error = place.store.check_mark("two").unwrap_err().to_string();
        assert_eq!(error, format!("{} holds the segments of another crawl", place.store));
        // After a lost answer, there is an object with equal content.
        assert_eq!(place.write(&["https://a.example/1"]), place.write(&["https://a.example/1"]));
    }
}

#[test]
fn a_place_without_a_marker_does_not_belong_to_the_crawl() {
    for place in Place::all() {
        let error = place.store.check_mark("one").unwrap_err();
        assert!(matches!(error, PlaceError::NotMarked { .. }), "{error}");
    }
}

#[test]
fn a_segment_that_is_missing_or_altered_is_an_error_that_names_it() {
    let place = Place::mount();
    let segment = place.write(&["https://a.example/1"]);
    let path = place.folder.path().join(path_of(&segment));
    let whole = fs::read(&path).unwrap();
    for (content, said) in [(whole[1..].to_vec(), "bytes with checksum"), (vec![0; whole.len()], "checksum")]
    {
        fs::write(&path, content).unwrap();
        let error = place.read(std::slice::from_ref(&segment)).unwrap_err().to_string();
        assert!(error.contains(&path_of(&segment)) && error.contains(said), "{error}");
    }
    fs::remove_file(&path).unwrap();
    let error = place.read(std::slice::from_ref(&segment)).unwrap_err().to_string();
    assert!(error.contains(&path_of(&segment)) && error.contains("missing"), "{error}");

    let Some(place) = Place::bucket() else { return };
    let error = place.read(std::slice::from_ref(&segment)).unwrap_err().to_string();
    assert_eq!(error, format!("{}/{} is missing", place.prefix, path_of(&segment)));
    let written = place.write(&["https://a.example/1"]);
    let error = place.read(&[SegmentRef { crc32c: 1, ..written.clone() }]).unwrap_err().to_string();
    assert!(error.contains(&path_of(&written)) && error.contains("was altered"), "{error}");
}

/// A queue with given sessions and segments, which records the order of the calls.
struct FakeRegistry {
    alive: BTreeSet<SessionId>,
    registered: BTreeSet<String>,
    calls: Vec<&'static str>,
}

impl Registry for FakeRegistry {
    type Error = std::convert::Infallible;

    fn sessions_alive(&mut self) -> Result<BTreeSet<SessionId>, Self::Error> {
        self.calls.push("sessions");
        Ok(self.alive.clone())
    }

    fn registered(&mut self) -> Result<BTreeSet<String>, Self::Error> {
        self.calls.push("segments");
        Ok(self.registered.clone())
    }
}

#[test]
fn only_old_unregistered_files_of_ended_sessions_are_garbage() {
    for place in Place::all() {
        let mut names = Vec::new();
        for (session, n) in [(1, 1), (2, 2), (2, 3)] {
            let mut writer =
                SharedWriter::new(place.store.clone(), SessionId(session), HandClock::at(NOW)).unwrap();
            append(&mut writer, n, &[&format!("https://a.example/{n}")]);
            names.push(writer.roll().unwrap().unwrap());
        }
        let mut known = FakeRegistry {
            alive: [SessionId(1)].into(),
            registered: [names[1].name.clone()].into(),
            calls: Vec::new(),
        };
        let later = now() + GARBAGE_AGE_MIN + Duration::from_secs(60);
        assert_eq!(
            place.store.remove_garbage(&mut known, now()).unwrap(),
            [""; 0],
            "all files are too young"
        );
        known.calls.clear();
        let removed = place.store.remove_garbage(&mut known, later).unwrap();
        assert_eq!(removed, [names[2].name.clone()], "{}", place.store);
        assert_eq!(known.calls, ["sessions", "segments"]);
        assert_eq!(place.read(&names[..2]).unwrap().len(), 2, "the other files remain");
        assert_eq!(place.store.remove_garbage(&mut known, later).unwrap(), [""; 0]);
    }
}

#[test]
fn files_with_other_names_are_not_garbage() {
    let place = Place::mount();
    let segments = place.folder.path().join("segments");
    let odd: [PathBuf; 3] = ["README", "notes/a.parquet", "000000000000000000000000000000ab/a.txt"]
        .map(|name| segments.join(name));
    for path in &odd {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "mine").unwrap();
    }
    let mut known = FakeRegistry { alive: BTreeSet::new(), registered: BTreeSet::new(), calls: Vec::new() };
    let later = now() + GARBAGE_AGE_MIN * 2;
    assert_eq!(place.store.remove_garbage(&mut known, later).unwrap(), [""; 0]);
    assert!(odd.iter().all(|path| path.exists()));
}

#[test]
fn unfinished_files_of_a_mount_are_garbage_as_finished_ones_are() {
    let place = Place::mount();
    let root = place.folder.path();
    let segment = place.write(&["https://a.example/1"]);
    let unfinished = |name: &str| format!("{name}.00000000000000ab.new");
    let (mark, half) = (unfinished("crawl"), unfinished(&segment.name));
    let paths = [root.join(&mark), root.join(unfinished(&path_of(&segment))), root.join("notes.new")];
    for path in &paths {
        fs::write(path, "half").unwrap();
    }
    let registered = [segment.name.clone()].into();
    let mut known = FakeRegistry { alive: [SESSION].into(), registered, calls: Vec::new() };
    assert_eq!(place.store.remove_garbage(&mut known, now()).unwrap(), [""; 0], "all files are too young");
    let later = now() + GARBAGE_AGE_MIN + Duration::from_secs(60);
    let removed = place.store.remove_garbage(&mut known, later).unwrap();
    assert_eq!(removed, [mark], "the session is still alive");
    known.alive.clear();
    assert_eq!(place.store.remove_garbage(&mut known, later).unwrap(), [half]);
    assert_eq!(paths.map(|path| path.exists()), [false, false, true]);
    assert_eq!(place.read(&[segment]).unwrap().len(), 1, "the registered segment stays");
}

#[test]
fn of_crawls_that_mark_a_place_at_the_same_time_one_wins_and_its_workers_agree() {
    for _ in 0..200 {
        let place = Place::mount();
        let start = std::sync::Barrier::new(4);
        let marked = std::thread::scope(|scope| {
            let mark = |crawl: &'static str| {
                let (store, start) = (&place.store, &start);
                scope.spawn(move || {
                    start.wait();
                    store.mark(crawl).and_then(|()| store.check_mark(crawl)).is_ok()
                })
            };
            ["one", "one", "two", "two"].map(mark).map(|thread| thread.join().unwrap())
        });
        assert!(marked == [true, true, false, false] || marked == [false, false, true, true], "{marked:?}");
        assert_eq!(fs::read_dir(place.folder.path()).unwrap().count(), 1, "nothing else is left");
    }
}

/// The registered segments of one session.
#[derive(Clone, Default)]
struct Segments(Vec<SegmentRef>);

impl Segments {
    fn commit(&mut self, segment: SegmentRef) {
        let seq = |segment: &SegmentRef| segment.name.split('-').nth(1).unwrap().parse::<u32>().unwrap();
        self.0.retain(|known| segment.replaces_from.is_none_or(|from| seq(known) < from));
        self.0.push(segment);
    }

    fn names(&self) -> BTreeSet<String> {
        self.0.iter().map(|segment| segment.name.clone()).collect()
    }
}

/// Rolls document `n`, which has one entry.
fn roll(writer: &mut SharedWriter, n: u32) -> SegmentRef {
    append(writer, n, &[&loc(n)]);
    writer.roll().unwrap().unwrap()
}

fn loc(n: u32) -> String {
    format!("https://a.example/{n}")
}

fn locs(count: u32) -> Vec<String> {
    (0..count).map(loc).collect()
}

#[test]
fn many_small_segments_become_few_and_earlier_readers_continue() {
    const ROLLS: u32 = 70;
    for place in Place::all() {
        let clock = HandClock::at(NOW);
        let mut writer = SharedWriter::new(place.store.clone(), SESSION, clock.clone()).unwrap();
        let (mut registered, mut before) = (Segments::default(), Segments::default());
        for n in 0..ROLLS {
            registered.commit(roll(&mut writer, n));
            if n == 62 {
                before = registered.clone();
            }
            clock.advance(Duration::from_secs(10));
        }
        assert_eq!(place.read(&registered.0).unwrap(), locs(ROLLS), "{}", place.store);
        assert_eq!(registered.0.len(), 7, "64 were merged into one, and 6 are too few");
        assert_eq!(before.0.len(), 14);
        assert_eq!(place.read(&before.0).unwrap(), locs(63), "the segments that they listed remain");

        clock.advance(REPLACED_KEPT_FOR);
        registered.commit(roll(&mut writer, ROLLS));
        assert!(matches!(place.read(&before.0).unwrap_err(), ReadError::Place(PlaceError::NotFound { .. })));
        assert_eq!(place.read(&registered.0).unwrap(), locs(ROLLS + 1));
        let mut known =
            FakeRegistry { alive: BTreeSet::new(), registered: registered.names(), calls: Vec::new() };
        let later = now() + GARBAGE_AGE_MIN * 2;
        assert_eq!(
            place.store.remove_garbage(&mut known, later).unwrap(),
            [""; 0],
            "the writer has removed the replaced segments"
        );
    }
}

#[test]
fn a_crash_between_a_merged_segment_and_its_commit_loses_and_doubles_nothing() {
    for crash_at in [0, 6, 7, 8, 15, 63] {
        let place = Place::mount();
        let mut registered = Segments::default();
        let mut writer = place.writer();
        for n in 0..crash_at {
            registered.commit(roll(&mut writer, n));
        }
        // Its file is in the place, but its commit was never made.
        let lost = roll(&mut writer, crash_at);
        drop(writer);
        assert_eq!(place.read(&registered.0).unwrap(), locs(crash_at), "crash at {crash_at}");

        let mut known =
            FakeRegistry { alive: BTreeSet::new(), registered: registered.names(), calls: Vec::new() };
        let later = now() + GARBAGE_AGE_MIN * 2;
        let removed = place.store.remove_garbage(&mut known, later).unwrap();
        assert!(removed.contains(&lost.name), "crash at {crash_at}");
        assert_eq!(place.read(&registered.0).unwrap(), locs(crash_at), "crash at {crash_at}");
        let left = fs::read_dir(place.folder.path().join(format!("segments/{SESSION}"))).unwrap().count();
        assert_eq!(left, registered.0.len(), "crash at {crash_at}");
    }
}

#[test]
fn segments_that_an_ended_session_replaced_recently_are_not_garbage_yet() {
    let place = Place::mount();
    let (mut writer, mut registered) = (place.writer(), Segments::default());
    for n in 0..7 {
        registered.commit(roll(&mut writer, n));
    }
    let before = registered.clone();
    for segment in &before.0 {
        let file = fs::File::options().write(true).open(place.folder.path().join(path_of(segment))).unwrap();
        file.set_modified(SystemTime::now() - GARBAGE_AGE_MIN * 2).unwrap();
    }
    registered.commit(roll(&mut writer, 7));
    drop(writer);
    let mut known =
        FakeRegistry { alive: BTreeSet::new(), registered: registered.names(), calls: Vec::new() };
    assert_eq!(place.store.remove_garbage(&mut known, now()).unwrap(), [""; 0]);
    assert_eq!(place.read(&before.0).unwrap(), locs(7), "a reader that listed them continues");
    let later = now() + GARBAGE_AGE_MIN + Duration::from_secs(60);
    assert_eq!(place.store.remove_garbage(&mut known, later).unwrap().len(), 7);
    assert_eq!(place.read(&registered.0).unwrap(), locs(8));
}

/// At most so many tries fit into two seconds: the pauses between them are 0.25 s, 0.5 s, 1 s and 2 s.
const TRIES_IN_TWO_SECONDS: usize = 4;

#[test]
fn a_server_that_fails_for_good_is_given_up_and_named() {
    let Some(mut place) = Place::bucket() else { return };
    let segment = place.write(&["https://a.example/1"]);
    place.store = place.store.clone().with_retry_timeout(Duration::from_secs(2));
    for method in ["PUT", "GET"] {
        place.proxy().inject(method, Fault::Refuse(503), 1_000);
    }
    let mut writer = place.writer();
    append(&mut writer, 2, &["https://a.example/2"]);
    let requests = |method| place.proxy().count(method);
    let (puts, gets) = (requests("PUT"), requests("GET"));
    let written = writer.roll().unwrap_err().to_string();
    assert!(requests("PUT") - puts <= TRIES_IN_TWO_SECONDS, "{} of PUT", requests("PUT") - puts);
    // Each failed PUT is followed by a GET, which finds out whether the object was written.
    let read_from = requests("GET");
    assert!(read_from - gets <= TRIES_IN_TWO_SECONDS, "{} of GET", read_from - gets);
    let read = place.read(&[segment]).unwrap_err().to_string();
    assert!(requests("GET") - read_from <= TRIES_IN_TWO_SECONDS, "{} of GET", requests("GET") - read_from);
    for said in [written, read] {
        let object = format!("{}/segments/{SESSION}/000000-", place.prefix);
        assert!(said.starts_with(&object) && said.contains(" has been failing for 2 s: "), "{said}");
        assert!(said.contains("503"), "{said}");
    }
}

#[test]
fn a_key_without_the_right_to_list_is_reported_at_once() {
    let Some(place) = Place::bucket() else { return };
    place.proxy().inject("GET", Fault::Refuse(403), 1);
    let mut known = FakeRegistry { alive: BTreeSet::new(), registered: BTreeSet::new(), calls: Vec::new() };
    let said = place.store.remove_garbage(&mut known, now()).unwrap_err().to_string();
    assert_eq!(said, format!("{}/segments: access refused (no reason given)", place.prefix));
}

/// Answers one request, and then accepts connections without answering.
fn server_that_stops_answering() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let mut silent = Vec::new();
        for (n, client) in listener.incoming().map_while(Result::ok).enumerate() {
            if n == 0 {
                let _ = { &client }.read(&mut [0; 4_096]);
                let body = "<Error><Code>NoSuchKey</Code></Error>";
                let head = format!("HTTP/1.1 404 Not Found\r\ncontent-length: {}\r\n", body.len());
                let _ = { &client }.write_all(format!("{head}connection: close\r\n\r\n{body}").as_bytes());
            } else {
                silent.push(client);
            }
        }
    });
    endpoint
}

#[test]
fn a_server_that_stops_answering_is_given_up_and_named() {
    let runtime = runtime();
    let variables = [
        ("AWS_ENDPOINT_URL", server_that_stops_answering()),
        ("AWS_ACCESS_KEY_ID", "a".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "b".to_owned()),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value));
    let store = SegmentStore::open("s3://bucket/crawl", variables, runtime.handle().clone()).unwrap();
    let said = store.with_retry_timeout(Duration::from_secs(1)).mark("one").unwrap_err().to_string();
    assert_eq!(said, "s3://bucket/crawl/crawl has been failing for 1 s: no answer");
}

fn refusal(url: &str, variables: Vec<(String, String)>) -> String {
    let runtime = runtime();
    let opened = SegmentStore::open(url, variables, runtime.handle().clone());
    opened.err().expect("opening must fail").to_string()
}

#[test]
fn an_unknown_bucket_and_a_wrong_key_are_reported_in_one_line() {
    let Some(server) = s3server::shared() else { return };
    let right = variables(server, &server.endpoint());
    let said = refusal("s3://elsewhere/crawl", right.clone());
    assert_eq!(said, format!("there is no bucket elsewhere at {}", server.endpoint()));
    for (name, code) in
        [("AWS_SECRET_ACCESS_KEY", "SignatureDoesNotMatch"), ("AWS_ACCESS_KEY_ID", "InvalidAccessKeyId")]
    {
        let mut wrong = right.clone();
        wrong
            .iter_mut()
            .filter(|(variable, _)| variable == name)
            .for_each(|(_, value)| *value = "wrong".to_owned());
        let said = refusal(&format!("s3://{BUCKET}/crawl"), wrong);
        assert_eq!(said, format!("s3://{BUCKET}/crawl/crawl: access refused ({code})"));
    }
}

#[test]
fn a_server_that_is_not_running_is_reported_soon() {
    let nobody = [
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:9"),
        ("AWS_ACCESS_KEY_ID", "a"),
        ("AWS_SECRET_ACCESS_KEY", "b"),
    ];
    let said =
        refusal("s3://bucket/crawl", nobody.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    assert!(said.starts_with("s3://bucket/crawl/crawl: ") && said.contains("onnect"), "{said}");
}

#[test]
fn an_invalid_place_is_reported_without_its_password() {
    for url in ["", "crawl-data", "https://bucket/crawl", "ftp://me:secret@host/x", "s3:///crawl"] {
        let said = refusal(url, Vec::new());
        assert!(said.contains("name s3://bucket/prefix, or file:///folder"), "{url}: {said}");
        assert!(!said.contains("secret"), "{said}");
    }
    let said = refusal("s3://me:secret@bucket/crawl", Vec::new());
    assert!(said.contains("AWS_SECRET_ACCESS_KEY") && !said.contains("me:secret"), "{said}");
    assert!(refusal("file:///nowhere/at/all", Vec::new()).starts_with("cannot read /nowhere/at/all: "));
}

#[test]
fn a_mount_that_cannot_be_written_is_reported_with_its_path() {
    let place = Place::mount();
    let folder = place.folder.path().join("segments");
    // A file instead of the folder simulates every error of the mount.
    fs::write(&folder, "a file").unwrap();
    let mut writer = place.writer();
    append(&mut writer, 1, &["https://a.example/1"]);
    let said = writer.roll().unwrap_err().to_string();
    assert!(said.contains(&folder.display().to_string()), "{said}");
    drop(place.runtime);
}
