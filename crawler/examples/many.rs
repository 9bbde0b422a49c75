//! Crawls many sites, handles failures, and lists the sites that are not complete.
//!
//! `cargo run --example many -- seeds/news.txt`

#![expect(clippy::print_stdout, reason = "an example shows its results")]

use crawler::{Crawl, Event};

#[tokio::main]
async fn main() -> Result<(), crawler::Error> {
    let mut arguments = std::env::args().skip(1);
    let seeds = arguments.next().unwrap_or_else(|| "seeds/news.txt".to_owned());
    // Sites on this machine have private addresses.
    let is_private = arguments.next().as_deref() == Some("--allow-private");

    // 500 sites fit into one crawl: each has its own pace, so they do not wait for each other.
    let mut crawl = Crawl::builder()
        .seeds_file(seeds)
        .concurrency(200)
        .contact("https://www.example.org/about-our-crawler")
        .allow_private(is_private)
        .start()
        .await?;
    while let Some(event) = crawl.next().await {
        match event {
            Event::Document(document) => println!("read {} ({} entries)", document.url, document.entry_count),
            // A failure concerns one sitemap or one site. The others go on.
            Event::Failed(failure) => {
                println!("failed {}: {} {}", failure.url, failure.error, failure.detail);
            }
            Event::Host(host) if !host.is_complete => println!("incomplete {}", host.host),
            _ => {}
        }
    }
    let summary = crawl.finish().await?;
    println!("{} of {} sites are incomplete", summary.hosts_incomplete(), summary.hosts());
    if let Some(verdict) = summary.verdict() {
        println!("{}", verdict.sentence);
    }
    Ok(())
}
