//! The settings of a session. [`crate::CrawlBuilder`] checks the options once and turns them into [`Settings`].

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use frontier::{Pace, robots};
use http::{HeaderMap, HeaderValue};

use crate::fetch::ConnectTo;
use crate::options::defaults;
use crate::remembered::SessionOptions;

/// How a session crawls.
pub struct Settings {
    /// Requests per second and host. 0 means no limit.
    pub rate: f64,
    /// Requests in flight over all hosts.
    pub concurrency: usize,
    /// Requests in flight per host.
    pub host_concurrency: usize,
    /// The pace of sites and addresses.
    pub site: SitePace,
    /// Open connections, including idle ones.
    pub connections_max: usize,
    /// Time limit of each stage of a request.
    pub timeout: Duration,
    /// Our User-Agent.
    pub identity: Identity,
    /// Extra headers, sent only to the hosts of the seeds.
    pub headers: HeaderMap,
    /// How to reach hosts.
    pub network: Network,
}

/// The pace of all hosts of one [`Site`](frontier::Site), and of all hosts at one address.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct SitePace {
    /// Requests in flight per site. `None` means [`defaults::SITE_CONCURRENCY`], or as many as for one host if that is more.
    pub concurrency: Option<usize>,
    /// Requests per second and site. 0 means no limit.
    pub rate: f64,
    /// Requests in flight per address. `None` means no limit.
    pub address_concurrency: Option<usize>,
}

/// How hosts are reached.
#[derive(Default)]
pub struct Network {
    /// The proxy for all requests.
    pub proxy: Proxy,
    /// `--ca-cert`.
    pub ca_cert: Option<PathBuf>,
    /// `--connect-to`.
    pub connect_to: Vec<ConnectTo>,
    /// `--resolver`.
    pub resolver: Option<SocketAddr>,
    /// `--allow-private`.
    pub allow_private: bool,
}

/// Which proxy requests are sent through.
#[derive(Clone, Debug, Default)]
pub enum Proxy {
    /// None.
    #[default]
    None,
    /// Those that the environment names.
    System,
    /// This one. It may include credentials.
    Url(Box<reqwest::Proxy>),
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            rate: defaults::RATE,
            concurrency: defaults::CONCURRENCY.into(),
            host_concurrency: defaults::HOST_CONCURRENCY.into(),
            site: SitePace::default(),
            connections_max: defaults::CONCURRENCY.into(),
            timeout: defaults::TIMEOUT,
            identity: Identity::default(),
            headers: HeaderMap::new(),
            network: Network::default(),
        }
    }
}

/// The User-Agent, and the product token in it that robots.txt files refer to.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The header.
    pub user_agent: HeaderValue,
    /// The part before the slash.
    pub product_token: String,
}

impl Settings {
    /// Takes over what all workers of a shared crawl have in common from the worker that started it.
    #[cfg(any(feature = "shared", fuzzing))]
    pub fn take_over(&mut self, common: &SessionOptions, takes_identity: bool) {
        self.rate = common.rate;
        self.host_concurrency = common.host_concurrency;
        self.site = SitePace {
            concurrency: Some(common.site_concurrency),
            rate: common.site_rate,
            address_concurrency: Some(common.address_concurrency).filter(|requests| *requests > 0),
        };
        if let Some(identity) = Identity::of(&common.user_agent).filter(|_| takes_identity) {
            self.identity = identity;
        }
    }

    /// How fast hosts and sites are asked.
    pub fn pace(&self) -> Pace {
        Pace {
            spacing: spacing(self.rate),
            host_concurrency: self.host_concurrency,
            site_spacing: spacing(self.site.rate),
            site_concurrency: self.site_concurrency(),
        }
    }

    fn site_concurrency(&self) -> usize {
        let default = usize::from(defaults::SITE_CONCURRENCY).max(self.host_concurrency);
        self.site.concurrency.unwrap_or(default)
    }

    /// The options that the crawl remembers, and that a report shows.
    pub(crate) fn options(&self) -> SessionOptions {
        SessionOptions {
            rate: self.rate,
            concurrency: self.concurrency,
            host_concurrency: self.host_concurrency,
            site_concurrency: self.site_concurrency(),
            site_rate: self.site.rate,
            address_concurrency: self.site.address_concurrency.unwrap_or(0),
            timeout_s: self.timeout.as_secs_f64(),
            user_agent: self.identity.user_agent.to_str().unwrap_or_default().to_owned(),
        }
    }
}

/// The time between the starts of two requests at `rate` per second. Zero means no limit.
fn spacing(rate: f64) -> Duration {
    if rate > 0.0 { Duration::from_secs_f64(1.0 / rate.max(1e-6)) } else { Duration::ZERO }
}

impl Default for Identity {
    fn default() -> Self {
        let user_agent = HeaderValue::from_static(defaults::USER_AGENT);
        Self { user_agent, product_token: robots::product_token(defaults::USER_AGENT).to_owned() }
    }
}

impl Identity {
    /// The identity with the User-Agent `text`. `None` unless `text` is printable ASCII that begins with a product token.
    pub fn of(text: &str) -> Option<Self> {
        let product_token = robots::product_token(text).to_owned();
        let user_agent = HeaderValue::from_str(text).ok()?;
        (text.is_ascii() && !product_token.is_empty()).then_some(Self { user_agent, product_token })
    }
}
