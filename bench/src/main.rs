//! Benchmarks: each figure is a ratio against something named, taken in the same run.

#![expect(clippy::print_stdout, reason = "benchmarks print their figures")]

mod child;
mod crawl;
mod floor;
mod schedule;

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
    /// The whole crawl of the news web against the floor program.
    Crawl(crawl::Args),
    /// The floor program: fetches, inflates and reads a list of URLs, keeps nothing.
    Floor(floor::Args),
    /// A decision of the schedule with many hosts against one with few.
    Schedule,
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().what {
        What::All => {
            schedule::run()?;
            crawl::run(&crawl::Args::default())
        }
        What::Crawl(args) => crawl::run(&args),
        What::Floor(args) => floor::run(&args),
        What::Schedule => schedule::run(),
    }
}
