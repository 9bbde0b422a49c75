//! Benchmarks: each figure is a ratio to a named reference measured in the same run.

#![expect(clippy::print_stdout, reason = "benchmarks print their figures")]

mod beside;
mod child;
mod crawl;
mod export;
mod floor;
mod measuring;
mod parse;
mod queue;
mod schedule;
mod shared;
mod store;

use clap::{Parser, Subcommand};

/// The benchmarks of this workspace.
#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    benchmark: Benchmark,
}

#[derive(Debug, Subcommand)]
enum Benchmark {
    /// All benchmarks, one after the other.
    All,
    /// A crawl with a concurrent reader against a crawl without one.
    Beside(beside::Args),
    /// The whole crawl of the news web against the floor program.
    Crawl(crawl::Args),
    /// Exports of many entries: memory, and CPU time against that of Python and pyarrow.
    Export(export::Args),
    /// The floor program: fetches, inflates and reads a list of URLs, and keeps nothing.
    Floor(floor::Args),
    /// The same crawl with and without time measurement.
    Measuring(measuring::Args),
    /// Reading documents: CPU time against quick-xml, libdeflate and Python, and memory.
    Parse(parse::Args),
    /// The local queue of a large crawl: memory, size on disk, time to open.
    Queue(queue::Args),
    /// A scheduling decision with many hosts against one with few hosts.
    Schedule,
    /// A shared crawl with 2, 4 and 8 workers against one worker.
    Shared(shared::Args),
    /// The PostgreSQL queue of a shared crawl: leases and commits per second over time, against bare transactions.
    Store(store::Args),
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().benchmark {
        Benchmark::All => {
            // First, because it measures the memory of this process.
            queue::run(&queue::Args::default())?;
            schedule::run()?;
            parse::run(&parse::Args::default())?;
            export::run(&export::Args::default())?;
            crawl::run(&crawl::Args::default())?;
            beside::run(&beside::Args::default())?;
            measuring::run(&measuring::Args::default())?;
            // Last, because only these need an installed server.
            shared::run(&shared::Args::default())?;
            store::run(&store::Args::default())
        }
        Benchmark::Beside(args) => beside::run(&args),
        Benchmark::Crawl(args) => crawl::run(&args),
        Benchmark::Export(args) => export::run(&args),
        Benchmark::Floor(args) => floor::run(&args),
        Benchmark::Measuring(args) => measuring::run(&args),
        Benchmark::Parse(args) => parse::run(&args),
        Benchmark::Queue(args) => queue::run(&args),
        Benchmark::Schedule => schedule::run(),
        Benchmark::Shared(args) => shared::run(&args),
        Benchmark::Store(args) => store::run(&args),
    }
}
