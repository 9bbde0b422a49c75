//! Measures what keeping entries and committing outcomes cost: `cargo run --release -p storage --example throughput`.
//!
//! Prints the CPU time of an entry (Linux tells it per thread), the rate of commits by the wall clock, and the size
//! of the state on disk.

#![expect(clippy::print_stdout, reason = "it is there to print figures")]

use std::error::Error;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use frontier::work_queue::suite::HandClock;
use frontier::work_queue::{Commit, QueueBounds};
use frontier::{
    Connection, FetchRecord, Fetched, Host, NewTask, Outcome, RequestKind, SessionId, Stages, Task, TaskId,
    TaskKind, TaskOutcome, Timestamp, WorkQueue,
};
use sitemap::{Entry, News};
use storage::{BatchView, CrawlReader, DataDir, DocumentHead, EntryScope};

const DOCUMENTS: u64 = 65;
const ENTRIES: u64 = 10_000;
const COMMITS: u64 = 200;
const TASKS_PER_COMMIT: u64 = 100;
const BOUNDS: QueueBounds = QueueBounds { sitemaps_max: u64::MAX };

fn main() -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    for with_news in [false, true] {
        runtime.block_on(entries(with_news))?;
    }
    runtime.block_on(tasks())
}

/// CPU time of this thread, as precise as the system's tick: for long stretches.
fn cpu_ns() -> Result<u64, Box<dyn Error>> {
    let figures = fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(figures.split(' ').next().unwrap_or_default().parse()?)
}

fn clock() -> Arc<HandClock> {
    HandClock::at(Timestamp::from_micros(1_700_000_000_000_000))
}

async fn entries(with_news: bool) -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let data_dir = DataDir::open(folder.path(), clock(), BOUNDS)?;
    let (queue, total) = (data_dir.queue(), DOCUMENTS * ENTRIES);
    let session = queue.open_session("bench").await?;
    let mut segments = data_dir.segments(session.id);
    let mut write = 0;
    for document in 0..DOCUMENTS {
        let begin = cpu_ns()?;
        let rows = write_document(&data_dir, document, with_news)?;
        let segment = segments.append(vec![rows.finish()?])?;
        write += cpu_ns()? - begin;
        queue.commit(&session, Commit { seq: document + 1, segment, ..Commit::default() }).await?;
    }
    drop((queue, segments, data_dir));

    let begin = cpu_ns()?;
    let reader = CrawlReader::open(folder.path())?;
    let (mut rows, mut bytes) = (0, 0);
    for batch in reader.entries() {
        rows += batch?.num_rows() as u64;
    }
    let scan = cpu_ns()? - begin;
    let begin = cpu_ns()?;
    for batch in reader.entries() {
        bytes += BatchView::new(&batch?)?.rows().map(|row| row.entry.loc.len()).sum::<usize>();
    }
    let view = cpu_ns()? - begin;
    assert_eq!(rows, total);
    let per_entry = |nanos: u64| nanos / total;
    println!(
        "{total} entries{}, {bytes} bytes of loc, ns per entry:",
        if with_news { " with news" } else { "" }
    );
    println!("  write {}  read batches {}  read rows {}", per_entry(write), per_entry(scan), per_entry(view));
    println!("  {} bytes on disk per entry", size_of_folder(&folder.path().join("segments"))? / total);
    Ok(())
}

fn write_document(
    data_dir: &DataDir,
    document: u64,
    with_news: bool,
) -> Result<storage::Rows, Box<dyn Error>> {
    let host = "https://www.example.com";
    let head = DocumentHead {
        task: TaskId::of(frontier::HostId(1), &document.to_string()),
        attempt: 1,
        host: host.to_owned(),
        sitemap: format!("{host}/sitemaps/articles-{document}.xml"),
        fetched_at: Timestamp::default(),
    };
    let mut rows = data_dir.rows(head);
    let mut loc = String::new();
    for i in 0..ENTRIES {
        loc.clear();
        std::fmt::write(
            &mut loc,
            format_args!("{host}/2024/05/01/a-story-of-the-day-with-a-title-{i}.html"),
        )?;
        let news = with_news.then(|| News {
            name: Some("The Example Times"),
            language: Some("en"),
            title: Some("A story of the day with a title that is not short"),
            publication_date: Some("2024-05-01T12:00:00Z"),
            ..News::default()
        });
        let entry = Entry {
            loc: &loc,
            lastmod: Some("2024-05-01T12:00:00Z"),
            lastmod_at: Some(jiff::Timestamp::UNIX_EPOCH),
            changefreq: Some("daily"),
            priority: Some("0.5"),
            news,
            ..Entry::default()
        };
        rows.push(&entry, EntryScope::SameHost)?;
    }
    Ok(rows)
}

async fn tasks() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let data_dir = DataDir::open(folder.path(), clock(), BOUNDS)?;
    let queue = data_dir.queue();
    let session = queue.open_session("bench").await?;
    let mut times = Vec::new();
    let begin = Instant::now();
    for seq in 1..=COMMITS {
        let first = (seq - 1) * TASKS_PER_COMMIT;
        let commit = Commit {
            seq,
            outcomes: if seq > 1 {
                (first - TASKS_PER_COMMIT..first).map(outcome).collect()
            } else {
                Vec::new()
            },
            fetches: (first..first + TASKS_PER_COMMIT).map(|n| fetch(session.id, n)).collect(),
            found: (first..first + TASKS_PER_COMMIT).map(found).collect(),
            ..Commit::default()
        };
        let begin = Instant::now();
        queue.commit(&session, commit).await?;
        times.push(begin.elapsed().as_micros());
    }
    let total = begin.elapsed();
    times.sort_unstable();
    let tasks = COMMITS * TASKS_PER_COMMIT;
    println!("{tasks} tasks in commits of {TASKS_PER_COMMIT} found and {TASKS_PER_COMMIT} done:");
    let (p50, p95) = (times[times.len() / 2], times[times.len() * 95 / 100]);
    println!("  {:.0} tasks/s, commit p50 {p50} us, p95 {p95} us", tasks as f64 / total.as_secs_f64());
    let begin = Instant::now();
    let mut leased = 0;
    while !queue.lease(&session, 100).await?.is_empty() {
        leased += 100;
    }
    println!("  lending {:.0} hosts/s", f64::from(leased) / begin.elapsed().as_secs_f64());
    drop((queue, data_dir));
    println!("  {} bytes on disk per task", size_of_folder(&folder.path().join("queue"))? / tasks);
    let begin = Instant::now();
    DataDir::open(folder.path(), clock(), BOUNDS)?;
    println!("  opened again in {} ms", begin.elapsed().as_millis());
    Ok(())
}

fn task(n: u64) -> (Host, Task) {
    let origin = format!("https://www.site-{}.example", n % 500);
    let url = format!("{origin}/sitemaps/2024/05/articles-of-the-day-{n}.xml.gz");
    let host = url::Url::parse(&url)
        .ok()
        .and_then(|url| Host::of(&url))
        .unwrap_or_else(|| unreachable!("a URL of ours"));
    let task = Task {
        id: TaskId::of(host.id(), &url),
        url,
        kind: TaskKind::Sitemap,
        depth: 1,
        parent: Some(TaskId::of(host.id(), "parent")),
        hops: 0,
        attempts: 0,
        not_before: None,
        named_by: vec![host.id()],
    };
    (host, task)
}

fn found(n: u64) -> NewTask {
    let (host, task) = task(n);
    NewTask { found_on: Some(host.id()), host, task }
}

fn outcome(n: u64) -> TaskOutcome {
    let fetched = Fetched { document: "urlset".into(), entries: 1_000, ..Fetched::default() };
    let refused = Default::default();
    TaskOutcome {
        task: task(n).1.id,
        outcome: Outcome::Fetched(fetched),
        attempts: 1,
        read_as: None,
        refused,
    }
}

fn fetch(session: SessionId, n: u64) -> FetchRecord {
    let mut stages = Stages::default();
    for stage in frontier::Stage::ALL {
        stages[stage] = 12_345;
    }
    FetchRecord {
        session,
        task: task(n).1.id,
        parent: None,
        kind: RequestKind::Sitemap,
        attempt: 1,
        hop: 0,
        begun_at: Timestamp::from_micros(1_700_000_000_000_000),
        stages,
        bytes_wire: 12_345,
        bytes_decoded: 123_456,
        status: Some(200),
        connection: Connection::New,
        document: Some("urlset".into()),
        entries: 1_000,
        error: None,
        detail: String::new(),
    }
}

fn size_of_folder(path: &Path) -> Result<u64, Box<dyn Error>> {
    let mut bytes = 0;
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() { size_of_folder(&entry.path())? } else { metadata.len() };
    }
    Ok(bytes)
}
