//! The recipes of docs/LIBRARY.md. Each function stands there word for word.

use std::path::Path;

use crawler::error::Kind;
use crawler::{Crawl, CrawlBuilder, Ended, Event, Results};

use super::site;

fn crawl_of(site: &str) -> CrawlBuilder {
    Crawl::builder().seed(site).rate(0.0).allow_private(true)
}

async fn stream(site: &str) -> Result<Vec<String>, crawler::Error> {
    let mut crawl = crawl_of(site).start().await?;
    let mut urls = Vec::new();
    while let Some(event) = crawl.next().await {
        if let Event::Document(document) = event {
            for entry in document.entries()? {
                urls.push(entry?.loc().to_owned());
            }
        }
    }
    crawl.finish().await?;
    Ok(urls)
}

async fn failures(site: &str) -> Result<Vec<String>, crawler::Error> {
    let mut crawl = crawl_of(site).start().await?;
    let mut failures = Vec::new();
    while let Some(event) = crawl.next().await {
        match event {
            Event::Failed(failure) => failures.push(format!("{}: {}", failure.url, failure.error)),
            Event::Document(document) if document.truncated.is_some() => {
                failures.push(format!("{}: read in part", document.url));
            }
            _ => {}
        }
    }
    crawl.finish().await?;
    Ok(failures)
}

async fn stop_and_resume(site: &str, data_dir: &Path) -> Result<u64, crawler::Error> {
    let mut crawl = crawl_of(site).data_dir(data_dir).start().await?;
    crawl.next().await;
    crawl.stop();
    let summary = crawl.finish().await?;
    if summary.ended() == Ended::Interrupted {
        let builder = Crawl::builder().data_dir(data_dir).allow_private(true).rate(0.0);
        return Ok(builder.run().await?.entries());
    }
    Ok(summary.entries())
}

fn results(data_dir: &Path) -> Result<(usize, usize, String), crawler::Error> {
    let results = Results::open(data_dir)?;
    let entries = results.entries().count();
    let incomplete =
        results.hosts()?.filter(|host| host.as_ref().is_ok_and(|host| !host.is_complete)).count();
    Ok((entries, incomplete, results.verdict()?.sentence))
}

async fn progress(site: &str) -> Result<u64, crawler::Error> {
    let crawl = crawl_of(site).start().await?;
    let mut states = crawl.progress();
    let watching = tokio::spawn(async move {
        let mut seen = 0;
        while states.changed().await.is_ok() {
            seen = states.borrow_and_update().counts.hosts;
        }
        seen
    });
    crawl.finish().await?;
    Ok(watching.await.unwrap_or_default())
}

fn one_document(bytes: &[u8]) -> Result<usize, Box<dyn std::error::Error>> {
    let base = "https://www.example.com/sitemap.xml".parse()?;
    let mut entries = 0;
    for item in sitemap::entries(bytes, &base) {
        entries += usize::from(matches!(item?, sitemap::OwnedItem::Entry(_)));
    }
    Ok(entries)
}

async fn kinds(data_dir: &Path) -> Kind {
    // Without a seed there must be a crawl to continue.
    match Crawl::builder().data_dir(data_dir).run().await {
        Err(error) => error.kind(),
        Ok(_) => Kind::Other,
    }
}

#[tokio::test]
async fn the_recipes_do_what_they_say() {
    let server = site::serve_with(4, 25, |site| site.page("/3.xml", fakesite::Page::status(404)));
    let seed = site::seed(&server);
    assert_eq!(stream(&seed).await.unwrap().len(), 75);
    assert_eq!(failures(&seed).await.unwrap(), [format!("{seed}3.xml: http_status")]);
    assert_eq!(progress(&seed).await.unwrap(), 1);
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(kinds(folder.path()).await, Kind::NotFound);
    assert_eq!(stop_and_resume(&seed, folder.path()).await.unwrap(), 75);
    let path = folder.path().to_owned();
    let (entries, incomplete, verdict) =
        tokio::task::spawn_blocking(move || results(&path)).await.unwrap().unwrap();
    assert_eq!((entries, incomplete), (75, 1));
    assert!(!verdict.is_empty());
    assert_eq!(one_document(b"<urlset><url><loc>/a</loc></url></urlset>").unwrap(), 1);
}

#[test]
fn the_page_shows_these_recipes() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = std::fs::read_to_string(root.join("docs/LIBRARY.md")).unwrap();
    let recipes = include_str!("recipes.rs");
    let mut shown = 0;
    for block in page.split("```rust\n").skip(1) {
        let block = block.split("```").next().unwrap();
        assert!(recipes.contains(block), "not in recipes.rs:\n{block}");
        shown += 1;
    }
    assert!(shown >= 6, "{shown} recipes");
}
