//! The server or the connection fails while a worker runs.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use frontier::work_queue::{Commit, QueueError, REAPED_COOLDOWN, Release, SegmentRef, Session, WorkQueue};
use frontier::{Host, NewTask, Task, TaskKind};
use queue_suite::HandClock;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket};
use url::Url;

use super::super::{Database, PostgresQueue};
use super::support::{BOUNDS, block_on, connect, fresh_crawl, fresh_database, queue as queue_of};

fn task(n: u64) -> NewTask {
    let host = Host::of(&Url::parse(&format!("https://h{}.example/", n % 7)).unwrap()).unwrap();
    NewTask { task: Task::new(&host, host.url(&format!("/{n}")), TaskKind::Sitemap), host, found_on: None }
}

fn bringing(n: u64) -> Commit {
    Commit { seq: n, found: vec![task(n)], ..Commit::default() }
}

/// Where a connection is cut.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cut {
    /// The server does not receive the COMMIT.
    BeforeCommit,
    /// The server has committed, but its answer is lost.
    AfterCommit,
}

/// Starts a proxy to the server at `target` that cuts the connection at every `every`th COMMIT. Returns its port.
async fn unreliable(target: SocketAddr, every: u32, cut: Cut) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let commits = Arc::new(AtomicU32::new(0));
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let commits = commits.clone();
            tokio::spawn(async move {
                let mut server = TcpSocket::new_v4().unwrap().connect(target).await.unwrap();
                let (mut up, mut down) = (vec![0; 1 << 16], vec![0; 1 << 16]);
                let mut is_lost = false;
                loop {
                    tokio::select! {
                        read = client.read(&mut up) => {
                            let Ok(n @ 1..) = read else { return };
                            if up[..n].windows(7).any(|bytes| bytes == b"COMMIT\0") {
                                is_lost = (commits.fetch_add(1, Ordering::SeqCst) + 1).is_multiple_of(every);
                            }
                            if is_lost && cut == Cut::BeforeCommit {
                                return;
                            }
                            server.write_all(&up[..n]).await.unwrap();
                        }
                        read = server.read(&mut down) => {
                            let Ok(n @ 1..) = read else { return };
                            if is_lost && down[..n].windows(7).any(|bytes| bytes == b"COMMIT\0") {
                                return;
                            }
                            if client.write_all(&down[..n]).await.is_err() {
                                return;
                            }
                        }
                    }
                }
            });
        }
    });
    port
}

/// The address of the same database through `port`.
fn through(url: &str, port: u16) -> String {
    let (_, database) = url.rsplit_once('/').unwrap();
    let (user, _) = url.split_once('@').unwrap();
    format!("{user}@127.0.0.1:{port}/{database}?sslmode=disable")
}

fn server_of(url: &str) -> SocketAddr {
    let (_, rest) = url.split_once('@').unwrap();
    rest.split(['/', '?']).next().unwrap().parse().unwrap()
}

#[test]
fn a_commit_whose_answer_is_lost_is_applied_once_and_a_lost_one_is_sent_again() {
    for cut in [Cut::BeforeCommit, Cut::AfterCommit] {
        block_on(async {
            let Some((crawl, url)) = fresh_crawl().await else { return };
            let port = unreliable(server_of(&url), 3, cut).await;
            let shaky = Database::open(&through(&url, port)).await.unwrap().crawl("test").await.unwrap();
            let queue = shaky.queue(BOUNDS);
            let session = queue.open_session("shaky").await.unwrap();
            for seq in 1..=20 {
                queue.commit(&session, bringing(seq)).await.unwrap();
            }
            let counts = crawl.counts().await.unwrap();
            assert_eq!((counts.tasks, counts.tasks_pending, counts.hosts), (20, 20, 7));
            assert_eq!(crawl.sessions().await.unwrap().len(), 1, "no session was opened twice");
        });
    }
}

#[test]
fn hosts_of_a_lease_whose_answer_is_lost_are_not_forgotten() {
    for cut in [Cut::BeforeCommit, Cut::AfterCommit] {
        block_on(async {
            let Some((crawl, url)) = fresh_crawl().await else { return };
            let queue = crawl.queue(BOUNDS);
            let seeder = queue.open_session("seeds").await.unwrap();
            let found = (0..7).map(task).collect();
            queue.commit(&seeder, Commit { seq: 1, found, ..Commit::default() }).await.unwrap();
            // Every second COMMIT fails: that of the session arrives, that of the first lease does not.
            let port = unreliable(server_of(&url), 2, cut).await;
            let shaky = Database::open(&through(&url, port)).await.unwrap().crawl("test").await.unwrap();
            let queue = shaky.queue(BOUNDS);
            let session = queue.open_session("shaky").await.unwrap();
            let mut all = Vec::new();
            loop {
                let leased = queue.lease(&session, 2).await.unwrap();
                if leased.is_empty() {
                    break;
                }
                all.extend(leased.into_iter().map(|leased| leased.host));
            }
            all.sort();
            all.dedup();
            assert_eq!((all.len(), crawl.counts().await.unwrap().hosts_leased), (7, 7));
        });
    }
}

#[test]
fn a_worker_goes_on_when_the_server_crashed_and_came_back() {
    let Some(server) = pgserver::own_server() else { return };
    block_on(async {
        let url = fresh_database(&server.url("postgres")).await;
        let crawl = Database::open(&url).await.unwrap().crawl_or_new("test").await.unwrap();
        let queue = crawl.queue(BOUNDS);
        let session = queue.open_session("steady").await.unwrap();
        let committed = Arc::new(AtomicU32::new(0));
        let working = tokio::spawn({
            let (queue, session, committed) = (queue.clone(), session.clone(), committed.clone());
            async move {
                for seq in 1..=300 {
                    queue.commit(&session, bringing(seq)).await?;
                    committed.store(seq as u32, Ordering::SeqCst);
                }
                Ok::<_, QueueError>(())
            }
        });
        for at in [30, 90, 150] {
            while committed.load(Ordering::SeqCst) < at {
                assert!(!working.is_finished(), "it failed");
                // Polling interval. The loop ends by the number of commits, not by time.
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            tokio::task::block_in_place(|| server.crash().and_then(|()| server.resume())).unwrap();
        }
        working.await.unwrap().unwrap();
        assert_eq!(queue.counts().await.unwrap().tasks, 300);
        assert_eq!(crawl.sessions().await.unwrap()[0].commit_seq, 300);
    });
}

#[test]
fn sessions_from_before_the_promotion_of_a_standby_are_ended_and_their_hosts_are_leased_again() {
    let Some(primary) = pgserver::own_server() else { return };
    block_on(async {
        let url = fresh_database(&primary.url("postgres")).await;
        let crawl = Database::open(&url).await.unwrap().crawl_or_new("test").await.unwrap();
        let queue = crawl.queue(BOUNDS);
        let session = queue.open_session("before").await.unwrap();
        queue.commit(&session, bringing(1)).await.unwrap();
        let leased = queue.lease(&session, 1).await.unwrap().remove(0).host.id();
        // The standby starts with this state.
        let standby = tokio::task::block_in_place(|| primary.standby()).unwrap();
        tokio::task::block_in_place(|| primary.crash().and_then(|()| standby.promote())).unwrap();

        let (_, name) = url.rsplit_once('/').unwrap();
        let promoted = Database::open(&standby.url(name)).await.unwrap().crawl("test").await.unwrap();
        let clock = HandClock::at(promoted.now().await.unwrap());
        let queue = queue_of(&promoted, BOUNDS, clock.clone());
        assert_eq!(queue.workers().await.unwrap(), 0);
        let release = Release { host: leased, inbox: 0, not_before: None, parked: false };
        for refused in [
            queue.renew(&session).await.err(),
            queue.lease(&session, 1).await.err(),
            queue.load(&session, &[leased], 1).await.err(),
            queue.are_done(&session, &[task(1).task.id]).await.err(),
            queue.given_up(&session, None, 1).await.err(),
            queue.commit(&session, bringing(2)).await.err(),
            queue.release(&session, &[release]).await.err(),
        ] {
            assert!(matches!(refused, Some(QueueError::Fenced(id)) if id == session.id), "{refused:?}");
        }
        let after = queue.open_session("after").await.unwrap();
        queue.renew(&after).await.unwrap();
        assert_eq!(queue.lease(&after, 1).await.unwrap(), [], "the host is not free yet");
        assert_eq!(queue.reap().await.unwrap(), 1, "long before the session expires");
        clock.advance(REAPED_COOLDOWN);
        assert_eq!(queue.lease(&after, 1).await.unwrap()[0].host.id(), leased);
        assert_eq!((queue.reap().await.unwrap(), queue.workers().await.unwrap()), (0, 1));
    });
}

#[test]
fn connections_that_the_server_closes_are_replaced() {
    block_on(async {
        let Some((crawl, url)) = fresh_crawl().await else { return };
        let queue = crawl.queue(BOUNDS);
        let session = queue.open_session("steady").await.unwrap();
        let saboteur = connect(&url).await;
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE application_name = 'sitemap-crawler' AND datname = current_database()";
        for seq in 1..=30 {
            let (commit, ended) =
                tokio::join!(queue.commit(&session, bringing(seq)), saboteur.execute(end, &[]));
            commit.unwrap();
            ended.unwrap();
        }
        assert_eq!(crawl.counts().await.unwrap().tasks, 30);
    });
}

#[test]
fn a_server_that_stays_unavailable_ends_the_call_and_is_named() {
    let Some(server) = pgserver::own_server() else { return };
    block_on(async {
        let url = fresh_database(&server.url("postgres")).await;
        let database = Database::open(&url).await.unwrap();
        let crawl = database.crawl_or_new("test").await.unwrap();
        let database = database.with_retry_timeout(Duration::from_secs(1));
        let queue = PostgresQueue { database, ..crawl.queue(BOUNDS) };
        let session = queue.open_session("a").await.unwrap();
        tokio::task::block_in_place(|| server.crash()).unwrap();
        let Err(QueueError::Unavailable(text)) = queue.renew(&session).await else {
            panic!("the server is down")
        };
        let place = format!("postgres://127.0.0.1:{}/", server.port());
        assert!(text.starts_with(&place) && text.contains(" has been failing for 1 s: "), "{text}");
    });
}

#[test]
fn a_call_that_is_dropped_halfway_leaves_no_transaction_behind() {
    block_on(async {
        let Some((crawl, url)) = fresh_crawl().await else { return };
        let queue = crawl.queue(BOUNDS);
        let session = queue.open_session("a").await.unwrap();
        queue.commit(&session, bringing(1)).await.unwrap();
        // The lock of this transaction makes the commit wait.
        let rival = connect(&url).await;
        rival.batch_execute("BEGIN; SELECT FROM host FOR UPDATE").await.unwrap();
        let again = Commit { found: vec![task(8)], ..bringing(2) };
        let waiting = queue.commit(&session, again.clone());
        assert!(tokio::time::timeout(Duration::from_millis(300), waiting).await.is_err(), "it waits");
        rival.batch_execute("ROLLBACK").await.unwrap();
        queue.commit(&session, again).await.unwrap();
        assert_eq!(crawl.counts().await.unwrap().tasks, 2);
    });
}

#[test]
fn only_whole_segments_of_the_session_are_registered() {
    block_on(async {
        let Some((crawl, _)) = fresh_crawl().await else { return };
        let queue = crawl.queue(BOUNDS);
        let session = queue.open_session("a").await.unwrap();
        let whole = SegmentRef {
            name: format!("{}-000000-0000002a.parquet", session.id),
            from_bytes: 0,
            to_bytes: 1_000,
            rows: 10,
            crc32c: 0x2a,
            replaces_from: None,
        };
        let foreign = SegmentRef { name: format!("{:032x}-000000-0000002a.parquet", 1), ..whole.clone() };
        let growing = SegmentRef { name: format!("{}-000000.arrow", session.id), ..whole.clone() };
        let damaged = SegmentRef { crc32c: 1, ..whole.clone() };
        for refused in [foreign, growing, damaged] {
            let commit = Commit { seq: 1, segment: Some(refused), ..Commit::default() };
            let Err(QueueError::Storage(text)) = queue.commit(&session, commit).await else {
                panic!("taken")
            };
            assert!(text.starts_with("segment "), "{text}");
        }
        let commit = Commit { segment: Some(whole.clone()), ..bringing(1) };
        queue.commit(&session, commit).await.unwrap();
        let segments = crawl.segments().await.unwrap();
        let facts: Vec<_> =
            segments.iter().map(|one| (one.name.clone(), one.bytes, one.rows, one.crc32c)).collect();
        assert_eq!(facts, [(whole.name, 1_000, 10, 0x2a)]);
        assert!(segments[0].is_sealed());
    });
}

#[test]
fn a_segment_that_holds_the_rows_of_others_is_registered_instead_of_them() {
    block_on(async {
        let Some((crawl, _)) = fresh_crawl().await else { return };
        let queue = crawl.queue(BOUNDS);
        let (session, other) =
            (queue.open_session("a").await.unwrap(), queue.open_session("b").await.unwrap());
        let segment = |session: &Session, seq: u32, rows, replaces_from| SegmentRef {
            name: format!("{}-{seq:06}-{seq:08x}.parquet", session.id),
            from_bytes: 0,
            to_bytes: 1_000,
            rows,
            crc32c: seq,
            replaces_from,
        };
        let commit = async |session: &Session, seq, segment| {
            let commit = Commit { seq, segment: Some(segment), ..Commit::default() };
            queue.commit(session, commit).await.unwrap();
        };
        for seq in 0..4 {
            commit(&session, u64::from(seq) + 1, segment(&session, seq, 10, None)).await;
            commit(&other, u64::from(seq) + 1, segment(&other, seq, 10, None)).await;
        }
        let whole = segment(&session, 4, 40, Some(1));
        commit(&session, 5, whole.clone()).await;
        // The answer was lost, so it is sent again.
        commit(&session, 5, whole).await;
        let segments = crawl.segments().await.unwrap();
        let places: Vec<_> = segments.iter().map(|one| (one.first.session, one.first.seq)).collect();
        assert_eq!(places, [(0, 0), (0, 4), (1, 0), (1, 1), (1, 2), (1, 3)]);
        assert_eq!(segments.iter().map(|segment| segment.rows).sum::<u64>(), 90);
    });
}
