//! A running crawl, as its caller sees it.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::builder::{CrawlBuilder, Place};
use crate::engine::error::EngineError;
use crate::engine::observers::Observers;
use crate::engine::progress::ProgressState;
use crate::error::Error;
use crate::event::Event;
use crate::local;
#[cfg(feature = "shared")]
use crate::shared;
use crate::summary::Summary;

/// Events that wait for the caller. When there are as many, the crawl waits too.
const EVENTS_MAX: usize = 64;

/// A crawl that runs in the background, on the tokio runtime that started it.
///
/// It is a stream of [`Event`]s. The stream is bounded: a caller that reads slowly slows the crawl, and a caller that
/// stops reading holds it. [`Self::finish`] reads no further events and waits for the end of the crawl.
///
/// Dropping it ends the crawl at once, like a second Ctrl-C. What is not durable then is fetched again when the crawl is
/// resumed from its data directory.
///
/// ```
/// use crawler::{Crawl, Event};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let page = fakesite::Page::xml("<urlset><url><loc>/a</loc></url><url><loc>/b</loc></url></urlset>");
/// # let site = fakesite::Site::new().page("/sitemap.xml", page);
/// # let server = fakesite::Web::new().host("127.0.0.1", site).serve(Default::default())?;
/// # let site = format!("http://{}/", server.address());
/// // A site on this machine has a private address.
/// let mut crawl = Crawl::builder().seed(&site).allow_private(true).rate(0.0).start().await?;
/// let mut urls = Vec::new();
/// while let Some(event) = crawl.next().await {
///     if let Event::Document(document) = event {
///         for entry in document.entries()? {
///             urls.push(entry?.loc().to_owned());
///         }
///     }
/// }
/// assert_eq!(urls, [format!("{site}a"), format!("{site}b")]);
/// assert_eq!(crawl.finish().await?.entries(), 2);
/// # Ok(())
/// # }
/// ```
pub struct Crawl {
    events: mpsc::Receiver<Event>,
    progress: watch::Receiver<ProgressState>,
    stop: CancellationToken,
    running: AbortOnDropHandle<Result<Summary, Error>>,
}

impl Crawl {
    /// Sets up a crawl.
    pub fn builder() -> CrawlBuilder {
        CrawlBuilder::new()
    }

    pub(crate) async fn start(mut builder: CrawlBuilder) -> Result<Self, Error> {
        let settings = builder.settings()?;
        let (observers, events, progress) = Observers::new(EVENTS_MAX);
        let stop = CancellationToken::new();
        let running = match builder.place.clone() {
            Place::Temporary => local::start(builder, None, settings, observers, stop.clone()).await?,
            Place::DataDir(path) => {
                local::start(builder, Some(path), settings, observers, stop.clone()).await?
            }
            #[cfg(feature = "shared")]
            Place::Shared(place) => shared::start(builder, place, settings, observers, stop.clone()).await?,
        };
        Ok(Self { events, progress, stop, running })
    }

    /// The next event. `None` when there are no more: then [`Self::finish`] says how the crawl ended.
    pub async fn next(&mut self) -> Option<Event> {
        self.events.recv().await
    }

    /// How far the crawl is. The value changes about five times a second.
    pub fn progress(&self) -> watch::Receiver<ProgressState> {
        self.progress.clone()
    }

    /// Stops the crawl in an orderly way, like a first Ctrl-C: no new request is sent, those in flight have eight seconds
    /// to finish, and all results become durable. Events may still come.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// A handle that can stop the crawl from elsewhere, such as a signal handler.
    pub fn stopper(&self) -> Stopper {
        Stopper(self.stop.clone())
    }

    /// Waits until the crawl has ended, and says how. Further events are not kept.
    ///
    /// # Errors
    /// Why the crawl could not continue. What was committed is not lost.
    pub async fn finish(mut self) -> Result<Summary, Error> {
        self.events.close();
        while self.events.recv().await.is_some() {}
        self.running.await.map_err(|_| EngineError::Part("the crawl"))?
    }
}

impl CrawlBuilder {
    /// Starts the crawl in the background, on the caller's tokio runtime.
    ///
    /// # Errors
    /// The first invalid option, or why the place could not be opened.
    pub async fn start(self) -> Result<Crawl, Error> {
        start(self).await
    }

    /// Runs the whole crawl, without events.
    ///
    /// # Errors
    /// Those of [`Self::start`] and of [`Crawl::finish`].
    pub async fn run(self) -> Result<Summary, Error> {
        self.start().await?.finish().await
    }
}

/// Starts a crawl. Boxed, so that the engine is compiled once, in this crate, and not again in every program.
fn start(builder: CrawlBuilder) -> Pin<Box<dyn Future<Output = Result<Crawl, Error>> + Send>> {
    Box::pin(Crawl::start(builder))
}

impl Stream for Crawl {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        self.events.poll_recv(cx)
    }
}

/// Stops a crawl from elsewhere, like [`Crawl::stop`]. Clones stop the same crawl.
#[derive(Clone, Debug)]
pub struct Stopper(CancellationToken);

impl Stopper {
    /// Stops the crawl in an orderly way.
    pub fn stop(&self) {
        self.0.cancel();
    }
}
