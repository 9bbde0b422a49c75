//! Benchmarks: each figure is a ratio against something named, taken in the same run.

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

/// What can be measured.
#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Everything, one after the other.
    All,
    /// A crawl with somebody who reads it while it runs against one without.
    Beside(beside::Args),
    /// The whole crawl of the news web against the floor program.
    Crawl(crawl::Args),
    /// Exports of many entries: their memory, and their CPU time against Python's and pyarrow's.
    Export(export::Args),
    /// The floor program: fetches, inflates and reads a list of URLs, keeps nothing.
    Floor(floor::Args),
    /// The same crawl with its clocks running and standing still.
    Measuring(measuring::Args),
    /// Reading documents against quick-xml, libdeflate and Python, and the memory it takes.
    Parse(parse::Args),
    /// The queue of a large crawl: memory, size on disk, time to open.
    Queue(queue::Args),
    /// A decision of the schedule with many hosts against one with few.
    Schedule,
    /// 2, 4 and 8 workers of a shared crawl against one.
    Shared(shared::Args),
    /// The queue of many machines: leases and commits per second against bare transactions, and whether they stay so.
    Store(store::Args),
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().what {
        What::All => {
            // First, since it measures the memory of this process.
            queue::run(&queue::Args::default())?;
            schedule::run()?;
            parse::run(&parse::Args::default())?;
            export::run(&export::Args::default())?;
            crawl::run(&crawl::Args::default())?;
            beside::run(&beside::Args::default())?;
            measuring::run(&measuring::Args::default())?;
            // Last, since they alone need a server installed.
            shared::run(&shared::Args::default())?;
            store::run(&store::Args::default())
        }
        What::Beside(args) => beside::run(&args),
        What::Crawl(args) => crawl::run(&args),
        What::Export(args) => export::run(&args),
        What::Floor(args) => floor::run(&args),
        What::Measuring(args) => measuring::run(&args),
        What::Parse(args) => parse::run(&args),
        What::Queue(args) => queue::run(&args),
        What::Schedule => schedule::run(),
        What::Shared(args) => shared::run(&args),
        What::Store(args) => store::run(&args),
    }
}
