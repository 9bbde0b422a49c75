//! The flags, checked and completed once; everything else sees these alone.

use std::collections::BTreeMap;
use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use frontier::scope::{Probe, Scope, ScopeError, patterns};
use frontier::seed::Seed;
use frontier::{NewTask, TaskId, robots};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::json;

use crate::cli::args::{ConnectionArgs, CrawlArgs, PaceArgs, ProbeArg, ScopeArgs, SeedArgs};
use crate::cli::output;
use crate::fetch::ConnectTo;

/// How a session crawls.
pub struct Settings {
    /// Requests per second and host; 0 is no limit.
    pub rate: f64,
    /// Requests in flight in all.
    pub concurrency: usize,
    /// Requests in flight per host.
    pub host_concurrency: usize,
    /// Connections open at once, those kept between requests included.
    pub connections_max: usize,
    /// Bounds each stage of a request.
    pub timeout: Duration,
    /// Who we say we are.
    pub identity: Identity,
    /// Sent to the seeds' own hosts.
    pub headers: HeaderMap,
    /// `--proxy`, credentials included.
    pub proxy: Option<reqwest::Proxy>,
    /// `--ca-cert`.
    pub ca_cert: Option<PathBuf>,
    /// `--connect-to`.
    pub connect_to: Vec<ConnectTo>,
    /// `--resolver`.
    pub resolver: Option<SocketAddr>,
    /// `--allow-private`.
    pub allow_private: bool,
    /// `--strict`.
    pub strict: bool,
}

/// The User-Agent and the token of it that robots.txt files speak to.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The header.
    pub user_agent: HeaderValue,
    /// What stands before the slash.
    pub product_token: String,
}

/// A flag whose value cannot be used; the exit code is that of a usage error.
#[derive(Debug, thiserror::Error)]
pub enum UsageError {
    /// `--user-agent` or `--contact`.
    #[error(
        "{0:?} is no User-Agent: it must be printable ASCII that begins with a name such as my-crawler/1.0"
    )]
    UserAgent(String),
    /// `--header`, by its number; nothing of it is repeated, since without its colon it may be a secret from its start.
    #[error("a header must look like 'Name: value'; that of --header {0} does not")]
    Header(usize),
    /// `--proxy`; the value is not repeated, since it may hold a password.
    #[error("--proxy is no URL of a proxy")]
    Proxy,
    /// `--since`.
    #[error("--since {0:?} is no date such as 2026-01-31 or 2026-01-31T12:00:00Z")]
    Since(String),
    /// `--url` of `parse`.
    #[error("--url {0:?} is no absolute URL")]
    Base(String),
    /// `--include` or `--exclude`.
    #[error(transparent)]
    Scope(#[from] ScopeError),
    /// A line of a seed file.
    #[error("{place}: {reason}")]
    Seed {
        /// File and line, or the flag.
        place: String,
        /// What is wrong.
        reason: String,
    },
    /// A seed file that cannot be read.
    #[error("failed to read seeds from {path}: {reason}")]
    SeedFile {
        /// The file.
        path: String,
        /// Why.
        reason: std::io::Error,
    },
    /// A scope flag other than the crawl was started with.
    #[error(
        "the crawl was started otherwise: {0}; leave the flag out, or start another one in another --data-dir or of another name"
    )]
    ScopeChanged(String),
    /// `--store` without `--output`.
    #[cfg(feature = "shared")]
    #[error(
        "--store needs --output: the entries of a crawl that many machines share must lie where all of them reach \
         them, in s3://bucket/prefix or in file:///folder on a shared mount, not in a data directory of one machine"
    )]
    NoOutput,
    /// No `--store` where there must be one.
    #[cfg(feature = "shared")]
    #[error(
        "--store is missing: the database that the machines of a shared crawl have in common (-o FILE writes a result \
         to a file)"
    )]
    NoStore,
    /// A store with several crawls, and none named.
    #[cfg(feature = "shared")]
    #[error("several crawls are in the store: name one with --crawl; there are: {0}")]
    WhichCrawl(String),
    /// Seed files without a single site.
    #[error("no site in the seeds given")]
    NoSeeds,
}

impl Settings {
    /// Checks what was typed.
    pub fn from_args(args: &CrawlArgs) -> Result<Self, UsageError> {
        let PaceArgs { rate, concurrency, host_concurrency, timeout } = args.pace;
        let connection = &args.connection;
        Ok(Self {
            rate,
            concurrency: concurrency.into(),
            host_concurrency: host_concurrency.into(),
            connections_max: concurrency.into(),
            timeout: Duration::from_secs_f64(timeout),
            identity: Identity::from_args(connection)?,
            headers: headers(&connection.headers)?,
            proxy: connection.proxy.as_deref().map(proxy).transpose()?,
            ca_cert: connection.ca_cert.clone(),
            connect_to: connection.connect_to.clone(),
            resolver: connection.resolver,
            allow_private: connection.allow_private,
            strict: args.strict,
        })
    }

    /// Takes over what all workers of a shared crawl have in common, from what [`Self::for_report`] gave where it was
    /// started.
    #[cfg(feature = "shared")]
    pub fn take_over(&mut self, common: &serde_json::Value, takes_identity: bool) {
        if let Some(rate) = common["rate"].as_f64() {
            self.rate = rate;
        }
        if let Some(host_concurrency) = common["host_concurrency"].as_u64() {
            self.host_concurrency = usize::try_from(host_concurrency).unwrap_or(usize::MAX);
        }
        let user_agent = common["user_agent"].as_str().and_then(|text| Identity::of(text).ok());
        if let Some(identity) = user_agent.filter(|_| takes_identity) {
            self.identity = identity;
        }
    }

    /// The time between two starts of a host; zero is no limit.
    pub fn spacing(&self) -> Duration {
        if self.rate > 0.0 { Duration::from_secs_f64(1.0 / self.rate.max(1e-6)) } else { Duration::ZERO }
    }

    /// What a report tells of this session; nothing secret.
    pub fn for_report(&self) -> serde_json::Value {
        json!({
            "rate": self.rate,
            "concurrency": self.concurrency,
            "host_concurrency": self.host_concurrency,
            "timeout_s": self.timeout.as_secs_f64(),
            "user_agent": self.identity.user_agent.to_str().unwrap_or_default(),
        })
    }
}

impl Identity {
    fn from_args(args: &ConnectionArgs) -> Result<Self, UsageError> {
        let contact = args.contact.as_ref().map(|contact| format!(" (+{contact})")).unwrap_or_default();
        let name =
            args.user_agent.as_deref().unwrap_or(concat!("sitemap-crawler/", env!("CARGO_PKG_VERSION")));
        Self::of(&format!("{name}{contact}"))
    }

    fn of(text: &str) -> Result<Self, UsageError> {
        let product_token = robots::product_token(text).to_owned();
        match HeaderValue::from_str(text) {
            Ok(user_agent) if text.is_ascii() && !product_token.is_empty() => {
                Ok(Self { user_agent, product_token })
            }
            _ => Err(UsageError::UserAgent(text.to_owned())),
        }
    }
}

fn headers(lines: &[String]) -> Result<HeaderMap, UsageError> {
    let mut headers = HeaderMap::new();
    for (index, line) in lines.iter().enumerate() {
        let wrong = || UsageError::Header(index + 1);
        let (name, value) = line.split_once(':').ok_or_else(wrong)?;
        let name: HeaderName = name.trim().parse().map_err(|_| wrong())?;
        let mut value: HeaderValue = value.trim().parse().map_err(|_| wrong())?;
        value.set_sensitive(true);
        headers.append(name, value);
    }
    Ok(headers)
}

fn proxy(url: &str) -> Result<reqwest::Proxy, UsageError> {
    reqwest::Proxy::all(url).map_err(|_| UsageError::Proxy)
}

/// `base`, a default or remembered scope, with what was typed now in its place.
pub fn scope(args: &ScopeArgs, base: Scope) -> Result<Scope, UsageError> {
    let typed = |texts: &[String], base| if texts.is_empty() { Ok(base) } else { patterns(texts) };
    let probe = args.probe.map(|probe| match probe {
        ProbeArg::Auto => Probe::Auto,
        ProbeArg::Always => Probe::Always,
        ProbeArg::Never => Probe::Never,
    });
    Ok(Scope {
        max_depth: args.max_depth.unwrap_or(base.max_depth),
        max_sitemaps: args.max_sitemaps.unwrap_or(base.max_sitemaps),
        max_children: args.max_children.unwrap_or(base.max_children),
        include: typed(&args.include, base.include)?,
        exclude: typed(&args.exclude, base.exclude)?,
        probe: probe.unwrap_or(base.probe),
    })
}

/// The first tasks of all seeds, each once.
pub fn seeds(args: &SeedArgs) -> Result<Vec<NewTask>, UsageError> {
    let mut found = BTreeMap::new();
    for (index, url) in args.seed.iter().enumerate() {
        take(url, &format!("--seed {}", index + 1), &mut found)?;
    }
    for path in &args.seeds {
        let text = read_seeds(path).map_err(|reason| UsageError::SeedFile { path: shown(path), reason })?;
        for (index, line) in text.lines().enumerate() {
            take(line, &format!("{}:{}", shown(path), index + 1), &mut found)?;
        }
    }
    if found.is_empty() { Err(UsageError::NoSeeds) } else { Ok(found.into_values().collect()) }
}

fn take(line: &str, place: &str, found: &mut BTreeMap<TaskId, NewTask>) -> Result<(), UsageError> {
    let wrong = |error: frontier::seed::SeedError| UsageError::Seed {
        place: place.to_owned(),
        reason: error.to_string(),
    };
    if let Some(seed) = Seed::parse(line).map_err(wrong)? {
        if seed.had_credentials {
            output::note(&format!(
                "note: {place}: name and password of the seed are left out; they are never sent"
            ));
        }
        let task = seed.task();
        found.insert(task.task.id, task);
    }
    Ok(())
}

fn shown(path: &Path) -> String {
    if path.as_os_str() == "-" { "stdin".to_owned() } else { path.display().to_string() }
}

fn read_seeds(path: &Path) -> std::io::Result<String> {
    if path.as_os_str() != "-" {
        return std::fs::read_to_string(path);
    }
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    Ok(text)
}
