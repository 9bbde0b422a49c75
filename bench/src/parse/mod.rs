//! Reading documents: CPU time against a bare loop of quick-xml, libdeflate and Python's ElementTree; and memory.

mod bare_loop;
mod documents;
mod memory;

use std::fs::File;
use std::hint::black_box;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};
use rustix::time::{ClockId, clock_gettime};
use sitemap::limits::SLICE_BYTES;
use sitemap::{Buffer, Child, DocumentReader, Entry, Inflater, Limits, Problem, Sink};
use url::Url;

use crate::child::{measure, program};
use documents::Document;

/// Path of the comparison program, from the root of the repository.
const PYTHON: &str = "bench/elementtree.py";
/// The ways in which it can read a document.
const PYTHON_READERS: [&str; 2] = ["iterparse", "fromstring"];

/// The number of rounds.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Number of rounds, each with every reader once; the lowest CPU time of each counts.
    #[arg(long, default_value_t = 9)]
    pub rounds: u32,
}

impl Default for Args {
    fn default() -> Self {
        Self { rounds: 9 }
    }
}

/// Reads each document in every way and prints the ratios.
pub fn run(args: &Args) -> anyhow::Result<()> {
    ensure!(Path::new(PYTHON).exists(), "{PYTHON} is missing: run this in the root of the repository");
    let work = tempfile::tempdir()?;
    println!("reading documents, all fields; lowest CPU time of {} rounds, in turns", args.rounds);
    for document in [Document::plain(), Document::rich()] {
        println!(
            "{}: {} entries, {:.1} MB, {:.1} MB gzipped",
            document.name,
            document.entries,
            document.text.len() as f64 / 1e6,
            document.gzipped()?.len() as f64 / 1e6
        );
        against_bare_loop(&document, args.rounds)?;
        against_libdeflate(&document, args.rounds)?;
        against_python(&document, args.rounds, work.path())?;
    }
    memory::run()
}

fn against_bare_loop(document: &Document, rounds: u32) -> anyhow::Result<()> {
    let [bare, ours] = in_turns(
        rounds,
        [&mut || Ok(bare_loop::read(&document.text)? == document.entries), &mut || {
            Ok(our_reader(document.text.as_bytes())? == document.entries)
        }],
    )?;
    println!("  bare loop of quick-xml {}, reader {}", ms(bare), ms(ours));
    println!("    {:.2} x its CPU (goal: at most 1.3)", ours.as_secs_f64() / bare.as_secs_f64());
    Ok(())
}

fn against_libdeflate(document: &Document, rounds: u32) -> anyhow::Result<()> {
    let body = document.gzipped()?;
    let mut whole = vec![0; document.text.len()];
    let [libdeflate, ours] = in_turns(
        rounds,
        [
            &mut || {
                Ok(libdeflater::Decompressor::new().gzip_decompress(&body, &mut whole)?
                    == document.text.len())
            },
            &mut || Ok(our_inflater(&body)? == document.text.len()),
        ],
    )?;
    println!("  inflating at once by libdeflate {}, in slices by us {}", ms(libdeflate), ms(ours));
    println!("    {:.2} x its speed (goal: at least 0.7)", libdeflate.as_secs_f64() / ours.as_secs_f64());
    Ok(())
}

/// Checks that `crawl parse` and the Python program write the same lines, then compares their CPU time.
fn against_python(document: &Document, rounds: u32, work: &Path) -> anyhow::Result<()> {
    let file = work.join("document.xml");
    std::fs::write(&file, &document.text)?;
    let commands = || -> anyhow::Result<Vec<Command>> {
        let mut crawl = Command::new(program("crawl")?);
        crawl.arg("parse").arg(&file);
        let mut commands = vec![crawl];
        for reader in PYTHON_READERS {
            let mut python = Command::new("python3");
            python.args([PYTHON, reader]).arg(&file);
            commands.push(python);
        }
        Ok(commands)
    };
    let mut lines = Vec::new();
    for (index, mut command) in commands()?.into_iter().enumerate() {
        let path = work.join(format!("{index}.jsonl"));
        measure(command.stdout(File::create(&path)?))?;
        lines.push(std::fs::read(path)?);
    }
    ensure!(lines.iter().all(|them| *them == lines[0]), "the lines of python3 and of crawl differ");
    let mut lowest = [Duration::MAX; 3];
    // A round of Python takes seconds.
    for _ in 0..rounds.div_ceil(3) {
        for (lowest, mut command) in lowest.iter_mut().zip(commands()?) {
            *lowest = (*lowest).min(measure(command.stdout(Stdio::null()))?.cpu);
        }
    }
    let [ours, python @ ..] = lowest;
    let [iterparse, fromstring] = python;
    println!(
        "  ElementTree.iterparse {}, fromstring {}, crawl parse {}",
        ms(iterparse),
        ms(fromstring),
        ms(ours)
    );
    let share = ours.as_secs_f64() / iterparse.min(fromstring).as_secs_f64();
    println!("    {share:.3} of the faster one's CPU (goal: at most 0.25)");
    Ok(())
}

/// The lowest CPU time of each contestant. A contestant returns whether its result was correct.
fn in_turns<const N: usize>(
    rounds: u32,
    mut contestants: [&mut dyn FnMut() -> anyhow::Result<bool>; N],
) -> anyhow::Result<[Duration; N]> {
    let mut lowest = [Duration::MAX; N];
    for _ in 0..rounds {
        for (lowest, contestant) in lowest.iter_mut().zip(contestants.iter_mut()) {
            let before = thread_cpu();
            ensure!(black_box(contestant()?), "a contestant gave a wrong result");
            *lowest = (*lowest).min(thread_cpu() - before);
        }
    }
    Ok(lowest)
}

/// CPU time of this thread, which other load on the machine does not increase.
fn thread_cpu() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.try_into().unwrap_or_default(), now.tv_nsec.try_into().unwrap_or_default())
}

fn our_reader(document: &[u8]) -> anyhow::Result<usize> {
    let base = Url::parse("https://www.example.com/sitemap.xml")?;
    let mut sink = Count(0);
    let mut reader = DocumentReader::new(&base, Limits::default());
    for slice in document.chunks(SLICE_BYTES) {
        reader.push(slice, &mut sink)?;
    }
    reader.finish(&mut sink);
    Ok(sink.0)
}

/// Inflates as a crawl does: a slice at a time, into the same buffer.
fn our_inflater(body: &[u8]) -> anyhow::Result<usize> {
    let mut inflater = Inflater::new(&Limits::default());
    let mut slice = Buffer::new();
    for piece in body.chunks(SLICE_BYTES) {
        let (mut rest, mut more) = (piece, false);
        while !rest.is_empty() || more {
            slice.clear();
            let inflated = inflater.push(rest, &mut slice)?;
            black_box(&slice);
            (rest, more) = (&rest[inflated.consumed..], inflated.more);
        }
    }
    slice.clear();
    let problem = inflater.finish(&mut slice);
    ensure!(problem.is_none(), "{problem:?}");
    usize::try_from(inflater.bytes_decoded()).context("too long")
}

/// Counts entries and ignores their content, so that only the reading is measured.
struct Count(usize);

impl Sink for Count {
    fn entry(&mut self, entry: &Entry<'_>) {
        black_box(entry);
        self.0 += 1;
    }

    fn child(&mut self, _: &Child<'_>) {}

    fn problem(&mut self, _: Problem) {}
}

fn ms(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}
