//! A program that embeds the crawler. It prints one line; everything else that appears comes from the library.
//!
//! `embedding SITE [wait]`: with `wait`, it goes on after the crawl until it is killed.

#![expect(clippy::print_stdout, reason = "the line that the tests expect")]

use std::process::ExitCode;

use crawler::Crawl;

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let site = arguments.next().unwrap_or_default();
    let crawl = Crawl::builder().seed(site).rate(0.0).allow_private(true).run().await;
    let has_logger = tracing::dispatcher::has_been_set();
    match crawl {
        Ok(summary) => println!("entries {} logger {has_logger}", summary.entries()),
        Err(error) => println!("{:?}: {error}", error.kind()),
    }
    if arguments.next().is_some() {
        std::future::pending::<()>().await;
    }
    ExitCode::SUCCESS
}
