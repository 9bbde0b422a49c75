//! A web by plan: what each of its hosts and pages answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use frontier::{Host, NewTask, Seed};
use http::HeaderMap;
use http::header::{HeaderName, HeaderValue, LOCATION, RETRY_AFTER};
use tokio::sync::Notify;

use super::random::Random;
use crate::fetch::GetRequest;
use crate::simulation::{Fault, Reply, Sites};

/// A request that fails so often never succeeds.
pub const ALWAYS: u32 = 1_000;
/// The longest Crawl-delay that is obeyed, in seconds.
pub const CRAWL_DELAY_S_MAX: u32 = 60;
/// The longest cooldown that is waited for, in seconds. A host that asks for more is parked.
pub const COOLDOWN_S_MAX: u64 = 120;

/// A web. Page `n` is `/n` on its host. Its parent names it, or the robots.txt of its host.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    pub hosts: Vec<HostPlan>,
    pub pages: Vec<Page>,
    /// The pages that each page names.
    pub children: Vec<Vec<usize>>,
    /// The pages that the robots.txt of each host names.
    pub roots: Vec<Vec<usize>>,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct HostPlan {
    /// Whether it is known only from a document, and not from a seed.
    pub is_foreign: bool,
    pub robots: Robots,
    pub crawl_delay_s: Option<u32>,
    pub latency_ms: u64,
    /// Time that a new connection takes.
    pub connecting_ms: u64,
}

/// What a host answers to requests for its robots.txt.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Robots {
    #[default]
    Found,
    /// 404. Then `/sitemap.xml` names the pages that robots.txt would.
    Missing,
    /// 403, which means the same as 404.
    Forbidden,
    /// Redirects to another path of the host.
    Moved,
    /// Fails this many times, then is found.
    FailsFirst(u32, Failure),
    /// Redirects to another host: to the robots.txt of that host, or to a file there that is meant for this one.
    MovedAway { to: usize, is_its_own: bool },
}

/// What a crawl learns from the robots.txt of a host.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rules {
    /// The rules and sitemaps of this host.
    Of(usize),
    /// There are none.
    Absent,
    Unreachable,
}

#[derive(Clone, Debug)]
pub struct Page {
    pub host: usize,
    pub parent: Option<usize>,
    /// A second page that names it.
    pub also_named_by: Option<usize>,
    pub answer: Answer,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    Document,
    /// Fails this many times, then is a document.
    FailsFirst(u32, Failure),
    Missing,
    /// Asks once for a cooldown of this many seconds, with this status.
    CoolsDownFirst(u16, u64),
    /// Redirects to another path of the host.
    Moved,
    /// Redirects to this other host.
    MovedAway(usize),
    /// Redirects to a path of the host that its robots.txt forbids, if the host has one.
    MovedToDisallowed,
    /// Redirects to this page of the host.
    SameAs(usize),
    /// Its robots.txt forbids it, if the host has one.
    Disallowed,
    /// A page for people.
    NotASitemap,
}

/// How a request fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failure {
    ServerError,
    /// 503 without a word of when to come back.
    Unavailable,
    NoAddress,
    NoConnection,
    NoTls,
    CutShort,
    /// Never answers.
    Silent,
    /// Sends the head of the response and no more.
    Stalls,
}

impl Failure {
    const ALL: [Self; 8] = [
        Self::ServerError,
        Self::Unavailable,
        Self::NoAddress,
        Self::NoConnection,
        Self::NoTls,
        Self::CutShort,
        Self::Silent,
        Self::Stalls,
    ];

    /// Any failure so many times. One that is not tried again happens always: otherwise it would count how often.
    fn any<T>(random: &mut Random, times: &[u32], fails: impl Fn(u32, Self) -> T) -> T {
        let failure = random.of(&Self::ALL);
        fails(if failure.is_final() { ALWAYS } else { random.of(times) }, failure)
    }

    /// Whether it is not tried again, because it would only repeat or cost as much time again.
    pub fn is_final(self) -> bool {
        matches!(self, Self::NoTls | Self::Silent | Self::Stalls)
    }
}

/// A URL of the web.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    Robots,
    MovedRobots,
    /// The robots.txt of this host, on another one.
    RobotsFor(usize),
    /// The sitemap of a host without robots.txt.
    Sitemap,
    Page(usize),
    /// Where a page has moved to.
    MovedPage(usize),
    Nothing,
}

impl Plan {
    /// The web of these hosts and pages.
    pub fn new(hosts: Vec<HostPlan>, pages: Vec<Page>) -> Self {
        let (mut children, mut roots) = (vec![Vec::new(); pages.len()], vec![Vec::new(); hosts.len()]);
        for (n, page) in pages.iter().enumerate() {
            match page.parent {
                Some(parent) => children[parent].push(n),
                None => roots[page.host].push(n),
            }
            if let Some(parent) = page.also_named_by {
                children[parent].push(n);
            }
        }
        Self { hosts, pages, children, roots }
    }

    /// A small web in which every kind of host and answer is likely.
    pub fn small(random: &mut Random) -> Self {
        let hosts = (0..=random.index(7)).map(|n| HostPlan {
            is_foreign: n > 0 && random.percent(50),
            robots: match random.below(10) {
                0 => Robots::Missing,
                1 => Robots::Forbidden,
                2 => Robots::Moved,
                3 => Failure::any(random, &[2], Robots::FailsFirst),
                4 => Failure::any(random, &[ALWAYS], Robots::FailsFirst),
                _ => Robots::Found,
            },
            crawl_delay_s: match random.below(7) {
                0 | 1 => Some(1 + random.below(19) as u32),
                2 => Some(CRAWL_DELAY_S_MAX + 1),
                _ => None,
            },
            latency_ms: [0, 1 + random.below(200), 500 + random.below(7_500)][random.index(3)],
            connecting_ms: random.of(&[0, 30, 900]),
        });
        let mut hosts: Vec<HostPlan> = hosts.collect();
        move_robots_away(random, &mut hosts, 25);
        let count = 1 + random.index(59);
        Self::new(hosts.clone(), pages(random, &hosts, count, 40))
    }

    /// A large web, most of whose answers are documents.
    pub fn large(random: &mut Random, hosts: usize, pages_of_host: usize) -> Self {
        let hosts = (0..hosts).map(|n| HostPlan {
            is_foreign: n > 0 && random.percent(5),
            robots: match random.below(40) {
                0 => Robots::Missing,
                1 => Robots::Forbidden,
                2 => Robots::Moved,
                3 => Robots::FailsFirst(2, Failure::Unavailable),
                4 => Robots::FailsFirst(ALWAYS, Failure::Silent),
                _ => Robots::Found,
            },
            crawl_delay_s: match random.below(100) {
                0 => Some(CRAWL_DELAY_S_MAX + 1),
                1..60 => Some(1 + random.below(60) as u32),
                _ => None,
            },
            latency_ms: [20, 200, 2_000, 8_000][random.index(4)],
            connecting_ms: random.of(&[30, 300]),
        });
        let mut hosts: Vec<HostPlan> = hosts.collect();
        move_robots_away(random, &mut hosts, 5);
        let count = hosts.len() * pages_of_host;
        Self::new(hosts.clone(), pages(random, &hosts, count, 10))
    }

    /// The tasks of the seeds.
    pub fn seeds(&self) -> Vec<NewTask> {
        let seeds = (0..self.hosts.len()).filter(|&host| !self.hosts[host].is_foreign);
        seeds.map(|host| Seed::parse(&origin(host)).unwrap().unwrap().task()).collect()
    }

    /// The URL of a page.
    pub fn url(&self, page: usize) -> String {
        let private = if self.pages[page].answer == Answer::Disallowed { "/private" } else { "" };
        format!("{}{private}/{page}", origin(self.pages[page].host))
    }

    /// Where a page has moved to on `host`.
    pub fn moved_url(&self, page: usize, host: usize) -> String {
        let private = if self.pages[page].answer == Answer::MovedToDisallowed { "/private" } else { "" };
        format!("{}{private}/{page}-moved", origin(host))
    }

    /// The number of the host of `url`.
    pub fn host_of(url: &str) -> usize {
        let name = url.strip_prefix("https://h").unwrap();
        name[..name.find('.').unwrap()].parse().unwrap()
    }

    /// What is at `url`.
    pub fn place(&self, url: &str) -> Place {
        let path = &url[origin(Self::host_of(url)).len() + 1..];
        match path {
            "robots.txt" => Place::Robots,
            "moved-robots.txt" => Place::MovedRobots,
            "sitemap.xml" => Place::Sitemap,
            path if path.starts_with("robots-for-") => {
                let number = path.trim_start_matches("robots-for-").trim_end_matches(".txt");
                Place::RobotsFor(number.parse().unwrap())
            }
            path => {
                let path = path.trim_start_matches("private/");
                let (number, is_moved) = match path.strip_suffix("-moved") {
                    Some(number) => (number, true),
                    None => (path, false),
                };
                match number.parse() {
                    Ok(page) if is_moved => Place::MovedPage(page),
                    Ok(page) => Place::Page(page),
                    Err(_) => Place::Nothing,
                }
            }
        }
    }

    /// The number of entries of a page that names no other.
    pub fn entries(page: usize) -> usize {
        1 + page % 3
    }

    /// The text of a page that is a document.
    fn document(&self, page: usize) -> String {
        if !self.children[page].is_empty() {
            return self.index(&self.children[page]);
        }
        let origin = origin(self.pages[page].host);
        let entries = (0..Self::entries(page)).map(|n| {
            format!("<url><loc>{origin}/article/{page}/{n}</loc><lastmod>2026-11-05</lastmod></url>\n")
        });
        format!(
            "<urlset xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\">\n{}</urlset>",
            entries.collect::<String>()
        )
    }

    fn index(&self, pages: &[usize]) -> String {
        let children =
            pages.iter().map(|&page| format!("<sitemap><loc>{}</loc></sitemap>\n", self.url(page)));
        format!(
            "<sitemapindex xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\">\n{}</sitemapindex>",
            children.collect::<String>()
        )
    }

    fn robots_txt(&self, host: usize) -> String {
        let delay = self.hosts[host].crawl_delay_s.map(|s| format!("Crawl-delay: {s}\n")).unwrap_or_default();
        let roots = self.roots[host].iter().map(|&page| format!("Sitemap: {}\n", self.url(page)));
        format!("User-agent: *\nDisallow: /private/\n{delay}\n{}", roots.collect::<String>())
    }

    fn reply(&self, url: &str, number: u32) -> Reply {
        let host = Self::host_of(url);
        match self.place(url) {
            Place::Robots => match self.hosts[host].robots {
                Robots::Found => text(self.robots_txt(host)),
                Robots::Missing => status(404),
                Robots::Forbidden => status(403),
                Robots::Moved => moved("/moved-robots.txt"),
                Robots::FailsFirst(times, failure) if number < times => {
                    failed(failure, self.robots_txt(host))
                }
                Robots::FailsFirst(..) => text(self.robots_txt(host)),
                Robots::MovedAway { .. } => moved(&self.robots_url(host).unwrap()),
            },
            Place::RobotsFor(waiting) => text(self.robots_txt(waiting)),
            Place::MovedRobots => text(self.robots_txt(host)),
            Place::Sitemap if self.has_sitemap(host) => text(self.index(&self.roots[host])),
            Place::MovedPage(page) => {
                let is_private = self.pages[page].answer == Answer::MovedToDisallowed;
                assert!(
                    !is_private || !self.has_rules(host),
                    "page {page} is disallowed where it has moved to"
                );
                text(self.document(page))
            }
            Place::Page(page) => self.page(page, number),
            Place::Sitemap | Place::Nothing => status(404),
        }
    }

    /// Where the robots.txt of the host has moved to, if that is another host.
    pub fn robots_url(&self, host: usize) -> Option<String> {
        match self.hosts[host].robots {
            Robots::MovedAway { to, is_its_own: true } => Some(format!("{}/robots.txt", origin(to))),
            Robots::MovedAway { to, is_its_own: false } => {
                Some(format!("{}/robots-for-{host}.txt", origin(to)))
            }
            _ => None,
        }
    }

    /// What a crawl learns from the robots.txt of the host. A circle of redirects leads nowhere.
    pub fn rules(&self, host: usize) -> Rules {
        let mut on_the_way = vec![host];
        loop {
            let host = on_the_way[on_the_way.len() - 1];
            return match self.hosts[host].robots {
                Robots::MovedAway { to, is_its_own: true } if on_the_way.contains(&to) => Rules::Absent,
                Robots::MovedAway { to, is_its_own: true } => {
                    on_the_way.push(to);
                    continue;
                }
                Robots::MovedAway { is_its_own: false, .. } => Rules::Of(host),
                Robots::Found | Robots::Moved => Rules::Of(host),
                Robots::Missing | Robots::Forbidden => Rules::Absent,
                Robots::FailsFirst(ALWAYS, _) => Rules::Unreachable,
                Robots::FailsFirst(..) => Rules::Of(host),
            };
        }
    }

    /// Whether the host has a robots.txt that can be read.
    pub fn has_rules(&self, host: usize) -> bool {
        matches!(self.rules(host), Rules::Of(_))
    }

    /// The Crawl-delay that applies to the host.
    pub fn crawl_delay_s(&self, host: usize) -> Option<u32> {
        match self.rules(host) {
            Rules::Of(host) => self.hosts[host].crawl_delay_s,
            Rules::Absent | Rules::Unreachable => None,
        }
    }

    /// Whether the host has no robots.txt and therefore a sitemap where it is looked for.
    pub fn has_sitemap(&self, host: usize) -> bool {
        self.rules(host) == Rules::Absent && !self.roots[host].is_empty()
    }

    fn page(&self, page: usize, number: u32) -> Reply {
        let document = || text(self.document(page));
        match self.pages[page].answer {
            Answer::Document => document(),
            Answer::FailsFirst(times, failure) if number < times => failed(failure, self.document(page)),
            Answer::FailsFirst(..) => document(),
            Answer::Missing => status(404),
            Answer::CoolsDownFirst(code, seconds) if number == 0 => {
                with_header(status(code), RETRY_AFTER, &seconds.to_string())
            }
            Answer::CoolsDownFirst(..) => document(),
            Answer::Moved | Answer::MovedToDisallowed => moved(&self.moved_url(page, self.pages[page].host)),
            Answer::MovedAway(host) => moved(&self.moved_url(page, host)),
            Answer::SameAs(other) => moved(&self.url(other)),
            Answer::Disallowed if self.has_rules(self.pages[page].host) => {
                panic!("page {page} is disallowed")
            }
            Answer::Disallowed => document(),
            Answer::NotASitemap => text("<!doctype html><title>News</title>".to_owned()),
        }
    }
}

/// Moves the robots.txt of so many per cent of the hosts to another one. No way over several hosts is longer than three
/// redirects, so that the limit for them is never reached.
fn move_robots_away(random: &mut Random, hosts: &mut [HostPlan], percent: u64) {
    if hosts.len() < 2 {
        return;
    }
    for host in 0..hosts.len() {
        let (to, is_its_own) = (random.index(hosts.len()), random.percent(70));
        if !random.percent(percent) || to == host {
            continue;
        }
        let before = hosts[host].robots;
        hosts[host].robots = Robots::MovedAway { to, is_its_own };
        let is_long = |first: usize| {
            let mut at = first;
            for _ in 0..3 {
                match hosts[at].robots {
                    Robots::MovedAway { to, is_its_own: true } => at = to,
                    Robots::MovedAway { .. } => return false,
                    _ => return false,
                }
            }
            matches!(hosts[at].robots, Robots::MovedAway { .. }) && at != first
        };
        if (0..hosts.len()).any(is_long) {
            hosts[host].robots = before;
        }
    }
}

/// The origin of a host.
pub fn origin(host: usize) -> String {
    format!("https://h{host}.example")
}

/// The host with this number.
pub fn host(number: usize) -> Host {
    Host::of(&url::Url::parse(&origin(number)).unwrap()).unwrap()
}

/// Random pages, of which so many per cent are no plain documents.
fn pages(random: &mut Random, hosts: &[HostPlan], count: usize, unusual_percent: u64) -> Vec<Page> {
    let mut pages: Vec<Page> = Vec::with_capacity(count);
    for n in 0..count {
        let host = random.index(hosts.len());
        // Most parents are on the same host, as indexes are.
        let is_root = n == 0 || (!hosts[host].is_foreign && random.percent(50));
        let near = if random.percent(80) {
            (0..n).rev().take(3 * hosts.len()).find(|&m| pages[m].host == host)
        } else {
            None
        };
        let parent = (!is_root).then(|| near.unwrap_or_else(|| random.index(n)));
        let also_named_by =
            (n > 0 && random.percent(10)).then(|| random.index(n)).filter(|also| Some(*also) != parent);
        let host = if n == 0 { 0 } else { host };
        let answer = if random.percent(unusual_percent) {
            unusual(random, hosts.len(), host, parent, &pages)
        } else {
            Answer::Document
        };
        pages.push(Page { host, parent, also_named_by, answer });
    }
    pages
}

fn unusual(random: &mut Random, hosts: usize, host: usize, parent: Option<usize>, pages: &[Page]) -> Answer {
    match random.below(10) {
        0 | 1 => Failure::any(random, &[1, 2, ALWAYS], Answer::FailsFirst),
        2 => Answer::Missing,
        3 | 4 => Answer::CoolsDownFirst(random.of(&[429, 503]), 1 + random.below(COOLDOWN_S_MAX - 1)),
        5 if random.percent(20) => Answer::CoolsDownFirst(503, random.of(&[3_600, 100_000])),
        6 if random.percent(30) => Answer::MovedToDisallowed,
        6 => Answer::Moved,
        7 => Answer::MovedAway(random.index(hosts)),
        8 => Answer::Disallowed,
        9 => {
            // The robots.txt that names one of the two names the other too. So which is read first changes no count.
            let is_root = |page: &&usize| pages[**page].host == host && pages[**page].parent.is_none();
            let others: Vec<usize> = (0..pages.len()).collect();
            let other = others.iter().filter(is_root).find(|&&page| pages[page].answer == Answer::Document);
            other.filter(|_| parent.is_none()).map_or(Answer::NotASitemap, |&page| Answer::SameAs(page))
        }
        _ => Answer::NotASitemap,
    }
}

fn status(status: u16) -> Reply {
    Reply { status, ..Reply::default() }
}

fn text(text: String) -> Reply {
    Reply { body: text.into(), ..status(200) }
}

fn moved(to: &str) -> Reply {
    with_header(status(301), LOCATION, to)
}

fn with_header(mut reply: Reply, name: HeaderName, value: &str) -> Reply {
    reply.headers = HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap())]);
    reply
}

fn failed(failure: Failure, whole: String) -> Reply {
    let fault = |fault| Reply { fault: Some(fault), ..text(whole.clone()) };
    match failure {
        Failure::ServerError => status(500),
        Failure::Unavailable => status(503),
        Failure::NoAddress => fault(Fault::NoAddress),
        Failure::NoConnection => fault(Fault::NoConnection),
        Failure::NoTls => fault(Fault::NoTls),
        Failure::CutShort => fault(Fault::CutShort),
        Failure::Silent => Reply { thinking: Duration::MAX, ..text(whole) },
        Failure::Stalls => Reply { sending: Duration::MAX, ..text(whole) },
    }
}

/// The plan as a web, which says when a number of requests has arrived.
pub struct PlannedWeb {
    pub plan: Arc<Plan>,
    pub replies: AtomicUsize,
    /// The number of requests at which to ring.
    pub ring_at: AtomicUsize,
    pub bell: Notify,
}

impl PlannedWeb {
    pub fn new(plan: Arc<Plan>) -> Self {
        Self {
            plan,
            replies: AtomicUsize::new(0),
            ring_at: AtomicUsize::new(usize::MAX),
            bell: Notify::new(),
        }
    }
}

impl Sites for Arc<PlannedWeb> {
    fn reply(&self, request: &GetRequest<'_>, number: u32) -> Reply {
        let replies = self.replies.fetch_add(1, Ordering::Relaxed) + 1;
        if replies == self.ring_at.load(Ordering::Relaxed) {
            self.bell.notify_one();
        }
        let mut reply = self.plan.reply(request.url.as_str(), number);
        let host = &self.plan.hosts[Plan::host_of(request.url.as_str())];
        // Between half of the latency and one and a half of it.
        let mut random = Random(replies as u64 ^ host.latency_ms << 32);
        let latency = host.latency_ms / 2 + random.below(host.latency_ms.max(1));
        reply.thinking = reply.thinking.max(Duration::from_millis(latency));
        reply.connecting = Duration::from_millis(host.connecting_ms);
        reply
    }
}
