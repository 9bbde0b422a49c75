//! The order of the columns of a table does not matter. It differs after a restore, or when a release adds a column.

use std::collections::HashMap;
use std::time::Duration;

use frontier::work_queue::{
    Commit, HostCooldown, HostUpdate, REAPED_COOLDOWN, Release, RobotsRecord, SegmentRef, Usage, WorkQueue,
};
use frontier::{
    Clock as _, Connection, ErrorKind, FetchRecord, Host, NewTask, Outcome, RequestKind, SessionId, Stages,
    Task, TaskKind, TaskOutcome, Timestamp, Validator,
};
use queue_suite::HandClock;
use url::Url;

use super::super::tables::{HostRow, task_state};
use super::super::{Database, SESSION_TTL, SharedCrawl};
use super::support::{BOUNDS, block_on, connect, fresh_database, queue};
use crate::work_queue::FetchMark;

/// Creates the tables anew with the last column first, after a column that this release does not know.
const REORDER: &str = "DO $$
DECLARE
    tab text; columns text; constraints text; indexes text[]; statement text;
BEGIN
    FOREACH tab IN ARRAY ARRAY['crawl', 'seed', 'session', 'host', 'site', 'robots', 'task', 'fetched', 'segment'] LOOP
        SELECT string_agg(format('%I %s %s %s', attname, format_type(atttypid, atttypmod),
                CASE WHEN attnotnull THEN 'NOT NULL' END, 'DEFAULT ' || pg_get_expr(adbin, adrelid)),
                ', ' ORDER BY attnum DESC)
            INTO columns FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
            WHERE attrelid = tab::regclass AND attnum > 0;
        SELECT string_agg(pg_get_constraintdef(oid), ', ')
            INTO constraints FROM pg_constraint WHERE conrelid = tab::regclass AND contype IN ('p', 'u', 'c');
        SELECT array_agg(pg_get_indexdef(indexrelid))
            INTO indexes FROM pg_index WHERE indrelid = tab::regclass
            AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid);
        EXECUTE format('DROP TABLE %I', tab);
        EXECUTE format('CREATE TABLE %I (added_later text, %s, %s)', tab, columns, constraints);
        FOREACH statement IN ARRAY COALESCE(indexes, '{}') LOOP EXECUTE statement; END LOOP;
    END LOOP;
END $$";

fn start() -> Timestamp {
    Timestamp::from_micros(1_700_000_000_000_000)
}

fn host(n: u64) -> Host {
    Host::of(&Url::parse(&format!("https://h{n}.example/")).unwrap()).unwrap()
}

/// A task with a different value in every field.
fn task(n: u64) -> NewTask {
    let (host, other) = (host(n % 3), host(7));
    let mut task = Task::new(&host, host.url(&format!("/{n}")), TaskKind::Sitemap);
    task.depth = 2;
    task.hops = 3;
    task.parent = Some(Task::new(&other, other.url("/index"), TaskKind::Sitemap).id);
    task.named_by = vec![host.id(), other.id()];
    NewTask { host, task, found_on: Some(other.id()) }
}

fn fetch(n: u64) -> FetchRecord {
    FetchRecord {
        session: SessionId(7),
        task: task(n).task.id,
        parent: None,
        kind: RequestKind::Sitemap,
        attempt: 1,
        hop: 0,
        begun_at: start(),
        stages: Stages::default(),
        bytes_wire: 10,
        bytes_decoded: 20,
        status: Some(503),
        connection: Connection::New,
        document: None,
        entries: 0,
        error: Some(ErrorKind::HttpStatus),
        detail: String::new(),
    }
}

fn ended(n: u64, outcome: Outcome, attempts: u8) -> TaskOutcome {
    TaskOutcome::new(task(n).task.id, outcome, attempts)
}

fn first_commit(segment: String) -> Commit {
    Commit {
        seq: 1,
        found: (0..6).map(task).collect(),
        fetches: vec![fetch(0)],
        usage: Usage { process_us: 1, inflate_us: 2, parse_us: 3, record_us: 4, ..Usage::default() },
        segment: Some(SegmentRef {
            name: segment,
            from_bytes: 0,
            to_bytes: 1_000,
            rows: 10,
            crc32c: 0x2a,
            replaces_from: None,
        }),
        ..Commit::default()
    }
}

fn second_commit(now: Timestamp) -> Commit {
    let robots = RobotsRecord {
        fetched_at: now,
        rules: Some("disallow: /x".to_owned()),
        validator: Validator::default(),
    };
    Commit {
        seq: 2,
        outcomes: vec![
            ended(0, Outcome::Retry(now + Duration::from_secs(5)), 2),
            ended(1, Outcome::Failed(ErrorKind::HttpStatus), 3),
            ended(4, Outcome::NotModified, 1),
        ],
        fetches: vec![fetch(1), fetch(4)],
        hosts: vec![HostUpdate { host: host(1).id(), robots }],
        cooldowns: vec![HostCooldown { host: host(1).id(), until: now + Duration::from_secs(9) }],
        previous_commit_us: 77,
        ..Commit::default()
    }
}

/// Uses every table and returns what a worker and a reader see of them.
async fn use_tables(crawl: &SharedCrawl) -> String {
    let clock = HandClock::at(start());
    let queue = queue(crawl, BOUNDS, clock.clone());
    crawl.set_settings("{}").await.unwrap();
    crawl.add_seeds(&[frontier::Seed::parse("a.example").unwrap().unwrap().task()]).await.unwrap();

    let session = queue.open_session("a").await.unwrap();
    clock.advance(Duration::from_secs(1));
    let segment = format!("{}-000000-0000002a.parquet", session.id);
    queue.commit(&session, first_commit(segment)).await.unwrap();
    let leased = queue.lease(&session, 9).await.unwrap();
    assert_eq!(leased.len(), 3);
    let ids: Vec<_> = (0..3).map(|n| host(n).id()).collect();
    let loaded = queue.load(&session, &ids, 9).await.unwrap();
    let mut tasks: HashMap<_, _> =
        loaded.iter().flat_map(|host| &host.tasks).map(|task| (task.id, task.clone())).collect();
    for new in (0..6).map(task) {
        assert_eq!(tasks.remove(&new.task.id), Some(new.task));
    }

    clock.advance(Duration::from_secs(1));
    queue.commit(&session, second_commit(clock.now())).await.unwrap();
    let reloaded = queue.load(&session, &ids, 9).await.unwrap();
    let asked: Vec<_> = (0..7).map(|n| task(n).task.id).collect();
    let done = queue.are_done(&session, &asked).await.unwrap();
    assert_eq!(done, [false, true, false, false, true, false, false]);
    let given_up = queue.given_up(&session, None, 9).await.unwrap();
    let free = |n: usize, parked: bool| Release {
        host: ids[n],
        inbox: reloaded[n].inbox,
        not_before: parked.then(|| start() + Duration::from_secs(500)),
        parked,
    };
    assert_eq!(queue.release(&session, &[free(0, false), free(1, true)]).await.unwrap(), []);
    let counts = queue.counts().await.unwrap();
    assert_eq!((counts.hosts_parked, counts.hosts_leased), (1, 1));

    clock.advance(SESSION_TTL + Duration::from_secs(1));
    assert_eq!(queue.reap().await.unwrap(), 1);
    clock.advance(REAPED_COOLDOWN);
    let heir = queue.open_session("b").await.unwrap();
    let leased_again = queue.lease(&heir, 9).await.unwrap();
    let mut sessions = crawl.sessions().await.unwrap();
    sessions.iter_mut().for_each(|record| record.session.id = SessionId(0));
    let segments = crawl.segments().await.unwrap();
    let segments: Vec<_> = segments.iter().map(|one| (one.bytes, one.rows, one.crc32c, one.first)).collect();
    let work = (leased, loaded, reloaded, given_up, counts, leased_again);
    let hosts = crawl.hosts_after(None, 9).await.unwrap();
    let fetches = crawl.fetches_after(FetchMark::default(), 9).await.unwrap();
    let stored = (crawl.settings().await.unwrap(), crawl.claim_seeds(10).await.unwrap());
    format!("{work:#?}\n{hosts:#?}\n{fetches:#?}\n{sessions:#?}\n{segments:#?}\n{stored:#?}")
}

/// The rows of hosts and tasks, read with all columns in the order of the tables.
async fn whole_rows(url: &str) -> String {
    let client = connect(url).await;
    let hosts = client.query("SELECT * FROM host ORDER BY host_id", &[]).await.unwrap();
    let hosts: Vec<_> = hosts.iter().map(|row| HostRow::read(row).unwrap()).collect();
    let hosts: Vec<_> = hosts.iter().map(|host| (host.id, host.owner, &host.record)).collect();
    let tasks = client.query("SELECT * FROM task ORDER BY host_id, url_hash", &[]).await.unwrap();
    let tasks: Vec<_> = tasks.iter().map(|row| task_state(row).unwrap()).collect();
    format!("{hosts:#?}\n{tasks:#?}")
}

async fn first_columns(url: &str) -> i64 {
    let query = "SELECT count(*) FROM pg_attribute WHERE attnum = 1 AND attname = 'added_later'";
    connect(url).await.query_one(query, &[]).await.unwrap().get(0)
}

#[test]
fn tables_with_other_columns_in_another_order_work_the_same() {
    let Some(url) = pgserver::shared_url() else { return };
    block_on(async {
        let mut seen = Vec::new();
        for is_reordered in [false, true] {
            let fresh = fresh_database(url).await;
            Database::open(&fresh).await.unwrap();
            if is_reordered {
                connect(&fresh).await.batch_execute(REORDER).await.unwrap();
            }
            assert_eq!(first_columns(&fresh).await, if is_reordered { 9 } else { 0 });
            let crawl = Database::open(&fresh).await.unwrap().crawl_or_new("test").await.unwrap();
            seen.push((use_tables(&crawl).await, whole_rows(&fresh).await));
        }
        assert_eq!(seen[0], seen[1]);
    });
}

#[test]
fn a_missing_column_and_an_invalid_value_are_named() {
    let Some(url) = pgserver::shared_url() else { return };
    block_on(async {
        let fresh = fresh_database(url).await;
        let crawl = Database::open(&fresh).await.unwrap().crawl_or_new("test").await.unwrap();
        use_tables(&crawl).await;
        let client = connect(&fresh).await;
        for (query, message) in [
            ("SELECT host_id, owner FROM host", "table host has an invalid or missing origin"),
            ("SELECT host_id, 'x' AS owner FROM host", "table host has an invalid owner: "),
            ("SELECT NULL::uuid AS host_id FROM host", "table host has an invalid host_id: "),
        ] {
            let row = client.query(query, &[]).await.unwrap().remove(0);
            let Err(error) = HostRow::read(&row) else { panic!("{query} is read") };
            assert!(error.to_string().starts_with(message), "{error}");
        }
    });
}
