//! Concurrent workers, each with its own connections.

use std::collections::BTreeSet;
use std::time::Duration;

use frontier::work_queue::{Commit, REAPED_COOLDOWN, RENEWAL_MARGIN, Release, WorkQueue};
use frontier::{Host, HostId, NewTask, Outcome, Task, TaskKind, TaskOutcome, Timestamp};
use url::Url;

use super::super::{Database, PostgresQueue, SESSION_TTL};
use super::support::{BOUNDS, block_on, connect, fresh_crawl, queue};

fn task(n: usize, path: &str) -> NewTask {
    let host = Host::of(&Url::parse(&format!("https://h{n}.example/")).unwrap()).unwrap();
    NewTask { task: Task::new(&host, host.url(path), TaskKind::Sitemap), host, found_on: None }
}

async fn another(url: &str) -> PostgresQueue {
    Database::open(url).await.unwrap().crawl("test").await.unwrap().queue(BOUNDS)
}

/// Works until no task is left and returns the hosts it leased. Each task of depth 0 leads to one on every host.
async fn work(queue: PostgresQueue, hosts: usize) -> Vec<HostId> {
    let session = queue.open_session("rival").await.unwrap();
    let (mut seq, mut all) = (0, Vec::new());
    loop {
        let leased = queue.lease(&session, 3).await.unwrap();
        if leased.is_empty() {
            if queue.counts().await.unwrap().tasks_pending == 0 {
                return all;
            }
            // Polling interval. The other workers lease the remaining hosts and release them at any time.
            tokio::time::sleep(Duration::from_millis(5)).await;
            continue;
        }
        let ids: Vec<HostId> = leased.iter().map(|leased| leased.host.id()).collect();
        all.extend(&ids);
        let mut wanted = ids;
        while !wanted.is_empty() {
            let loaded = queue.load(&session, &wanted, 100).await.unwrap();
            let mut commit = Commit { seq: seq + 1, ..Commit::default() };
            for task in loaded.iter().flat_map(|loaded| &loaded.tasks) {
                commit.outcomes.push(done(task));
                if task.depth == 0 {
                    commit.found.extend((0..hosts).map(|n| child(task, n)));
                }
            }
            // `inbox` is from before the commit, so a host that got new tasks from it stays leased.
            let releases: Vec<Release> = loaded
                .iter()
                .map(|loaded| Release {
                    host: loaded.host,
                    inbox: loaded.inbox,
                    not_before: None,
                    parked: false,
                })
                .collect();
            queue.commit(&session, commit).await.unwrap();
            seq += 1;
            wanted = queue.release(&session, &releases).await.unwrap();
        }
    }
}

fn done(task: &Task) -> TaskOutcome {
    TaskOutcome::new(task.id, Outcome::NotModified, 1)
}

/// The task of depth 1 on host `n`. It is the same whichever task names it.
fn child(parent: &Task, n: usize) -> NewTask {
    let mut new = task(n, "/child");
    (new.task.depth, new.found_on) = (1, Some(parent.id.host));
    new
}

#[test]
fn rivals_that_name_each_others_hosts_lose_nothing_and_double_nothing() {
    block_on(async {
        let Some((crawl, url)) = fresh_crawl().await else { return };
        let hosts = 12;
        let first = crawl.queue(BOUNDS);
        let session = first.open_session("seeds").await.unwrap();
        let found = (0..hosts).map(|n| task(n, "/root")).collect();
        first.commit(&session, Commit { seq: 1, found, ..Commit::default() }).await.unwrap();

        // There are more hosts than seeds, so several workers find the same new host at the same time.
        let mut rivals = tokio::task::JoinSet::new();
        for _ in 0..4 {
            rivals.spawn(work(another(&url).await, 2 * hosts));
        }
        let leased: BTreeSet<HostId> = rivals.join_all().await.into_iter().flatten().collect();
        assert_eq!(leased.len(), 2 * hosts);
        let counts = first.counts().await.unwrap();
        assert_eq!((counts.hosts, counts.hosts_done, counts.hosts_leased), (24, 24, 0));
        assert_eq!((counts.tasks, counts.tasks_pending), (12 + 24, 0));
        let accounts = crawl.hosts_after(None, 100).await.unwrap();
        let sum = |of: fn(&frontier::Account) -> u64| -> u64 {
            accounts.iter().map(|(_, record)| of(&record.account)).sum()
        };
        assert!(accounts.iter().all(|(_, record)| record.account.adds_up()));
        assert_eq!(sum(|account| account.not_modified), 36);
        assert_eq!(sum(|account| account.duplicate), 12 * 24 - 24, "named again");
    });
}

#[test]
fn a_host_that_another_worker_inserts_at_the_same_time_is_no_failure() {
    block_on(async {
        let Some((crawl, url)) = fresh_crawl().await else { return };
        let queue = crawl.queue(BOUNDS);
        let session = queue.open_session("a").await.unwrap();
        let bringing = |seq, n| Commit { seq, found: vec![task(n, "/")], ..Commit::default() };
        queue.commit(&session, bringing(1, 1)).await.unwrap();
        let rival = connect(&url).await;
        rival.batch_execute("BEGIN").await.unwrap();
        let insert =
            "INSERT INTO host (crawl, host_id, origin, is_seed, is_site, hops, inbox, accepted, unfinished, account)
            SELECT crawl, $1, 'https://h2.example', true, true, 0, inbox, accepted, unfinished, account FROM host";
        let key = super::super::values::host_key(task(2, "/").host.id());
        rival.execute(insert, &[&key]).await.unwrap();

        let (waiting_queue, waiting_session) = (queue.clone(), session.clone());
        let commit = bringing(2, 2);
        let waiting = tokio::spawn(async move { waiting_queue.commit(&waiting_session, commit).await });
        let waits = "SELECT EXISTS (SELECT FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock')";
        let observer = connect(&url).await;
        while !observer.query_one(waits, &[]).await.unwrap().get::<_, bool>(0) {
            assert!(!waiting.is_finished(), "it did not wait for the other transaction");
        }
        rival.batch_execute("COMMIT").await.unwrap();
        waiting.await.unwrap().unwrap();
        let counts = queue.counts().await.unwrap();
        assert_eq!((counts.tasks, counts.hosts), (2, 1), "the other transaction inserted the host");
    });
}

#[test]
fn each_host_is_leased_to_one_of_many_concurrent_workers() {
    block_on(async {
        let Some((crawl, url)) = fresh_crawl().await else { return };
        let first = crawl.queue(BOUNDS);
        let session = first.open_session("seeds").await.unwrap();
        let found = (0..200).map(|n| task(n, "/")).collect();
        first.commit(&session, Commit { seq: 1, found, ..Commit::default() }).await.unwrap();
        let mut rivals = tokio::task::JoinSet::new();
        for _ in 0..4 {
            let queue = another(&url).await;
            rivals.spawn(async move {
                let session = queue.open_session("rival").await.unwrap();
                let mut all = Vec::new();
                while all.len() < 50 {
                    let leased = queue.lease(&session, 7.min(50 - all.len())).await.unwrap();
                    all.extend(leased.iter().map(|leased| leased.host.id()));
                }
                all
            });
        }
        let leased: Vec<HostId> = rivals.join_all().await.into_iter().flatten().collect();
        assert_eq!(leased.iter().collect::<BTreeSet<_>>().len(), 200);
        assert_eq!(first.counts().await.unwrap().hosts_leased, 200);
    });
}

#[test]
fn crawls_in_one_database_see_nothing_of_each_other() {
    block_on(async {
        let Some((one, url)) = fresh_crawl().await else { return };
        let two = Database::open(&url).await.unwrap().crawl_or_new("other").await.unwrap();
        for (crawl, n) in [(&one, 3), (&two, 5)] {
            let queue = crawl.queue(BOUNDS);
            let session = queue.open_session("a").await.unwrap();
            assert_eq!(session.number, 0);
            let found = (0..n).map(|n| task(n, "/")).collect();
            queue.commit(&session, Commit { seq: 1, found, ..Commit::default() }).await.unwrap();
        }
        let queue = one.queue(BOUNDS);
        let session = queue.open_session("b").await.unwrap();
        assert_eq!(queue.lease(&session, 100).await.unwrap().len(), 3);
        assert_eq!((one.counts().await.unwrap().tasks, two.counts().await.unwrap().hosts), (3, 5));
        let other = two.queue(BOUNDS);
        let refused = other.renew(&session).await;
        assert!(refused.is_err(), "a session belongs to one crawl: {refused:?}");
    });
}

#[test]
fn a_session_with_a_commit_in_flight_is_not_reaped() {
    block_on(async {
        let Some((crawl, url)) = fresh_crawl().await else { return };
        let clock = queue_suite::HandClock::at(Timestamp::from_micros(1));
        let queue = queue(&crawl, BOUNDS, clock.clone());
        let session = queue.open_session("slow").await.unwrap();
        clock.advance(SESSION_TTL + Duration::from_secs(1));
        let committing = connect(&url).await;
        committing.batch_execute("BEGIN; SELECT FROM session FOR UPDATE").await.unwrap();
        assert_eq!(queue.reap().await.unwrap(), 0);
        committing.batch_execute("ROLLBACK").await.unwrap();
        assert_eq!(queue.reap().await.unwrap(), 1);
        assert!(queue.renew(&session).await.is_err());
    });
}

#[test]
fn times_are_those_of_the_server() {
    block_on(async {
        let Some((crawl, url)) = fresh_crawl().await else { return };
        let queue = crawl.queue(BOUNDS);
        let before = crawl.now().await.unwrap();
        let session = queue.open_session("a").await.unwrap();
        let deadline = queue.renew(&session).await.unwrap();
        let after = crawl.now().await.unwrap();
        assert!((before..=after).contains(&session.started_at));
        let renewed_at = deadline - (SESSION_TTL - RENEWAL_MARGIN);
        assert!((session.started_at..=after).contains(&renewed_at));
        let live = "SELECT expires_at = started_at + interval '60 s' OR expires_at > started_at FROM session";
        assert!(connect(&url).await.query_one(live, &[]).await.unwrap().get::<_, bool>(0));
    });
}

#[test]
fn a_session_that_is_closed_gives_its_hosts_to_the_others() {
    block_on(async {
        let Some((crawl, _)) = fresh_crawl().await else { return };
        let clock = queue_suite::HandClock::at(Timestamp::from_micros(1_000_000));
        let queue = queue(&crawl, BOUNDS, clock.clone());
        let (one, other) = (queue.open_session("a").await.unwrap(), queue.open_session("b").await.unwrap());
        assert_eq!(queue.workers().await.unwrap(), 2);
        let found = vec![task(1, "/a"), task(2, "/b")];
        queue.commit(&one, Commit { seq: 1, found, ..Commit::default() }).await.unwrap();
        assert_eq!(queue.lease(&one, 9).await.unwrap().len(), 2);

        queue.close_session(&one).await.unwrap();
        queue.close_session(&one).await.unwrap();
        assert!(queue.renew(&one).await.is_err(), "it stays closed");
        assert_eq!((queue.workers().await.unwrap(), queue.counts().await.unwrap().hosts_leased), (1, 0));
        assert!(queue.lease(&other, 9).await.unwrap().is_empty(), "its last requests may be in flight");
        clock.advance(REAPED_COOLDOWN);
        let leased = queue.lease(&other, 9).await.unwrap();
        assert_eq!(leased.len(), 2);
        assert!(leased.iter().all(|leased| leased.asked_before), "they wait for one full delay");

        clock.advance(SESSION_TTL + Duration::from_secs(1));
        assert_eq!(queue.workers().await.unwrap(), 0);
    });
}

#[test]
fn crawls_have_identities_of_their_own() {
    block_on(async {
        let Some((crawl, url)) = fresh_crawl().await else { return };
        let database = Database::open(&url).await.unwrap();
        let other = database.crawl_or_new("other").await.unwrap();
        let again = database.crawl("test").await.unwrap();
        assert_eq!(crawl.identity().await.unwrap(), again.identity().await.unwrap());
        assert_ne!(crawl.identity().await.unwrap(), other.identity().await.unwrap());
        let session = crawl.queue(BOUNDS).open_session("a").await.unwrap();
        assert_eq!(crawl.sessions_alive().await.unwrap(), [session.id]);
        assert_eq!(other.sessions_alive().await.unwrap(), []);
    });
}
