//! Crawls in a data directory, stops after some documents, continues, and reads everything back.
//!
//! `cargo run --example resume -- https://www.example.com/ crawl-data`

#![expect(clippy::print_stdout, reason = "an example shows its results")]

use crawler::{Crawl, Ended, Event, Results};

/// Documents after which the first run is stopped.
const DOCUMENTS: usize = 3;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let site = arguments.next().unwrap_or_else(|| "https://www.example.com/".to_owned());
    let data_dir = arguments.next().unwrap_or_else(|| "crawl-data".to_owned());
    // A site on this machine has a private address.
    let is_private = arguments.next().as_deref() == Some("--allow-private");

    let mut crawl = Crawl::builder().seed(site).data_dir(&data_dir).allow_private(is_private).start().await?;
    let mut documents = 0;
    while let Some(event) = crawl.next().await {
        documents += usize::from(matches!(event, Event::Document(_)));
        if documents == DOCUMENTS {
            // Like a first Ctrl-C: requests in flight may finish, and nothing that was read is lost.
            crawl.stop();
        }
    }
    let summary = crawl.finish().await?;
    println!("first run: {} documents, {} tasks are left", documents, summary.tasks_pending());

    if summary.ended() == Ended::Interrupted {
        // Without a seed, the crawl in the data directory is continued.
        let summary = Crawl::builder().data_dir(&data_dir).allow_private(is_private).run().await?;
        println!("second run: {} tasks are left", summary.tasks_pending());
    }

    // Reading blocks, so it has a thread of its own.
    let entries = tokio::task::spawn_blocking(move || {
        Results::open(&data_dir)?.entries().collect::<Result<Vec<_>, _>>()
    });
    println!("{} entries in both runs", entries.await??.len());
    Ok(())
}
