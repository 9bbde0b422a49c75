//! Hosts and their pages.

use std::collections::HashMap;
use std::sync::Arc;
use std::thread;

use crate::latency::Latency;
use crate::misbehaviour::{Misbehaviour, TlsMisbehaviour};
use crate::page::Page;
use crate::request::Request;

type Answer = dyn Fn(&Request) -> Option<Page> + Send + Sync;

/// A set of hosts to serve.
#[derive(Default)]
pub struct Web {
    sites: HashMap<String, Site>,
}

impl Web {
    /// A web without hosts: every request is answered with 404.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds or replaces a host. A name with a port (`www.example.com:8080`) matches requests to that port only, and
    /// takes precedence over the same name without a port.
    #[must_use]
    pub fn host(mut self, name: &str, site: Site) -> Self {
        self.sites.insert(name.to_ascii_lowercase(), site);
        self
    }

    /// Writes every lazily written page now, on all cores, so that serving it later takes little CPU time.
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

    /// The site for a Host header, `:authority` or TLS server name.
    pub(crate) fn site(&self, host: &str) -> Option<&Site> {
        self.sites.get(host).or_else(|| {
            let (name, port) = host.rsplit_once(':')?;
            let is_port = port.bytes().all(|byte| byte.is_ascii_digit());
            is_port.then(|| self.sites.get(name))?
        })
    }
}

/// The pages of one host. Any other path is answered with 404.
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

    /// Sets the text of `/robots.txt`.
    #[must_use]
    pub fn robots(self, text: impl Into<String>) -> Self {
        self.page("/robots.txt", Page::text(text))
    }

    /// Adds a page at a path, or at a path with a query: `/a` and `/a?b=c` are two pages.
    #[must_use]
    pub fn page(mut self, path: &str, page: Page) -> Self {
        self.pages.insert(path.to_owned(), page);
        self
    }

    /// Adds a page that is reached from `path` after `hops` redirects: to `path/1`, then `path/2`, and so on.
    #[must_use]
    pub fn redirect_chain(mut self, path: &str, hops: u32, page: Page) -> Self {
        let step = |n: u32| if n == 0 { path.to_owned() } else { format!("{path}/{n}") };
        for hop in 0..hops {
            let next = Misbehaviour::RedirectsTo(step(hop + 1));
            self = self.page(&step(hop), Page::status(302).misbehaves(next));
        }
        self.page(&step(hops), page)
    }

    /// Sets a closure that answers all paths without a page; `None` is answered with 404.
    ///
    /// Also call [`Site::http1_only`] if such pages violate HTTP.
    #[must_use]
    pub fn otherwise(mut self, answer: impl Fn(&Request) -> Option<Page> + Send + Sync + 'static) -> Self {
        self.otherwise = Some(Arc::new(answer));
        self
    }

    /// Sets the latency, which overrides that of the server.
    #[must_use]
    pub fn latency(mut self, latency: Latency) -> Self {
        self.latency = Some(latency);
        self
    }

    /// Sets a misbehaviour of all answers, including robots.txt. It takes precedence over those of pages.
    #[must_use]
    pub fn misbehaves(mut self, misbehaviour: Misbehaviour) -> Self {
        self.misbehaviour = Some(misbehaviour);
        self
    }

    /// Sets a misbehaviour of TLS.
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
        !self.http1_only && !self.misbehaviour.iter().chain(pages).any(Misbehaviour::violates_http)
    }
}
