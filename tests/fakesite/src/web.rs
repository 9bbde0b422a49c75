//! Hosts and what they hold.

use std::collections::HashMap;
use std::sync::Arc;
use std::thread;

use crate::latency::Latency;
use crate::misbehaviour::{Misbehaviour, TlsMisbehaviour};
use crate::page::Page;
use crate::request::Request;
use crate::server::{ServeError, ServeOptions, Server};

type Answer = dyn Fn(&Request) -> Option<Page> + Send + Sync;

/// A set of hosts to serve.
#[derive(Default)]
pub struct Web {
    sites: HashMap<String, Site>,
}

impl Web {
    /// A web without hosts: every request is answered by 404.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a host, or replaces it. A name with a port (`www.example.com:8080`) is for requests to that port alone and
    /// goes before the same name without.
    #[must_use]
    pub fn host(mut self, name: &str, site: Site) -> Self {
        self.sites.insert(name.to_ascii_lowercase(), site);
        self
    }

    /// Starts serving on 127.0.0.1, on a thread of its own.
    ///
    /// # Errors
    ///
    /// When the port is taken, or the system gives no thread, socket or random numbers.
    pub fn serve(self, options: ServeOptions) -> Result<Server, ServeError> {
        Server::start(self, options)
    }

    /// Writes every lazily written page now, on all cores, so that serving costs next to nothing afterwards.
    pub fn build_pages(&self) {
        let bodies: Vec<_> = self
            .sites
            .values()
            .flat_map(|site| site.pages.values())
            .flat_map(|page| page.encoded.iter().chain([&page.body]))
            .collect();
        let workers = thread::available_parallelism().map_or(1, usize::from);
        thread::scope(|scope| {
            for worker in 0..workers {
                let mine = bodies.iter().skip(worker).step_by(workers);
                scope.spawn(move || mine.for_each(|body| body.build()));
            }
        });
    }

    /// The site of a Host header, `:authority` or TLS server name.
    pub(crate) fn site(&self, host: &str) -> Option<&Site> {
        self.sites.get(host).or_else(|| {
            let (name, port) = host.rsplit_once(':')?;
            let is_port = port.bytes().all(|byte| byte.is_ascii_digit());
            is_port.then(|| self.sites.get(name))?
        })
    }
}

/// What one host holds; a path that it does not have is answered by 404.
#[derive(Default)]
pub struct Site {
    pages: HashMap<String, Page>,
    otherwise: Option<Arc<Answer>>,
    pub(crate) latency: Option<Latency>,
    pub(crate) misbehaviour: Option<Misbehaviour>,
    pub(crate) tls: Option<TlsMisbehaviour>,
    http1_only: bool,
}

impl Site {
    /// A site without pages.
    pub fn new() -> Self {
        Self::default()
    }

    /// The text of `/robots.txt`.
    #[must_use]
    pub fn robots(self, text: impl Into<String>) -> Self {
        self.page("/robots.txt", Page::text(text))
    }

    /// A page at a path, or at a path with a query: `/a` and `/a?b=c` are two pages.
    #[must_use]
    pub fn page(mut self, path: &str, page: Page) -> Self {
        self.pages.insert(path.to_owned(), page);
        self
    }

    /// A page that is reached from `path` after that many redirects: to `path/1`, then `path/2`, …
    #[must_use]
    pub fn redirect_chain(mut self, path: &str, hops: u32, page: Page) -> Self {
        let step = |n: u32| if n == 0 { path.to_owned() } else { format!("{path}/{n}") };
        for hop in 0..hops {
            let next = Misbehaviour::RedirectsTo(step(hop + 1));
            self = self.page(&step(hop), Page::status(302).misbehaves(next));
        }
        self.page(&step(hops), page)
    }

    /// Answers for all paths without a page of their own; `None` is a 404.
    ///
    /// Call [`Site::http1_only`] too if such pages break HTTP.
    #[must_use]
    pub fn otherwise(mut self, answer: impl Fn(&Request) -> Option<Page> + Send + Sync + 'static) -> Self {
        self.otherwise = Some(Arc::new(answer));
        self
    }

    /// Its latency, in place of the server's.
    #[must_use]
    pub fn latency(mut self, latency: Latency) -> Self {
        self.latency = Some(latency);
        self
    }

    /// What is wrong with all its answers, robots.txt too. It goes before what its pages do.
    #[must_use]
    pub fn misbehaves(mut self, misbehaviour: Misbehaviour) -> Self {
        self.misbehaviour = Some(misbehaviour);
        self
    }

    /// What is wrong with its TLS.
    #[must_use]
    pub fn tls_misbehaves(mut self, misbehaviour: TlsMisbehaviour) -> Self {
        self.tls = Some(misbehaviour);
        self
    }

    /// Never offers HTTP/2.
    #[must_use]
    pub fn http1_only(mut self) -> Self {
        self.http1_only = true;
        self
    }

    pub(crate) fn find(&self, request: &Request) -> Option<Page> {
        let page = self.pages.get(&request.path).cloned();
        page.or_else(|| self.otherwise.as_ref().and_then(|answer| answer(request)))
    }

    pub(crate) fn offers_http2(&self) -> bool {
        let pages = self.pages.values().filter_map(|page| page.misbehaviour.as_ref());
        !self.http1_only && !self.misbehaviour.iter().chain(pages).any(Misbehaviour::breaks_http)
    }
}
