//! Memory of each export format with many entries, and its CPU time against that of Python and pyarrow for the same
//! rows.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use frontier::work_queue::{Commit, QueueBounds};
use frontier::{Clock, Host, NewTask, Task, TaskId, TaskKind, Timestamp, WorkQueue};
use sitemap::{Entry, Image, News};
use storage::{DataDir, DocumentHead, EntryScope};
use url::Url;

use crate::child::{Used, measure, program};

/// Entries per document.
const DOCUMENT_ENTRIES: u64 = 10_000;
/// Number of hosts.
const HOSTS: u64 = 19;

/// Goals: memory of an export without and with `--unique`, and CPU time relative to pyarrow and to Python.
const RSS_GOAL_MIB: f64 = 64.0;
const RSS_UNIQUE_GOAL_MIB: f64 = 256.0;
const PYARROW_GOAL: f64 = 1.0;
const PYTHON_GOAL: f64 = 0.25;

const FORMATS: [&str; 4] = ["txt", "csv", "jsonl", "parquet"];

const WORDS: [&str; 16] = [
    "river", "council", "budget", "storm", "harvest", "market", "bridge", "museum", "railway", "election",
    "harbour", "school", "film", "summer", "research", "football",
];

/// How much to export.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Entries of the crawl that memory is measured with, in documents of 10,000.
    #[arg(long, default_value_t = 10_000_000)]
    pub entries: u64,
    /// Entries of the crawl that is compared with Python and pyarrow.
    #[arg(long, default_value_t = 500_000)]
    pub compared: u64,
    /// Rounds of the comparison; the lowest CPU time of each program counts.
    #[arg(long, default_value_t = 3)]
    pub rounds: u32,
    /// A Python interpreter with pyarrow; default: the one that `make deps` installs.
    #[arg(long)]
    pub python: Option<PathBuf>,
}

impl Default for Args {
    fn default() -> Self {
        Self { entries: 10_000_000, compared: 500_000, rounds: 3, python: None }
    }
}

/// Measures memory, then compares.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let folder = tempfile::tempdir_in("target")?;
    let out = folder.path().join("out");
    if args.entries > 0 {
        let many = folder.path().join("many");
        write_crawl(&many, args.entries)?;
        println!("exports of {} entries", args.entries);
        for (unique, goal) in [(false, RSS_GOAL_MIB), (true, RSS_UNIQUE_GOAL_MIB)] {
            for format in FORMATS {
                show_memory(&many, format, unique, &out, (args.entries, goal))?;
            }
        }
        std::fs::remove_dir_all(&many)?;
    }
    compare(args, folder.path())
}

fn show_memory(
    crawl: &Path,
    format: &str,
    unique: bool,
    out: &Path,
    (entries, goal): (u64, f64),
) -> anyhow::Result<()> {
    let used = export(crawl, format, unique, out)?;
    let bytes = std::fs::metadata(out)?.len();
    println!(
        "  {format}{}: peak RSS {:.1} MiB (goal {goal}), {:.0} ns of CPU and {} bytes an entry, {:.1} s",
        if unique { " --unique" } else { "" },
        used.peak_rss_bytes as f64 / f64::from(1 << 20),
        used.cpu.as_secs_f64() * 1e9 / entries as f64,
        bytes / entries,
        used.wall.as_secs_f64()
    );
    Ok(())
}

fn export(crawl: &Path, format: &str, unique: bool, out: &Path) -> anyhow::Result<Used> {
    let mut command = Command::new(program("crawl")?);
    command.args(["export", "--format", format]).args(unique.then_some("--unique"));
    command.arg("-o").arg(out).arg("-d").arg(crawl);
    measure(&mut command)
}

fn compare(args: &Args, folder: &Path) -> anyhow::Result<()> {
    let python = match &args.python {
        Some(python) => python.clone(),
        None => python()?,
    };
    let crawl = folder.join("compared");
    write_crawl(&crawl, args.compared)?;
    println!("CPU of `crawl export` for {} entries, lowest of {} rounds", args.compared, args.rounds);
    let others = [
        ("csv", "Python's csv", PYTHON_GOAL),
        ("jsonl", "Python's json", PYTHON_GOAL),
        ("parquet", "pyarrow", PYARROW_GOAL),
    ];
    for (format, other, goal) in others {
        let (ours, theirs) = (folder.join(format!("ours.{format}")), folder.join(format!("theirs.{format}")));
        let (mut our_s, mut their_s) = (f64::INFINITY, f64::INFINITY);
        for _ in 0..args.rounds {
            our_s = our_s.min(export(&crawl, format, false, &ours)?.cpu.as_secs_f64());
            their_s = their_s.min(python_writes(&python, format, &ours, &theirs)?);
        }
        let bytes = |path| std::fs::metadata(path).map(|metadata| metadata.len() / args.compared);
        println!(
            "  {format}: {our_s:.2} s ({} bytes an entry), {other} {their_s:.2} s ({}), ratio {:.2} (goal {goal})",
            bytes(&ours)?,
            bytes(&theirs)?,
            our_s / their_s
        );
    }
    Ok(())
}

/// CPU time in seconds that Python takes to write the rows of `ours` to `theirs`.
fn python_writes(python: &Path, format: &str, ours: &Path, theirs: &Path) -> anyhow::Result<f64> {
    let mut child = Command::new(python)
        .args(["-", format])
        .args([ours, theirs])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("failed to run {}", python.display()))?;
    child.stdin.take().context("no stdin")?.write_all(include_bytes!("export.py"))?;
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "{} ended with {}", python.display(), output.status);
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}

/// The Python interpreter with pyarrow that the tests use.
fn python() -> anyhow::Result<PathBuf> {
    let python = PathBuf::from("target/python/bin/python");
    let has_pyarrow = Command::new(&python).args(["-c", "import pyarrow"]).stderr(Stdio::null()).status();
    ensure!(
        has_pyarrow.is_ok_and(|status| status.success()),
        "{} has no pyarrow: run `make deps`",
        python.display()
    );
    Ok(python)
}

struct StoppedClock;

impl Clock for StoppedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(1_790_000_000_000_000)
    }

    async fn sleep_until(&self, _moment: Timestamp) {
        std::future::pending::<()>().await;
    }
}

/// Writes a crawl of plain entries. Every fifth document is a news sitemap with images. Every twentieth document has
/// the same entry numbers, so that it repeats the earlier ones of its host.
fn write_crawl(path: &Path, entries: u64) -> anyhow::Result<()> {
    let dir = DataDir::open(
        path,
        Arc::new(StoppedClock),
        QueueBounds { sitemaps_max: u64::MAX, hosts_per_site_max: u64::MAX },
    )?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let session = runtime.block_on(dir.queue().open_session("bench"))?;
    let mut segments = dir.segments(session.id);
    for number in 0..entries / DOCUMENT_ENTRIES {
        let host = Host::of(&Url::parse(&format!("https://www{}.example.com/", number % HOSTS))?)
            .context("not an http URL")?;
        let url = host.url(&format!("/sitemaps/{number}.xml"));
        let head = DocumentHead {
            task: TaskId::of(host.id(), &url),
            attempt: 1,
            host: host.to_string(),
            sitemap: url.clone(),
            fetched_at: StoppedClock.now(),
        };
        let mut rows = dir.rows(head);
        for place in 0..DOCUMENT_ENTRIES {
            push_entry(&mut rows, &host, number, place)?;
        }
        let segment = segments.append(vec![rows.finish()?])?;
        let task = Task::new(&host, url, TaskKind::Sitemap);
        let found = vec![NewTask { host, task, found_on: None }];
        let commit = Commit { seq: number + 1, found, segment, ..Commit::default() };
        runtime.block_on(dir.queue().commit(&session, commit))?;
    }
    Ok(())
}

fn push_entry(rows: &mut storage::Rows, host: &Host, document: u64, place: u64) -> anyhow::Result<()> {
    // Mixed, so that neighbouring URLs share their beginnings and nothing else, as those of articles do.
    let n = if document.is_multiple_of(20) { place } else { document * DOCUMENT_ENTRIES + place };
    let mixed = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let word = |shift: u32| WORDS[(mixed >> shift) as usize % WORDS.len()];
    let (month, section) = (place / 900 + 1, WORDS[(place / 300) as usize % WORDS.len()]);
    let number = mixed >> 40;
    let slug = format!("{}-{}-{}-{number}", word(8), word(16), word(24));
    let loc = format!("{host}/2026/{month:02}/{section}/{slug}.html");
    let lastmod = format!("2026-{:02}-{:02}T{:02}:15:00+01:00", place % 12 + 1, place % 28 + 1, place % 24);
    let title = format!("What became of \"number {number}\", and why");
    let mut entry = Entry {
        loc: &loc,
        lastmod: Some(&lastmod),
        lastmod_at: sitemap::lastmod::parse(&lastmod),
        changefreq: Some("daily"),
        priority: Some("0.5"),
        ..Entry::default()
    };
    if document % 5 == 1 {
        entry.news = Some(News {
            name: Some("The Paper"),
            language: Some("en"),
            title: Some(&title),
            ..News::default()
        });
        entry.images = vec![Image { loc: Some(&loc), ..Image::default() }];
    }
    Ok(rows.push(&entry, EntryScope::SameHost)?)
}
