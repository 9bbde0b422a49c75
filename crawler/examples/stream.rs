//! Prints the entries of a site while it is crawled.
//!
//! `cargo run --example stream -- https://www.example.com/`

#![expect(clippy::print_stdout, reason = "an example shows its results")]

use crawler::{Crawl, Event};

#[tokio::main]
async fn main() -> Result<(), crawler::Error> {
    let mut arguments = std::env::args().skip(1);
    let site = arguments.next().unwrap_or_else(|| "https://www.example.com/".to_owned());
    // A site on this machine has a private address.
    let is_private = arguments.next().as_deref() == Some("--allow-private");

    let mut crawl = Crawl::builder().seed(site).allow_private(is_private).start().await?;
    while let Some(event) = crawl.next().await {
        if let Event::Document(document) = event {
            for entry in document.entries()? {
                println!("{}", entry?.loc());
            }
        }
    }
    let summary = crawl.finish().await?;
    println!("# {} entries in {} requests", summary.entries(), summary.requests());
    Ok(())
}
