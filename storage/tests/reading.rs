//! Reading a crawl, running or not.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;

use frontier::work_queue::{Commit, QueueError, TaskState};
use frontier::{Seed, WorkQueue};
use storage::{BatchView, CrawlReader, LiveReader, LocalWorkQueue, OpenError};
use tokio::runtime::Runtime;

use crate::support::{NOW, Place, Work, block_on, fetch, found};

#[test]
fn entries_come_in_the_order_of_the_commits_over_sessions() {
    let place = Place::new();
    for n in 0..3 {
        Work::begin(&place).crawl(n, 2);
    }
    let expected: Vec<String> =
        (0..3).flat_map(|n| (0..2).map(move |i| format!("https://a.example/{n}/{i}"))).collect();
    assert_eq!(place.locs(), expected);
    let reader = CrawlReader::open(&place.path).unwrap();
    assert_eq!(reader.segments().iter().map(|segment| segment.rows).collect::<Vec<_>>(), [2, 2, 2]);
    assert_eq!(reader.sessions().len(), 3);
    assert!(reader.sessions().iter().all(|record| record.commit_seq == 2));
}

#[test]
fn leased_hosts_are_free_once_the_crawl_has_ended() {
    let place = Place::new();
    let mut work = Work::begin(&place);
    work.commit(Commit { found: vec![found(1)], ..Commit::default() });
    assert_eq!(block_on(work.queue.lease(&work.session, 9)).unwrap().len(), 1);
    drop(work);
    let reader = CrawlReader::open(&place.path).unwrap();
    let counts = reader.counts(NOW).unwrap();
    assert_eq!((counts.hosts, counts.hosts_leased, counts.tasks_pending), (1, 0, 1));
    assert_eq!(counts.next_due_at, Some(NOW));
}

#[test]
fn tasks_are_read_with_their_states() {
    let place = Place::new();
    let mut work = Work::begin(&place);
    work.crawl(1, 2);
    work.commit(Commit { found: vec![found(2)], ..Commit::default() });
    drop(work);
    let reader = CrawlReader::open(&place.path).unwrap();
    let tasks: Vec<TaskState> = reader.tasks().map(|task| task.unwrap().1).collect();
    assert_eq!(tasks.len(), 2);
    assert!(tasks.iter().any(|state| matches!(state, TaskState::Done { task, .. } if task.attempts == 1)));
    assert!(tasks.iter().any(|state| matches!(state, TaskState::Pending(_))));
}

/// A runtime that answers readers while `work` is alive.
fn serve(work: &Work) -> Runtime {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let server = {
        let _entered = runtime.enter();
        work.data_dir.live_server().unwrap()
    };
    runtime.spawn(server.run());
    runtime
}

fn all<T>(records: impl Iterator<Item = Result<T, QueueError>>) -> Vec<T> {
    records.collect::<Result<_, _>>().unwrap()
}

#[test]
fn a_running_crawl_is_read_like_one_at_rest() {
    // More records of each kind than a page has.
    const TASKS: u32 = 1_000;
    // So long that the path of its socket is no address.
    let place = Place::named(&"long-name-".repeat(20));
    let mut work = Work::begin(&place);
    work.crawl(0, 2);
    let hosts = (1..450).map(|n| Seed::parse(&format!("https://{n}.example/")).unwrap().unwrap().task());
    work.commit(Commit { found: hosts.chain((1..TASKS).map(found)).collect(), ..Commit::default() });
    for commit in 0..5 {
        let fetches = (0..700).map(|n| fetch(&work, 700 * commit + n)).collect();
        work.commit(Commit { fetches, ..Commit::default() });
    }
    let runtime = serve(&work);
    let live = LiveReader::open(&place.path).unwrap();
    let read = (all(live.hosts()), all(live.tasks()), all(live.fetches()), all(live.origins()));
    let (view, entries) = ((live.counts().clone(), live.sessions().to_vec()), live.entries().count());
    drop((runtime, work));

    let reader = CrawlReader::open(&place.path).unwrap();
    assert!(read == (all(reader.hosts()), all(reader.tasks()), all(reader.fetches()), all(reader.origins())));
    assert_eq!((read.0.len(), read.1.len(), read.2.len()), (450, 1_449, 3_500));
    assert_eq!(view, (reader.counts(NOW).unwrap(), reader.sessions().to_vec()));
    assert_eq!(entries, 1);
    let [gone] = &live.hosts().collect::<Vec<_>>()[..] else { panic!("an error ends the records") };
    assert!(matches!(gone, Err(QueueError::Unavailable(_))), "{gone:?}");
    assert!(matches!(LiveReader::open(&place.path), Err(OpenError::Queue(QueueError::Unavailable(_)))));
}

#[test]
fn the_socket_is_only_for_its_user_and_goes_with_the_crawl() {
    let place = Place::new();
    let socket = place.path.join("live.sock");
    // Left by a process that was killed.
    std::fs::create_dir(&place.path).unwrap();
    drop(place.open().unwrap());
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    let work = Work::begin(&place);
    let runtime = serve(&work);
    let mode = std::fs::symlink_metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(LiveReader::open(&place.path).unwrap().sessions().len(), 1);
    drop((runtime, work));
    assert!(!socket.exists());
}

#[test]
fn junk_on_the_socket_ends_only_that_connection() {
    let place = Place::new();
    let work = Work::begin(&place);
    let runtime = serve(&work);
    for junk in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0xFF; 64], &[3, 0, 0, 0, 9, 9, 9], &[0; 4], b""] {
        let mut stream = UnixStream::connect(place.path.join("live.sock")).unwrap();
        stream.write_all(junk).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        // Reset or closed: either way nothing is said.
        let _ = stream.read_to_end(&mut answer);
        assert!(answer.is_empty(), "{junk:?} got {answer:?}");
    }
    assert_eq!(LiveReader::open(&place.path).unwrap().sessions().len(), 1);
    drop((runtime, work));
}

#[test]
fn entries_sealed_while_they_are_read_come_once_and_in_order() {
    let place = Place::new();
    Work::begin(&place).crawl(1, 3);
    let mut work = Work::begin(&place);
    work.crawl(2, 3);
    let runtime = serve(&work);
    let reader = LiveReader::open(&place.path).unwrap();
    let mut entries = reader.entries();
    let first = entries.next().unwrap().unwrap();

    work.crawl(3, 3);
    work.data_dir.sealer(|_| ()).unwrap().finish().unwrap();
    let view = block_on(work.queue.view()).unwrap();
    assert!(view.segments.iter().all(storage::SegmentRecord::is_sealed));
    let batches = std::iter::once(first).chain(entries.map(Result::unwrap));
    let locs: Vec<String> = batches
        .flat_map(|batch| {
            let view = BatchView::new(&batch).unwrap();
            view.rows().map(|row| row.entry.loc.to_owned()).collect::<Vec<_>>()
        })
        .collect();
    let expected: Vec<String> =
        (1..3).flat_map(|n| (0..3).map(move |i| format!("https://a.example/{n}/{i}"))).collect();
    assert_eq!(locs, expected, "the entries registered when the reader was opened");
    drop((runtime, work));
}
