//! How a crawl is set up.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use frontier::Scope;
use frontier::scope::{Probe, ScopeError, patterns};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::fetch::ConnectTo;
use crate::options::{CONCURRENCY_MAX, HOST_CONCURRENCY_MAX, OptionError, TIMEOUT_MAX, defaults};
use crate::seeds::Seeds;
use crate::settings::{Identity, Proxy, Settings};

/// Sets up a crawl. Made by [`crate::Crawl::builder`].
///
/// Every method that takes an option returns the builder. An invalid value is reported by [`Self::start`]; the first
/// one wins. Each option has the meaning and the default of the flag of the same name of the program `crawl`.
///
/// ```
/// use crawler::{Crawl, Ended};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let page = fakesite::Page::xml("<urlset><url><loc>/a</loc></url><url><loc>/b</loc></url></urlset>");
/// # let site = fakesite::Site::new().page("/sitemap.xml", page);
/// # let server = fakesite::Web::new().host("127.0.0.1", site).serve(Default::default())?;
/// # let site = format!("http://{}/", server.address());
/// let summary = Crawl::builder()
///     .seed(&site)
///     .contact("https://www.example.org/about-our-crawler")
///     .max_depth(2)
///     .exclude("/archive/")
///     .allow_private(true)
///     .run()
///     .await?;
/// assert_eq!((summary.ended(), summary.entries(), summary.hosts_incomplete()), (Ended::Complete, 2, 0));
/// # Ok(())
/// # }
/// ```
#[must_use = "a crawl begins with start or run"]
pub struct CrawlBuilder {
    pub(crate) place: Place,
    pub(crate) seeds: Seeds,
    pub(crate) retry_failed: bool,
    pub(crate) scope: ScopeOptions,
    settings: Settings,
    user_agent: Option<String>,
    contact: Option<String>,
    headers: usize,
    invalid: Option<OptionError>,
}

/// Where a crawl keeps its state and results.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// In a folder that is removed with the crawl.
    Temporary,
    /// In a data directory.
    DataDir(PathBuf),
    /// In a database and a place for segments, which many machines share.
    #[cfg(feature = "shared")]
    Shared(SharedPlace),
}

/// A database and a place for segments, which many machines share.
#[cfg(feature = "shared")]
#[derive(Clone, Debug, Default)]
pub struct SharedPlace {
    /// Address of the database, such as `postgres://user@host/database`.
    pub store: String,
    /// Where entries are stored: `s3://bucket/prefix`, or `file:///folder` on a mount that all machines have.
    pub output: String,
    /// Name of the crawl in the database. `None` means the name of the file of seeds, or the only crawl.
    pub name: Option<String>,
    /// Credentials and options of the bucket, by the names of the usual variables, such as `AWS_ACCESS_KEY_ID`.
    pub credentials: Vec<(String, String)>,
}

/// The options of the scope that were given. `None` means that of the crawl, or for a new crawl the default.
#[derive(Clone, Debug, Default)]
pub(crate) struct ScopeOptions {
    max_depth: Option<u16>,
    max_sitemaps: Option<u64>,
    max_children: Option<u64>,
    max_hosts_per_site: Option<u64>,
    include: Vec<String>,
    exclude: Vec<String>,
    probe: Option<Probe>,
}

impl ScopeOptions {
    /// `base`, a default or remembered scope, changed by the options that were given.
    pub(crate) fn over(&self, base: Scope) -> Result<Scope, ScopeError> {
        let given = |texts: &[String], base| if texts.is_empty() { Ok(base) } else { patterns(texts) };
        Ok(Scope {
            max_depth: self.max_depth.unwrap_or(base.max_depth),
            max_sitemaps: self.max_sitemaps.unwrap_or(base.max_sitemaps),
            max_children: self.max_children.unwrap_or(base.max_children),
            max_hosts_per_site: self.max_hosts_per_site.unwrap_or(base.max_hosts_per_site),
            include: given(&self.include, base.include)?,
            exclude: given(&self.exclude, base.exclude)?,
            probe: self.probe.unwrap_or(base.probe),
        })
    }

    /// The scope of a crawl that was started with `known`, or of a new one. The options must not differ from `known`.
    pub(crate) fn of_crawl(&self, known: Option<Scope>) -> Result<Scope, OptionError> {
        let Some(known) = known else { return Ok(self.over(Scope::default())?) };
        let scope = self.over(known.clone())?;
        let differences: Vec<String> = known.differences(&scope).iter().map(ToString::to_string).collect();
        if differences.is_empty() {
            Ok(scope)
        } else {
            Err(OptionError::ScopeChanged(differences.join("; ")))
        }
    }
}

impl CrawlBuilder {
    pub(crate) fn new() -> Self {
        Self {
            place: Place::Temporary,
            seeds: Seeds::default(),
            retry_failed: false,
            scope: ScopeOptions::default(),
            settings: Settings::default(),
            user_agent: None,
            contact: None,
            headers: 0,
            invalid: None,
        }
    }

    /// Adds a site, or with a path one of its sitemaps. A name without scheme means https.
    pub fn seed(mut self, url: impl AsRef<str>) -> Self {
        let added = self.seeds.add(url.as_ref());
        self.check(added)
    }

    /// Adds several seeds, each like [`Self::seed`].
    pub fn seeds<S: AsRef<str>>(self, urls: impl IntoIterator<Item = S>) -> Self {
        urls.into_iter().fold(self, Self::seed)
    }

    /// Adds the seeds in a file, one per line. `#` begins a comment.
    pub fn seeds_file(mut self, path: impl AsRef<Path>) -> Self {
        let added = self.seeds.add_file(path.as_ref());
        self.check(added)
    }

    /// Adds the seeds in a text, one per line, like [`Self::seeds_file`]. Errors name `place` and the line.
    pub fn seeds_text(mut self, place: &str, text: &str) -> Self {
        let added = self.seeds.add_text(place, text);
        self.check(added)
    }

    /// Keeps state and results in the data directory at `path`.
    ///
    /// If there is a crawl already, it is continued, and new seeds are added to it. Without any seed there must be one.
    pub fn data_dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.place = Place::DataDir(path.into());
        self
    }

    /// Keeps state and results in a temporary folder, which is removed when the [`crate::Crawl`] is finished or dropped. This
    /// is the default.
    pub fn temporary(mut self) -> Self {
        self.place = Place::Temporary;
        self
    }

    /// Shares the crawl with other machines. Seeds start it, or are added to it. Without any seed this worker joins a
    /// crawl, and takes over its scope, rate and User-Agent.
    #[cfg(feature = "shared")]
    pub fn shared(mut self, place: SharedPlace) -> Self {
        self.place = Place::Shared(place);
        self
    }

    /// Tries again what an earlier run gave up.
    pub fn retry_failed(mut self, is_wanted: bool) -> Self {
        self.retry_failed = is_wanted;
        self
    }

    /// Requests per second and host. 0 means no limit.
    pub fn rate(mut self, rate: f64) -> Self {
        self.settings.rate = rate;
        self.check(valid_rate(rate))
    }

    /// Requests in flight over all hosts, at most [`CONCURRENCY_MAX`].
    pub fn concurrency(mut self, requests: usize) -> Self {
        self.settings.concurrency = requests;
        self.check(in_range(requests, CONCURRENCY_MAX))
    }

    /// Requests in flight per host, at most [`HOST_CONCURRENCY_MAX`]. Raise it for your own sites only.
    pub fn host_concurrency(mut self, requests: usize) -> Self {
        self.settings.host_concurrency = requests;
        self.check(in_range(requests, HOST_CONCURRENCY_MAX))
    }

    /// Requests in flight to all hosts of one [`Site`](frontier::Site), at most [`CONCURRENCY_MAX`]. The default is
    /// [`defaults::SITE_CONCURRENCY`], or as many as for one host if that is more.
    pub fn site_concurrency(mut self, requests: usize) -> Self {
        self.settings.site.concurrency = Some(requests);
        self.check(in_range(requests, CONCURRENCY_MAX))
    }

    /// Requests per second to all hosts of one [`Site`](frontier::Site). 0 means no limit, which is the default.
    pub fn site_rate(mut self, rate: f64) -> Self {
        self.settings.site.rate = rate;
        self.check(valid_rate(rate))
    }

    /// Requests in flight to all hosts at one address, at most [`CONCURRENCY_MAX`]. There is no limit by default. With a
    /// proxy this does not apply.
    pub fn address_concurrency(mut self, requests: usize) -> Self {
        self.settings.site.address_concurrency = Some(requests);
        self.check(in_range(requests, CONCURRENCY_MAX))
    }

    /// Time limit for connect, TLS, the first byte and each stall, at most [`TIMEOUT_MAX`]. A whole fetch may take five
    /// times as long.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.settings.timeout = timeout;
        let is_valid = !timeout.is_zero() && timeout <= TIMEOUT_MAX;
        self.check(if is_valid { Ok(()) } else { Err(OptionError::Timeout(timeout)) })
    }

    /// Levels of sitemap indexes to follow. A root sitemap is level 0.
    pub fn max_depth(mut self, levels: u16) -> Self {
        self.scope.max_depth = Some(levels);
        self
    }

    /// Sitemaps to accept per host.
    pub fn max_sitemaps(mut self, sitemaps: u64) -> Self {
        self.scope.max_sitemaps = Some(sitemaps);
        self
    }

    /// Children to take from each index.
    pub fn max_children(mut self, children: u64) -> Self {
        self.scope.max_children = Some(children);
        self
    }

    /// Hosts to accept of each [`Site`](frontier::Site), besides those of the seeds.
    pub fn max_hosts_per_site(mut self, hosts: u64) -> Self {
        self.scope.max_hosts_per_site = Some(hosts);
        self
    }

    /// Fetches only nested sitemaps whose URL matches this pattern, or another one given.
    pub fn include(mut self, pattern: impl Into<String>) -> Self {
        self.scope.include.push(pattern.into());
        self
    }

    /// Fetches no nested sitemap whose URL matches this pattern.
    pub fn exclude(mut self, pattern: impl Into<String>) -> Self {
        self.scope.exclude.push(pattern.into());
        self
    }

    /// When the well-known sitemap paths are tried.
    pub fn probe(mut self, probe: Probe) -> Self {
        self.scope.probe = Some(probe);
        self
    }

    /// The User-Agent. The rules of robots.txt are matched against the part before the slash.
    pub fn user_agent(mut self, name: impl Into<String>) -> Self {
        self.user_agent = Some(name.into());
        self
    }

    /// Page or mail address where site owners can reach you. It is added to the User-Agent.
    pub fn contact(mut self, contact: impl Into<String>) -> Self {
        self.contact = Some(contact.into());
        self
    }

    /// Adds a header of the form `Name: value`, which is sent only to the hosts of the seeds.
    pub fn header(mut self, line: &str) -> Self {
        self.headers += 1;
        let added = add_header(&mut self.settings.headers, line);
        let number = self.headers;
        self.check(added.ok_or(OptionError::Header(number)))
    }

    /// Sends all requests through this proxy.
    pub fn proxy(mut self, url: &str) -> Self {
        match reqwest::Proxy::all(url) {
            Ok(proxy) => {
                self.settings.network.proxy = Proxy::Url(Box::new(proxy));
                self
            }
            Err(_) => self.check(Err(OptionError::Proxy)),
        }
    }

    /// Uses the proxies that the environment names: `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`. Without this, the
    /// environment is not read.
    pub fn system_proxy(mut self) -> Self {
        self.settings.network.proxy = Proxy::System;
        self
    }

    /// Also trusts the certificates in this PEM file.
    pub fn ca_cert(mut self, path: impl Into<PathBuf>) -> Self {
        self.settings.network.ca_cert = Some(path.into());
        self
    }

    /// Connects elsewhere for chosen hosts. The first rule that matches applies.
    pub fn connect_to(mut self, rule: ConnectTo) -> Self {
        self.settings.network.connect_to.push(rule);
        self
    }

    /// Uses this DNS server.
    pub fn resolver(mut self, server: SocketAddr) -> Self {
        self.settings.network.resolver = Some(server);
        self
    }

    /// Whether requests to private, loopback and link-local addresses are allowed.
    pub fn allow_private(mut self, is_allowed: bool) -> Self {
        self.settings.network.allow_private = is_allowed;
        self
    }

    /// The checked settings. Fails with the first invalid option.
    pub(crate) fn settings(&mut self) -> Result<Settings, OptionError> {
        if let Some(invalid) = self.invalid.take() {
            return Err(invalid);
        }
        // The patterns are compiled before anything is created.
        self.scope.over(Scope::default())?;
        let mut settings = std::mem::take(&mut self.settings);
        settings.identity = self.identity()?;
        Ok(settings)
    }

    /// Whether a User-Agent or a contact was given.
    #[cfg(feature = "shared")]
    pub(crate) fn has_identity(&self) -> bool {
        self.user_agent.is_some() || self.contact.is_some()
    }

    fn identity(&self) -> Result<Identity, OptionError> {
        let contact = self.contact.as_ref().map(|contact| format!(" (+{contact})")).unwrap_or_default();
        let name = self.user_agent.as_deref().unwrap_or(defaults::USER_AGENT);
        let user_agent = format!("{name}{contact}");
        Identity::of(&user_agent).ok_or(OptionError::UserAgent(user_agent))
    }

    /// Remembers the first error.
    fn check(mut self, checked: Result<(), OptionError>) -> Self {
        if let Err(error) = checked {
            self.invalid.get_or_insert(error);
        }
        self
    }
}

fn valid_rate(rate: f64) -> Result<(), OptionError> {
    if rate.is_finite() && rate >= 0.0 { Ok(()) } else { Err(OptionError::Rate(rate)) }
}

/// Checks a number of requests in flight.
pub(crate) fn in_range(found: usize, max: u16) -> Result<(), OptionError> {
    if (1..=usize::from(max)).contains(&found) {
        Ok(())
    } else {
        Err(OptionError::Concurrency { found, max })
    }
}

fn add_header(headers: &mut HeaderMap, line: &str) -> Option<()> {
    let (name, value) = line.split_once(':')?;
    let name: HeaderName = name.trim().parse().ok()?;
    let mut value: HeaderValue = value.trim().parse().ok()?;
    value.set_sensitive(true);
    headers.append(name, value);
    Some(())
}
