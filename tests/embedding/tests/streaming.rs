//! Events: in order, once each, bounded, and resumable.

use std::collections::BTreeSet;
use std::time::Duration;

use crawler::error::Kind;
use crawler::{Crawl, CrawlBuilder, Ended, Event, Results, State};
use fakesite::Server;

use super::site;

/// Events that may wait for the caller, and requests that may be in flight and recorded meanwhile.
const AHEAD_MAX: usize = 64 + 3 * CONCURRENCY;

const CONCURRENCY: usize = 8;

fn crawl(server: &Server) -> CrawlBuilder {
    Crawl::builder()
        .seed(site::seed(server))
        .rate(0.0)
        .concurrency(CONCURRENCY)
        .host_concurrency(CONCURRENCY)
        .allow_private(true)
}

fn locs(event: &Event) -> Vec<String> {
    match event {
        Event::Document(document) => {
            let entries: Vec<_> = document.entries().unwrap().map(|entry| entry.unwrap()).collect();
            assert_eq!(entries.len() as u64, document.entry_count);
            entries.iter().map(|entry| entry.loc().to_owned()).collect()
        }
        _ => Vec::new(),
    }
}

#[tokio::test]
async fn documents_come_with_their_entries_and_the_host_comes_last() {
    let server = site::serve_with(3, 1_000, |site| site.page("/2.xml", fakesite::Page::status(404)));
    let mut crawl = crawl(&server).start().await.unwrap();
    let mut events = Vec::new();
    while let Some(event) = crawl.next().await {
        events.push(event);
    }
    let found: Vec<String> = events.iter().flat_map(locs).collect();
    assert_eq!(found.len(), 2_000);
    assert_eq!(found.iter().collect::<BTreeSet<_>>().len(), 2_000);
    let failures: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            Event::Failed(failure) => Some(failure),
            _ => None,
        })
        .collect();
    let [failure] = failures[..] else { panic!("{failures:?}") };
    assert!(failure.url.ends_with("/2.xml") && !failure.is_host, "{failure:?}");
    assert_eq!(failure.error, crawler::ErrorKind::HttpStatus);
    let Some(Event::Host(host)) = events.last() else { panic!("{:?}", events.last()) };
    assert!(host.is_seed && !host.is_complete, "{host:?}");
    assert_eq!((host.account.fetched, host.account.failed, host.account.entries), (3, 1, 2_000));
    let summary = crawl.finish().await.unwrap();
    assert_eq!((summary.ended(), summary.entries(), summary.hosts_incomplete()), (Ended::Complete, 2_000, 1));
    assert!(!summary.verdict().unwrap().sentence.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_stops_reading_holds_the_crawl() {
    let server = site::serve(400, 5);
    let mut crawl = crawl(&server).start().await.unwrap();
    let mut found = locs(&crawl.next().await.unwrap());
    let requests = when_still(&server).await;
    assert!(requests <= AHEAD_MAX, "{requests} requests, though nobody reads");
    while let Some(event) = crawl.next().await {
        found.extend(locs(&event));
    }
    assert_eq!(found.len(), 2_000);
    assert_eq!(crawl.finish().await.unwrap().entries(), 2_000);
}

/// The number of requests once there are no more for a second.
async fn when_still(server: &Server) -> usize {
    let (mut requests, mut looks) = (0, 0);
    while looks < 20 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let now = server.log().len();
        looks = if now == requests && now > 0 { looks + 1 } else { 0 };
        requests = now;
    }
    requests
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crawl_that_was_dropped_is_resumed_and_nothing_is_lost_or_twice() {
    let server = site::serve(60, 50);
    let folder = tempfile::tempdir().unwrap();
    let mut drops = 0;
    loop {
        let mut crawl = crawl(&server).data_dir(folder.path()).start().await.unwrap();
        let mut documents = 0;
        while let Some(event) = crawl.next().await {
            documents += usize::from(matches!(event, Event::Document(_)));
            if documents == 20 {
                break;
            }
        }
        if documents < 20 {
            assert_eq!(crawl.finish().await.unwrap().ended(), Ended::Complete);
            break;
        }
        drop(crawl);
        drops += 1;
    }
    assert!(drops >= 1);
    let path = folder.path().to_owned();
    let read = tokio::task::spawn_blocking(move || {
        let results = Results::open(path).unwrap();
        assert!(!results.is_running());
        let sitemaps = results.sitemaps().unwrap().collect::<Result<Vec<_>, _>>().unwrap().len();
        let hosts: Vec<_> = results.hosts().unwrap().map(|host| host.unwrap()).collect();
        assert!(results.requests().unwrap().count() >= 62);
        assert_eq!(results.report().unwrap().totals.entries.kept, 3_000);
        let locs: Vec<String> = results.entries().map(|entry| entry.unwrap().loc().to_owned()).collect();
        (sitemaps, hosts, locs)
    });
    let (sitemaps, hosts, locs) = read.await.unwrap();
    assert_eq!((sitemaps, hosts.len(), hosts[0].is_complete), (61, 1, true));
    assert_eq!(locs.len(), 3_000);
    assert_eq!(locs.iter().collect::<BTreeSet<_>>().len(), 3_000);
}

#[tokio::test]
async fn a_stopped_crawl_says_what_is_left_and_continues_without_its_seeds() {
    let server = site::serve(40, 10);
    let folder = tempfile::tempdir().unwrap();
    let mut first = crawl(&server).data_dir(folder.path()).host_concurrency(1).start().await.unwrap();
    while let Some(event) = first.next().await {
        if matches!(event, Event::Document(_)) {
            first.stop();
        }
    }
    let summary = first.finish().await.unwrap();
    assert_eq!(summary.ended(), Ended::Interrupted);
    assert!(summary.tasks_pending() > 0 && summary.entries() < 400, "{summary:?}");
    let second = Crawl::builder().data_dir(folder.path()).rate(0.0).allow_private(true).run().await.unwrap();
    assert_eq!((second.ended(), second.entries(), second.tasks_pending()), (Ended::Complete, 400, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_crawl_is_read_in_all_respects() {
    let server = site::serve(400, 5);
    let folder = tempfile::tempdir().unwrap();
    let mut crawl = crawl(&server).data_dir(folder.path()).start().await.unwrap();
    locs(&crawl.next().await.unwrap());
    // The crawl waits for a reader of its events, so it cannot end.
    when_still(&server).await;
    let path = folder.path().to_owned();
    let read = tokio::task::spawn_blocking(move || {
        let results = Results::open(&path).unwrap();
        assert!(results.is_running());
        let sitemaps = results.sitemaps().unwrap().collect::<Result<Vec<_>, _>>().unwrap();
        let read = sitemaps.iter().filter(|sitemap| sitemap.outcome.is_some()).count();
        assert!(sitemaps.len() == 401 && (2..=AHEAD_MAX).contains(&read), "{read} of {}", sitemaps.len());
        let requests = results.requests().unwrap().collect::<Result<Vec<_>, _>>().unwrap().len();
        assert!(requests > read, "robots.txt is a request too: {requests}, {read}");
        let hosts = results.hosts().unwrap().collect::<Result<Vec<_>, _>>().unwrap();
        let [host] = &hosts[..] else { panic!("{hosts:?}") };
        let report = results.report().unwrap();
        assert_eq!(report.totals.entries.kept, host.account.entries);
        assert_eq!(report.totals.entries.kept, results.entries().count() as u64);
        assert!(report.crawl.tasks_pending > 300 && !report.verdict.sentence.is_empty());
        assert_eq!(results.verdict().unwrap().bound, report.verdict.bound);
        assert_eq!(results.status().unwrap().state, State::Running);
        results
    });
    let results = read.await.unwrap();
    drop(crawl);
    let gone = tokio::task::spawn_blocking(move || {
        let mut tries = 0;
        // Its tasks end a moment after it was dropped.
        while results.hosts().unwrap().all(|host| host.is_ok()) {
            tries += 1;
            assert!(tries < 200, "a crawl that was dropped still answers");
            std::thread::sleep(Duration::from_millis(50));
        }
        let error = results.report().unwrap_err();
        assert_eq!(error.kind(), Kind::Unavailable, "{error}");
    });
    gone.await.unwrap();
}
