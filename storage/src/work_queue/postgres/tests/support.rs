//! Helpers: a separate database for each test.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use frontier::Clock;
use frontier::work_queue::QueueBounds;
use tokio::runtime::{Builder, Runtime};
use tokio_postgres::{Client, NoTls};

use super::super::{Database, PostgresQueue, SharedCrawl};

pub(super) const BOUNDS: QueueBounds = QueueBounds { sitemaps_max: 1_000, hosts_per_site_max: u64::MAX };

pub(super) fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// The runtime gets a trait object, because it takes long to compile and is compiled for each type of future.
pub(super) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let future: Pin<&mut dyn Future<Output = T>> = pin!(future);
    runtime().block_on(future)
}

/// A plain connection, without the settings of [`Database`].
pub(super) async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// Creates an empty database on the server at `url` and returns its address.
pub(super) async fn fresh_database(url: &str) -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let name = format!("crawl_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::SeqCst));
    connect(url).await.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
    at(url, &name)
}

/// The address of another database of the same server.
pub(super) fn at(url: &str, database: &str) -> String {
    let (server, _) = url.rsplit_once('/').unwrap();
    format!("{server}/{database}")
}

/// Creates a crawl in a new database and returns its address too. Without a server it prints a message and returns
/// `None`.
pub(super) async fn fresh_crawl() -> Option<(SharedCrawl, String)> {
    let url = fresh_database(pgserver::shared_url()?).await;
    let crawl = Database::open(&url).await.unwrap().crawl_or_new("test").await.unwrap();
    Some((crawl, url))
}

/// The queue of `crawl` with `clock` instead of the server's clock.
pub(super) fn queue(crawl: &SharedCrawl, bounds: QueueBounds, clock: Arc<dyn Clock>) -> PostgresQueue {
    PostgresQueue { clock: Some(clock), ..crawl.queue(bounds) }
}
